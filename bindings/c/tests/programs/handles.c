/* Handles that were destroyed, are of another kind, or never were any, answer and do no harm. */
#include "check.h"

#include <pthread.h>

#define ROUNDS 200

static void after_destroy(dmxp_region *region)
{
    dmxp_channel_options options = channel_named("stale", 8);
    dmxp_producer *producer, *high, *others[ROUNDS];
    dmxp_consumer *consumer;
    dmxp_wait_set *set;
    dmxp_recovery *recovery;
    dmxp_peek *peek;
    dmxp_claim claim;
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_handle_info info = DMXP_HANDLE_INFO_INIT;
    dmxp_recovery_info recovered = DMXP_RECOVERY_INFO_INIT;
    dmxp_peek_info peeked = DMXP_PEEK_INFO_INIT;
    size_t count;
    uint64_t token;
    options.priorities = 1;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_producer_high(producer, &high));
    OK(dmxp_consumer_open(region, &options, &consumer));
    OK(dmxp_wait_set_create(0, &set));
    OK(dmxp_wait_set_add_consumer(set, consumer, 1));
    OK(dmxp_region_recover(region, NULL, &recovery));
    OK(dmxp_producer_get_info(producer, &info));
    OK(dmxp_region_peek(region, info.channel_id, NULL, &peek));
    OK(dmxp_producer_claim(producer, 1, DMXP_NO_WAIT, &claim));

    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_destroy(high));
    SAYS("belongs to another");
    OK(dmxp_producer_send(high, "x", 1, DMXP_NO_WAIT));

    OK(dmxp_producer_destroy(producer));
    ANSWERS(DMXP_STALE, dmxp_producer_destroy(producer));
    SAYS("destroyed");
    SAYS("dmxp_producer_open");
    ANSWERS(DMXP_STALE, dmxp_producer_send(producer, "x", 1, DMXP_NO_WAIT));
    ANSWERS(DMXP_STALE, dmxp_producer_publish(producer, &claim));
    ANSWERS(DMXP_STALE, dmxp_producer_claim(producer, 1, DMXP_NO_WAIT, &claim));
    ANSWERS(DMXP_STALE, dmxp_producer_get_info(producer, &info));
    ANSWERS(DMXP_STALE, dmxp_producer_close(producer));
    ANSWERS(DMXP_STALE, dmxp_wait_set_add_producer(set, producer, 2));
    /* What belonged to it went with it. */
    ANSWERS(DMXP_STALE, dmxp_producer_send(high, "x", 1, DMXP_NO_WAIT));
    ANSWERS(DMXP_STALE, dmxp_producer_destroy(high));

    OK(dmxp_consumer_destroy(consumer));
    ANSWERS(DMXP_STALE, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    ANSWERS(DMXP_STALE, dmxp_consumer_release(consumer, &message));
    ANSWERS(DMXP_STALE, dmxp_consumer_destroy(consumer));
    OK(dmxp_wait_set_destroy(set));
    ANSWERS(DMXP_STALE, dmxp_wait_set_wait(set, DMXP_NO_WAIT, &token, 1, &count));
    ANSWERS(DMXP_STALE, dmxp_wait_set_interrupt(set));
    ANSWERS(DMXP_STALE, dmxp_wait_set_destroy(set));
    OK(dmxp_recovery_destroy(recovery));
    ANSWERS(DMXP_STALE, dmxp_recovery_get_info(recovery, &recovered));
    ANSWERS(DMXP_STALE, dmxp_recovery_destroy(recovery));
    CHECK(dmxp_recovery_text(recovery) == NULL);
    OK(dmxp_peek_destroy(peek));
    ANSWERS(DMXP_STALE, dmxp_peek_get_info(peek, &peeked));
    ANSWERS(DMXP_STALE, dmxp_peek_destroy(peek));

    /* The place is used again and again, and the old handle never leads there. */
    options.priorities = 0;
    options.name = "again";
    for (int round = 0; round < ROUNDS; round++) {
        OK(dmxp_producer_open(region, &options, &others[round]));
        CHECK(others[round] != producer);
        ANSWERS(DMXP_STALE, dmxp_producer_send(producer, "x", 1, DMXP_NO_WAIT));
        if (round > 0) {
            CHECK(others[round] != others[round - 1]);
            ANSWERS(DMXP_STALE, dmxp_producer_get_info(others[round - 1], &info));
        }
        OK(dmxp_producer_destroy(others[round]));
    }
    for (int round = 0; round < ROUNDS; round++) {
        OK(dmxp_producer_open(region, &options, &others[round]));
    }
    for (int round = 0; round < ROUNDS; round++) {
        OK(dmxp_producer_get_info(others[round], &info));
        OK(dmxp_producer_destroy(others[round]));
        ANSWERS(DMXP_STALE, dmxp_producer_destroy(others[round]));
    }
}

static void no_handles(dmxp_region *region)
{
    dmxp_channel_options options = channel_named("kinds", 8);
    dmxp_producer *producer;
    dmxp_handle_info info = DMXP_HANDLE_INFO_INIT;
    dmxp_region_info space = DMXP_REGION_INFO_INIT;
    int mine = 5;
    OK(dmxp_producer_open(region, &options, &producer));
    ANSWERS(DMXP_STALE, dmxp_consumer_get_info((dmxp_consumer *)producer, &info));
    ANSWERS(DMXP_STALE, dmxp_region_get_info((dmxp_region *)producer, &space));
    ANSWERS(DMXP_STALE, dmxp_consumer_destroy((dmxp_consumer *)producer));
    ANSWERS(DMXP_STALE, dmxp_producer_get_info((dmxp_producer *)&mine, &info));
    ANSWERS(DMXP_STALE, dmxp_producer_destroy((dmxp_producer *)&mine));
    for (uintptr_t bits = 1; bits != 0; bits <<= 1) {
        ANSWERS(DMXP_STALE, dmxp_producer_get_info((dmxp_producer *)bits, &info));
        ANSWERS(DMXP_STALE, dmxp_producer_get_info((dmxp_producer *)((uintptr_t)producer ^ bits), &info));
        ANSWERS(DMXP_STALE, dmxp_producer_destroy((dmxp_producer *)((uintptr_t)producer ^ bits)));
    }
    OK(dmxp_producer_get_info(producer, &info));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_get_info(NULL, &info));
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_producer_destroy(NULL));
}

/* Threads make and destroy at the same time: no two have the same handle, and none finds another's. */
#define THREADS 4
#define HELD 50

static void *make_and_destroy(void *own)
{
    dmxp_wait_set *sets[HELD], *old = NULL;
    size_t count;
    (void)own;
    for (int round = 0; round < 100; round++) {
        for (int k = 0; k < HELD; k++) {
            OK(dmxp_wait_set_create(0, &sets[k]));
            if (old != NULL) {
                ANSWERS(DMXP_STALE, dmxp_wait_set_len(old, &count));
            }
        }
        for (int k = 0; k < HELD; k++) {
            OK(dmxp_wait_set_len(sets[k], &count));
            CHECK(count == 0);
            OK(dmxp_wait_set_interrupt(sets[k]));
            OK(dmxp_wait_set_destroy(sets[k]));
            ANSWERS(DMXP_STALE, dmxp_wait_set_destroy(sets[k]));
            old = sets[k];
        }
    }
    return NULL;
}

static void at_once(void)
{
    pthread_t threads[THREADS];
    for (int k = 0; k < THREADS; k++) {
        CHECK(pthread_create(&threads[k], NULL, make_and_destroy, NULL) == 0);
    }
    for (int k = 0; k < THREADS; k++) {
        CHECK(pthread_join(threads[k], NULL) == 0);
    }
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    dmxp_region *region = open_region(argv[1]);
    dmxp_channel_options options = channel_named("late", 8);
    dmxp_producer *producer;
    after_destroy(region);
    no_handles(region);
    at_once();
    CHECK(dmxp_region_path(region) != NULL);
    OK(dmxp_region_close(region));
    ANSWERS(DMXP_STALE, dmxp_region_close(region));
    ANSWERS(DMXP_STALE, dmxp_producer_open(region, &options, &producer));
    CHECK(producer == NULL && dmxp_region_path(region) == NULL);
    return 0;
}
