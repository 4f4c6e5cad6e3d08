/* A signal ends a wait, unless waits are to go on; and its handler may interrupt a set. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t signals;
static dmxp_wait_set *interrupted_set;

static void count(int signal)
{
    (void)signal;
    signals++;
}

static void interrupt(int signal)
{
    (void)signal;
    signals++;
    dmxp_wait_set_interrupt(interrupted_set);
}

static void handle(void (*handler)(int), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
}

/* Sends a signal each few milliseconds, until it is told to stop: one that comes before the thread sleeps is not noticed. */
static volatile int pestering;

static void *pester(void *thread)
{
    while (pestering) {
        usleep(5000);
        pthread_kill(*(pthread_t *)thread, SIGUSR1);
    }
    return NULL;
}

static pthread_t self, pesterer;

static void begin(void)
{
    self = pthread_self();
    pestering = 1;
    CHECK(pthread_create(&pesterer, NULL, pester, &self) == 0);
}

static void end(void)
{
    pestering = 0;
    CHECK(pthread_join(pesterer, NULL) == 0);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    dmxp_region *region = open_region(argv[1]);
    dmxp_channel_options options = channel_named("signals", 2);
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    dmxp_wait_set *set, *pipes;
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_claim claim;
    uint64_t token;
    size_t found;
    int ends[2];
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));
    OK(dmxp_wait_set_create(0, &set));
    OK(dmxp_wait_set_add_consumer(set, consumer, 1));
    OK(dmxp_wait_set_create(0, &pipes));
    CHECK(pipe(ends) == 0);
    OK(dmxp_wait_set_add_fd(pipes, ends[0], 2));

    for (int flags = 0; flags <= 1; flags++) {
        handle(count, flags ? SA_RESTART : 0);
        begin();
        ANSWERS(DMXP_INTERRUPTED, dmxp_consumer_recv(consumer, DMXP_FOREVER, &message));
        SAYS("call again");
        ANSWERS(DMXP_INTERRUPTED, dmxp_consumer_recv(consumer, DMXP_MILLISECONDS(30000), &message));
        /* Sleeping on several words, the kernel goes on by itself after a handler with SA_RESTART. */
        if (flags == 0) {
            ANSWERS(DMXP_INTERRUPTED, dmxp_wait_set_wait(set, DMXP_FOREVER, &token, 1, &found));
        }
        ANSWERS(DMXP_INTERRUPTED, dmxp_wait_set_wait(pipes, DMXP_FOREVER, &token, 1, &found));
        OK(dmxp_producer_send(producer, "1", 1, DMXP_NO_WAIT));
        OK(dmxp_producer_send(producer, "2", 1, DMXP_NO_WAIT));
        ANSWERS(DMXP_INTERRUPTED, dmxp_producer_send(producer, "3", 1, DMXP_FOREVER));
        ANSWERS(DMXP_INTERRUPTED, dmxp_producer_claim(producer, 1, DMXP_FOREVER, &claim));
        end();
        CHECK(signals > 0);
        /* Nothing was lost by it. */
        for (int k = 1; k <= 2; k++) {
            OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
            CHECK(message.len == 1 && *(const char *)message.data == '0' + k);
            OK(dmxp_consumer_release(consumer, &message));
        }
        ANSWERS(DMXP_EMPTY, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    }

    /* Waits that go on keep their time. */
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_restart_waits(2));
    OK(dmxp_restart_waits(1));
    begin();
    double started = now_ms();
    ANSWERS(DMXP_TIMEOUT, dmxp_consumer_recv(consumer, DMXP_MILLISECONDS(200), &message));
    OK(dmxp_wait_set_wait(set, DMXP_MILLISECONDS(200), &token, 1, &found));
    CHECK(found == 0 && now_ms() - started >= 400);
    end();
    OK(dmxp_restart_waits(0));

    /* The handler ends the wait, whenever it runs. */
    interrupted_set = set;
    handle(interrupt, 0);
    for (int round = 0; round < 1000; round++) {
        raise(SIGUSR1);
        OK(dmxp_wait_set_wait(set, DMXP_FOREVER, &token, 1, &found));
        CHECK(found == 0);
    }
    begin();
    for (int round = 0; round < 20; round++) {
        int32_t answer = dmxp_wait_set_wait(set, DMXP_FOREVER, &token, 1, &found);
        CHECK((answer == DMXP_OK || answer == DMXP_INTERRUPTED) && found == 0);
    }
    end();
    OK(dmxp_wait_set_destroy(set));
    OK(dmxp_wait_set_destroy(pipes));
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_region_close(region));
    return 0;
}
