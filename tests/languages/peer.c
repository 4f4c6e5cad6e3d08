/* The C peer of the tests; see README.md. */

#include <dmxp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drawn.h"
#include "numbered.h"
#include "order.h"
#include "sha256.h"

#define PATIENCE DMXP_MILLISECONDS(60000)

typedef struct {
    dmxp_region *region;
    const char *channel;
    char **arguments;
} Peer;

static void check(int32_t status, const char *what)
{
    if (status != DMXP_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, dmxp_status_name(status), dmxp_last_error());
        exit(1);
    }
}

/* An argument, which is a number. */
static uint64_t number(const Peer *peer, int index)
{
    char *end;
    uint64_t value = strtoull(peer->arguments[index], &end, 10);
    if (*end != '\0') {
        fprintf(stderr, "%s is not a number\n", peer->arguments[index]);
        exit(2);
    }
    return value;
}

static dmxp_producer *open_producer(const Peer *peer, const char *channel, const char *schema)
{
    const dmxp_channel_options options = {.struct_size = sizeof options, .name = channel, .schema = schema};
    dmxp_producer *producer;
    check(dmxp_producer_open(peer->region, &options, &producer), "opening a producer");
    return producer;
}

static dmxp_consumer *open_consumer(const Peer *peer, const char *channel, const char *schema)
{
    const dmxp_channel_options options = {.struct_size = sizeof options, .name = channel, .schema = schema};
    dmxp_consumer *consumer;
    check(dmxp_consumer_open(peer->region, &options, &consumer), "opening a consumer");
    return consumer;
}

static void add(Sha256 *hash, const void *data, size_t length)
{
    const uint8_t prefix[4] = {(uint8_t)length, (uint8_t)(length >> 8), (uint8_t)(length >> 16), (uint8_t)(length >> 24)};
    sha256_update(hash, prefix, sizeof prefix);
    sha256_update(hash, data, length);
}

static void produce(const Peer *peer)
{
    dmxp_producer *producer = open_producer(peer, peer->channel, NULL);
    Sha256 hash = sha256_start();
    for (uint64_t i = 0; i < number(peer, 0); i++) {
        uint8_t payload[960];
        size_t length = draw_payload(number(peer, 1), i, payload);
        add(&hash, payload, length);
        if (i % 2 == 0) {
            check(dmxp_producer_send(producer, payload, length, PATIENCE), "sending");
        } else {
            dmxp_claim claim;
            check(dmxp_producer_claim(producer, length, PATIENCE, &claim), "claiming");
            memcpy(claim.data, payload, length);
            check(dmxp_producer_publish(producer, &claim), "publishing");
        }
    }
    sha256_print(&hash);
    dmxp_producer_destroy(producer);
}

static void print_digest(const Peer *peer, dmxp_consumer *consumer)
{
    Sha256 hash = sha256_start();
    for (uint64_t i = 0; i < number(peer, 0); i++) {
        dmxp_message message = DMXP_MESSAGE_INIT;
        check(dmxp_consumer_recv(consumer, PATIENCE, &message), "receiving");
        add(&hash, message.data, message.len);
        check(dmxp_consumer_release(consumer, &message), "releasing");
    }
    sha256_print(&hash);
    dmxp_consumer_destroy(consumer);
}

static void consume(const Peer *peer)
{
    print_digest(peer, open_consumer(peer, peer->channel, NULL));
}

static void follow(const Peer *peer)
{
    const dmxp_channel_options options = {.struct_size = sizeof options,
                                          .name = peer->channel, .start = DMXP_START_POSITION};
    dmxp_consumer *consumer;
    check(dmxp_consumer_open(peer->region, &options, &consumer), "opening a consumer");
    print_digest(peer, consumer);
}

static void refused(int32_t status, int32_t expected)
{
    if (status != expected) {
        fprintf(stderr, "%s instead of %s\n", dmxp_status_name(status), dmxp_status_name(expected));
        exit(1);
    }
    puts(dmxp_last_error());
}

static void oversize(const Peer *peer)
{
    dmxp_producer *producer = open_producer(peer, peer->channel, NULL);
    const uint8_t payload[961] = {0};
    const dmxp_slice batch[] = {{payload, 1}, {payload, sizeof payload}};
    dmxp_claim claim;
    refused(dmxp_producer_send(producer, payload, sizeof payload, DMXP_NO_WAIT), DMXP_PAYLOAD_TOO_LARGE);
    refused(dmxp_producer_send_batch(producer, batch, COUNT_OF(batch), DMXP_NO_WAIT), DMXP_PAYLOAD_TOO_LARGE);
    refused(dmxp_producer_claim(producer, sizeof payload, DMXP_NO_WAIT, &claim), DMXP_PAYLOAD_TOO_LARGE);
    dmxp_producer_destroy(producer);
}

static void send_every_kind(const Peer *peer)
{
    dmxp_producer *producer = open_producer(peer, peer->channel, EVERY_KIND_SCHEMA);
    Sha256 hash = sha256_start();
    for (uint64_t i = 0; i < number(peer, 0); i++) {
        if (i % 2 == 0) {
            EveryKind message;
            memset(&message, 0, sizeof message);
            draw_every_kind(number(peer, 1), i, &message);
            add(&hash, &message, sizeof message);
            check(dmxp_producer_send(producer, &message, sizeof message, PATIENCE), "sending");
        } else {
            dmxp_claim claim;
            check(dmxp_producer_claim(producer, sizeof(EveryKind), PATIENCE, &claim), "claiming");
            draw_every_kind(number(peer, 1), i, claim.data);
            add(&hash, claim.data, claim.len);
            check(dmxp_producer_publish(producer, &claim), "publishing");
        }
    }
    sha256_print(&hash);
    dmxp_producer_destroy(producer);
}

static void receive_every_kind(const Peer *peer)
{
    dmxp_consumer *consumer = open_consumer(peer, peer->channel, EVERY_KIND_SCHEMA);
    Sha256 hash = sha256_start();
    for (uint64_t i = 0; i < number(peer, 0); i++) {
        EveryKind expected;
        memset(&expected, 0, sizeof expected);
        draw_every_kind(number(peer, 1), i, &expected);
        dmxp_message message = DMXP_MESSAGE_INIT;
        check(dmxp_consumer_recv(consumer, PATIENCE, &message), "receiving");
        const char *difference = differing_field(message.data, &expected);
        if (difference != NULL) {
            fprintf(stderr, "message %" PRIu64 ": %s is not what was drawn\n", i, difference);
            exit(1);
        }
        add(&hash, message.data, message.len);
        check(dmxp_consumer_release(consumer, &message), "releasing");
    }
    sha256_print(&hash);
    dmxp_consumer_destroy(consumer);
}

static int is_whole(const dmxp_message *message, uint64_t number)
{
    const Numbered *numbered = message->data;
    int whole = numbered->producer == 0 && numbered->number == number;
    for (uint64_t i = 0; i < COUNT_OF(numbered->check); i++) {
        whole &= numbered->check[i] == (number ^ i);
    }
    return whole;
}

static void follow_numbered(const Peer *peer)
{
    const int latest = strcmp(peer->arguments[0], "latest") == 0;
    dmxp_channel_options options = {.struct_size = sizeof options, .name = peer->channel, .schema = NUMBERED_SCHEMA};
    if (!latest) {
        options.subscription = strcmp(peer->arguments[0], "lossy") == 0 ? DMXP_LOSSY : DMXP_RELIABLE;
        options.start = DMXP_START_POSITION;
    }
    dmxp_consumer *consumer;
    dmxp_message before = DMXP_MESSAGE_INIT, message = DMXP_MESSAGE_INIT;
    dmxp_handle_info info = DMXP_HANDLE_INFO_INIT;
    uint64_t received = 0, next = 0;
    int32_t status;
    check(dmxp_consumer_open(peer->region, &options, &consumer), "opening a consumer");
    while ((status = dmxp_consumer_recv(consumer, PATIENCE, &message)) == DMXP_OK) {
        const uint64_t number = message.metadata.message_id - 1;
        /* The first look at a latest value misses nothing. */
        const int gap = !(latest && received == 0) && number != next + message.metadata.missed;
        if (gap || !is_whole(&message, number)) {
            fprintf(stderr, "message %" PRIu64 " after %" PRIu64 " is not what was sent\n", number, next);
            exit(1);
        }
        /* The one before is held until now, and is still what it was. */
        if (received > 0) {
            if (!is_whole(&before, before.metadata.message_id - 1)) {
                fprintf(stderr, "message %" PRIu64 " changed while it was held\n", before.metadata.message_id - 1);
                exit(1);
            }
            check(dmxp_consumer_release(consumer, &before), "releasing");
        }
        before = message;
        next = number + 1;
        received++;
    }
    if (status != DMXP_CLOSED) {
        check(status, "receiving");
    }
    check(dmxp_consumer_get_info(consumer, &info), "looking at the channel");
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", received, info.missed, next);
    dmxp_consumer_destroy(consumer);
}

static void answer_order(const Peer *peer)
{
    dmxp_consumer *consumer = open_consumer(peer, peer->channel, ORDER_SCHEMA);
    dmxp_producer *producer = open_producer(peer, peer->arguments[0], ORDER_SCHEMA);
    dmxp_message message = DMXP_MESSAGE_INIT;
    check(dmxp_consumer_recv(consumer, PATIENCE, &message), "receiving");
    const Order *order = message.data;
    printf("%g %" PRIu32 " %d\n", order->price, order->quantity, order->side);

    dmxp_claim claim;
    check(dmxp_producer_claim(producer, sizeof(Order), PATIENCE, &claim), "claiming");
    Order *answer = claim.data;
    answer->price = order->price + 1;
    answer->quantity = order->quantity + 1;
    answer->side = order->side;
    check(dmxp_producer_publish(producer, &claim), "publishing");
    check(dmxp_consumer_release(consumer, &message), "releasing");
    dmxp_producer_destroy(producer);
    dmxp_consumer_destroy(consumer);
}

static void open_order(const Peer *peer)
{
    const dmxp_channel_options options = {.struct_size = sizeof options, .name = peer->channel, .schema = ORDER_SCHEMA};
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    refused(dmxp_producer_open(peer->region, &options, &producer), DMXP_SCHEMA_MISMATCH);
    refused(dmxp_consumer_open(peer->region, &options, &consumer), DMXP_SCHEMA_MISMATCH);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int arguments;
        void (*run)(const Peer *peer);
    } commands[] = {
        {"produce", 2, produce},
        {"consume", 1, consume},
        {"oversize", 0, oversize},
        {"send-every-kind", 2, send_every_kind},
        {"receive-every-kind", 2, receive_every_kind},
        {"follow", 1, follow},
        {"follow-numbered", 1, follow_numbered},
        {"answer-order", 1, answer_order},
        {"open-order", 0, open_order},
    };
    for (size_t i = 0; argc >= 4 && i < COUNT_OF(commands); i++) {
        if (strcmp(argv[3], commands[i].name) == 0 && argc == 4 + commands[i].arguments) {
            const dmxp_region_options options = {.struct_size = sizeof options, .name = argv[1]};
            Peer peer = {.channel = argv[2], .arguments = argv + 4};
            check(dmxp_region_open(&options, &peer.region), "opening the region");
            commands[i].run(&peer);
            dmxp_region_close(peer.region);
            return 0;
        }
    }
    fprintf(stderr, "usage: peer REGION CHANNEL COMMAND [ARGUMENT...], see README.md\n");
    return 2;
}
