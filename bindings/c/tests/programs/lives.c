/* The lives of peers and regions: counting, waiting, the end with the producers, a region that is removed, and options that differ. */
#include "check.h"

#include <unistd.h>

int main(int argc, char **argv)
{
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    dmxp_region *region, *same;
    dmxp_region_options options = DMXP_REGION_OPTIONS_INIT;
    dmxp_channel_info channel = DMXP_CHANNEL_INFO_INIT;
    dmxp_stream_info stream = DMXP_STREAM_INFO_INIT;
    dmxp_message message = DMXP_MESSAGE_INIT;
    uint32_t pids[2] = {0, 0};
    size_t count = 7;
    uint8_t current = 7;
    char path[512];
    CHECK(argc == 2);
    options.name = argv[1];
    ANSWERS(DMXP_TIMEOUT, dmxp_wait_for_region(&options, DMXP_NO_WAIT, &region));
    ANSWERS(DMXP_TIMEOUT, dmxp_wait_for_region(&options, DMXP_MILLISECONDS(20), &region));
    CHECK(region == NULL);
    region = open_region(argv[1]);
    OK(dmxp_wait_for_region(&options, DMXP_FOREVER, &same));
    OK(dmxp_region_close(same));
    options.size = 4 << 20;
    ANSWERS(DMXP_REGION_MISMATCH, dmxp_region_open(&options, &same));
    SAYS("size 8388608, and 4194304 was asked for");
    options.replace_if_unused = 1;
    ANSWERS(DMXP_REGION_IN_USE, dmxp_region_open_or_create(&options, &same));

    ANSWERS(DMXP_TIMEOUT, dmxp_wait_for_channel(region, "jobs", DMXP_MILLISECONDS(20), &channel));
    dmxp_channel_options jobs = channel_named("jobs", 4);
    OK(dmxp_producer_open(region, &jobs, &producer));
    OK(dmxp_wait_for_channel(region, "jobs", DMXP_FOREVER, &channel));
    CHECK(channel.capacity == 4);
    OK(dmxp_wait_for_channel(region, "jobs", DMXP_FOREVER, NULL));
    OK(dmxp_producer_consumers(producer, NULL, 0, &count));
    CHECK(count == 0);
    ANSWERS(DMXP_TIMEOUT, dmxp_producer_wait_for_consumers(producer, 1, DMXP_MILLISECONDS(20), &count));
    jobs.end_without_producers = 1;
    OK(dmxp_consumer_open(region, &jobs, &consumer));
    OK(dmxp_producer_wait_for_consumers(producer, 1, DMXP_FOREVER, &count));
    CHECK(count == 1);
    OK(dmxp_producer_wait_for_consumers(producer, 1, DMXP_FOREVER, NULL));
    OK(dmxp_producer_consumers(producer, pids, 2, &count));
    CHECK(count == 1 && pids[0] == (uint32_t)getpid() && pids[1] == 0);
    OK(dmxp_consumer_producers(consumer, pids, 2, &count));
    CHECK(count == 1 && pids[0] == (uint32_t)getpid());
    OK(dmxp_consumer_wait_for_producers(consumer, 1, DMXP_FOREVER, &count));
    CHECK(count == 1);
    OK(dmxp_producer_stream(producer, &stream));
    CHECK(stream.number == 1 && stream.first_message == 1);

    /* The last producer goes. */
    OK(dmxp_producer_send(producer, "1", 1, DMXP_FOREVER));
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_recv(consumer, DMXP_FOREVER, &message));
    OK(dmxp_consumer_release(consumer, &message));
    ANSWERS(DMXP_NO_PRODUCERS, dmxp_consumer_recv(consumer, DMXP_FOREVER, &message));
    SAYS("no producer is left");
    OK(dmxp_producer_open(region, &jobs, &producer));
    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    OK(dmxp_consumer_stream(consumer, &stream));
    CHECK(stream.number == 2 && stream.first_message == 2);

    /* A channel that is made anew. */
    jobs.capacity = 8;
    jobs.replace_if_unused = 1;
    dmxp_consumer *other;
    ANSWERS(DMXP_CHANNEL_IN_USE, dmxp_consumer_open(region, &jobs, &other));
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_consumer_open(region, &jobs, &consumer));
    OK(dmxp_wait_for_channel(region, "jobs", DMXP_NO_WAIT, &channel));
    CHECK(channel.capacity == 8);

    /* The file goes. */
    OK(dmxp_region_is_current(region, &current));
    CHECK(current == 1);
    CHECK(snprintf(path, sizeof path, "%s", dmxp_region_path(region)) < (int)sizeof path);
    CHECK(unlink(path) == 0);
    OK(dmxp_region_is_current(region, &current));
    CHECK(current == 0);
    ANSWERS(DMXP_REGION_REMOVED, dmxp_consumer_recv(consumer, DMXP_FOREVER, &message));
    SAYS("RemoveIPC");
    ANSWERS(DMXP_REGION_REMOVED, dmxp_producer_open(region, &jobs, &producer));
    jobs.keep_removed_region = 1;
    OK(dmxp_producer_open(region, &jobs, &producer));
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_region_close(region));
    return 0;
}
