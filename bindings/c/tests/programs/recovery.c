/* A killed child's message is given back on request, and what every consumer dies of goes to the dead letters. */
#include "check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static dmxp_region *region;
static const char *region_name;

/* A child that opens its own handles, claims as it is told, says so, and waits to be killed. */
static pid_t holder(const char *channel, int writes)
{
    int ready[2];
    char said = 0;
    CHECK(pipe(ready) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dmxp_region *own = open_region(region_name);
        dmxp_channel_options options = channel_named(channel, 0);
        dmxp_producer *producer;
        dmxp_consumer *consumer;
        dmxp_claim claim;
        dmxp_message message;
        /* Nobody is left to kill it if the test fails. */
        alarm(60);
        options.open_only = 1;
        if (writes) {
            OK(dmxp_producer_open(own, &options, &producer));
            OK(dmxp_producer_claim(producer, 1, DMXP_NO_WAIT, &claim));
        } else {
            OK(dmxp_consumer_open(own, &options, &consumer));
            OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
        }
        CHECK(write(ready[1], "!", 1) == 1);
        for (;;) {
            pause();
        }
    }
    close(ready[1]);
    CHECK(read(ready[0], &said, 1) == 1);
    close(ready[0]);
    return child;
}

static void end(pid_t child)
{
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, NULL, 0) == child);
}

static dmxp_recovery_info recover(int dry_run)
{
    dmxp_recover_options options;
    dmxp_recovery *recovery;
    dmxp_recovery_info info;
    memset(&options, 0, sizeof options);
    options.dry_run = dry_run != 0;
    OK(dmxp_region_recover(region, &options, &recovery));
    OK(dmxp_recovery_get_info(recovery, &info));
    CHECK(info.dry_run == (dry_run != 0));
    CHECK((info.clean != 0) == (strcmp(dmxp_recovery_text(recovery), "nothing to recover") == 0));
    OK(dmxp_recovery_destroy(recovery));
    return info;
}

static void report(void)
{
    dmxp_channel_options options = channel_named("report", 4);
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    dmxp_recover_options dry;
    dmxp_recovery *foretold;
    dmxp_recovery_info info;
    dmxp_channel_recovery channel;
    dmxp_channel_info now;
    dmxp_message message;
    uint32_t pid = 0;
    size_t count = 0;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_producer_send(producer, "x", 1, DMXP_NO_WAIT));
    CHECK(recover(0).clean);
    pid_t child = holder("report", 0);
    CHECK(recover(0).clean); /* The living are left alone. */
    end(child);

    memset(&dry, 0, sizeof dry);
    dry.dry_run = 1;
    OK(dmxp_region_recover(region, &dry, &foretold));
    OK(dmxp_recovery_get_info(foretold, &info));
    CHECK(!info.clean && info.dry_run && !info.tables_repaired);
    CHECK(info.dead_processes == 1 && info.dead_consumers == 1 && info.dead_producers == 0);
    CHECK(info.channels == 1 && info.returned == 1 && info.aborted == 0 && info.dropped == 0 && info.deferred == 0);
    OK(dmxp_recovery_list_processes(foretold, &pid, 1, &count));
    CHECK(count == 1 && pid == (uint32_t)child);
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_recovery_list_processes(foretold, NULL, 1, &count));
    SAYS("`pids` is NULL");
    OK(dmxp_recovery_list_processes(foretold, NULL, 0, &count));
    CHECK(count == 1);
    OK(dmxp_recovery_list_channels(foretold, &channel, 1, &count));
    CHECK(count == 1 && strcmp(channel.name, "report") == 0);
    CHECK(channel.returned == 1 && channel.dead_consumers == 1 && channel.dead_producers == 0);
    CHECK(strstr(dmxp_recovery_text(foretold), "nothing was changed") == dmxp_recovery_text(foretold));
    CHECK(strstr(dmxp_recovery_text(foretold), "1 messages returned") != NULL);
    OK(dmxp_region_get_channel(region, channel.id, &now));
    CHECK(now.recovered == 0);
    OK(dmxp_recovery_destroy(foretold));
    OK(dmxp_recovery_destroy(NULL));

    info = recover(0);
    CHECK(!info.clean && info.dead_processes == 1 && info.returned == 1 && info.dead_consumers == 1);
    CHECK(recover(0).clean);
    OK(dmxp_consumer_open(region, &options, &consumer));
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    CHECK(message.len == 1 && message.metadata.redelivered == 1 && message.metadata.flags == 0);
    OK(dmxp_consumer_release(consumer, &message));
    OK(dmxp_region_get_channel(region, channel.id, &now));
    CHECK(now.recovered == 1 && now.redelivered == 1 && now.aborted == 0 && now.dropped == 0);
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(consumer));
}

static void dead_letters(void)
{
    dmxp_channel_options options = channel_named("poisoned", 4);
    dmxp_channel_options graves = channel_named("graves", 0);
    dmxp_producer *producer;
    dmxp_consumer *consumer, *undertaker;
    dmxp_message message;
    dmxp_channel_info info;
    options.redelivery_limit = 1;
    options.dead_letters = "graves";
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_producer_send(producer, "poison", 6, DMXP_NO_WAIT));
    for (int death = 0; death < 2; death++) {
        end(holder("poisoned", 0));
        CHECK(recover(0).dead_consumers == 1);
    }
    OK(dmxp_consumer_open(region, &options, &consumer));
    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    graves.open_only = 1;
    OK(dmxp_consumer_open(region, &graves, &undertaker));
    OK(dmxp_consumer_recv(undertaker, DMXP_NO_WAIT, &message));
    CHECK(message.len == 6 && memcmp(message.data, "poison", 6) == 0);
    CHECK(message.metadata.flags & DMXP_FLAG_DEAD_LETTER);
    OK(dmxp_region_find_channel(region, "poisoned", &info));
    CHECK(message.metadata.channel_id == info.id && message.metadata.message_id == 1);
    CHECK(info.dead_lettered == 1 && info.dropped == 0 && info.redelivered == 1 && info.recovered == 2);
    CHECK(info.redelivery_limit == 1 && info.dead_consumers == DMXP_DELIVER_AGAIN);
    CHECK(strcmp(info.dead_letters, "graves") == 0);
    OK(dmxp_consumer_release(undertaker, &message));
    OK(dmxp_consumer_destroy(undertaker));
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_producer_destroy(producer));
}

static void policies(void)
{
    dmxp_channel_options options = channel_named("dropping", 4);
    dmxp_producer *producer, *other;
    dmxp_consumer *consumer;
    dmxp_message message;
    dmxp_channel_info info;
    options.dead_consumers = DMXP_DROP;
    options.redelivery_limit = -1;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_producer_send(producer, "x", 1, DMXP_NO_WAIT));
    end(holder("dropping", 0));
    dmxp_recovery_info done = recover(0);
    CHECK(done.dropped == 1 && done.returned == 0);
    OK(dmxp_region_find_channel(region, "dropping", &info));
    CHECK(info.dropped == 1 && info.dead_consumers == DMXP_DROP && info.redelivery_limit == 0);
    CHECK(info.dead_letters[0] == '\0');

    /* No redelivery at all: what is given back is dropped as well. */
    OK(dmxp_consumer_open(region, &options, &consumer));
    OK(dmxp_producer_send(producer, "y", 1, DMXP_NO_WAIT));
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    OK(dmxp_consumer_give_back(consumer, &message));
    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    OK(dmxp_consumer_destroy(consumer));

    options.dead_consumers = DMXP_DELIVER_AGAIN;
    ANSWERS(DMXP_CHANNEL_MISMATCH, dmxp_producer_open(region, &options, &other));
    options.dead_consumers = 3;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_open(region, &options, &other));
    SAYS("DMXP_DELIVER_AGAIN");
    options.dead_consumers = 0;
    options.redelivery_limit = 3;
    ANSWERS(DMXP_CHANNEL_MISMATCH, dmxp_producer_open(region, &options, &other));
    options.redelivery_limit = -2;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_open(region, &options, &other));
    SAYS("-1 for never");
    options.redelivery_limit = 13;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_open(region, &options, &other));
    OK(dmxp_producer_destroy(producer));
}

static void blockages(void)
{
    dmxp_channel_options options = channel_named("blocked", 4);
    dmxp_producer *producer;
    dmxp_blockage found[2];
    char text[256], wanted[64];
    size_t count = 9, len = 9;
    OK(dmxp_region_list_blockages(region, found, 2, &count));
    CHECK(count == 0);
    OK(dmxp_region_describe_blockages(region, text, sizeof text, &len));
    CHECK(len == 0 && text[0] == '\0');

    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_producer_send(producer, "x", 1, DMXP_NO_WAIT));
    dmxp_consumer *consumer;
    OK(dmxp_consumer_open(region, &options, &consumer));
    dmxp_message message;
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    OK(dmxp_consumer_release(consumer, &message));
    pid_t child = holder("blocked", 1);
    OK(dmxp_region_list_blockages(region, found, 2, &count));
    CHECK(count == 1 && strcmp(found[0].name, "blocked") == 0 && found[0].position == 1);
    CHECK(found[0].blocked == DMXP_BLOCKED_CONSUMERS && found[0].obstacle == DMXP_OBSTACLE_WRITING);
    CHECK(found[0].holder_pid == (uint32_t)child && found[0].holder_thread == (uint32_t)child);
    CHECK(found[0].holder_state == DMXP_HOLDER_RUNNING);
    CHECK(found[0].age_ns == 0 && found[0].waiters == 0 && found[0].waiter_pids[0] == 0);
    OK(dmxp_region_list_blockages(region, NULL, 0, &count));
    CHECK(count == 1);
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_list_blockages(region, NULL, 1, &count));
    SAYS("`blockages` is NULL");
    ANSWERS(DMXP_BUFFER_TOO_SMALL, dmxp_region_describe_blockages(region, NULL, 0, &len));
    OK(dmxp_region_describe_blockages(region, text, sizeof text, &count));
    CHECK(count == len && strlen(text) == len);
    snprintf(wanted, sizeof wanted, "for process %d,", (int)child);
    CHECK(strstr(text, "`blocked`") != NULL && strstr(text, wanted) != NULL);

    /* Who has waited for a tick has noted since when. */
    ANSWERS(DMXP_TIMEOUT, dmxp_consumer_recv(consumer, DMXP_MILLISECONDS(200), &message));
    OK(dmxp_region_list_blockages(region, found, 2, &count));
    CHECK(count == 1 && found[0].age_ns > 0);
    end(child);
    CHECK(recover(0).aborted == 1);
    OK(dmxp_region_list_blockages(region, found, 2, &count));
    CHECK(count == 0);
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_producer_destroy(producer));
}

static void mistakes(void)
{
    dmxp_recover_options options;
    dmxp_recovery *recovery = (dmxp_recovery *)&options;
    dmxp_recovery_info info;
    dmxp_region_options where;
    dmxp_region *looking;
    size_t count;
    memset(&options, 0, sizeof options);
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_recover(NULL, &options, &recovery));
    CHECK(recovery == NULL);
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_recover(region, NULL, NULL));
    options.reserved[13] = 1;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_recover(region, &options, &recovery));
    SAYS("reserved");
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_recovery_get_info(NULL, &info));
    CHECK(dmxp_recovery_text(NULL) == NULL);

    memset(&where, 0, sizeof where);
    where.name = region_name;
    OK(dmxp_region_open_read_only(&where, &looking));
    ANSWERS(DMXP_READ_ONLY, dmxp_region_recover(looking, NULL, &recovery));
    CHECK(recovery == NULL);
    OK(dmxp_region_list_blockages(looking, NULL, 0, &count));
    OK(dmxp_region_close(looking));
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    region_name = argv[1];
    region = open_region(region_name);
    report();
    dead_letters();
    policies();
    blockages();
    mistakes();
    OK(dmxp_region_close(region));
    return 0;
}
