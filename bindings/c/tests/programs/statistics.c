/* What is sent and received, refused and lost, is counted by channel and by handle, for whoever looks. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *region_name;
static dmxp_region *looking; /* Read-only. */

static uint64_t epoch_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int is_zero(const uint8_t *bytes, size_t count)
{
    while (count > 0 && bytes[count - 1] == 0) {
        count--;
    }
    return count == 0;
}

static uint32_t id_of(const char *channel)
{
    dmxp_channel_info info = DMXP_CHANNEL_INFO_INIT;
    OK(dmxp_region_find_channel(looking, channel, &info));
    return info.id;
}

static void counts(dmxp_region *region)
{
    dmxp_channel_options options = channel_named("log", 4), lossy = channel_named("prices", 4);
    dmxp_producer *producer, *quiet;
    dmxp_consumer *consumer, *slow, *fast;
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_channel_statistics log = DMXP_CHANNEL_STATISTICS_INIT, all[2] = {DMXP_CHANNEL_STATISTICS_INIT};
    dmxp_handle_statistics handles[3] = {DMXP_HANDLE_STATISTICS_INIT};
    size_t count = 0;
    const uint64_t before = epoch_ns();
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));
    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    for (size_t size = 1; size <= 4; size++) {
        OK(dmxp_producer_send(producer, "xxxx", size, DMXP_NO_WAIT));
    }
    ANSWERS(DMXP_FULL, dmxp_producer_send(producer, "x", 1, DMXP_NO_WAIT));
    ANSWERS(DMXP_TIMEOUT, dmxp_producer_send(producer, "x", 1, DMXP_MILLISECONDS(20)));
    for (int round = 0; round < 3; round++) {
        OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
        OK(dmxp_consumer_release(consumer, &message));
    }
    OK(dmxp_region_get_statistics(looking, id_of("log"), &log, NULL, 0));
    CHECK(log.last_error == DMXP_OK && log.last_error_ns == 0);
    OK(dmxp_producer_close(producer));
    ANSWERS(DMXP_CLOSED, dmxp_producer_send(producer, "x", 1, DMXP_NO_WAIT));

    memset(handles, 0xff, sizeof handles);
    handles[0].struct_size = sizeof handles[0];
    OK(dmxp_region_get_statistics(looking, id_of("log"), &log, handles, 3));
    CHECK(log.id == id_of("log") && strcmp(log.name, "log") == 0 && log.capacity == 4);
    CHECK(log.sent == 4 && log.sent_bytes == 10 && log.received == 3 && log.received_bytes == 6);
    /* A message, and the position that the late send claimed and gave up. */
    CHECK(log.refused == 2 && log.empty == 1 && log.fill == 2 && log.highest_fill == 4);
    CHECK(log.aborted == 0 && log.redelivered == 0 && log.dropped == 0 && log.dead_lettered == 0);
    CHECK(log.expired == 0 && log.recovered == 0 && is_zero(log.reserved, sizeof log.reserved));
    CHECK(log.last_error == DMXP_CLOSED && log.last_error_ns >= before && log.last_error_ns <= epoch_ns());
    CHECK(log.handles == 2 && handles[2].pid == UINT32_MAX); /* No more is written than there is. */
    CHECK(handles[0].role == DMXP_ROLE_PRODUCER && handles[0].messages == 4 && handles[0].bytes == 10);
    CHECK(handles[0].in_vain == 2 && handles[0].highest_fill == 4 && handles[0].last_error == DMXP_CLOSED);
    CHECK(handles[0].last_error_ns == log.last_error_ns);
    CHECK(handles[1].role == DMXP_ROLE_CONSUMER && handles[1].messages == 3 && handles[1].bytes == 6);
    CHECK(handles[1].in_vain == 1 && handles[1].highest_fill == 0 && handles[1].last_error == DMXP_OK);
    for (int handle = 0; handle < 2; handle++) {
        CHECK(handles[handle].pid == (uint32_t)getpid() && handles[handle].thread == (uint32_t)getpid());
        CHECK(handles[handle].state == DMXP_HOLDER_RUNNING && handles[handle].subscription == 0);
        CHECK(handles[handle].opened_ns >= before && handles[handle].opened_ns <= epoch_ns());
        CHECK(handles[handle].position == 0 && is_zero(handles[handle].reserved, sizeof handles[handle].reserved));
    }
    memset(handles, 0xff, sizeof handles);
    handles[0].struct_size = sizeof handles[0];
    OK(dmxp_region_get_statistics(looking, id_of("log"), &log, handles, 1));
    CHECK(log.handles == 2 && handles[0].messages == 4 && handles[1].pid == UINT32_MAX);

    lossy.delivery = DMXP_BROADCAST;
    OK(dmxp_producer_open(region, &lossy, &quiet));
    OK(dmxp_consumer_open(region, &lossy, &slow));
    lossy.subscription = DMXP_LOSSY;
    OK(dmxp_consumer_open(region, &lossy, &fast));
    for (int round = 0; round < 3; round++) {
        OK(dmxp_producer_send(quiet, "xy", 2, DMXP_NO_WAIT));
        OK(dmxp_consumer_recv(fast, DMXP_NO_WAIT, &message));
        OK(dmxp_consumer_release(fast, &message));
    }
    OK(dmxp_consumer_recv(slow, DMXP_NO_WAIT, &message));
    OK(dmxp_consumer_release(slow, &message));
    OK(dmxp_region_get_statistics(looking, id_of("prices"), &log, handles, 3));
    CHECK(log.handles == 3 && log.sent == 3 && log.received == 4 && log.received_bytes == 8);
    CHECK(handles[1].subscription == DMXP_RELIABLE && handles[1].messages == 1 && handles[1].position == 1);
    CHECK(handles[2].subscription == DMXP_LOSSY && handles[2].messages == 3 && handles[2].position == 0);

    OK(dmxp_region_list_statistics(looking, all, 2, &count));
    CHECK(count == 2 && all[0].id < all[1].id);
    CHECK(strcmp(all[1].name, "log") == 0 && all[1].sent == 4 && strcmp(all[0].name, "prices") == 0 && all[0].sent == 3);
    OK(dmxp_region_list_statistics(looking, NULL, 0, &count));
    CHECK(count == 2);
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_producer_destroy(quiet));
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_consumer_destroy(slow));
    OK(dmxp_consumer_destroy(fast));
    OK(dmxp_region_get_statistics(looking, id_of("log"), &log, NULL, 0));
    CHECK(log.handles == 0 && log.sent == 4 && log.received == 3); /* What they did stays. */
}

static void *send_late(void *producer)
{
    struct timespec late;
    late.tv_sec = 0;
    late.tv_nsec = 50000000;
    nanosleep(&late, NULL);
    OK(dmxp_producer_send((dmxp_producer *)producer, "late", 4, DMXP_NO_WAIT));
    return NULL;
}

/* Those that wait count as those of Rust do: once, when they end with nothing, and not when they get what they waited for. */
static void waiting_calls(dmxp_region *region)
{
    dmxp_channel_options options = channel_named("waits", 2);
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_claim claim;
    dmxp_batch batch;
    dmxp_channel_statistics waits = DMXP_CHANNEL_STATISTICS_INIT;
    pthread_t sender;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));

    CHECK(pthread_create(&sender, NULL, send_late, producer) == 0);
    OK(dmxp_consumer_recv(consumer, DMXP_FOREVER, &message));
    CHECK(pthread_join(sender, NULL) == 0);
    OK(dmxp_consumer_release(consumer, &message));
    OK(dmxp_region_get_statistics(looking, id_of("waits"), &waits, NULL, 0));
    CHECK(waits.sent == 1 && waits.received == 1 && waits.empty == 0 && waits.refused == 0);

    ANSWERS(DMXP_TIMEOUT, dmxp_consumer_recv(consumer, DMXP_MILLISECONDS(90), &message));
    ANSWERS(DMXP_TIMEOUT, dmxp_consumer_recv_batch(consumer, &message, 1, DMXP_MILLISECONDS(1), &batch));
    OK(dmxp_producer_send(producer, "x", 1, DMXP_NO_WAIT));
    OK(dmxp_producer_send(producer, "x", 1, DMXP_NO_WAIT));
    ANSWERS(DMXP_TIMEOUT, dmxp_producer_claim(producer, 1, DMXP_MILLISECONDS(90), &claim));
    OK(dmxp_region_get_statistics(looking, id_of("waits"), &waits, NULL, 0));
    CHECK(waits.empty == 2 && waits.refused == 1 && waits.last_error == DMXP_OK);

    OK(dmxp_consumer_close(consumer));
    OK(dmxp_consumer_recv(consumer, DMXP_FOREVER, &message));
    OK(dmxp_consumer_release(consumer, &message));
    OK(dmxp_consumer_recv(consumer, DMXP_FOREVER, &message));
    OK(dmxp_consumer_release(consumer, &message));
    ANSWERS(DMXP_CLOSED, dmxp_consumer_recv(consumer, DMXP_FOREVER, &message));
    OK(dmxp_region_get_statistics(looking, id_of("waits"), &waits, NULL, 0));
    CHECK(waits.empty == 2 && waits.refused == 1 && waits.received == 3 && waits.last_error == DMXP_CLOSED);
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(consumer));
}

static void other_processes(dmxp_region *region)
{
    dmxp_channel_options options = channel_named("theirs", 8);
    dmxp_producer *producer;
    dmxp_channel_statistics theirs = DMXP_CHANNEL_STATISTICS_INIT;
    dmxp_handle_statistics handle = DMXP_HANDLE_STATISTICS_INIT;
    dmxp_recovery *recovery;
    int ready[2];
    char said = 0;
    CHECK(pipe(ready) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(60);
        dmxp_region *own = open_region(region_name);
        OK(dmxp_producer_open(own, &options, &producer));
        OK(dmxp_producer_send(producer, "12345", 5, DMXP_NO_WAIT));
        CHECK(write(ready[1], "!", 1) == 1);
        for (;;) {
            pause();
        }
    }
    close(ready[1]);
    CHECK(read(ready[0], &said, 1) == 1);
    close(ready[0]);
    OK(dmxp_region_get_statistics(looking, id_of("theirs"), &theirs, &handle, 1));
    CHECK(theirs.sent == 1 && theirs.sent_bytes == 5 && theirs.handles == 1);
    CHECK(handle.pid == (uint32_t)child && handle.messages == 1 && handle.state == DMXP_HOLDER_RUNNING);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, NULL, 0) == child);
    OK(dmxp_region_get_statistics(region, id_of("theirs"), &theirs, &handle, 1));
    CHECK(theirs.sent == 1 && theirs.handles == 1 && handle.state == DMXP_HOLDER_DEAD && theirs.recovered == 0);
    /* Who is only looking sees no locks, and the pid is gone. */
    OK(dmxp_region_get_statistics(looking, id_of("theirs"), &theirs, &handle, 1));
    CHECK(theirs.sent == 1 && theirs.handles == 1 && handle.state == DMXP_HOLDER_UNKNOWN && theirs.recovered == 0);
    OK(dmxp_region_recover(region, NULL, &recovery));
    OK(dmxp_recovery_destroy(recovery));
    OK(dmxp_region_get_statistics(looking, id_of("theirs"), &theirs, &handle, 1));
    CHECK(theirs.sent == 1 && theirs.sent_bytes == 5 && theirs.handles == 0 && theirs.recovered == 1);
}

static void mistakes(void)
{
    dmxp_channel_statistics statistics = DMXP_CHANNEL_STATISTICS_INIT;
    dmxp_producer *producer;
    dmxp_channel_options options = channel_named("mistakes", 4);
    size_t count = 9;
    memset(&statistics, 0xff, sizeof statistics);
    statistics.struct_size = sizeof statistics;
    ANSWERS(DMXP_CHANNEL_NOT_FOUND, dmxp_region_get_statistics(looking, 0, &statistics, NULL, 0));
    CHECK(statistics.sent == 0 && statistics.name[0] == '\0');
    ANSWERS(DMXP_CHANNEL_NOT_FOUND, dmxp_region_get_statistics(looking, 256, &statistics, NULL, 0));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_get_statistics(NULL, 0, &statistics, NULL, 0));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_get_statistics(looking, 0, NULL, NULL, 0));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_list_statistics(looking, NULL, 1, &count));
    SAYS("`statistics` is NULL");
    CHECK(count == 0);
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_list_statistics(looking, NULL, 0, NULL));

    dmxp_region *region = open_region(region_name);
    OK(dmxp_producer_open(region, &options, &producer));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_get_statistics(looking, id_of("mistakes"), &statistics, NULL, 1));
    SAYS("`handles` is NULL");
    CHECK(statistics.capacity == 0); /* Nothing where a call fails. */
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_region_close(region));
}

int main(int argc, char **argv)
{
    dmxp_region_options where;
    CHECK(argc == 2);
    region_name = argv[1];
    dmxp_region *region = open_region(region_name);
    memset(&where, 0, sizeof where);
    where.struct_size = sizeof where;
    where.name = region_name;
    OK(dmxp_region_open_read_only(&where, &looking));
    counts(region);
    waiting_calls(region);
    other_processes(region);
    mistakes();
    OK(dmxp_region_close(looking));
    OK(dmxp_region_close(region));
    return 0;
}
