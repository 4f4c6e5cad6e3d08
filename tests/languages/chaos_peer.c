/* The C worker of the chaos test of broadcast and latest channels; see README.md. */
#define _POSIX_C_SOURCE 200809L

#include <dmxp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "draws.h"
#include "numbered.h"

#define PATIENCE DMXP_MILLISECONDS(60000)

/* Messages that one call sends at most, and that one receives. */
#define MOST 4
#define MOST_RECEIVED (4 * MOST)

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* What stands in a ledger where a producer does. */
#define SUBSCRIBED (UINT64_MAX - 0)
#define SENDING (UINT64_MAX - 1)
#define MISSED (UINT64_MAX - 2)
#define TORN (UINT64_MAX - 3)
#define NOTHING (UINT64_MAX - 4)

typedef struct {
    uint64_t producer;
    uint64_t number;
    uint64_t id;
} Entry;

typedef struct {
    dmxp_region *region;
    const char *channel;
    uint64_t name;
    int ledger;
    Draws draws;
} Worker;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void check(int32_t status, const char *what)
{
    if (status != DMXP_OK) {
        fprintf(stderr, "%s: ", dmxp_status_name(status));
        fail(what, dmxp_last_error());
    }
}

static uint64_t below(Worker *worker, uint64_t count)
{
    return draw_word(&worker->draws) % count;
}

/* Time to be killed in. */
static void take_time(Worker *worker)
{
    const struct timespec time = {.tv_nsec = (long)below(worker, 400) * 1000};
    nanosleep(&time, NULL);
}

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* One write(2): a process that is killed leaves all of the entries, or nothing. */
static void note(Worker *worker, const Entry *entries, size_t count)
{
    const size_t bytes = count * sizeof *entries;
    if (write(worker->ledger, entries, bytes) != (ssize_t)bytes) {
        fail("writing the ledger", strerror(errno));
    }
}

/* The id of the last message in the ledger; UINT64_MAX if there is none. */
static uint64_t last_received(const Worker *worker)
{
    Entry entry;
    for (off_t at = lseek(worker->ledger, 0, SEEK_END); at > 0; at -= (off_t)sizeof entry) {
        if (pread(worker->ledger, &entry, sizeof entry, at - (off_t)sizeof entry) != (ssize_t)sizeof entry) {
            fail("reading the ledger", strerror(errno));
        }
        if (entry.producer < NOTHING) {
            return entry.id;
        }
    }
    return UINT64_MAX;
}

static uint64_t check_of(uint64_t producer, uint64_t number, uint64_t k)
{
    return (producer << 13 | producer >> 51) ^ number ^ k;
}

static void fill(Numbered *message, uint64_t producer, uint64_t number)
{
    message->producer = producer;
    message->number = number;
    for (uint64_t k = 0; k < COUNT_OF(message->check); k++) {
        message->check[k] = check_of(producer, number, k);
    }
}

static int is_whole(const Numbered *message)
{
    int whole = 1;
    for (uint64_t k = 0; k < COUNT_OF(message->check); k++) {
        whole &= message->check[k] == check_of(message->producer, message->number, k);
    }
    return whole;
}

/* Sending. Each way takes the number that comes next, and writes down what it has sent. By claims alone: they tell the ids of their
 * messages, which sending a copy does not. */

static int32_t send_batch(Worker *worker, dmxp_producer *producer, uint64_t *next)
{
    dmxp_claim claims[MOST];
    dmxp_batch batch;
    Entry sent[MOST];
    const size_t count = 1 + below(worker, MOST);
    int32_t status = dmxp_producer_claim_batch(producer, count, sizeof(Numbered), PATIENCE, claims, &batch);
    if (status != DMXP_OK) {
        return status;
    }
    if (below(worker, 2) == 0) {
        take_time(worker);
    }
    for (size_t k = 0; k < count; k++) {
        sent[k] = (Entry){.producer = worker->name, .number = *next + k, .id = claims[k].message_id};
        fill(claims[k].data, worker->name, *next + k);
    }
    status = dmxp_producer_publish_batch(producer, claims, &batch);
    if (status == DMXP_OK) {
        note(worker, sent, count);
        *next += count;
    }
    return status;
}

static int32_t send_one(Worker *worker, dmxp_producer *producer, uint64_t *next)
{
    dmxp_claim claim;
    int32_t status = dmxp_producer_claim(producer, sizeof(Numbered), PATIENCE, &claim);
    if (status != DMXP_OK) {
        return status;
    }
    const Entry sent = {.producer = worker->name, .number = *next, .id = claim.message_id};
    fill(claim.data, worker->name, *next);
    if (below(worker, 2) == 0) {
        take_time(worker);
    }
    status = dmxp_producer_publish(producer, &claim);
    if (status == DMXP_OK) {
        note(worker, &sent, 1);
        *next += 1;
    }
    return status;
}

static int32_t give_one_up(dmxp_producer *producer)
{
    dmxp_claim claim;
    const int32_t status = dmxp_producer_claim(producer, sizeof(Numbered), PATIENCE, &claim);
    return status == DMXP_OK ? dmxp_producer_abort(producer, &claim) : status;
}

static int32_t publish(Worker *worker)
{
    const dmxp_channel_options options = {.struct_size = sizeof options,
                                          .name = worker->channel, .schema = NUMBERED_SCHEMA, .open_only = 1};
    dmxp_producer *producer;
    check(dmxp_producer_open(worker->region, &options, &producer), "opening a producer");
    uint64_t next = 0;
    int32_t status = DMXP_OK;
    while (status == DMXP_OK) {
        const Entry sending = {.producer = SENDING, .id = monotonic_ns()};
        note(worker, &sending, 1);
        const uint64_t way = below(worker, 5);
        if (way == 0) {
            status = give_one_up(producer);
        }
        if (status == DMXP_OK) {
            status = way < 2 ? send_batch(worker, producer, &next) : send_one(worker, producer, &next);
        }
    }
    dmxp_producer_destroy(producer);
    return status;
}

/* Receiving. A message is written down before it is let go of. */

static void note_received(Worker *worker, const dmxp_message *messages, size_t count)
{
    Entry entries[2 * MOST_RECEIVED];
    size_t written = 0;
    for (size_t i = 0; i < count; i++) {
        const Numbered *message = messages[i].data;
        const dmxp_metadata *metadata = &messages[i].metadata;
        if (metadata->missed > 0) {
            entries[written++] = (Entry){.producer = MISSED, .number = metadata->missed};
        }
        entries[written++] = is_whole(message)
                                 ? (Entry){.producer = message->producer, .number = message->number, .id = metadata->message_id}
                                 : (Entry){.producer = TORN};
    }
    note(worker, entries, written);
}

static int32_t follow_batch(Worker *worker, dmxp_consumer *consumer)
{
    dmxp_message messages[MOST_RECEIVED] = {DMXP_MESSAGE_INIT};
    dmxp_batch batch;
    const size_t most = 1 + below(worker, MOST_RECEIVED);
    const int32_t status = dmxp_consumer_recv_batch(consumer, messages, most, PATIENCE, &batch);
    if (status != DMXP_OK) {
        return status;
    }
    if (below(worker, 4) == 0) {
        take_time(worker);
    }
    note_received(worker, messages, batch.count);
    return dmxp_consumer_release_batch(consumer, &batch);
}

static int32_t follow_one(Worker *worker, dmxp_consumer *consumer)
{
    dmxp_message message = DMXP_MESSAGE_INIT;
    const int32_t status = dmxp_consumer_recv(consumer, PATIENCE, &message);
    if (status != DMXP_OK) {
        return status;
    }
    if (below(worker, 2) == 0) {
        take_time(worker);
    }
    note_received(worker, &message, 1);
    return dmxp_consumer_release(consumer, &message);
}

/* Two, let go of in the other order. */
static int32_t follow_two(Worker *worker, dmxp_consumer *consumer)
{
    dmxp_message first = DMXP_MESSAGE_INIT, second = DMXP_MESSAGE_INIT;
    int32_t status = dmxp_consumer_recv(consumer, PATIENCE, &first);
    if (status != DMXP_OK) {
        return status;
    }
    const int32_t also = dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &second);
    take_time(worker);
    note_received(worker, &first, 1);
    if (also == DMXP_OK) {
        note_received(worker, &second, 1);
        check(dmxp_consumer_release(consumer, &second), "releasing");
    } else if (also != DMXP_EMPTY && also != DMXP_CLOSED) {
        status = also;
    }
    check(dmxp_consumer_release(consumer, &first), "releasing");
    return status;
}

static int32_t follow(Worker *worker, dmxp_consumer *consumer)
{
    switch (below(worker, 4)) {
    case 0:
    case 1:
        return follow_batch(worker, consumer);
    case 2:
        return follow_two(worker, consumer);
    default:
        return follow_one(worker, consumer);
    }
}

static int32_t look(Worker *worker, dmxp_consumer *consumer, int *seen)
{
    dmxp_message message = DMXP_MESSAGE_INIT;
    const int again = below(worker, 3) == 0;
    const int32_t status =
        again ? dmxp_consumer_newest(consumer, &message) : dmxp_consumer_recv(consumer, PATIENCE, &message);
    if (again && status == DMXP_EMPTY) {
        const Entry nothing = {.producer = NOTHING};
        note(worker, &nothing, *seen ? 1 : 0);
        return DMXP_OK;
    }
    if (status != DMXP_OK) {
        return status;
    }
    *seen = 1;
    take_time(worker);
    note_received(worker, &message, 1);
    return dmxp_consumer_release(consumer, &message);
}

static int32_t subscribe(Worker *worker, const char *policy)
{
    const uint64_t last = last_received(worker);
    const int latest = strcmp(policy, "latest") == 0;
    dmxp_channel_options options = {.struct_size = sizeof options,
                                    .name = worker->channel, .schema = NUMBERED_SCHEMA, .open_only = 1};
    Entry subscribed = {.producer = SUBSCRIBED, .number = UINT64_MAX};
    if (!latest) {
        options.subscription = strcmp(policy, "lossy") == 0 ? DMXP_LOSSY : DMXP_RELIABLE;
    }
    if (options.subscription == DMXP_RELIABLE && last != UINT64_MAX) {
        /* The message after the last one: its position is the last one's id. */
        options.start = DMXP_START_POSITION;
        options.start_position = last;
        subscribed.number = last;
    }
    dmxp_consumer *consumer;
    check(dmxp_consumer_open(worker->region, &options, &consumer), "opening a consumer");
    subscribed.id = monotonic_ns();
    note(worker, &subscribed, 1);
    int seen = last != UINT64_MAX;
    int32_t status = DMXP_OK;
    while (status == DMXP_OK) {
        status = latest ? look(worker, consumer, &seen) : follow(worker, consumer);
    }
    dmxp_consumer_destroy(consumer);
    return status;
}

int main(int argc, char **argv)
{
    const int publishes = argc == 6 && strcmp(argv[3], "chaos-publish") == 0;
    const int subscribes = argc == 7 && strcmp(argv[3], "chaos-subscribe") == 0;
    if (!publishes && !subscribes) {
        fail("usage", "chaos_peer REGION CHANNEL COMMAND NAME LEDGER [POLICY], see README.md");
    }
    Worker worker = {.channel = argv[2], .name = strtoull(argv[4], NULL, 10)};
    worker.draws = draws_of(worker.name, 0);
    worker.ledger = open(argv[5], O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (worker.ledger < 0) {
        fail("opening the ledger", strerror(errno));
    }
    const dmxp_region_options options = {.struct_size = sizeof options, .name = argv[1]};
    check(dmxp_region_open(&options, &worker.region), "opening the region");
    const int32_t status = publishes ? publish(&worker) : subscribe(&worker, argv[6]);
    /* Closed: the test has had enough. */
    if (status != DMXP_CLOSED) {
        check(status, argv[3]);
    }
    dmxp_region_close(worker.region);
    return 0;
}
