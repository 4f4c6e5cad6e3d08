/* Sends or receives messages of every interesting size, whose bytes follow from their number. */
#include "check.h"

static const size_t SIZES[] = {0, 1, 47, 48, 63, 64, 959, 960};
#define KINDS (sizeof SIZES / sizeof SIZES[0])
#define ROUNDS 500u

static unsigned char byte_of(unsigned message, size_t index)
{
    return (unsigned char)(message * 31 + index * 7 + 3);
}

static void send_all(dmxp_producer *producer)
{
    unsigned char payload[961];
    dmxp_slice too_large[2];
    for (unsigned message = 0; message < ROUNDS * KINDS; message++) {
        size_t size = SIZES[message % KINDS];
        for (size_t i = 0; i < size; i++) {
            payload[i] = byte_of(message, i);
        }
        OK(dmxp_producer_send(producer, payload, size, DMXP_FOREVER));
    }
    ANSWERS(DMXP_PAYLOAD_TOO_LARGE, dmxp_producer_send(producer, payload, 961, DMXP_FOREVER));
    SAYS("961");
    SAYS("the limit is 960 bytes");
    too_large[0].data = too_large[1].data = payload;
    too_large[0].len = 1;
    too_large[1].len = 961;
    ANSWERS(DMXP_PAYLOAD_TOO_LARGE, dmxp_producer_send_batch(producer, too_large, 2, DMXP_FOREVER));
    SAYS("the limit is 960 bytes");
    OK(dmxp_producer_close(producer));
    ANSWERS(DMXP_CLOSED, dmxp_producer_send(producer, payload, 1, DMXP_FOREVER));
}

static void receive_all(dmxp_consumer *consumer)
{
    dmxp_message message = DMXP_MESSAGE_INIT;
    for (unsigned number = 0; number < ROUNDS * KINDS; number++) {
        size_t size = SIZES[number % KINDS];
        OK(dmxp_consumer_recv(consumer, DMXP_FOREVER, &message));
        const unsigned char *bytes = (const unsigned char *)message.data;
        CHECK((uintptr_t)bytes % 64 == 0);
        CHECK(message.len == size);
        for (size_t i = 0; i < size; i++) {
            CHECK(bytes[i] == byte_of(number, i));
        }
        CHECK(message.metadata.message_id == number + 1);
        CHECK(message.metadata.payload_len == size);
        CHECK(message.metadata.sender_runtime == DMXP_RUNTIME_RUST);
        CHECK(message.metadata.sender_pid != 0 && message.metadata.timestamp_ns != 0);
        CHECK(message.metadata.redelivered == 0 && message.metadata.flags == 0 && message.metadata.message_type == 0);
        OK(dmxp_consumer_release(consumer, &message));
        CHECK(message.data == NULL);
    }
    ANSWERS(DMXP_CLOSED, dmxp_consumer_recv(consumer, DMXP_FOREVER, &message));
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    dmxp_region *region = open_region(argv[1]);
    dmxp_channel_options options = channel_named("sizes", 0);
    options.open_only = 1;
    if (strcmp(argv[2], "send") == 0) {
        dmxp_producer *producer;
        options.message_type = 4711;
        OK(dmxp_producer_open(region, &options, &producer));
        send_all(producer);
        OK(dmxp_producer_destroy(producer));
    } else {
        dmxp_consumer *consumer;
        OK(dmxp_consumer_open(region, &options, &consumer));
        receive_all(consumer);
        OK(dmxp_consumer_destroy(consumer));
    }
    OK(dmxp_region_close(region));
    return 0;
}
