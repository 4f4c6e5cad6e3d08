/* Broadcast and latest channels, and what handles do while they wait. */
#ifndef _GNU_SOURCE /* C++ compilers say so by themselves. */
#define _GNU_SOURCE /* For RUSAGE_THREAD. */
#endif
#include "check.h"

#include <pthread.h>
#include <sys/resource.h>

static dmxp_region *region;

static dmxp_channel_options channel_of(const char *name, uint64_t capacity, dmxp_delivery delivery)
{
    dmxp_channel_options options = channel_named(name, capacity);
    options.delivery = (uint8_t)delivery;
    return options;
}

static dmxp_producer *sender(const dmxp_channel_options *options)
{
    dmxp_producer *producer;
    OK(dmxp_producer_open(region, options, &producer));
    return producer;
}

static dmxp_consumer *subscriber(const dmxp_channel_options *options)
{
    dmxp_consumer *consumer;
    OK(dmxp_consumer_open(region, options, &consumer));
    return consumer;
}

static void sends(dmxp_producer *producer, uint64_t first, uint64_t end)
{
    for (uint64_t number = first; number < end; number++) {
        uint64_t words[8];
        for (int i = 0; i < 8; i++) {
            words[i] = number * (uint64_t)(i + 1);
        }
        OK(dmxp_producer_send(producer, words, sizeof words, DMXP_NO_WAIT));
    }
}

/* Whether it is the message of that number, and whole. */
static int is(const dmxp_message *message, uint64_t number)
{
    uint64_t words[8];
    if (message->len != sizeof words || message->metadata.message_id != number + 1) {
        return 0;
    }
    memcpy(words, message->data, sizeof words);
    for (int i = 0; i < 8; i++) {
        if (words[i] != number * (uint64_t)(i + 1)) {
            return 0;
        }
    }
    return 1;
}

static void receives(dmxp_consumer *consumer, uint64_t first, uint64_t end)
{
    for (uint64_t number = first; number < end; number++) {
        dmxp_message message = DMXP_MESSAGE_INIT;
        OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
        CHECK(is(&message, number) && message.metadata.missed == 0);
        OK(dmxp_consumer_release(consumer, &message));
    }
}

static uint64_t missed(dmxp_consumer *consumer)
{
    dmxp_handle_info info = DMXP_HANDLE_INFO_INIT;
    OK(dmxp_consumer_get_info(consumer, &info));
    return info.missed;
}

static void removes(const char *name)
{
    OK(dmxp_region_remove_channel_named(region, name, 0));
}

static void everybody_gets_everything(int8_t single)
{
    dmxp_channel_options options = channel_of("all", 8, DMXP_BROADCAST);
    dmxp_channel_info channel = DMXP_CHANNEL_INFO_INIT;
    dmxp_handle_info info = DMXP_HANDLE_INFO_INIT;
    dmxp_message message = DMXP_MESSAGE_INIT, held = DMXP_MESSAGE_INIT;
    dmxp_claim claims[2];
    dmxp_batch batch;
    options.single_producer = single;
    dmxp_producer *producer = sender(&options);
    dmxp_consumer *first = subscriber(&options), *second = subscriber(&options);
    OK(dmxp_region_find_channel(region, "all", &channel));
    CHECK(channel.delivery == DMXP_BROADCAST && channel.single_producer == (single == 1));
    for (uint64_t lap = 0; lap < 10; lap++) {
        sends(producer, 8 * lap, 8 * lap + 8);
        ANSWERS(DMXP_FULL, dmxp_producer_send(producer, &lap, sizeof lap, DMXP_NO_WAIT));
        ANSWERS(DMXP_TIMEOUT, dmxp_producer_send(producer, &lap, sizeof lap, DMXP_MILLISECONDS(1)));
        receives(first, 8 * lap, 8 * lap + 8);
        OK(dmxp_consumer_get_info(second, &info));
        CHECK(info.len == 8 && info.delivery == DMXP_BROADCAST);
        receives(second, 8 * lap, 8 * lap + 8);
        ANSWERS(DMXP_EMPTY, dmxp_consumer_recv(first, DMXP_NO_WAIT, &message));
    }

    /* What a reliable subscriber holds lies in its slot, and nobody overwrites it. */
    sends(producer, 80, 88);
    receives(second, 80, 88);
    OK(dmxp_consumer_recv(first, DMXP_NO_WAIT, &held));
    receives(first, 81, 88);
    ANSWERS(DMXP_FULL, dmxp_producer_send(producer, "x", 1, DMXP_NO_WAIT));
    ANSWERS(DMXP_WOULD_DEADLOCK, dmxp_consumer_recv(first, DMXP_FOREVER, &message));
    CHECK(is(&held, 80));
    OK(dmxp_consumer_release(first, &held));
    sends(producer, 88, 89);

    /* What is given back comes once more, to the one that had it. */
    OK(dmxp_consumer_recv(first, DMXP_NO_WAIT, &message));
    OK(dmxp_consumer_give_back(first, &message));
    receives(first, 88, 89);
    receives(second, 88, 89);

    /* A claim is written where nobody looks before it is published. */
    OK(dmxp_producer_claim_batch(producer, 2, 3, DMXP_NO_WAIT, claims, &batch));
    if (single == 1) {
        ANSWERS(DMXP_TOO_MANY_CLAIMS, dmxp_producer_send(producer, "x", 1, DMXP_NO_WAIT));
    }
    memcpy(claims[0].data, "one", 3);
    memcpy(claims[1].data, "two", 3);
    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv(first, DMXP_NO_WAIT, &message));
    OK(dmxp_producer_publish_batch(producer, NULL, &batch));
    for (int i = 0; i < 2; i++) {
        OK(dmxp_consumer_recv(first, DMXP_NO_WAIT, &message));
        CHECK(message.len == 3 && memcmp(message.data, i == 0 ? "one" : "two", 3) == 0);
        OK(dmxp_consumer_release(first, &message));
    }
    CHECK(missed(first) == 0);
    OK(dmxp_producer_close(producer));
    ANSWERS(DMXP_CLOSED, dmxp_consumer_recv(first, DMXP_FOREVER, &message));
    OK(dmxp_consumer_destroy(first));
    OK(dmxp_consumer_destroy(second));
    OK(dmxp_producer_destroy(producer));
    removes("all");
}

/* Nobody waits for a lossy subscriber. It knows what it missed, and what it has stays what it was. */
static void overrun(int8_t single)
{
    dmxp_channel_options options = channel_of("overrun", 8, DMXP_BROADCAST);
    options.lossy_subscribers = 1;
    dmxp_message held[8] = {DMXP_MESSAGE_INIT}, message = DMXP_MESSAGE_INIT;
    dmxp_batch batch;
    uint64_t next = 0, received = 0;
    int32_t status;
    char small[8];
    size_t len;
    options.single_producer = single;
    dmxp_producer *producer = sender(&options);
    options.subscription = DMXP_LOSSY;
    dmxp_consumer *consumer = subscriber(&options);
    sends(producer, 0, 100);
    while ((status = dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message)) == DMXP_OK) {
        next += message.metadata.missed;
        CHECK(is(&message, next));
        OK(dmxp_consumer_release(consumer, &message));
        next++;
        received++;
    }
    CHECK(status == DMXP_EMPTY && next == 100 && received + missed(consumer) == 100 && received <= 8);

    /* Eight messages held, and each slot overwritten many times meanwhile: they are copies, and stay. */
    for (uint64_t i = 0; i < 8; i++) {
        sends(producer, 100 + i, 101 + i);
        held[i].struct_size = sizeof held[i];
        OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &held[i]));
    }
    sends(producer, 108, 208);
    ANSWERS(DMXP_TOO_MANY_CLAIMS, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    for (uint64_t i = 0; i < 8; i++) {
        CHECK(is(&held[i], 100 + i) && (uintptr_t)held[i].data % 64 == 0);
    }
    OK(dmxp_consumer_release(consumer, &held[3]));
    OK(dmxp_consumer_recv_batch(consumer, &message, 1, DMXP_NO_WAIT, &batch));
    uint64_t one_of_the_last = message.metadata.message_id - 1;
    CHECK(one_of_the_last >= 200 && is(&message, one_of_the_last));
    CHECK(message.metadata.missed == one_of_the_last - 108);
    for (uint64_t i = 0; i < 8; i++) {
        CHECK(i == 3 || is(&held[i], 100 + i));
    }
    CHECK(is(&message, one_of_the_last));
    OK(dmxp_consumer_release_batch(consumer, &batch));
    for (uint64_t i = 0; i < 8; i++) {
        if (i != 3) {
            OK(dmxp_consumer_release(consumer, &held[i]));
        }
    }

    /* A batch is copied message by message; one that does not fit the buffer is had again. */
    while (dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message) == DMXP_OK) {
        OK(dmxp_consumer_release(consumer, &message));
    }
    sends(producer, 208, 212);
    ANSWERS(DMXP_BUFFER_TOO_SMALL, dmxp_consumer_recv_copy(consumer, small, sizeof small, &len, DMXP_NO_WAIT));
    CHECK(len == 64);
    OK(dmxp_consumer_recv_batch(consumer, held, 8, DMXP_NO_WAIT, &batch));
    CHECK(batch.count == 4);
    sends(producer, 212, 300);
    for (uint64_t i = 0; i < 4; i++) {
        CHECK(is(&held[i], 208 + i));
    }
    OK(dmxp_consumer_release_batch(consumer, &batch));
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_producer_destroy(producer));
    removes("overrun");
}

static void beginnings(void)
{
    dmxp_channel_options options = channel_of("beginnings", 16, DMXP_BROADCAST);
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_producer *producer = sender(&options);
    sends(producer, 0, 100);

    dmxp_consumer *newest = subscriber(&options);
    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv(newest, DMXP_NO_WAIT, &message));
    OK(dmxp_consumer_destroy(newest));

    options.start = DMXP_START_OLDEST;
    dmxp_consumer *oldest = subscriber(&options);
    OK(dmxp_consumer_recv(oldest, DMXP_NO_WAIT, &message));
    uint64_t first = message.metadata.message_id - 1;
    CHECK(first >= 84 && first <= 88 && is(&message, first));
    OK(dmxp_consumer_release(oldest, &message));
    receives(oldest, first + 1, 100);
    OK(dmxp_consumer_destroy(oldest));

    options.start = DMXP_START_POSITION;
    options.start_position = 95;
    dmxp_consumer *middle = subscriber(&options);
    receives(middle, 95, 100);
    OK(dmxp_consumer_destroy(middle));

    options.start_position = 10;
    dmxp_consumer *gone = subscriber(&options);
    OK(dmxp_consumer_recv(gone, DMXP_NO_WAIT, &message));
    CHECK(is(&message, 10 + message.metadata.missed) && message.metadata.missed == missed(gone));
    CHECK(missed(gone) >= 74);
    OK(dmxp_consumer_release(gone, &message));
    OK(dmxp_consumer_destroy(gone));
    OK(dmxp_producer_destroy(producer));
}

static void *sends_later(void *producer)
{
    const struct timespec moment = {0, 50000000};
    nanosleep(&moment, NULL);
    sends((dmxp_producer *)producer, 53, 54);
    return NULL;
}

static void newest_value(int8_t single)
{
    dmxp_channel_options options = channel_of("pose", 0, DMXP_LATEST);
    dmxp_message message = DMXP_MESSAGE_INIT, again = DMXP_MESSAGE_INIT;
    dmxp_handle_info info = DMXP_HANDLE_INFO_INIT;
    pthread_t thread;
    options.single_producer = single;
    dmxp_producer *producer = sender(&options);
    dmxp_consumer *reader = subscriber(&options);
    ANSWERS(DMXP_EMPTY, dmxp_consumer_newest(reader, &message));
    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv(reader, DMXP_NO_WAIT, &message));
    sends(producer, 0, 50);
    OK(dmxp_consumer_get_info(reader, &info));
    CHECK(info.len == 1 && info.capacity == 16 && info.delivery == DMXP_LATEST);
    OK(dmxp_consumer_recv(reader, DMXP_NO_WAIT, &message));
    CHECK(is(&message, 49) && message.metadata.missed == 0);
    ANSWERS(DMXP_TIMEOUT, dmxp_consumer_recv(reader, DMXP_MILLISECONDS(1), &again));
    OK(dmxp_consumer_newest(reader, &again));
    sends(producer, 50, 53);
    CHECK(is(&message, 49) && is(&again, 49) && message.data != again.data);
    OK(dmxp_consumer_release(reader, &again));
    OK(dmxp_consumer_release(reader, &message));
    ANSWERS(DMXP_STALE, dmxp_consumer_release(reader, &again));
    OK(dmxp_consumer_recv(reader, DMXP_NO_WAIT, &message));
    CHECK(is(&message, 52) && message.metadata.missed == 2 && missed(reader) == 2);
    OK(dmxp_consumer_release(reader, &message));

    CHECK(pthread_create(&thread, NULL, sends_later, producer) == 0);
    OK(dmxp_consumer_recv(reader, DMXP_MILLISECONDS(30000), &message));
    CHECK(is(&message, 53));
    OK(dmxp_consumer_release(reader, &message));
    CHECK(pthread_join(thread, NULL) == 0);

    dmxp_consumer *late = subscriber(&options);
    OK(dmxp_producer_close(producer));
    OK(dmxp_consumer_recv(late, DMXP_FOREVER, &message));
    CHECK(is(&message, 53));
    OK(dmxp_consumer_release(late, &message));
    ANSWERS(DMXP_CLOSED, dmxp_consumer_recv(late, DMXP_FOREVER, &message));
    OK(dmxp_consumer_newest(late, &message));
    OK(dmxp_consumer_destroy(late));
    OK(dmxp_consumer_destroy(reader));
    OK(dmxp_producer_destroy(producer));
    removes("pose");
}

static void refused(const dmxp_channel_options *options, int32_t status, const char *text)
{
    dmxp_consumer *consumer;
    ANSWERS(status, dmxp_consumer_open(region, options, &consumer));
    SAYS(text);
}

static void mistakes(void)
{
    dmxp_channel_options queue = channel_named("queue", 4), options;
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_producer *other;
    dmxp_consumer *consumer = subscriber(&queue);
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_consumer_newest(consumer, &message));
    SAYS("latest channels only");
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_consumer_newest(NULL, &message));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_consumer_newest(consumer, NULL));
    OK(dmxp_consumer_destroy(consumer));

    options = channel_of("queue", 4, DMXP_BROADCAST);
    refused(&options, DMXP_CHANNEL_MISMATCH, "delivery");
    options = queue;
    options.subscription = DMXP_LOSSY;
    refused(&options, DMXP_INVALID_ARGUMENT, "a queue channel cannot have a lossy subscription");
    options = queue;
    options.start = DMXP_START_OLDEST;
    refused(&options, DMXP_INVALID_ARGUMENT, "cannot have a start");

    options = channel_named("none", 4);
    options.delivery = 4;
    refused(&options, DMXP_INVALID_ARGUMENT, "options->delivery");
    options.delivery = DMXP_BROADCAST;
    options.single_producer = 2;
    refused(&options, DMXP_INVALID_ARGUMENT, "options->single_producer");
    options.single_producer = 0;
    options.subscription = 3;
    refused(&options, DMXP_INVALID_ARGUMENT, "options->subscription");
    options.subscription = 0;
    options.start = 4;
    refused(&options, DMXP_INVALID_ARGUMENT, "options->start");
    options.start = DMXP_START_OLDEST;
    options.start_position = 1;
    refused(&options, DMXP_INVALID_ARGUMENT, "options->start_position");
    options.start = 0;
    refused(&options, DMXP_INVALID_ARGUMENT, "options->start_position");
    options.start_position = 0;
    options.wait_strategy = 4;
    refused(&options, DMXP_INVALID_ARGUMENT, "options->wait_strategy");
    options.wait_strategy = 0;
    options.reserved[2] = 1;
    refused(&options, DMXP_INVALID_ARGUMENT, "reserved");

    options = channel_of("one", 4, DMXP_BROADCAST);
    options.single_producer = 1;
    dmxp_producer *producer = sender(&options);
    ANSWERS(DMXP_CHANNEL_IN_USE, dmxp_producer_open(region, &options, &other));
    SAYS("one producer at a time");
    options.single_producer = -1;
    ANSWERS(DMXP_CHANNEL_MISMATCH, dmxp_producer_open(region, &options, &other));
    OK(dmxp_producer_destroy(producer));
    options.single_producer = 0;
    OK(dmxp_producer_destroy(sender(&options)));
}

/* How often a receive goes to sleep that waits a second in vain, looking after the dead each 40 ms. */
static long sleeps_of_waiting(uint8_t wait)
{
    dmxp_channel_options options = channel_named("waiting", 4);
    dmxp_message message = DMXP_MESSAGE_INIT;
    struct rusage before, after;
    options.wait_strategy = wait;
    dmxp_consumer *consumer = subscriber(&options);
    double start = now_ms();
    CHECK(getrusage(RUSAGE_THREAD, &before) == 0);
    ANSWERS(DMXP_TIMEOUT, dmxp_consumer_recv(consumer, DMXP_MILLISECONDS(1000), &message));
    CHECK(getrusage(RUSAGE_THREAD, &after) == 0);
    CHECK(now_ms() - start >= 1000);
    OK(dmxp_consumer_destroy(consumer));
    return after.ru_nvcsw - before.ru_nvcsw;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    region = open_region(argv[1]);
    for (int8_t single = -1; single <= 1; single += 2) {
        everybody_gets_everything(single);
        overrun(single);
        newest_value(single);
    }
    beginnings();
    mistakes();
    CHECK(sleeps_of_waiting(DMXP_SPIN) <= 3);
    CHECK(sleeps_of_waiting(DMXP_SPIN_THEN_SLEEP) >= 5);
    CHECK(sleeps_of_waiting(DMXP_SLEEP) >= 5);
    OK(dmxp_region_close(region));
    return 0;
}
