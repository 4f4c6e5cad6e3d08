/* One thread waits for many consumers, producers and descriptors. */
#include "check.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHANNELS 150 /* More than one call to the kernel can wait for. */
#define MESSAGES 600
#define LONG DMXP_MILLISECONDS(60000)

static dmxp_region *region;
static const char *region_name;

static dmxp_wait_set *new_set(void)
{
    dmxp_wait_set *set;
    OK(dmxp_wait_set_create(0, &set));
    return set;
}

static void pause_ms(long milliseconds)
{
    const struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* That exactly these are ready now: `count` tokens, in any order. */
static void ready_are(dmxp_wait_set *set, size_t count, uint64_t first, uint64_t second)
{
    uint64_t tokens[8];
    size_t found = 9;
    OK(dmxp_wait_set_wait(set, DMXP_NO_WAIT, tokens, 8, &found));
    CHECK(found == count);
    CHECK(count < 1 || tokens[0] == first || tokens[0] == second);
    CHECK(count < 2 || (tokens[0] != tokens[1] && (tokens[1] == first || tokens[1] == second)));
}

static void many_channels(void)
{
    static dmxp_consumer *consumers[CHANNELS];
    static uint32_t next[CHANNELS];
    dmxp_wait_set *set = new_set();
    char name[32];
    uint64_t tokens[8];
    size_t count, received = 0;
    for (int i = 0; i < CHANNELS; i++) {
        snprintf(name, sizeof name, "many-%d", i);
        dmxp_channel_options options = channel_named(name, 4);
        OK(dmxp_consumer_open(region, &options, &consumers[i]));
        OK(dmxp_wait_set_add_consumer(set, consumers[i], (uint64_t)i << 40));
    }
    OK(dmxp_wait_set_len(set, &count));
    CHECK(count == CHANNELS);
    ready_are(set, 0, 0, 0);

    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(60);
        /* What was inherited is not the child's. */
        ANSWERS(DMXP_FORKED, dmxp_wait_set_wait(set, DMXP_NO_WAIT, tokens, 8, &count));
        ANSWERS(DMXP_FORKED, dmxp_wait_set_len(set, &count));
        OK(dmxp_wait_set_destroy(set));
        dmxp_region *own = open_region(region_name);
        for (uint32_t message = 0; message < MESSAGES; message++) {
            dmxp_producer *producer;
            snprintf(name, sizeof name, "many-%u", message * 7 % CHANNELS);
            dmxp_channel_options options = channel_named(name, 0);
            OK(dmxp_producer_open(own, &options, &producer));
            OK(dmxp_producer_send(producer, &message, sizeof message, LONG));
            OK(dmxp_producer_destroy(producer));
        }
        _exit(0);
    }
    while (received < MESSAGES) {
        OK(dmxp_wait_set_wait(set, LONG, tokens, 8, &count));
        CHECK(count >= 1 && count <= 8);
        for (size_t i = 0; i < count; i++) {
            size_t channel = (size_t)(tokens[i] >> 40);
            dmxp_message message = DMXP_MESSAGE_INIT;
            uint32_t number;
            CHECK(channel < CHANNELS && tokens[i] == (uint64_t)channel << 40);
            OK(dmxp_consumer_recv(consumers[channel], DMXP_NO_WAIT, &message));
            memcpy(&number, message.data, sizeof number);
            /* Each channel's own, in order. */
            CHECK(number * 7 % CHANNELS == channel && number / CHANNELS == next[channel]++);
            OK(dmxp_consumer_release(consumers[channel], &message));
            received++;
        }
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (int i = 0; i < CHANNELS; i++) {
        OK(dmxp_consumer_destroy(consumers[i]));
    }
    OK(dmxp_wait_set_len(set, &count));
    CHECK(count == 0); /* A set keeps nothing of a handle. */
    OK(dmxp_wait_set_destroy(set));
}

static void *take_one_later(void *consumer)
{
    dmxp_message message = DMXP_MESSAGE_INIT;
    pause_ms(50);
    OK(dmxp_consumer_recv((dmxp_consumer *)consumer, DMXP_NO_WAIT, &message));
    OK(dmxp_consumer_release((dmxp_consumer *)consumer, &message));
    return NULL;
}

static void *write_later(void *descriptor)
{
    pause_ms(50);
    CHECK(write(*(int *)descriptor, "!", 1) == 1);
    return NULL;
}

static void producers_and_descriptors(void)
{
    dmxp_channel_options options = channel_named("both ends", 2);
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    dmxp_message message = DMXP_MESSAGE_INIT;
    pthread_t thread;
    uint64_t token = 0;
    size_t count;
    int ends[2];
    char said;
    dmxp_wait_set *set = new_set();
    CHECK(pipe(ends) == 0);
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));
    OK(dmxp_wait_set_add_producer(set, producer, 1));
    OK(dmxp_wait_set_add_consumer(set, consumer, 2));
    OK(dmxp_wait_set_add_fd(set, ends[0], UINT64_MAX));
    ready_are(set, 1, 1, 1);
    OK(dmxp_producer_send(producer, "a", 1, DMXP_NO_WAIT));
    ready_are(set, 2, 1, 2);
    OK(dmxp_producer_send(producer, "b", 1, DMXP_NO_WAIT));
    ready_are(set, 1, 2, 2);

    OK(dmxp_wait_set_remove(set, 2));
    CHECK(pthread_create(&thread, NULL, take_one_later, consumer) == 0);
    OK(dmxp_wait_set_wait(set, LONG, &token, 1, &count));
    CHECK(count == 1 && token == 1);
    CHECK(pthread_join(thread, NULL) == 0);
    OK(dmxp_wait_set_remove(set, 1));
    CHECK(pthread_create(&thread, NULL, write_later, &ends[1]) == 0);
    OK(dmxp_wait_set_wait(set, LONG, &token, 1, &count));
    CHECK(count == 1 && token == UINT64_MAX);
    CHECK(pthread_join(thread, NULL) == 0);
    ready_are(set, 1, UINT64_MAX, UINT64_MAX); /* Until it is read. */
    CHECK(read(ends[0], &said, 1) == 1);
    ready_are(set, 0, 0, 0);
    OK(dmxp_wait_set_remove(set, UINT64_MAX));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_wait_set_remove(set, UINT64_MAX));
    SAYS("no member of the wait set has the token 18446744073709551615");

    /* The end of a stream is something to look at, each time. */
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    OK(dmxp_consumer_release(consumer, &message));
    OK(dmxp_wait_set_add_consumer(set, consumer, 2));
    ready_are(set, 0, 0, 0);
    OK(dmxp_producer_close(producer));
    ready_are(set, 1, 2, 2);
    ANSWERS(DMXP_CLOSED, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    ready_are(set, 1, 2, 2);
    OK(dmxp_wait_set_destroy(set));
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_producer_destroy(producer));
    close(ends[0]);
    close(ends[1]);
}

/* Where there is no room for all that are ready, none is left out for good. */
static void turns(void)
{
    enum { READY = 5 };
    dmxp_consumer *consumers[READY];
    dmxp_producer *producer;
    dmxp_wait_set *set = new_set();
    char name[16];
    int seen[READY] = {0};
    for (int i = 0; i < READY; i++) {
        snprintf(name, sizeof name, "turn-%d", i);
        dmxp_channel_options options = channel_named(name, 2);
        OK(dmxp_producer_open(region, &options, &producer));
        OK(dmxp_producer_send(producer, "x", 1, DMXP_NO_WAIT));
        OK(dmxp_producer_destroy(producer));
        OK(dmxp_consumer_open(region, &options, &consumers[i]));
        OK(dmxp_wait_set_add_consumer(set, consumers[i], (uint64_t)i));
    }
    for (int round = 0; round < READY; round++) {
        uint64_t tokens[3] = {99, 99, 99};
        size_t count;
        OK(dmxp_wait_set_wait(set, DMXP_FOREVER, tokens, 2, &count));
        CHECK(count == 2 && tokens[0] < READY && tokens[1] < READY && tokens[2] == 99);
        seen[tokens[0]]++;
        seen[tokens[1]]++;
    }
    for (int i = 0; i < READY; i++) {
        CHECK(seen[i] == 2);
        OK(dmxp_consumer_destroy(consumers[i]));
    }
    OK(dmxp_wait_set_destroy(set));
}

struct waiting {
    dmxp_wait_set *set;
    size_t count;
    double took_ms;
};

static void *wait_for_long(void *argument)
{
    struct waiting *waiting = (struct waiting *)argument;
    uint64_t token;
    double begun = now_ms();
    int32_t status;
    do { /* The main thread looks at the set. */
        status = dmxp_wait_set_wait(waiting->set, LONG, &token, 1, &waiting->count);
    } while (status == DMXP_INVALID_ARGUMENT);
    CHECK(status == DMXP_OK);
    waiting->took_ms = now_ms() - begun;
    return NULL;
}

static void interrupts_and_timeouts(void)
{
    dmxp_channel_options options = channel_named("silent", 2);
    dmxp_consumer *consumer;
    struct waiting waiting = {NULL, 9, 0};
    pthread_t thread;
    uint64_t token;
    size_t count = 9;
    for (uint32_t strategy = 0; strategy <= DMXP_SLEEP; strategy++) {
        OK(dmxp_wait_set_create(strategy, &waiting.set));
        OK(dmxp_consumer_open(region, &options, &consumer));
        OK(dmxp_wait_set_add_consumer(waiting.set, consumer, 1));
        double begun = now_ms();
        OK(dmxp_wait_set_wait(waiting.set, DMXP_MILLISECONDS(50), &token, 1, &count));
        CHECK(count == 0 && now_ms() - begun >= 50);

        CHECK(pthread_create(&thread, NULL, wait_for_long, &waiting) == 0);
        /* A set belongs to one thread at a time. */
        int32_t status = DMXP_OK;
        for (begun = now_ms(); status == DMXP_OK && now_ms() - begun < 30000;) {
            status = dmxp_wait_set_len(waiting.set, &count);
        }
        CHECK(status == DMXP_INVALID_ARGUMENT);
        SAYS("another thread is using the wait set");
        OK(dmxp_wait_set_interrupt(waiting.set));
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(waiting.count == 0 && waiting.took_ms < 30000);

        /* One that comes early ends the next wait. */
        OK(dmxp_wait_set_interrupt(waiting.set));
        OK(dmxp_wait_set_interrupt(waiting.set));
        OK(dmxp_wait_set_wait(waiting.set, DMXP_FOREVER, &token, 1, &count));
        CHECK(count == 0);
        begun = now_ms();
        OK(dmxp_wait_set_wait(waiting.set, DMXP_MILLISECONDS(10), &token, 1, &count));
        CHECK(count == 0 && now_ms() - begun >= 10);
        OK(dmxp_wait_set_destroy(waiting.set));
        OK(dmxp_consumer_destroy(consumer));
    }
}

static void mistakes(void)
{
    dmxp_channel_options options = channel_named("mistakes", 2);
    dmxp_consumer *consumer;
    dmxp_wait_set *set = (dmxp_wait_set *)&options;
    uint64_t token;
    size_t count = 9;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_wait_set_create(4, &set));
    SAYS("`strategy` is 4");
    CHECK(set == NULL);
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_wait_set_create(0, NULL));
    set = new_set();
    OK(dmxp_consumer_open(region, &options, &consumer));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_wait_set_add_consumer(set, NULL, 1));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_wait_set_add_producer(set, NULL, 1));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_wait_set_add_consumer(NULL, consumer, 1));
    OK(dmxp_wait_set_add_consumer(set, consumer, 1));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_wait_set_add_consumer(set, consumer, 1));
    SAYS("token 1 is another member's");
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_wait_set_add_fd(set, -1, 2));
    ANSWERS(DMXP_IO, dmxp_wait_set_add_fd(set, 1 << 20, 2)); /* Not open. */
    FILE *file = tmpfile();
    CHECK(file != NULL);
    ANSWERS(DMXP_IO, dmxp_wait_set_add_fd(set, fileno(file), 2));
    fclose(file);
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_wait_set_wait(set, DMXP_NO_WAIT, NULL, 1, &count));
    SAYS("room for one token");
    CHECK(count == 0);
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_wait_set_wait(set, DMXP_NO_WAIT, &token, 0, &count));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_wait_set_wait(set, DMXP_NO_WAIT, &token, 1, NULL));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_wait_set_wait(NULL, DMXP_NO_WAIT, &token, 1, &count));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_wait_set_interrupt(NULL));
    OK(dmxp_wait_set_len(set, &count));
    CHECK(count == 1);
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_wait_set_destroy(set));
    OK(dmxp_wait_set_destroy(NULL));
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    region_name = argv[1];
    region = open_region(region_name);
    many_channels();
    producers_and_descriptors();
    turns();
    interrupts_and_timeouts();
    mistakes();
    OK(dmxp_region_close(region));
    return 0;
}
