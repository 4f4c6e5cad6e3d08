/* Every mistake is answered with its code and a text that says what to do. */
#include "check.h"

static void status_names(void)
{
#define NAME(status) CHECK(strcmp(dmxp_status_name(status), #status) == 0)
    NAME(DMXP_OK);
    NAME(DMXP_FULL);
    NAME(DMXP_EMPTY);
    NAME(DMXP_TIMEOUT);
    NAME(DMXP_CLOSED);
    NAME(DMXP_REMOVED);
    NAME(DMXP_FORKED);
    NAME(DMXP_EVICTED);
    NAME(DMXP_WOULD_DEADLOCK);
    NAME(DMXP_TOO_MANY_CLAIMS);
    NAME(DMXP_INTERRUPTED);
    NAME(DMXP_INVALID_ARGUMENT);
    NAME(DMXP_STALE);
    NAME(DMXP_PAYLOAD_TOO_LARGE);
    NAME(DMXP_BATCH_TOO_LARGE);
    NAME(DMXP_BUFFER_TOO_SMALL);
    NAME(DMXP_INVALID_MESSAGE);
    NAME(DMXP_CHECKSUM_MISMATCH);
    NAME(DMXP_REGION_NOT_FOUND);
    NAME(DMXP_REGION_EXISTS);
    NAME(DMXP_REGION_IN_USE);
    NAME(DMXP_NOT_A_REGION);
    NAME(DMXP_INVALID_MAGIC);
    NAME(DMXP_CORRUPT);
    NAME(DMXP_REGION_FULL);
    NAME(DMXP_OUT_OF_MEMORY);
    NAME(DMXP_READ_ONLY);
    NAME(DMXP_MANAGEMENT_LOCK_BUSY);
    NAME(DMXP_PROCESS_TABLE_FULL);
    NAME(DMXP_HANDLE_TABLE_FULL);
    NAME(DMXP_SECRET_MISMATCH);
    NAME(DMXP_PEER_REFUSED);
    NAME(DMXP_HAND_OVER);
    NAME(DMXP_CHANNEL_NOT_FOUND);
    NAME(DMXP_CHANNEL_IN_USE);
    NAME(DMXP_CHANNEL_TABLE_FULL);
    NAME(DMXP_CHANNEL_MISMATCH);
    NAME(DMXP_SCHEMA_MISMATCH);
    NAME(DMXP_IO);
    NAME(DMXP_PANIC);
    NAME(DMXP_OTHER);
    CHECK(strcmp(dmxp_status_name(12345), "unknown status") == 0);
}

static void regions(const char *name)
{
    dmxp_region_options options;
    dmxp_region_info info = DMXP_REGION_INFO_INIT;
    dmxp_region *region = (dmxp_region *)&options;
    dmxp_region *second;
    char long_name[202];
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.name = name;
    options.size = 8 << 20;

    ANSWERS(DMXP_REGION_NOT_FOUND, dmxp_region_open(&options, &region));
    CHECK(region == NULL);
    SAYS(name);
    SAYS("does not exist");
    ANSWERS(DMXP_REGION_NOT_FOUND, dmxp_region_remove(&options, 0));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_create(&options, NULL));
    SAYS("`out` is NULL");
    CHECK(dmxp_region_path(NULL) == NULL);

    OK(dmxp_region_create(&options, &region));
    ANSWERS(DMXP_REGION_EXISTS, dmxp_region_create(&options, &second));
    CHECK(second == NULL);
    SAYS(name);
    ANSWERS(DMXP_REGION_IN_USE, dmxp_region_remove(&options, 0));
    CHECK(strstr(dmxp_region_path(region), name) != NULL);
    OK(dmxp_region_get_info(region, &info));
    CHECK(info.size == 8 << 20 && info.processes == 1 && info.channels == 0 && info.read_only == 0);
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_get_info(NULL, &info));
    CHECK(info.size == 0);
    OK(dmxp_region_close(region));
    OK(dmxp_region_close(NULL));

    options.size = 1;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_create(&options, &region));
    SAYS("region size 1");
    options.size = 0;
    memset(long_name, 'x', 201);
    long_name[201] = '\0';
    options.name = long_name;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_open(&options, &region));
    SAYS("1 to 200 bytes");
    options.name = "\xff";
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_open(&options, &region));
    SAYS("UTF-8");
    options.name = name;
    options.runtime = 7;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_open(&options, &region));
    SAYS("runtime 7");
    options.runtime = 0;
    options.reserved[1] = 1;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_open(&options, &region));
    SAYS("reserved");
}

static void channels(const char *name)
{
    dmxp_region_options region_options;
    dmxp_channel_options options = channel_named("numbers", 3);
    dmxp_channel_info info = DMXP_CHANNEL_INFO_INIT, list[2] = {DMXP_CHANNEL_INFO_INIT};
    dmxp_region *region = open_region(name);
    dmxp_region *looking;
    dmxp_producer *producer = (dmxp_producer *)&options;
    dmxp_consumer *consumer;
    size_t count;
    char text[4];

    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_open(region, &options, &producer));
    CHECK(producer == NULL);
    SAYS("capacity 3");
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_open(region, NULL, &producer));
    SAYS("`options` is NULL");
    options.capacity = 16;
    options.open_only = 1;
    ANSWERS(DMXP_CHANNEL_NOT_FOUND, dmxp_consumer_open(region, &options, &consumer));
    SAYS("numbers");
    options.open_only = 0;
    options.v1_peers = 2;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_open(region, &options, &producer));
    SAYS("v1_peers");
    options.v1_peers = 0;
    options.schema = "struct Tick v1 size 8 align 8 { price: f65 @0 }";
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_open(region, &options, &producer));
    SAYS("`options->schema` is not a schema");
    options.schema = NULL;
    options.reserved[1] = 1;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_open(region, &options, &producer));
    SAYS("reserved");
    options.reserved[1] = 0;
    options.channel_id = 256;
    options.id_and_name = 1;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_open(region, &options, &producer));
    SAYS("256");
    options.channel_id = 7;

    OK(dmxp_producer_open(region, &options, &producer));
    options.capacity = 32;
    ANSWERS(DMXP_CHANNEL_MISMATCH, dmxp_consumer_open(region, &options, &consumer));
    SAYS("capacity 16, and 32 was asked for");

    OK(dmxp_region_get_channel(region, 7, &info));
    CHECK(strcmp(info.name, "numbers") == 0 && info.capacity == 16 && info.payload_capacity == 960);
    CHECK(info.producers == 1 && info.consumers == 0 && info.message_size == 0 && info.id == 7);
    ANSWERS(DMXP_CHANNEL_NOT_FOUND, dmxp_region_get_channel(region, 8, &info));
    OK(dmxp_region_find_channel(region, "numbers", &info));
    CHECK(info.id == 7);
    ANSWERS(DMXP_CHANNEL_NOT_FOUND, dmxp_region_find_channel(region, "letters", &info));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_find_channel(region, NULL, &info));
    OK(dmxp_region_list_channels(region, NULL, 0, &count));
    CHECK(count == 1);
    OK(dmxp_region_list_channels(region, list, 2, &count));
    CHECK(count == 1 && list[0].id == 7);
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_list_channels(region, NULL, 1, &count));
    OK(dmxp_region_get_schema(region, 7, text, sizeof text, &count));
    CHECK(count == 0 && text[0] == '\0');

    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_send(NULL, "x", 1, DMXP_NO_WAIT));
    SAYS("`producer` is NULL");
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_send(producer, NULL, 1, DMXP_NO_WAIT));
    SAYS("`data` is NULL");
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_send_batch(producer, NULL, 1, DMXP_NO_WAIT));
    SAYS("`messages` is NULL");
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_claim(producer, 1, DMXP_NO_WAIT, NULL));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_publish(producer, NULL));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_consumer_recv(NULL, DMXP_NO_WAIT, NULL));

    ANSWERS(DMXP_CHANNEL_IN_USE, dmxp_region_remove_channel(region, 7, 0));
    SAYS("numbers");
    OK(dmxp_region_remove_channel(region, 7, 1));
    ANSWERS(DMXP_REMOVED, dmxp_producer_send(producer, "x", 1, DMXP_FOREVER));
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_producer_destroy(NULL));
    OK(dmxp_consumer_destroy(NULL));
    ANSWERS(DMXP_CHANNEL_NOT_FOUND, dmxp_region_remove_channel(region, 7, 0));
    /* In the words of C. */
    SAYS("dmxp_region_list_channels");
    ANSWERS(DMXP_CHANNEL_NOT_FOUND, dmxp_region_remove_channel_named(region, "none", 1));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_region_remove_channel_named(region, NULL, 0));

    memset(&region_options, 0, sizeof region_options);

    region_options.struct_size = sizeof region_options;
    region_options.name = name;
    OK(dmxp_region_open_read_only(&region_options, &looking));
    ANSWERS(DMXP_READ_ONLY, dmxp_producer_open(looking, &options, &producer));
    OK(dmxp_region_close(looking));
    OK(dmxp_region_close(region));
    OK(dmxp_region_remove(&region_options, 0));
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    CHECK(strcmp(dmxp_last_error(), "") == 0);
    CHECK(strlen(dmxp_version()) >= 5);
    status_names();
    regions(argv[1]);
    channels(argv[1]);
    return 0;
}
