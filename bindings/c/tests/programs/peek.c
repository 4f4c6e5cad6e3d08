/* Messages on a channel are looked at and stay; and a consumer that names no type receives from any channel. */
#include "check.h"

#include <time.h>

static const char *region_name;
static dmxp_region *looking; /* Read-only. */

static const char *const SCHEMA = "struct Tick v1 size 16 align 8 { price: f64 @0, venue: str[8] @8 }";

typedef struct tick {
    double price;
    char venue[8];
} tick;

static uint32_t id_of(const char *channel)
{
    dmxp_channel_info info = DMXP_CHANNEL_INFO_INIT;
    OK(dmxp_region_find_channel(looking, channel, &info));
    return info.id;
}

static dmxp_peek *look(const char *channel, const dmxp_peek_options *options)
{
    dmxp_peek *peek;
    OK(dmxp_region_peek(looking, id_of(channel), options, &peek));
    return peek;
}

static int holds(const dmxp_peeked *message, const char *text)
{
    return message->len == strlen(text) && memcmp(message->data, text, message->len) == 0;
}

static void messages(dmxp_region *region)
{
    dmxp_channel_options options = channel_named("words", 8);
    dmxp_peek_options where = DMXP_PEEK_OPTIONS_INIT;
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    dmxp_message held = DMXP_MESSAGE_INIT, next = DMXP_MESSAGE_INIT;
    dmxp_peek *peek;
    dmxp_peek_info info = DMXP_PEEK_INFO_INIT;
    dmxp_peeked found[4] = {DMXP_PEEKED_INIT};
    size_t count = 0;
    const char *const words[] = {"one", "two", "three", "four"};
    options.message_type = 42;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));
    for (int word = 0; word < 4; word++) {
        OK(dmxp_producer_send(producer, words[word], strlen(words[word]), DMXP_NO_WAIT));
    }
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &held));
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &next));
    OK(dmxp_consumer_give_back(consumer, &next));

    peek = look("words", NULL);
    memset(&info, 0xff, sizeof info);
    info.struct_size = sizeof info;
    OK(dmxp_peek_get_info(peek, &info));
    CHECK(info.messages == 4 && info.next == 4 && info.overwritten == 0);
    CHECK(info.channel_id == id_of("words") && info.delivery == DMXP_QUEUE && strcmp(info.name, "words") == 0);
    CHECK(strcmp(dmxp_peek_schema(peek), "") == 0);
    memset(found, 0xff, sizeof found);
    found[0].struct_size = sizeof found[0];
    OK(dmxp_peek_list_messages(peek, found, 3, &count));
    CHECK(count == 4 && found[3].position == UINT64_MAX); /* No more is written than there is room for. */
    OK(dmxp_peek_list_messages(peek, found, 4, &count));
    for (int word = 0; word < 4; word++) {
        const dmxp_metadata *metadata = &found[word].metadata;
        CHECK(holds(&found[word], words[word]) && found[word].position == (uint64_t)word);
        CHECK(metadata->message_id == (uint64_t)word + 1 && metadata->message_type == 42);
        CHECK(metadata->payload_len == strlen(words[word]) && metadata->channel_id == info.channel_id);
        CHECK(metadata->sender_pid != 0 && metadata->timestamp_ns != 0 && metadata->missed == 0);
        CHECK(found[word].intact == 1 && found[word].urgent == 0);
        for (size_t byte = 0; byte < sizeof found[word].reserved; byte++) {
            CHECK(found[word].reserved[byte] == 0);
        }
    }
    CHECK(found[0].state == DMXP_MESSAGE_CLAIMED && found[1].state == DMXP_MESSAGE_RETURNED);
    CHECK(found[2].state == DMXP_MESSAGE_WAITING && found[3].state == DMXP_MESSAGE_WAITING);
    CHECK(found[0].metadata.redelivered == 0 && found[1].metadata.redelivered == 1);
    OK(dmxp_peek_destroy(peek));

    where = (dmxp_peek_options)DMXP_PEEK_OPTIONS_INIT;
    where.from = DMXP_PEEK_NEWEST;
    where.limit = 2;
    peek = look("words", &where);
    OK(dmxp_peek_list_messages(peek, found, 4, &count));
    CHECK(count == 2 && holds(&found[0], "three") && holds(&found[1], "four"));
    OK(dmxp_peek_destroy(peek));
    where.from = DMXP_PEEK_POSITION;
    where.position = 1;
    where.limit = 1;
    peek = look("words", &where);
    OK(dmxp_peek_list_messages(peek, found, 4, &count));
    OK(dmxp_peek_get_info(peek, &info));
    CHECK(count == 1 && holds(&found[0], "two") && info.next == 2);
    OK(dmxp_peek_destroy(peek));

    /* All of them are still there, for the consumer. */
    OK(dmxp_consumer_release(consumer, &held));
    for (int word = 1; word < 4; word++) {
        OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &next));
        CHECK(next.len == strlen(words[word]) && memcmp(next.data, words[word], next.len) == 0);
        OK(dmxp_consumer_release(consumer, &next));
    }
    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &next));
    peek = look("words", NULL);
    OK(dmxp_peek_list_messages(peek, NULL, 0, &count));
    CHECK(count == 0);
    OK(dmxp_peek_destroy(peek));
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(consumer));
}

static void urgent_and_old(dmxp_region *region)
{
    dmxp_channel_options options = channel_named("orders", 8);
    dmxp_producer *producer, *high;
    dmxp_peek *peek;
    dmxp_peeked found[2] = {DMXP_PEEKED_INIT};
    struct timespec late;
    size_t count = 0;
    options.priorities = 1;
    options.expiry_ns = 20000000;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_producer_high(producer, &high));
    OK(dmxp_producer_send(producer, "buy", 3, DMXP_NO_WAIT));
    OK(dmxp_producer_send(high, "cancel", 6, DMXP_NO_WAIT));
    late.tv_sec = 0;
    late.tv_nsec = 40000000;
    nanosleep(&late, NULL);
    peek = look("orders", NULL);
    OK(dmxp_peek_list_messages(peek, found, 2, &count));
    CHECK(count == 2 && holds(&found[0], "cancel") && holds(&found[1], "buy"));
    CHECK(found[0].urgent == 1 && found[1].urgent == 0);
    CHECK(found[0].metadata.flags == DMXP_FLAG_HIGH && found[1].metadata.flags == 0);
    CHECK(found[0].state == DMXP_MESSAGE_EXPIRED && found[1].state == DMXP_MESSAGE_EXPIRED);
    OK(dmxp_peek_destroy(peek));
    OK(dmxp_producer_destroy(producer));
}

static void without_the_type(dmxp_region *region)
{
    dmxp_channel_options typed = channel_named("ticks", 4), untyped = channel_named("ticks", 0);
    dmxp_producer *producer, *refused = NULL;
    dmxp_consumer *consumer;
    dmxp_handle_info info = DMXP_HANDLE_INFO_INIT;
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_peek *peek;
    dmxp_peeked found = DMXP_PEEKED_INIT;
    char schema[200];
    size_t len = 0, count = 0;
    tick sent, received;
    memset(&sent, 0, sizeof sent);
    sent.price = 99.5;
    memcpy(sent.venue, "XETR", 4);
    typed.schema = SCHEMA;
    OK(dmxp_producer_open(region, &typed, &producer));
    OK(dmxp_producer_send(producer, &sent, sizeof sent, DMXP_NO_WAIT));

    peek = look("ticks", NULL);
    CHECK(strcmp(dmxp_peek_schema(peek), SCHEMA) == 0);
    OK(dmxp_peek_list_messages(peek, &found, 1, &count));
    CHECK(count == 1 && found.len == sizeof sent && memcmp(found.data, &sent, sizeof sent) == 0);
    OK(dmxp_peek_destroy(peek));

    untyped.open_only = 1;
    ANSWERS(DMXP_CHANNEL_MISMATCH, dmxp_producer_open(region, &untyped, &refused));
    SAYS("untyped bytes was asked for");
    OK(dmxp_consumer_open(region, &untyped, &consumer));
    OK(dmxp_consumer_get_info(consumer, &info));
    CHECK(info.message_size == sizeof sent);
    OK(dmxp_region_get_schema(region, info.channel_id, schema, sizeof schema, &len));
    CHECK(strcmp(schema, SCHEMA) == 0);
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    CHECK(message.len == sizeof received);
    memcpy(&received, message.data, sizeof received);
    CHECK(received.price == 99.5 && strcmp(received.venue, "XETR") == 0);
    OK(dmxp_consumer_release(consumer, &message));
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_producer_destroy(producer));
}

static void mistakes(void)
{
    dmxp_peek_options options = DMXP_PEEK_OPTIONS_INIT;
    dmxp_peek *peek = (dmxp_peek *)&options;
    dmxp_peek_info info = DMXP_PEEK_INFO_INIT;
    size_t count = 9;
    uint32_t id = id_of("words");
    ANSWERS(DMXP_CHANNEL_NOT_FOUND, dmxp_region_peek(looking, 99, NULL, &peek));
    CHECK(peek == NULL);
    ANSWERS(DMXP_CHANNEL_NOT_FOUND, dmxp_region_peek(looking, 256, NULL, &peek));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_peek(NULL, id, NULL, &peek));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_peek(looking, id, NULL, NULL));
    options.from = 4;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_peek(looking, id, &options, &peek));
    SAYS("from is 4");
    options.from = DMXP_PEEK_OLDEST;
    options.position = 7;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_peek(looking, id, &options, &peek));
    SAYS("position is 7");
    options.position = 0;
    options.struct_size = 0;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_peek(looking, id, &options, &peek));
    SAYS("struct_size` is 0");
    CHECK(peek == NULL);
    memset(&info, 0xff, sizeof info);
    info.struct_size = sizeof info;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_peek_get_info(NULL, &info));
    CHECK(info.next == 0 && info.name[0] == '\0');
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_peek_list_messages(NULL, NULL, 0, &count));
    CHECK(count == 0 && dmxp_peek_schema(NULL) == NULL);
    OK(dmxp_peek_destroy(NULL));
}

int main(int argc, char **argv)
{
    dmxp_region_options where = DMXP_REGION_OPTIONS_INIT;
    CHECK(argc == 2);
    region_name = argv[1];
    dmxp_region *region = open_region(region_name);
    where.name = region_name;
    OK(dmxp_region_open_read_only(&where, &looking));
    messages(region);
    urgent_and_old(region);
    without_the_type(region);
    mistakes();
    OK(dmxp_region_close(looking));
    OK(dmxp_region_close(region));
    return 0;
}
