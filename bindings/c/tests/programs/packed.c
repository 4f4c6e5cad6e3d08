/* Slots that hold the messages and nothing else: stretches as pointer and length. */
#include "check.h"

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    dmxp_region *region = open_region(argv[1]);
    dmxp_producer *producer;
    dmxp_consumer *consumer, *lossy;
    double sent[20], copies[20];
    for (int k = 0; k < 20; k++)
        sent[k] = 0.5 * k;

    dmxp_channel_options options = channel_named("volts", 16);
    options.packed_slots = 1;
    options.lossy_subscribers = 1;
    options.payload_capacity = sizeof(double);
    OK(dmxp_consumer_open(region, &options, &consumer));
    options.subscription = DMXP_LOSSY;
    OK(dmxp_consumer_open(region, &options, &lossy));
    OK(dmxp_producer_open(region, &options, &producer));

    dmxp_stretch stretch = DMXP_STRETCH_INIT;
    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv_stretch(consumer, 100, DMXP_NO_WAIT, &stretch));
    OK(dmxp_producer_send_stretch(producer, sent, 10, DMXP_NO_WAIT));
    OK(dmxp_consumer_recv_stretch(consumer, 4, DMXP_NO_WAIT, &stretch));
    CHECK(stretch.count == 4 && stretch.size == sizeof(double) && stretch.message_id == 1 && stretch.missed == 0);
    CHECK(memcmp(stretch.data, sent, 4 * sizeof(double)) == 0);
    OK(dmxp_consumer_give_back_stretch(consumer, &stretch));
    CHECK(stretch.count == 0 && stretch.data == NULL);
    OK(dmxp_consumer_recv_stretch(consumer, 100, DMXP_NO_WAIT, &stretch));
    CHECK(stretch.count == 10 && memcmp(stretch.data, sent, 10 * sizeof(double)) == 0);

    /* What is borrowed is not overwritten. */
    OK(dmxp_producer_send_stretch(producer, sent + 10, 6, DMXP_NO_WAIT));
    ANSWERS(DMXP_FULL, dmxp_producer_send_stretch(producer, sent + 16, 1, DMXP_NO_WAIT));
    ANSWERS(DMXP_TIMEOUT, dmxp_producer_send_stretch(producer, sent + 16, 4, 1000000));
    CHECK(memcmp(stretch.data, sent, 10 * sizeof(double)) == 0);
    OK(dmxp_consumer_release_stretch(consumer, &stretch));
    ANSWERS(DMXP_STALE, dmxp_consumer_release_stretch(consumer, &stretch));
    OK(dmxp_producer_send_stretch(producer, sent + 16, 4, DMXP_NO_WAIT));
    OK(dmxp_consumer_recv_stretch(consumer, 100, DMXP_NO_WAIT, &stretch));
    CHECK(stretch.count == 6 && stretch.message_id == 11 && memcmp(stretch.data, sent + 10, 6 * sizeof(double)) == 0);
    OK(dmxp_consumer_release_stretch(consumer, &stretch));

    /* By copy, also around the end of the ring; what is gone is counted. */
    size_t count;
    OK(dmxp_consumer_copy_stretch(lossy, copies, sizeof copies, &count, DMXP_NO_WAIT));
    CHECK(count >= 8 && count <= 16 && memcmp(copies, sent + 20 - count, count * sizeof(double)) == 0);
    ANSWERS(DMXP_EMPTY, dmxp_consumer_copy_stretch(lossy, copies, sizeof copies, &count, DMXP_NO_WAIT));
    CHECK(count == 0);
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_consumer_copy_stretch(lossy, copies, 7, &count, DMXP_NO_WAIT));

    /* A message at a time, and claims that lie side by side. */
    dmxp_claim claims[2];
    dmxp_batch batch;
    OK(dmxp_producer_claim_batch(producer, 2, sizeof(double), DMXP_NO_WAIT, claims, &batch));
    CHECK((char *)claims[1].data == (char *)claims[0].data + sizeof(double));
    memcpy(claims[0].data, sent, 2 * sizeof(double));
    OK(dmxp_producer_publish_batch(producer, claims, &batch));
    dmxp_message message = DMXP_MESSAGE_INIT;
    OK(dmxp_consumer_recv_stretch(consumer, 4, DMXP_NO_WAIT, &stretch));
    OK(dmxp_consumer_release_stretch(consumer, &stretch));
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    CHECK(message.len == sizeof(double) && message.metadata.message_id == 21);
    OK(dmxp_consumer_release(consumer, &message));
    OK(dmxp_producer_close(producer));
    ANSWERS(DMXP_CLOSED, dmxp_producer_send_stretch(producer, sent, 1, DMXP_NO_WAIT));
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    OK(dmxp_consumer_release(consumer, &message));
    ANSWERS(DMXP_CLOSED, dmxp_consumer_recv_stretch(consumer, 100, 1000000000, &stretch));

    /* Other channels have none. */
    dmxp_channel_options other = channel_named("queue", 4);
    dmxp_producer *queue;
    OK(dmxp_producer_open(region, &other, &queue));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_send_stretch(queue, sent, 1, DMXP_NO_WAIT));
    OK(dmxp_producer_destroy(queue));
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(lossy));
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_region_close(region));
    return 0;
}
