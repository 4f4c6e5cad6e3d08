/* Writing and reading in place, batches, and every way to use a claim that is not there any more. */
#include "check.h"

static dmxp_region *region;

static void open_both(const char *name, uint64_t capacity, dmxp_producer **producer, dmxp_consumer **consumer)
{
    dmxp_channel_options options = channel_named(name, capacity);
    OK(dmxp_producer_open(region, &options, producer));
    OK(dmxp_consumer_open(region, &options, consumer));
}

static void destroy_both(dmxp_producer *producer, dmxp_consumer *consumer)
{
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(consumer));
}

static void in_place(void)
{
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    dmxp_claim claim;
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_handle_info info = DMXP_HANDLE_INFO_INIT;
    open_both("in_place", 4, &producer, &consumer);

    OK(dmxp_producer_claim(producer, 8, DMXP_NO_WAIT, &claim));
    CHECK(claim.len == 8 && claim.message_id == 1 && (uintptr_t)claim.data % 64 == 0);
    CHECK(memcmp(claim.data, "\0\0\0\0\0\0\0\0", 8) == 0);
    memcpy(claim.data, "in place", 8);
    OK(dmxp_producer_get_info(producer, &info));
    CHECK(info.len == 1 && info.capacity == 4 && info.payload_capacity == 960 && info.message_size == 0);
    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    CHECK(message.data == NULL && message.len == 0);

    /* A length that was not claimed keeps the claim. */
    claim.len = 9;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_publish(producer, &claim));
    SAYS("9 bytes in a slot claimed for 8");
    claim.len = 2;
    OK(dmxp_producer_publish(producer, &claim));
    CHECK(claim.data == NULL && claim.len == 0);
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    CHECK(message.len == 2 && memcmp(message.data, "in", 2) == 0);
    CHECK(message.metadata.message_id == 1);

    /* Given back, it comes again and says so. */
    OK(dmxp_consumer_give_back(consumer, &message));
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    CHECK(message.metadata.message_id == 1 && message.metadata.redelivered == 1);
    OK(dmxp_consumer_release(consumer, &message));

    /* Aborted, it is never seen. */
    OK(dmxp_producer_claim(producer, 960, DMXP_NO_WAIT, &claim));
    OK(dmxp_producer_abort(producer, &claim));
    OK(dmxp_producer_send(producer, "next", 4, DMXP_NO_WAIT));
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    CHECK(message.len == 4 && message.metadata.message_id == 3);

    /* What a destroyed consumer had borrowed is delivered again. */
    OK(dmxp_consumer_destroy(consumer));
    dmxp_channel_options options = channel_named("in_place", 0);
    OK(dmxp_consumer_open(region, &options, &consumer));
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    CHECK(memcmp(message.data, "next", 4) == 0 && message.metadata.redelivered == 1);
    OK(dmxp_consumer_release(consumer, &message));

    ANSWERS(DMXP_PAYLOAD_TOO_LARGE, dmxp_producer_claim(producer, 961, DMXP_NO_WAIT, &claim));
    SAYS("960");
    destroy_both(producer, consumer);
}

static void stale(void)
{
    dmxp_producer *producer, *other;
    dmxp_consumer *consumer, *stranger;
    dmxp_claim claim, copy, claims[2];
    dmxp_message message = DMXP_MESSAGE_INIT, kept = DMXP_MESSAGE_INIT;
    dmxp_batch batch, same;
    open_both("stale", 16, &producer, &consumer);
    open_both("stale_too", 16, &other, &stranger);

    memset(&claim, 0, sizeof claim);
    ANSWERS(DMXP_STALE, dmxp_producer_publish(producer, &claim));
    SAYS("empty");
    OK(dmxp_producer_claim(producer, 1, DMXP_NO_WAIT, &claim));
    copy = claim;
    ANSWERS(DMXP_STALE, dmxp_producer_publish(other, &claim));
    SAYS("another handle's");
    OK(dmxp_producer_publish(producer, &claim));
    ANSWERS(DMXP_STALE, dmxp_producer_publish(producer, &claim));
    ANSWERS(DMXP_STALE, dmxp_producer_publish(producer, &copy));
    SAYS("finished already");
    ANSWERS(DMXP_STALE, dmxp_producer_abort(producer, &copy));

    /* The same cell is used by the next claim; the old token is not good for it. */
    OK(dmxp_producer_claim(producer, 1, DMXP_NO_WAIT, &claim));
    ANSWERS(DMXP_STALE, dmxp_producer_publish(producer, &copy));
    OK(dmxp_producer_abort(producer, &claim));

    memset(&message, 0, sizeof message);
    ANSWERS(DMXP_STALE, dmxp_consumer_release(consumer, &message));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    SAYS("`message->struct_size` is 0, which is no size of a dmxp_message; begin with DMXP_MESSAGE_INIT");
    message.struct_size = sizeof message;
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    kept = message;
    ANSWERS(DMXP_STALE, dmxp_consumer_release(stranger, &message));
    OK(dmxp_consumer_release(consumer, &message));
    ANSWERS(DMXP_STALE, dmxp_consumer_release(consumer, &kept));
    ANSWERS(DMXP_STALE, dmxp_consumer_give_back(consumer, &kept));

    /* Claims of a batch are finished with the batch. */
    OK(dmxp_producer_claim_batch(producer, 2, 1, DMXP_NO_WAIT, claims, &batch));
    same = batch;
    ANSWERS(DMXP_STALE, dmxp_producer_publish(producer, &claims[0]));
    OK(dmxp_producer_abort_batch(producer, &batch));
    ANSWERS(DMXP_STALE, dmxp_producer_publish_batch(producer, claims, &batch));
    ANSWERS(DMXP_STALE, dmxp_producer_publish_batch(producer, claims, &same));

    /* A token of a destroyed handle is not good for the next one. */
    OK(dmxp_producer_claim(producer, 1, DMXP_NO_WAIT, &claim));
    OK(dmxp_producer_destroy(producer));
    dmxp_channel_options options = channel_named("stale", 0);
    OK(dmxp_producer_open(region, &options, &producer));
    ANSWERS(DMXP_STALE, dmxp_producer_publish(producer, &claim));

    destroy_both(producer, consumer);
    destroy_both(other, stranger);
}

static void batches(void)
{
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    dmxp_slice slices[5];
    dmxp_claim claims[3];
    dmxp_message messages[8] = {DMXP_MESSAGE_INIT};
    dmxp_batch batch;
    size_t count;
    char small[4];
    open_both("batches", 4, &producer, &consumer);
    for (size_t i = 0; i < 5; i++) {
        slices[i].data = "abcde" + i;
        slices[i].len = i;
    }

    /* All or nothing. */
    ANSWERS(DMXP_BATCH_TOO_LARGE, dmxp_producer_send_batch(producer, slices, 5, DMXP_FOREVER));
    SAYS("4");
    OK(dmxp_producer_send_batch(producer, slices, 0, DMXP_FOREVER));
    OK(dmxp_producer_send_batch(producer, slices, 3, DMXP_NO_WAIT));
    ANSWERS(DMXP_FULL, dmxp_producer_send_batch(producer, slices, 2, DMXP_NO_WAIT));
    /* As many as fit. */
    OK(dmxp_producer_send_up_to(producer, slices, 5, DMXP_NO_WAIT, &count));
    CHECK(count == 1);
    ANSWERS(DMXP_FULL, dmxp_producer_send_up_to(producer, slices, 5, DMXP_NO_WAIT, &count));
    CHECK(count == 0);
    OK(dmxp_producer_send_up_to(producer, slices, 0, DMXP_NO_WAIT, &count));

    OK(dmxp_consumer_recv_batch(consumer, messages, 3, DMXP_NO_WAIT, &batch));
    CHECK(batch.count == 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK(messages[i].len == i && memcmp(messages[i].data, "abcde" + i, i) == 0);
        CHECK(messages[i].metadata.message_id == i + 1);
        ANSWERS(DMXP_STALE, dmxp_consumer_release(consumer, &messages[i]));
    }
    OK(dmxp_consumer_give_back_batch(consumer, &batch));
    ANSWERS(DMXP_STALE, dmxp_consumer_release_batch(consumer, &batch));
    for (count = 0; count < 4; count += batch.count) {
        OK(dmxp_consumer_recv_batch(consumer, messages, 8, DMXP_NO_WAIT, &batch));
        CHECK(batch.count >= 1 && messages[0].metadata.redelivered == (count < 3));
        size_t received = batch.count;
        OK(dmxp_consumer_release_batch(consumer, &batch));
        CHECK(batch.count == 0);
        batch.count = received;
    }
    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv_batch(consumer, messages, 8, DMXP_NO_WAIT, &batch));
    OK(dmxp_consumer_recv_batch(consumer, messages, 0, DMXP_FOREVER, &batch));
    CHECK(batch.count == 0);
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_consumer_recv_batch(consumer, NULL, 8, DMXP_NO_WAIT, &batch));

    /* In place. The ring wraps between them. */
    OK(dmxp_producer_claim_batch(producer, 3, 5, DMXP_NO_WAIT, claims, &batch));
    CHECK(batch.count == 3);
    for (size_t i = 0; i < 3; i++) {
        memset(claims[i].data, 'x', 5);
        claims[i].len = 3 + i;
        CHECK(claims[i].message_id == claims[0].message_id + i);
    }
    claims[1].len = 6;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_publish_batch(producer, claims, &batch));
    claims[1].len = 4;
    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv_copy(consumer, small, sizeof small, &count, DMXP_NO_WAIT));
    OK(dmxp_producer_publish_batch(producer, claims, &batch));
    for (size_t i = 0; i < 2; i++) {
        OK(dmxp_consumer_recv_copy(consumer, small, sizeof small, &count, DMXP_NO_WAIT));
        CHECK(count == 3 + i && memcmp(small, "xxxx", count) == 0);
    }
    /* The third has five bytes; it stays where it is. */
    ANSWERS(DMXP_BUFFER_TOO_SMALL, dmxp_consumer_recv_copy(consumer, small, sizeof small, &count, DMXP_NO_WAIT));
    CHECK(count == 5);
    SAYS("5 bytes");
    OK(dmxp_consumer_recv_batch(consumer, messages, 8, DMXP_NO_WAIT, &batch));
    CHECK(batch.count == 1 && messages[0].len == 5 && messages[0].metadata.redelivered == 0);
    OK(dmxp_consumer_release_batch(consumer, &batch));
    destroy_both(producer, consumer);
}

/* Asks for the next message with a buffer of one byte: it has `len`, stays on the channel, and is received after that as if nobody had
   asked, with the text and for the `times`-th time. */
static void comes_next(dmxp_consumer *consumer, const char *text, uint8_t times)
{
    char byte = '?';
    size_t len = 99;
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_handle_info before = DMXP_HANDLE_INFO_INIT, after = DMXP_HANDLE_INFO_INIT;
    OK(dmxp_consumer_get_info(consumer, &before));
    /* More often than any channel delivers a message again. */
    for (int i = 0; i < 20; i++) {
        int64_t timeout = i % 2 == 0 ? DMXP_NO_WAIT : DMXP_MILLISECONDS(10000);
        ANSWERS(DMXP_BUFFER_TOO_SMALL, dmxp_consumer_recv_copy(consumer, &byte, 1, &len, timeout));
        CHECK(len == strlen(text) && byte == '?');
        ANSWERS(DMXP_BUFFER_TOO_SMALL, dmxp_consumer_recv_copy(consumer, NULL, 0, &len, timeout));
    }
    OK(dmxp_consumer_get_info(consumer, &after));
    /* It may have passed over an aborted one. */
    CHECK(after.len <= before.len && after.missed == before.missed);
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    CHECK(message.len == strlen(text) && memcmp(message.data, text, message.len) == 0);
    CHECK(message.metadata.redelivered == times);
    OK(dmxp_consumer_release(consumer, &message));
}

/* A buffer that is too small costs nothing: on a channel that delivers no message twice, one would be gone. */
static void too_small(void)
{
    dmxp_producer *producer, *high;
    dmxp_consumer *consumer, *other;
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_claim claim;
    dmxp_channel_info info = DMXP_CHANNEL_INFO_INIT;
    char buffer[8];
    size_t len = 0;
    const struct timespec longer = {0, 60000000};
    dmxp_channel_options options = channel_named("once only", 4);
    options.redelivery_limit = -1;
    options.expiry_ns = 30000000000;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));
    OK(dmxp_consumer_open(region, &options, &other));
    for (int lap = 0; lap < 3; lap++) {
        OK(dmxp_producer_send(producer, "first", 5, DMXP_NO_WAIT));
        /* Behind an aborted one. */
        OK(dmxp_producer_claim(producer, 1, DMXP_NO_WAIT, &claim));
        OK(dmxp_producer_abort(producer, &claim));
        OK(dmxp_producer_send(producer, "second", 6, DMXP_NO_WAIT));
        comes_next(consumer, "first", 0);
        comes_next(other, "second", 0);
        ANSWERS(DMXP_EMPTY, dmxp_consumer_recv_copy(other, buffer, sizeof buffer, &len, DMXP_NO_WAIT));
    }
    /* The buffer is large enough, exactly. */
    OK(dmxp_producer_send(producer, "12345678", 8, DMXP_NO_WAIT));
    OK(dmxp_consumer_recv_copy(consumer, buffer, sizeof buffer, &len, DMXP_NO_WAIT));
    CHECK(len == 8 && memcmp(buffer, "12345678", 8) == 0);
    OK(dmxp_region_find_channel(region, "once only", &info));
    CHECK(info.redelivered == 0 && info.dropped == 0 && info.expired == 0);
    OK(dmxp_producer_close(producer));
    ANSWERS(DMXP_CLOSED, dmxp_consumer_recv_copy(consumer, buffer, sizeof buffer, &len, DMXP_NO_WAIT));
    OK(dmxp_consumer_destroy(other));
    destroy_both(producer, consumer);

    /* A message that was returned keeps its mark, and the mark says no more than before. */
    options = channel_named("returned", 4);
    options.redelivery_limit = 2;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));
    OK(dmxp_producer_send(producer, "again", 5, DMXP_NO_WAIT));
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    OK(dmxp_consumer_give_back(consumer, &message));
    comes_next(consumer, "again", 1);
    OK(dmxp_region_find_channel(region, "returned", &info));
    CHECK(info.redelivered == 1 && info.dropped == 0);
    destroy_both(producer, consumer);

    /* What has expired is no answer. */
    options = channel_named("soon gone", 4);
    options.expiry_ns = 50000000;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));
    OK(dmxp_producer_send(producer, "too old", 7, DMXP_NO_WAIT));
    nanosleep(&longer, NULL);
    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv_copy(consumer, buffer, 1, &len, DMXP_NO_WAIT));
    OK(dmxp_region_find_channel(region, "soon gone", &info));
    CHECK(info.expired == 1);
    destroy_both(producer, consumer);

    /* Urgent ones come first, and nothing passes them. */
    options = channel_named("urgent", 4);
    options.priorities = 1;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));
    OK(dmxp_producer_high(producer, &high));
    OK(dmxp_producer_send(producer, "usual", 5, DMXP_NO_WAIT));
    OK(dmxp_producer_send(high, "urgent", 6, DMXP_NO_WAIT));
    comes_next(consumer, "urgent", 0);
    comes_next(consumer, "usual", 0);
    destroy_both(producer, consumer);

    /* The same where each subscriber has its own messages, and where there is only the newest. */
    const dmxp_delivery deliveries[3] = {DMXP_BROADCAST, DMXP_BROADCAST, DMXP_LATEST};
    for (int i = 0; i < 3; i++) {
        options = channel_named(i == 0 ? "everybody" : i == 1 ? "overrun" : "newest", 4);
        options.delivery = (uint8_t)deliveries[i];
        if (i == 1) {
            options.subscription = DMXP_LOSSY;
        }
        OK(dmxp_producer_open(region, &options, &producer));
        OK(dmxp_consumer_open(region, &options, &consumer));
        for (int lap = 0; lap < 6; lap++) {
            OK(dmxp_producer_send(producer, "first", 5, DMXP_NO_WAIT));
            comes_next(consumer, "first", 0);
        }
        ANSWERS(DMXP_EMPTY, dmxp_consumer_recv_copy(consumer, buffer, 1, &len, DMXP_NO_WAIT));
        destroy_both(producer, consumer);
    }
}

static void limits(void)
{
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    dmxp_claim claims[9];
    dmxp_message message = DMXP_MESSAGE_INIT;
    open_both("limits", 16, &producer, &consumer);
    for (size_t i = 0; i < 8; i++) {
        OK(dmxp_producer_claim(producer, i, DMXP_FOREVER, &claims[i]));
    }
    ANSWERS(DMXP_TOO_MANY_CLAIMS, dmxp_producer_claim(producer, 1, DMXP_FOREVER, &claims[8]));
    SAYS("8");
    /* In any order; consumers see them in the order of their ids. */
    for (size_t i = 8; i-- > 0;) {
        ANSWERS(DMXP_EMPTY, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
        OK(dmxp_producer_publish(producer, &claims[i]));
    }
    for (size_t i = 0; i < 8; i++) {
        OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
        CHECK(message.len == i && message.metadata.message_id == i + 1);
        OK(dmxp_consumer_release(consumer, &message));
    }
    destroy_both(producer, consumer);

    /* A claim that would wait for itself says so instead of waiting for ever. */
    open_both("itself", 2, &producer, &consumer);
    OK(dmxp_producer_claim(producer, 1, DMXP_FOREVER, &claims[0]));
    OK(dmxp_producer_claim(producer, 1, DMXP_FOREVER, &claims[1]));
    ANSWERS(DMXP_WOULD_DEADLOCK, dmxp_producer_claim(producer, 1, DMXP_FOREVER, &claims[2]));
    destroy_both(producer, consumer);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    region = open_region(argv[1]);
    in_place();
    stale();
    batches();
    too_small();
    limits();
    OK(dmxp_region_close(region));
    return 0;
}
