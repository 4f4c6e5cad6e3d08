/* Threads that share one handle, and a child that inherited it. */
#include "check.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define MESSAGES 20000u

static dmxp_producer *producer;
static dmxp_consumer *consumer;
static unsigned char seen[2 * MESSAGES];

/* Sends its half of the numbers, waiting for room in a small channel. */
static void *send_numbers(void *argument)
{
    uint32_t first = *(const uint32_t *)argument;
    for (uint32_t i = first; i < first + MESSAGES; i++) {
        OK(dmxp_producer_send(producer, &i, sizeof i, DMXP_FOREVER));
    }
    return NULL;
}

static void *receive_numbers(void *argument)
{
    uint32_t *count = (uint32_t *)argument;
    dmxp_message message = DMXP_MESSAGE_INIT;
    uint32_t number;
    int32_t status;
    while ((status = dmxp_consumer_recv(consumer, DMXP_FOREVER, &message)) == DMXP_OK) {
        memcpy(&number, message.data, sizeof number);
        CHECK(number < 2 * MESSAGES);
        /* Each number comes to one thread once. */
        CHECK(seen[number]++ == 0);
        OK(dmxp_consumer_release(consumer, &message));
        ++*count;
    }
    CHECK(status == DMXP_CLOSED);
    return NULL;
}

static void *wait_for_one(void *argument)
{
    OK(dmxp_consumer_recv(consumer, DMXP_FOREVER, (dmxp_message *)argument));
    return NULL;
}

static void share(dmxp_region *region)
{
    pthread_t senders[2], receivers[2];
    uint32_t firsts[2] = {0, MESSAGES}, counts[2] = {0, 0};
    dmxp_channel_options options = channel_named("shared", 8);
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_create(&receivers[i], NULL, receive_numbers, &counts[i]) == 0);
        CHECK(pthread_create(&senders[i], NULL, send_numbers, &firsts[i]) == 0);
    }
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_join(senders[i], NULL) == 0);
    }
    OK(dmxp_producer_close(producer));
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_join(receivers[i], NULL) == 0);
    }
    CHECK(counts[0] + counts[1] == 2 * MESSAGES);
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(consumer));
}

/* A thread that waits for ever stops neither the other threads of the handle nor a child that inherits it. */
static void wait_beside(dmxp_region *region)
{
    pthread_t waiting;
    dmxp_message first = DMXP_MESSAGE_INIT, second = DMXP_MESSAGE_INIT;
    dmxp_handle_info info = DMXP_HANDLE_INFO_INIT;
    double start;
    int status;
    const struct timespec tenth = {0, 100000000};
    dmxp_channel_options options = channel_named("beside", 8);
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));
    OK(dmxp_producer_send(producer, "first", 5, DMXP_FOREVER));
    OK(dmxp_consumer_recv(consumer, DMXP_FOREVER, &first));
    CHECK(pthread_create(&waiting, NULL, wait_for_one, &second) == 0);
    /* Long enough for it to fall asleep. */
    nanosleep(&tenth, NULL);

    start = now_ms();
    OK(dmxp_consumer_get_info(consumer, &info));
    OK(dmxp_consumer_release(consumer, &first));
    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &first));
    CHECK(now_ms() - start < 1000);

    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(20);
        ANSWERS(DMXP_FORKED, dmxp_consumer_recv(consumer, DMXP_FOREVER, &first));
        SAYS("fork");
        ANSWERS(DMXP_FORKED, dmxp_producer_send(producer, "x", 1, DMXP_FOREVER));
        ANSWERS(DMXP_FORKED, dmxp_consumer_close(consumer));
        OK(dmxp_consumer_destroy(consumer));
        OK(dmxp_producer_destroy(producer));
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);

    OK(dmxp_producer_send(producer, "second", 6, DMXP_FOREVER));
    CHECK(pthread_join(waiting, NULL) == 0);
    CHECK(second.len == 6 && memcmp(second.data, "second", 6) == 0);
    OK(dmxp_consumer_release(consumer, &second));
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(consumer));
}

static dmxp_message lent[8];

/* Gives back what another thread received, one of all that a consumer can have. */
static void *release_later(void *argument)
{
    const struct timespec moment = {0, 100000000};
    nanosleep(&moment, NULL);
    OK(dmxp_consumer_release(consumer, (dmxp_message *)argument));
    return NULL;
}

static void *abort_later(void *argument)
{
    const struct timespec moment = {0, 100000000};
    nanosleep(&moment, NULL);
    OK(dmxp_producer_abort(producer, (dmxp_claim *)argument));
    return NULL;
}

/* A call whose handle has all its claims out waits for another thread to finish one, and fails at once where there is none. */
static void all_out(dmxp_region *region)
{
    pthread_t other;
    dmxp_message next = DMXP_MESSAGE_INIT;
    dmxp_claim claims[8], claim;
    dmxp_channel_options options = channel_named("all out", 32);
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));
    for (uint32_t i = 0; i < 10; i++) {
        OK(dmxp_producer_send(producer, &i, sizeof i, DMXP_NO_WAIT));
    }
    for (int i = 0; i < 8; i++) {
        lent[i].struct_size = sizeof lent[i];
        OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &lent[i]));
    }
    ANSWERS(DMXP_TOO_MANY_CLAIMS, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &next));
    ANSWERS(DMXP_TOO_MANY_CLAIMS, dmxp_consumer_recv(consumer, DMXP_FOREVER, &next));
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_create(&other, NULL, release_later, &lent[i]) == 0);
        OK(dmxp_consumer_recv(consumer, i == 0 ? DMXP_FOREVER : DMXP_MILLISECONDS(60000), &next));
        CHECK(pthread_join(other, NULL) == 0);
        lent[i] = next;
    }
    OK(dmxp_producer_send(producer, "x", 1, DMXP_NO_WAIT));
    CHECK(pthread_create(&other, NULL, release_later, &lent[0]) == 0);
    ANSWERS(DMXP_TIMEOUT, dmxp_consumer_recv(consumer, DMXP_MILLISECONDS(1), &next));
    CHECK(pthread_join(other, NULL) == 0);

    for (int i = 0; i < 7; i++) {
        OK(dmxp_producer_claim(producer, 1, DMXP_NO_WAIT, &claims[i]));
    }
    OK(dmxp_producer_claim(producer, 1, DMXP_NO_WAIT, &claims[7]));
    ANSWERS(DMXP_TOO_MANY_CLAIMS, dmxp_producer_claim(producer, 1, DMXP_FOREVER, &claim));
    CHECK(pthread_create(&other, NULL, abort_later, &claims[7]) == 0);
    OK(dmxp_producer_claim(producer, 1, DMXP_FOREVER, &claim));
    CHECK(pthread_join(other, NULL) == 0);
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(consumer));
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    dmxp_region *region = open_region(argv[1]);
    share(region);
    wait_beside(region);
    all_out(region);
    OK(dmxp_region_close(region));
    return 0;
}
