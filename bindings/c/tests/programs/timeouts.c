/* Calls wait as long as they were told, and not at all if they were told that. */
#include "check.h"

/* The upper bound is that of a loaded machine. */
#define TAKES_50_MS(call) \
    do { \
        double start_ = now_ms(); \
        ANSWERS(DMXP_TIMEOUT, call); \
        double took_ = now_ms() - start_; \
        if (took_ < 50 || took_ > 2000) { \
            fprintf(stderr, "%s:%d: %s took %.1f ms\n", __FILE__, __LINE__, #call, took_); \
            exit(1); \
        } \
    } while (0)

int main(int argc, char **argv)
{
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_message messages[2] = {DMXP_MESSAGE_INIT};
    dmxp_batch batch;
    dmxp_claim claim;
    char byte;
    size_t len;
    CHECK(argc == 2);
    dmxp_region *region = open_region(argv[1]);
    dmxp_channel_options options = channel_named("timeouts", 2);
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));

    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    TAKES_50_MS(dmxp_consumer_recv(consumer, DMXP_MILLISECONDS(50), &message));
    TAKES_50_MS(dmxp_consumer_recv_copy(consumer, &byte, 1, &len, DMXP_MILLISECONDS(50)));
    TAKES_50_MS(dmxp_consumer_recv_batch(consumer, messages, 2, DMXP_MILLISECONDS(50), &batch));

    OK(dmxp_producer_send(producer, "1", 1, DMXP_FOREVER));
    OK(dmxp_producer_send(producer, "2", 1, DMXP_FOREVER));
    ANSWERS(DMXP_FULL, dmxp_producer_send(producer, "3", 1, DMXP_NO_WAIT));
    TAKES_50_MS(dmxp_producer_send(producer, "3", 1, DMXP_MILLISECONDS(50)));
    TAKES_50_MS(dmxp_producer_claim(producer, 1, DMXP_MILLISECONDS(50), &claim));

    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_region_close(region));
    return 0;
}
