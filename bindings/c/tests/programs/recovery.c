/* What the dead leave is given back on request or by policy, and who waits for whom is named. */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static dmxp_region *region;
static const char *region_name;

/* What a child does with a channel. */
enum { READS, WRITES, WAITS };

/* A child that opens its own handles, claims as it is told, says so, and waits to be killed. One that waits says so before. */
static pid_t holder(const char *channel, int does)
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
        dmxp_message message = DMXP_MESSAGE_INIT;
        /* Nobody is left to kill it if the test fails. */
        alarm(60);
        options.open_only = 1;
        if (does == WRITES) {
            OK(dmxp_producer_open(own, &options, &producer));
            OK(dmxp_producer_claim(producer, 1, DMXP_NO_WAIT, &claim));
        } else {
            OK(dmxp_consumer_open(own, &options, &consumer));
            if (does == READS) {
                OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
            }
        }
        CHECK(write(ready[1], "!", 1) == 1);
        if (does == WAITS) {
            dmxp_consumer_recv(consumer, DMXP_FOREVER, &message);
        }
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
    dmxp_recovery_info info = DMXP_RECOVERY_INFO_INIT;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
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
    dmxp_recovery_info info = DMXP_RECOVERY_INFO_INIT;
    dmxp_channel_recovery channel = DMXP_CHANNEL_RECOVERY_INIT;
    dmxp_channel_info now = DMXP_CHANNEL_INFO_INIT;
    dmxp_message message = DMXP_MESSAGE_INIT;
    uint32_t pid = 0;
    size_t count = 0;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_producer_send(producer, "x", 1, DMXP_NO_WAIT));
    CHECK(recover(0).clean);
    pid_t child = holder("report", READS);
    CHECK(recover(0).clean); /* The living are left alone. */
    end(child);

    memset(&dry, 0, sizeof dry);

    dry.struct_size = sizeof dry;
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
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_channel_info info = DMXP_CHANNEL_INFO_INIT;
    options.redelivery_limit = 1;
    options.dead_letters = "graves";
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_producer_send(producer, "poison", 6, DMXP_NO_WAIT));
    for (int death = 0; death < 2; death++) {
        end(holder("poisoned", READS));
        CHECK(recover(0).dead_consumers == 1);
    }
    OK(dmxp_consumer_open(region, &options, &consumer));
    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    graves.open_only = 1;
    OK(dmxp_consumer_open(region, &graves, &undertaker));
    OK(dmxp_consumer_recv(undertaker, DMXP_NO_WAIT, &message));
    CHECK(message.len == 6 && memcmp(message.data, "poison", 6) == 0);
    CHECK(message.metadata.flags & DMXP_FLAG_DEAD_LETTER);
    CHECK(message.metadata.flags == 4); /* The format's number, which cannot change. */
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
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_channel_info info = DMXP_CHANNEL_INFO_INIT;
    options.dead_consumers = DMXP_DROP;
    options.redelivery_limit = -1;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_producer_send(producer, "x", 1, DMXP_NO_WAIT));
    end(holder("dropping", READS));
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

static void expiry(void)
{
    dmxp_channel_options options = channel_named("expiring", 4);
    dmxp_producer *producer, *other;
    dmxp_consumer *consumer;
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_channel_info info = DMXP_CHANNEL_INFO_INIT;
    const struct timespec longer = {0, 60000000};
    options.expiry_ns = 50000000;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));
    OK(dmxp_producer_send(producer, "old", 3, DMXP_NO_WAIT));
    nanosleep(&longer, NULL);
    OK(dmxp_producer_send(producer, "new", 3, DMXP_NO_WAIT));
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    CHECK(message.len == 3 && memcmp(message.data, "new", 3) == 0);
    OK(dmxp_consumer_release(consumer, &message));
    OK(dmxp_region_find_channel(region, "expiring", &info));
    CHECK(info.expired == 1 && info.expiry_ns == 50000000 && info.dropped == 0);
    options.expiry_ns = 1;
    ANSWERS(DMXP_CHANNEL_MISMATCH, dmxp_producer_open(region, &options, &other));
    SAYS("expiry");
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_producer_destroy(producer));
}

static void priorities(void)
{
    dmxp_channel_options options = channel_named("orders", 4);
    dmxp_producer *producer, *high, *none;
    dmxp_consumer *consumer;
    dmxp_message message = DMXP_MESSAGE_INIT, messages[4] = {DMXP_MESSAGE_INIT};
    dmxp_batch batch;
    dmxp_claim claim;
    dmxp_channel_info info = DMXP_CHANNEL_INFO_INIT;
    OK(dmxp_producer_open(region, &options, &producer));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_high(producer, &none));
    SAYS("no priorities");
    OK(dmxp_region_find_channel(region, "orders", &info));
    CHECK(info.high_id == -1);
    OK(dmxp_producer_destroy(producer));

    options = channel_named("urgent orders", 4);
    options.priorities = 1;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_producer_high(producer, &high));
    OK(dmxp_consumer_open(region, &options, &consumer));
    OK(dmxp_producer_send(producer, "a", 1, DMXP_NO_WAIT));
    OK(dmxp_producer_claim(high, 1, DMXP_NO_WAIT, &claim));
    memcpy(claim.data, "A", 1);
    OK(dmxp_producer_publish(high, &claim));
    OK(dmxp_producer_send(high, "B", 1, DMXP_NO_WAIT));
    OK(dmxp_consumer_recv_batch(consumer, messages, 4, DMXP_NO_WAIT, &batch));
    CHECK(batch.count == 2 && memcmp(messages[0].data, "A", 1) == 0 && memcmp(messages[1].data, "B", 1) == 0);
    CHECK(messages[1].metadata.flags == DMXP_FLAG_HIGH && messages[1].metadata.message_id == 2);
    OK(dmxp_region_find_channel(region, "urgent orders", &info));
    CHECK(info.high_id == (int32_t)messages[0].metadata.channel_id && info.tail == 1);
    OK(dmxp_region_get_channel(region, messages[0].metadata.channel_id, &info));
    CHECK(info.tail == 2 && info.head == 2 && strcmp(info.name, "urgent orders") == 0);
    OK(dmxp_consumer_release_batch(consumer, &batch));
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    CHECK(memcmp(message.data, "a", 1) == 0 && message.metadata.flags == 0);
    OK(dmxp_consumer_release(consumer, &message));
    OK(dmxp_producer_close(producer));
    ANSWERS(DMXP_CLOSED, dmxp_producer_send(high, "C", 1, DMXP_NO_WAIT));
    options.priorities = -1;
    ANSWERS(DMXP_CHANNEL_MISMATCH, dmxp_producer_open(region, &options, &none));
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_producer_destroy(producer));
}

static void blockages(void)
{
    dmxp_channel_options options = channel_named("blocked", 4);
    dmxp_producer *producer;
    dmxp_blockage found[2] = {DMXP_BLOCKAGE_INIT};
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
    dmxp_message message = DMXP_MESSAGE_INIT;
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    OK(dmxp_consumer_release(consumer, &message));
    pid_t child = holder("blocked", WRITES);
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
    CHECK(count == 1 && found[0].age_ns > 0 && found[0].waiters == 0);
    pid_t waiter = holder("blocked", WAITS);
    for (double since = now_ms(); found[0].waiters == 0 && now_ms() - since < 10000;) {
        OK(dmxp_region_list_blockages(region, found, 2, &count));
    }
    CHECK(count == 1 && found[0].waiters == 1);
    CHECK(found[0].waiter_pids[0] == (uint32_t)waiter && found[0].waiter_pids[1] == 0);
    end(waiter);
    end(child);
    CHECK(recover(0).aborted == 1);
    OK(dmxp_region_list_blockages(region, found, 2, &count));
    CHECK(count == 0);
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_producer_destroy(producer));
}

static void *send_one(void *producer)
{
    OK(dmxp_producer_send((dmxp_producer *)producer, "x", 1, DMXP_FOREVER));
    return NULL;
}

static void slow_subscriber(void)
{
    dmxp_channel_options options = channel_named("news", 2);
    dmxp_producer *producer;
    dmxp_consumer *slow;
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_blockage found = DMXP_BLOCKAGE_INIT;
    pthread_t thread;
    size_t count;
    int32_t status;
    options.delivery = DMXP_BROADCAST;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &slow));
    do {
        status = dmxp_producer_send(producer, "x", 1, DMXP_NO_WAIT);
    } while (status == DMXP_OK);
    CHECK(status == DMXP_FULL);
    OK(dmxp_region_list_blockages(region, &found, 1, &count));
    CHECK(count == 0); /* Nobody waits. */
    CHECK(pthread_create(&thread, NULL, send_one, producer) == 0);
    for (double since = now_ms(); count == 0 && now_ms() - since < 10000;) {
        OK(dmxp_region_list_blockages(region, &found, 1, &count));
    }
    CHECK(count == 1 && strcmp(found.name, "news") == 0 && found.position == 0);
    CHECK(found.blocked == DMXP_BLOCKED_PRODUCERS && found.obstacle == DMXP_OBSTACLE_SUBSCRIBER);
    CHECK(found.obstacle == 6); /* Part of the binary interface. */
    CHECK(found.holder_pid == (uint32_t)getpid() && found.waiters == 1 && found.waiter_pids[0] == (uint32_t)getpid());
    OK(dmxp_consumer_recv(slow, DMXP_NO_WAIT, &message));
    OK(dmxp_consumer_release(slow, &message));
    CHECK(pthread_join(thread, NULL) == 0);
    OK(dmxp_consumer_destroy(slow));
    OK(dmxp_producer_destroy(producer));
}

/* Numbers in the region's file, at the places that docs/MEMORY_LAYOUT.md gives. */
static uint64_t stored(uint64_t place, size_t size)
{
    uint64_t number = 0;
    int file = open(dmxp_region_path(region), O_RDONLY);
    CHECK(file >= 0 && pread(file, &number, size, (off_t)place) == (ssize_t)size);
    close(file);
    return number;
}

static void store(uint64_t place, uint64_t number, size_t size)
{
    int file = open(dmxp_region_path(region), O_WRONLY);
    CHECK(file >= 0 && pwrite(file, &number, size, (off_t)place) == (ssize_t)size);
    close(file);
}

/* Where the record of a producer is that a thread has opened. */
static uint64_t producer_of(pid_t thread)
{
    uint64_t control = stored(56, 8);
    uint64_t place = control + stored(control + 32, 8);
    for (uint64_t left = stored(control + 20, 4); left > 0; left--, place += 256) {
        if (stored(place, 8) != 0 && stored(place + 12, 4) == 1 && stored(place + 28, 4) == (uint64_t)thread) {
            return place;
        }
    }
    CHECK(!"there is a record");
    return 0;
}

static void force(void)
{
    enum { ENTRY = 128 + 3 * 384, TAIL = ENTRY + 128, HEAD = ENTRY + 256 };
    dmxp_channel_options options = channel_named(NULL, 4);
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_blockage found = DMXP_BLOCKAGE_INIT;
    dmxp_recover_options forced;
    dmxp_recovery *recovery;
    dmxp_recovery_info info = DMXP_RECOVERY_INFO_INIT;
    dmxp_channel_recovery channel = DMXP_CHANNEL_RECOVERY_INIT;
    size_t count;
    options.channel_id = 3;
    options.v1_peers = 1;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));
    OK(dmxp_producer_send(producer, "claimed by v1", 13, DMXP_NO_WAIT));
    /* What a v1 program does that moves a cursor and dies. */
    store(HEAD, stored(HEAD, 8) + 1, 8);
    store(TAIL, stored(TAIL, 8) + 1, 8);
    CHECK(recover(0).clean); /* Nobody can know that it is dead. */
    OK(dmxp_region_list_blockages(region, &found, 1, &count));
    CHECK(count == 1 && found.channel_id == 3 && found.position == 1 && found.name[0] == '\0');
    CHECK(found.obstacle == DMXP_OBSTACLE_UNEXPLAINED && found.holder_pid == 0);
    CHECK(found.holder_state == DMXP_HOLDER_NONE && found.holder_thread == 0);

    memset(&forced, 0, sizeof forced);

    forced.struct_size = sizeof forced;
    forced.force = 1;
    OK(dmxp_region_recover(region, &forced, &recovery));
    OK(dmxp_recovery_get_info(recovery, &info));
    CHECK(!info.clean && !info.dry_run && info.aborted == 1 && info.returned == 1 && info.dead_processes == 0);
    OK(dmxp_recovery_list_channels(recovery, &channel, 1, &count));
    CHECK(count == 1 && channel.id == 3 && channel.aborted == 1 && channel.returned == 1);
    OK(dmxp_recovery_destroy(recovery));
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    CHECK(message.len == 13 && message.metadata.redelivered == 1);
    OK(dmxp_consumer_release(consumer, &message));
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_producer_destroy(producer));
}

/* A dead claim waits for a living one that may be on the same position. */
static void deferred(void)
{
    dmxp_channel_options options = channel_named("deferred", 4);
    const uint64_t trying_position_0 = UINT64_C(1) << 62 | UINT64_C(1) << 46;
    dmxp_producer *producer;
    dmxp_recovery *recovery;
    dmxp_recovery_info info = DMXP_RECOVERY_INFO_INIT;
    dmxp_channel_recovery channel = DMXP_CHANNEL_RECOVERY_INIT;
    size_t count;
    OK(dmxp_producer_open(region, &options, &producer));
    pid_t child = holder("deferred", WRITES);
    store(producer_of(child) + 64, trying_position_0, 8);
    store(producer_of(getpid()) + 64, trying_position_0, 8);
    end(child);
    OK(dmxp_region_recover(region, NULL, &recovery));
    OK(dmxp_recovery_get_info(recovery, &info));
    CHECK(!info.clean && info.deferred == 1 && info.dead_producers == 0 && info.aborted == 0 && info.dead_processes == 1);
    OK(dmxp_recovery_list_channels(recovery, &channel, 1, &count));
    CHECK(count == 1 && channel.deferred == 1 && strcmp(channel.name, "deferred") == 0);
    CHECK(strstr(dmxp_recovery_text(recovery), "1 handles left, try again") != NULL);
    OK(dmxp_recovery_destroy(recovery));
    store(producer_of(getpid()) + 64, 0, 8);
    info = recover(0);
    CHECK(info.deferred == 0 && info.dead_producers == 1 && info.aborted == 1);
    OK(dmxp_producer_destroy(producer));
}

static void removed_and_damaged(void)
{
    dmxp_channel_options options = channel_named("removed", 4);
    dmxp_channel_info channel = DMXP_CHANNEL_INFO_INIT;
    dmxp_producer *producer;
    dmxp_recovery *recovery;
    dmxp_recovery_info info = DMXP_RECOVERY_INFO_INIT;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_region_find_channel(region, "removed", &channel));
    pid_t child = holder("removed", WRITES);
    OK(dmxp_region_remove_channel(region, channel.id, 1));
    CHECK(recover(0).clean);
    end(child);
    info = recover(0);
    CHECK(!info.clean && info.removed_channels == 1 && info.damaged_channels == 0);
    ANSWERS(DMXP_CHANNEL_NOT_FOUND, dmxp_region_get_channel(region, channel.id, &channel));

    options.name = "damaged";
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_region_find_channel(region, "damaged", &channel));
    uint64_t state = stored(56, 8) + 1024 + channel.id * 512 + 8;
    CHECK(stored(state, 4) == 2);
    store(state, 99, 4);
    OK(dmxp_region_recover(region, NULL, &recovery));
    OK(dmxp_recovery_get_info(recovery, &info));
    CHECK(!info.clean && info.damaged_channels == 1 && info.channels == 0 && info.removed_channels == 0);
    CHECK(strstr(dmxp_recovery_text(recovery), "is in state 99") != NULL);
    OK(dmxp_recovery_destroy(recovery));
    store(state, 2, 4);
    CHECK(recover(0).clean);

    /* Somebody has died while changing the tables. */
    store(stored(56, 8) + 12, 1, 4);
    info = recover(0);
    CHECK(!info.clean && info.tables_repaired);
    CHECK(recover(0).clean);
}

static void states_of_holders(void)
{
    dmxp_channel_options options = channel_named("states", 4);
    dmxp_producer *producer;
    dmxp_blockage found = DMXP_BLOCKAGE_INIT;
    size_t count;
    int status;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_producer_destroy(producer));
    pid_t child = holder("states", WRITES);
    uint64_t control = stored(56, 8);
    uint64_t record = control + stored(control + 24, 8) + 64 * stored(producer_of(child) + 8, 4);
    uint64_t started = stored(record + 24, 8);
    CHECK(stored(record + 8, 4) == (uint64_t)child && started != 0);
#define HOLDER_IS(expected) \
    do { \
        OK(dmxp_region_list_blockages(region, &found, 1, &count)); \
        CHECK(count == 1 && found.holder_pid == (uint32_t)child && found.holder_state == (expected)); \
    } while (0)
    HOLDER_IS(DMXP_HOLDER_RUNNING);
    store(record + 24, started + 1, 8); /* Its pid is another process's here. */
    HOLDER_IS(DMXP_HOLDER_UNKNOWN);
    store(record + 24, started, 8);
    CHECK(kill(child, SIGSTOP) == 0);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    HOLDER_IS(DMXP_HOLDER_STOPPED);
    end(child);
    HOLDER_IS(DMXP_HOLDER_DEAD);
    CHECK(recover(0).aborted == 1);
}

static void mistakes(void)
{
    dmxp_recover_options options;
    dmxp_recovery *recovery = (dmxp_recovery *)&options;
    dmxp_recovery_info info = DMXP_RECOVERY_INFO_INIT;
    dmxp_region_options where;
    dmxp_region *looking;
    size_t count;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_recover(NULL, &options, &recovery));
    CHECK(recovery == NULL);
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_recover(region, NULL, NULL));
    options.reserved[5] = 1;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_recover(region, &options, &recovery));
    SAYS("reserved");
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_recovery_get_info(NULL, &info));
    CHECK(dmxp_recovery_text(NULL) == NULL);

    memset(&where, 0, sizeof where);

    where.struct_size = sizeof where;
    where.name = region_name;
    OK(dmxp_region_open_read_only(&where, &looking));
    ANSWERS(DMXP_READ_ONLY, dmxp_region_recover(looking, NULL, &recovery));
    CHECK(recovery == NULL);
    OK(dmxp_region_list_blockages(looking, NULL, 0, &count));
    OK(dmxp_region_close(looking));
}

/* The end of a stream comes after what a dead consumer held. */
static void closing(void)
{
    dmxp_channel_options options = channel_named("closing", 4);
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    dmxp_message message = DMXP_MESSAGE_INIT;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));
    OK(dmxp_producer_send(producer, "job 100", 7, DMXP_NO_WAIT));
    end(holder("closing", READS));
    OK(dmxp_producer_close(producer));
    OK(dmxp_consumer_recv(consumer, DMXP_FOREVER, &message));
    CHECK(message.len == 7 && memcmp(message.data, "job 100", 7) == 0 && message.metadata.redelivered == 1);
    OK(dmxp_consumer_release(consumer, &message));
    ANSWERS(DMXP_CLOSED, dmxp_consumer_recv(consumer, DMXP_FOREVER, &message));
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_producer_destroy(producer));
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    region_name = argv[1];
    region = open_region(region_name);
    report();
    closing();
    dead_letters();
    policies();
    expiry();
    priorities();
    blockages();
    slow_subscriber();
    force();
    deferred();
    removed_and_damaged();
    states_of_holders();
    mistakes();
    OK(dmxp_region_close(region));
    return 0;
}
