/* Channels whose slots are sized to their messages. */
#include "check.h"

#define SCHEMA "struct Tick v1 size 8 align 8 { price: f64 @0 }"

static void opens(dmxp_region *region, const dmxp_channel_options *options, dmxp_producer **producer,
                  dmxp_consumer **consumer)
{
    OK(dmxp_producer_open(region, options, producer));
    OK(dmxp_consumer_open(region, options, consumer));
}

static void closes(dmxp_producer *producer, dmxp_consumer *consumer)
{
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(consumer));
}

static void has(dmxp_region *region, const char *name, uint32_t payload_capacity, uint32_t slot_size)
{
    dmxp_channel_info info = DMXP_CHANNEL_INFO_INIT;
    OK(dmxp_region_find_channel(region, name, &info));
    CHECK(info.payload_capacity == payload_capacity && info.slot_size == slot_size);
    CHECK(info.bytes >= info.capacity * slot_size && info.bytes < info.capacity * slot_size + 256);
}

static void refused(dmxp_region *region, const dmxp_channel_options *options, int32_t status, const char *text)
{
    dmxp_producer *producer;
    ANSWERS(status, dmxp_producer_open(region, options, &producer));
    SAYS(text);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    dmxp_region *region = open_region(argv[1]);
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    dmxp_message message = DMXP_MESSAGE_INIT;
    unsigned char payload[101];

    dmxp_channel_options bytes = channel_named("bytes", 4);
    bytes.payload_capacity = 100;
    opens(region, &bytes, &producer, &consumer);
    has(region, "bytes", 100, 192);
    for (int lap = 0; lap < 10; lap++) {
        memset(payload, lap, sizeof payload);
        OK(dmxp_producer_send(producer, payload, 100, DMXP_NO_WAIT));
        OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
        CHECK(message.len == 100 && memcmp(message.data, payload, 100) == 0);
        OK(dmxp_consumer_release(consumer, &message));
    }
    ANSWERS(DMXP_PAYLOAD_TOO_LARGE, dmxp_producer_send(producer, payload, 101, DMXP_NO_WAIT));
    SAYS("the limit is 100 bytes");

    dmxp_channel_options other = bytes;
    other.payload_capacity = 0;
    other.compact_slots = -1;
    refused(region, &other, DMXP_CHANNEL_MISMATCH, "compact slots");
    other.compact_slots = 0;
    other.payload_capacity = 101;
    refused(region, &other, DMXP_CHANNEL_MISMATCH, "payload capacity");
    closes(producer, consumer);

    dmxp_channel_options typed = channel_named("typed", 4);
    typed.schema = SCHEMA;
    typed.compact_slots = 1;
    opens(region, &typed, &producer, &consumer);
    has(region, "typed", 8, 64);
    double price = 1.5;
    OK(dmxp_producer_send(producer, &price, sizeof price, DMXP_NO_WAIT));
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    CHECK(message.len == sizeof price && memcmp(message.data, &price, sizeof price) == 0);
    OK(dmxp_consumer_release(consumer, &message));
    closes(producer, consumer);

    other = channel_named("none", 4);
    other.compact_slots = 1;
    refused(region, &other, DMXP_INVALID_ARGUMENT, "need a payload capacity");
    other.payload_capacity = 961;
    refused(region, &other, DMXP_INVALID_ARGUMENT, "give 1 to 960 bytes");
    other.payload_capacity = 8;
    other.v1_peers = 1;
    refused(region, &other, DMXP_INVALID_ARGUMENT, "v1 peers cannot have compact slots");
    other.v1_peers = 0;
    other.compact_slots = 2;
    refused(region, &other, DMXP_INVALID_ARGUMENT, "options->compact_slots");
    other.compact_slots = 0;
    other.reserved[1] = 1;
    refused(region, &other, DMXP_INVALID_ARGUMENT, "reserved");
    OK(dmxp_region_close(region));
    return 0;
}
