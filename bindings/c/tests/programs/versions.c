/* Structs that begin with their size: what programs that were compiled with an older or a newer header give and get. */
#include "check.h"

/* As a later version may have it. */
typedef struct {
    dmxp_channel_options known;
    uint64_t added;
} later_options;

typedef struct {
    dmxp_channel_info known;
    uint64_t added[2];
} later_info;

static void opens(dmxp_region *region, const void *options)
{
    dmxp_producer *producer;
    OK(dmxp_producer_open(region, (const dmxp_channel_options *)options, &producer));
    OK(dmxp_producer_destroy(producer));
}

static void refused(dmxp_region *region, const void *options, const char *text)
{
    dmxp_producer *producer;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_open(region, (const dmxp_channel_options *)options, &producer));
    SAYS(text);
    CHECK(producer == NULL);
}

static int is_all(const void *bytes, unsigned char value, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (((const unsigned char *)bytes)[i] != value) return 0;
    return 1;
}

static void options_of_any_version_are_taken(dmxp_region *region)
{
    /* One that ends before the capacity: whatever lies there is not the struct's. */
    dmxp_channel_options options = channel_named("older", 3);
    options.struct_size = offsetof(dmxp_channel_options, capacity);
    memset((char *)&options + options.struct_size, 0xff, sizeof options - options.struct_size);
    opens(region, &options);
    dmxp_channel_info info = DMXP_CHANNEL_INFO_INIT;
    OK(dmxp_region_find_channel(region, "older", &info));
    CHECK(info.capacity == 1024 && !info.v1_peers && info.delivery == DMXP_QUEUE);

    later_options later;
    memset(&later, 0, sizeof later);
    later.known = channel_named("newer", 4);
    later.known.struct_size = sizeof later;
    opens(region, &later);
    later.added = 1;
    refused(region, &later, "newer library");
    later.known.struct_size = sizeof later.known;
    opens(region, &later);

    const size_t impossible[] = {0, 1, 4, 12, sizeof options - 1, 4104, SIZE_MAX};
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++) {
        options.struct_size = impossible[i];
        refused(region, &options, "begin with DMXP_CHANNEL_OPTIONS_INIT, or set it to sizeof(dmxp_channel_options)");
    }
    /* Nothing but its size: neither name nor id. */
    options.struct_size = sizeof options.struct_size;
    opens(region, &options);
    OK(dmxp_region_get_channel(region, 0, &info));

    dmxp_region_options where;
    memset(&where, 0, sizeof where);
    dmxp_region *other;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_open(&where, &other));
    SAYS("`options->struct_size` is 0, which is no size of a dmxp_region_options; begin with DMXP_REGION_OPTIONS_INIT");
    dmxp_recover_options how;
    memset(&how, 0, sizeof how);
    dmxp_recovery *recovery;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_recover(region, &how, &recovery));
    SAYS("DMXP_RECOVER_OPTIONS_INIT");
}

static void results_are_as_long_as_the_program_knows_them(dmxp_region *region)
{
    /* The first fields alone; behind them lies something else. */
    dmxp_channel_info info;
    memset(&info, 0xee, sizeof info);
    info.struct_size = offsetof(dmxp_channel_info, bytes);
    OK(dmxp_region_find_channel(region, "newer", &info));
    CHECK(info.struct_size == offsetof(dmxp_channel_info, bytes) && info.capacity == 4);
    CHECK(is_all(&info.bytes, 0xee, sizeof info - info.struct_size));
    ANSWERS(DMXP_CHANNEL_NOT_FOUND, dmxp_region_find_channel(region, "nobody", &info));
    CHECK(info.struct_size == offsetof(dmxp_channel_info, bytes) && info.capacity == 0);
    CHECK(is_all(&info.bytes, 0xee, sizeof info - info.struct_size));

    later_info later;
    memset(&later, 0xee, sizeof later);
    later.known.struct_size = sizeof later;
    OK(dmxp_region_find_channel(region, "newer", &later.known));
    CHECK(later.known.struct_size == sizeof later && later.known.capacity == 4 && later.known.high_id == -1);
    CHECK(is_all(later.added, 0, sizeof later.added));

    info.struct_size = 0;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_find_channel(region, "newer", &info));
    SAYS("`out->struct_size` is 0, which is no size of a dmxp_channel_info");
}

/* The first says how far the next one is. */
static void lists_have_the_step_of_the_program(dmxp_region *region)
{
    size_t count;
    later_info later[4];
    memset(later, 0xee, sizeof later);
    later[0].known.struct_size = sizeof *later;
    OK(dmxp_region_list_channels(region, &later[0].known, 3, &count));
    CHECK(count == 3);
    for (size_t i = 0; i < count; i++) {
        CHECK(later[i].known.struct_size == sizeof *later && later[i].known.capacity > 0);
        CHECK(is_all(later[i].added, 0, sizeof later[i].added));
    }
    CHECK(is_all(&later[3], 0xee, sizeof later[3]));

    uint64_t older[4][2];
    memset(older, 0xee, sizeof older);
    older[0][0] = sizeof older[0];
    OK(dmxp_region_list_channels(region, (dmxp_channel_info *)older, 3, &count));
    for (size_t i = 0; i < 3; i++) CHECK(older[i][0] == sizeof older[0] && older[i][1] == later[i].known.capacity);
    CHECK(is_all(older[3], 0xee, sizeof older[3]));

    dmxp_channel_statistics statistics[2];
    memset(statistics, 0, sizeof statistics);
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_list_statistics(region, statistics, 2, &count));
    SAYS("`statistics->struct_size` is 0");
    OK(dmxp_region_list_statistics(region, NULL, 0, &count));
    CHECK(count == 3);
}

/* A message is released by what every version of it begins with. */
static void messages_of_any_version_are_lent(dmxp_region *region)
{
    dmxp_channel_options options = channel_named("newer", 4);
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));
    for (int i = 0; i < 4; i++) OK(dmxp_producer_send(producer, "abcd", 1 + i, DMXP_NO_WAIT));

    dmxp_message message;
    memset(&message, 0xee, sizeof message);
    message.struct_size = offsetof(dmxp_message, metadata) + offsetof(dmxp_metadata, timestamp_ns);
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    CHECK(message.len == 1 && message.metadata.message_id == 1);
    CHECK(is_all(&message.metadata.timestamp_ns, 0xee, sizeof message - message.struct_size));
    OK(dmxp_consumer_release(consumer, &message));
    ANSWERS(DMXP_STALE, dmxp_consumer_release(consumer, &message));

    struct {
        dmxp_message known;
        uint64_t added;
    } later[4];
    dmxp_batch batch;
    memset(later, 0xee, sizeof later);
    later[0].known.struct_size = sizeof *later;
    OK(dmxp_consumer_recv_batch(consumer, &later[0].known, 3, DMXP_NO_WAIT, &batch));
    CHECK(batch.count == 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK(later[i].known.struct_size == sizeof *later && later[i].known.metadata.message_id == i + 2);
        CHECK(memcmp(later[i].known.data, "abcd", later[i].known.len) == 0 && later[i].added == 0);
    }
    CHECK(is_all(&later[3], 0xee, sizeof later[3]));
    OK(dmxp_consumer_release_batch(consumer, &batch));
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(consumer));
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    dmxp_region *region = open_region(argv[1]);
    options_of_any_version_are_taken(region);
    results_are_as_long_as_the_program_knows_them(region);
    lists_have_the_step_of_the_program(region);
    messages_of_any_version_are_lent(region);
    OK(dmxp_region_close(region));
    return 0;
}
