/* A region without a name is handed to a child over a socket, secrets are checked, and files of others are accepted on request. */
#ifndef _GNU_SOURCE /* C++ compilers say so by themselves. */
#define _GNU_SOURCE /* For memfd_create. */
#endif
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_TIME DMXP_MILLISECONDS(60000)

static const uint8_t SECRET[16] = {'s', 'i', 'x', 't', 'e', 'e', 'n', ' ', 'o', 'f', ' ', 't', 'h', 'e', 'm', '.'};

static dmxp_region_options options_with(const char *name, const uint8_t *secret)
{
    dmxp_region_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.name = name;
    options.size = 4 << 20;
    if (secret != NULL) {
        memcpy(options.secret, secret, sizeof options.secret);
    }
    return options;
}

struct asked {
    int32_t answer;
    int times;
    dmxp_peer_credentials peer;
};

static int32_t policy(const dmxp_peer_credentials *peer, void *context)
{
    struct asked *asked = (struct asked *)context;
    asked->times++;
    asked->peer = *peer;
    return asked->answer;
}

/* The child: receives the region, answers one message in capitals, takes another, says so, and waits to be killed. */
static void child(int socket, const uint8_t *secret)
{
    dmxp_region_options options = options_with(NULL, secret);
    dmxp_channel_options questions = channel_named("questions", 0), answers = channel_named("answers", 0);
    struct asked asked;
    dmxp_region *region;
    dmxp_consumer *consumer;
    dmxp_producer *producer;
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_claim claim;
    /* Nobody is left to kill it if the test fails. */
    alarm(60);
    memset(&asked, 0, sizeof asked);
    asked.answer = 1;
    OK(dmxp_region_receive(&options, socket, LONG_TIME, policy, &asked, &region));
    /* The pair of sockets is the parent's. */
    CHECK(asked.times == 1 && asked.peer.pid == (uint32_t)getppid());
    CHECK(asked.peer.uid == geteuid() && asked.peer.gid == getegid());
    OK(dmxp_consumer_open(region, &questions, &consumer));
    OK(dmxp_producer_open(region, &answers, &producer));
    OK(dmxp_consumer_recv(consumer, LONG_TIME, &message));
    OK(dmxp_producer_claim(producer, message.len, LONG_TIME, &claim));
    for (size_t i = 0; i < message.len; i++) {
        ((char *)claim.data)[i] = (char)(((const char *)message.data)[i] - 'a' + 'A');
    }
    OK(dmxp_producer_publish(producer, &claim));
    OK(dmxp_consumer_release(consumer, &message));
    OK(dmxp_consumer_recv(consumer, LONG_TIME, &message));
    OK(dmxp_producer_send(producer, "!", 1, LONG_TIME));
    for (;;) {
        pause();
    }
}

static void handed_to_a_child(void)
{
    dmxp_region_options options = options_with("c-hand-over", SECRET);
    dmxp_channel_options questions = channel_named("questions", 4), answers = channel_named("answers", 4);
    dmxp_region *region;
    dmxp_region_info info = DMXP_REGION_INFO_INIT;
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    dmxp_message message = DMXP_MESSAGE_INIT;
    int sockets[2];
    OK(dmxp_region_create_anonymous(&options, &region));
    CHECK(strcmp(dmxp_region_path(region), "memfd:c-hand-over") == 0);
    OK(dmxp_producer_open(region, &questions, &producer));
    OK(dmxp_consumer_open(region, &answers, &consumer));
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(sockets[0]);
        child(sockets[1], SECRET);
    }
    close(sockets[1]);
    OK(dmxp_region_hand_over(region, sockets[0], LONG_TIME, NULL, NULL));
    close(sockets[0]);
    OK(dmxp_region_get_info(region, &info));
    CHECK(info.processes == 2);
    OK(dmxp_producer_send(producer, "abc", 3, LONG_TIME));
    OK(dmxp_consumer_recv(consumer, LONG_TIME, &message));
    CHECK(message.len == 3 && memcmp(message.data, "ABC", 3) == 0);
    CHECK(message.metadata.sender_pid == (uint32_t)pid);
    OK(dmxp_consumer_release(consumer, &message));

    /* It dies with a message in its hands. */
    OK(dmxp_producer_send(producer, "kept", 4, LONG_TIME));
    OK(dmxp_consumer_recv(consumer, LONG_TIME, &message));
    OK(dmxp_consumer_release(consumer, &message));
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK(waitpid(pid, NULL, 0) == pid);
    dmxp_consumer *next;
    OK(dmxp_consumer_open(region, &questions, &next));
    OK(dmxp_consumer_recv(next, LONG_TIME, &message));
    CHECK(message.len == 4 && memcmp(message.data, "kept", 4) == 0 && message.metadata.redelivered == 1);
    OK(dmxp_consumer_release(next, &message));
    OK(dmxp_consumer_destroy(next));
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_region_close(region));
}

static void refusals(void)
{
    dmxp_region_options options = options_with(NULL, NULL);
    struct asked asked;
    dmxp_region *region, *other;
    int sockets[2];
    char byte;
    memset(&asked, 0, sizeof asked);
    OK(dmxp_region_create_anonymous(NULL, &region));
    CHECK(strcmp(dmxp_region_path(region), "memfd:dmxp") == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    ANSWERS(DMXP_PEER_REFUSED, dmxp_region_hand_over(region, sockets[0], LONG_TIME, policy, &asked));
    SAYS("is not accepted");
    CHECK(asked.times == 1 && asked.peer.pid == (uint32_t)getpid());
    /* Nothing was sent. */
    CHECK(recv(sockets[1], &byte, 1, MSG_DONTWAIT) == -1);
    double before = now_ms();
    ANSWERS(DMXP_TIMEOUT, dmxp_region_hand_over(region, sockets[0], DMXP_MILLISECONDS(100), NULL, NULL));
    CHECK(now_ms() - before >= 100 && now_ms() - before < 5000);
    ANSWERS(DMXP_PEER_REFUSED, dmxp_region_receive(NULL, sockets[1], LONG_TIME, policy, &asked, &other));
    CHECK(other == NULL);
    close(sockets[0]);
    close(sockets[1]);

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    before = now_ms();
    ANSWERS(DMXP_TIMEOUT, dmxp_region_receive(NULL, sockets[1], DMXP_MILLISECONDS(100), NULL, NULL, &other));
    CHECK(now_ms() - before >= 100 && now_ms() - before < 5000);
    CHECK(write(sockets[0], "good morning, sir", 17) == 17);
    ANSWERS(DMXP_HAND_OVER, dmxp_region_receive(NULL, sockets[1], LONG_TIME, NULL, NULL, &other));
    SAYS("not the hand-over of a region");
    close(sockets[0]);
    ANSWERS(DMXP_HAND_OVER, dmxp_region_receive(NULL, sockets[1], LONG_TIME, NULL, NULL, &other));
    close(sockets[1]);

    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_hand_over(NULL, 0, LONG_TIME, NULL, NULL));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_hand_over(region, -1, LONG_TIME, NULL, NULL));
    SAYS("`socket` is -1");
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_receive(&options, 9999, LONG_TIME, NULL, NULL, &other));
    SAYS("`socket` is 9999");
    int file = open("/dev/null", O_RDWR);
    ANSWERS(DMXP_IO, dmxp_region_hand_over(region, file, LONG_TIME, NULL, NULL));
    close(file);
    options.dir = "/tmp";
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_create_anonymous(&options, &other));
    CHECK(other == NULL);
    OK(dmxp_region_close(region));
}

static void descriptors(const char *name)
{
    dmxp_region_options options = options_with(NULL, SECRET), named = options_with(name, NULL);
    dmxp_region *region, *again;
    dmxp_region_info info = DMXP_REGION_INFO_INIT;
    int32_t descriptor = 0;
    OK(dmxp_region_create_anonymous(&options, &region));
    OK(dmxp_region_get_descriptor(region, &descriptor));
    CHECK(descriptor > 2 && (fcntl(descriptor, F_GETFD) & FD_CLOEXEC));
    ANSWERS(DMXP_SECRET_MISMATCH, dmxp_region_attach(NULL, descriptor, &again));
    SAYS("none was given");
    OK(dmxp_region_attach(&options, descriptor, &again));
    OK(dmxp_region_get_info(again, &info));
    CHECK(info.processes == 1 && info.read_only == 0);
    OK(dmxp_region_close(again));
    OK(dmxp_region_attach_read_only(&options, descriptor, &again));
    OK(dmxp_region_get_info(again, &info));
    CHECK(info.processes == 1 && info.read_only == 1 && info.size == 4 << 20);
    OK(dmxp_region_close(again));
    CHECK(ftruncate(descriptor, 0) == -1);
    CHECK(close(descriptor) == 0);
    OK(dmxp_region_close(region));

    int unsealed = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(unsealed >= 0);
    ANSWERS(DMXP_NOT_A_REGION, dmxp_region_attach(NULL, unsealed, &again));
    SAYS("not sealed against shrinking");
    CHECK(again == NULL && close(unsealed) == 0);
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_attach(NULL, -1, &again));
    SAYS("`descriptor` is -1");

    OK(dmxp_region_create(&named, &region));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_get_descriptor(region, &descriptor));
    SAYS("has a name");
    CHECK(descriptor == -1);
    OK(dmxp_region_close(region));
    OK(dmxp_region_remove(&named, 0));
}

static void secrets(const char *name)
{
    uint8_t wrong[16];
    dmxp_region *region;
    memcpy(wrong, SECRET, sizeof wrong);
    wrong[15] ^= 1;
    dmxp_region_options right = options_with(name, SECRET), other = options_with(name, wrong),
                        none = options_with(name, NULL);
    OK(dmxp_region_create(&right, &region));
    OK(dmxp_region_close(region));
    ANSWERS(DMXP_SECRET_MISMATCH, dmxp_region_open(&none, &region));
    SAYS("none was given");
    ANSWERS(DMXP_SECRET_MISMATCH, dmxp_region_open(&other, &region));
    SAYS("another one than was given");
    ANSWERS(DMXP_SECRET_MISMATCH, dmxp_region_open_read_only(&other, &region));
    ANSWERS(DMXP_SECRET_MISMATCH, dmxp_region_remove(&none, 0));
    OK(dmxp_region_open(&right, &region));
    OK(dmxp_region_close(region));
    OK(dmxp_region_remove(&right, 0));
    OK(dmxp_region_create(&none, &region));
    OK(dmxp_region_close(region));
    ANSWERS(DMXP_SECRET_MISMATCH, dmxp_region_open(&right, &region));
    SAYS("it has no secret");
    OK(dmxp_region_remove(&none, 0));
}

static void owners(const char *name)
{
    dmxp_region_options options = options_with(name, NULL);
    dmxp_region *region;
    struct stat data;
    char path[300];
    options.group_access = 1;
    OK(dmxp_region_create(&options, &region));
    CHECK(snprintf(path, sizeof path, "%s", dmxp_region_path(region)) < (int)sizeof path);
    OK(dmxp_region_close(region));
    CHECK(stat(path, &data) == 0 && (data.st_mode & 07777) == 0660);
    /* Only root can give a file to another user. */
    if (chown(path, 12345, (gid_t)-1) == 0) {
        options.group_access = 0;
        ANSWERS(DMXP_NOT_A_REGION, dmxp_region_open(&options, &region));
        SAYS("user 12345");
        options.group_access = 1;
        OK(dmxp_region_open(&options, &region));
        OK(dmxp_region_close(region));
        options.group_access = 0;
        options.owner = 12345; /* Says nothing without accept_owner. */
        ANSWERS(DMXP_NOT_A_REGION, dmxp_region_open(&options, &region));
        options.accept_owner = 1;
        OK(dmxp_region_open(&options, &region));
        OK(dmxp_region_close(region));
    } else {
        printf("skipped: only root can give a file to another user\n");
    }
    OK(dmxp_region_remove(&options, 0));
    options.group_access = 0;
    options.accept_owner = 0;
    OK(dmxp_region_create(&options, &region));
    CHECK(stat(path, &data) == 0 && (data.st_mode & 07777) == 0600);
    OK(dmxp_region_close(region));
    OK(dmxp_region_remove(&options, 0));
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    handed_to_a_child();
    refusals();
    descriptors(argv[1]);
    secrets(argv[1]);
    owners(argv[1]);
    return 0;
}
