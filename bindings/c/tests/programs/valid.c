/* On typed channels nothing invalid is sent, and what others left there is refused and counted. */
#include "check.h"

#define SCHEMA \
    "struct Order v1 size 16 align 8 { price: f64 @0, side: enum Side: u8 { Buy = 1, Sell = 2 } @8, paid: bool @9, " \
    "lots: vec<u8; 2> @10, letters: reserved[2] @14 }"

typedef struct {
    double price;
    uint8_t side;
    uint8_t paid;
    uint16_t count;
    uint8_t lots[2];
    uint8_t letters[2];
} Order;

static const Order GOOD = {1.5, 1, 1, 2, {7, 8}, {0, 0}};

/* The same order with another side. */
static Order of_side(uint8_t side)
{
    Order order = GOOD;
    order.side = side;
    return order;
}

static dmxp_channel_statistics statistics(dmxp_region *region, const char *name)
{
    dmxp_channel_statistics statistics = DMXP_CHANNEL_STATISTICS_INIT;
    dmxp_channel_info info = DMXP_CHANNEL_INFO_INIT;
    OK(dmxp_region_find_channel(region, name, &info));
    OK(dmxp_region_get_statistics(region, info.id, &statistics, NULL, 0));
    return statistics;
}

static void sending(dmxp_region *region)
{
    dmxp_channel_options options = channel_named("orders", 4);
    dmxp_producer *producer, *high;
    dmxp_consumer *consumer;
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_claim claim, claims[2];
    dmxp_batch batch;
    Order order = of_side(3);
    dmxp_slice slices[2] = {{&GOOD, sizeof GOOD}, {&order, sizeof order}};
    size_t sent;
    options.schema = SCHEMA;
    options.priorities = 1;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));
    OK(dmxp_producer_high(producer, &high));

    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_send(producer, &order, sizeof order, DMXP_NO_WAIT));
    SAYS("side: 3 is not a value of Side");
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_send(high, &order, sizeof order, DMXP_NO_WAIT));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_send_batch(producer, slices, 2, DMXP_NO_WAIT));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_send_up_to(producer, slices, 2, DMXP_NO_WAIT, &sent));
    order = GOOD;
    order.paid = 2;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_send(producer, &order, sizeof order, DMXP_NO_WAIT));
    SAYS("paid: 2 is not a bool");
    order = GOOD;
    order.count = 3;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_send(producer, &order, sizeof order, DMXP_NO_WAIT));
    SAYS("lots: the count is 3, the capacity 2");

    /* Zeros are no order: the claim stays, to be set right. */
    OK(dmxp_producer_claim(producer, sizeof(Order), DMXP_NO_WAIT, &claim));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_publish(producer, &claim));
    SAYS("side: 0");
    CHECK(claim.data != NULL);
    memcpy(claim.data, &GOOD, sizeof GOOD);
    OK(dmxp_producer_publish(producer, &claim));
    OK(dmxp_producer_claim_batch(producer, 2, sizeof(Order), DMXP_NO_WAIT, claims, &batch));
    memcpy(claims[0].data, &GOOD, sizeof GOOD);
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_publish_batch(producer, claims, &batch));
    memcpy(claims[1].data, &GOOD, sizeof GOOD);
    OK(dmxp_producer_publish_batch(producer, claims, &batch));

    /* Nothing but the valid ones arrived, and no slot was lost. */
    for (int k = 0; k < 3; k++) {
        OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
        CHECK(memcmp(message.data, &GOOD, sizeof GOOD) == 0 && message.metadata.message_id == (uint64_t)k + 1);
        OK(dmxp_consumer_release(consumer, &message));
    }
    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    CHECK(statistics(region, "orders").sent == 3 && statistics(region, "orders").aborted == 0);
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(consumer));
}

static void receiving(dmxp_region *region)
{
    dmxp_channel_options options = channel_named("broken", 4);
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    dmxp_message message = DMXP_MESSAGE_INIT, messages[2] = {DMXP_MESSAGE_INIT};
    dmxp_claim claim, claims[2];
    dmxp_batch batch;
    Order copy;
    size_t len;
    options.schema = SCHEMA;
    OK(dmxp_producer_open(region, &options, &producer));
    OK(dmxp_consumer_open(region, &options, &consumer));

    for (int how = 0; how < 2; how++) {
        OK(dmxp_producer_claim(producer, sizeof(Order), DMXP_NO_WAIT, &claim));
        memcpy(claim.data, &GOOD, sizeof GOOD);
        Order *written = (Order *)claim.data;
        OK(dmxp_producer_publish(producer, &claim));
        written->side = 9; /* As a program that does not keep to the rules would. */
        if (how == 0) {
            ANSWERS(DMXP_INVALID_MESSAGE, dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
        } else {
            ANSWERS(DMXP_INVALID_MESSAGE, dmxp_consumer_recv_copy(consumer, &copy, sizeof copy, &len, DMXP_NO_WAIT));
        }
        SAYS("side: 9");
        CHECK(statistics(region, "broken").last_error == DMXP_INVALID_MESSAGE);
        CHECK(statistics(region, "broken").dropped == (uint64_t)how + 1);
    }
    /* Of a batch the invalid one alone is set aside. */
    OK(dmxp_producer_claim_batch(producer, 2, sizeof(Order), DMXP_NO_WAIT, claims, &batch));
    memcpy(claims[0].data, &GOOD, sizeof GOOD);
    memcpy(claims[1].data, &GOOD, sizeof GOOD);
    Order *first = (Order *)claims[0].data;
    OK(dmxp_producer_publish_batch(producer, claims, &batch));
    first->paid = 2;
    ANSWERS(DMXP_INVALID_MESSAGE, dmxp_consumer_recv_batch(consumer, messages, 2, DMXP_NO_WAIT, &batch));
    SAYS("paid: 2");
    OK(dmxp_consumer_recv(consumer, DMXP_NO_WAIT, &message));
    CHECK(memcmp(message.data, &GOOD, sizeof GOOD) == 0 && message.metadata.redelivered == 0);
    OK(dmxp_consumer_release(consumer, &message));
    CHECK(statistics(region, "broken").dropped == 3);
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(consumer));
}

static void stretches(dmxp_region *region)
{
    dmxp_channel_options options = channel_named("packed", 8);
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    dmxp_stretch stretch = DMXP_STRETCH_INIT;
    Order orders[3] = {GOOD, of_side(0), GOOD}, copies[8];
    size_t count;
    options.schema = SCHEMA;
    options.packed_slots = 1;
    OK(dmxp_consumer_open(region, &options, &consumer));
    OK(dmxp_producer_open(region, &options, &producer));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_send_stretch(producer, orders, 3, DMXP_NO_WAIT));
    ANSWERS(DMXP_EMPTY, dmxp_consumer_recv_stretch(consumer, 8, DMXP_NO_WAIT, &stretch));
    orders[1] = GOOD;
    OK(dmxp_producer_send_stretch(producer, orders, 3, DMXP_NO_WAIT));
    OK(dmxp_consumer_recv_stretch(consumer, 8, DMXP_NO_WAIT, &stretch));
    CHECK(stretch.count == 3 && memcmp(stretch.data, orders, sizeof orders) == 0);
    Order *written = (Order *)(uintptr_t)stretch.data;
    written[0].side = 9; /* In the slot. */
    OK(dmxp_consumer_give_back_stretch(consumer, &stretch));
    ANSWERS(DMXP_INVALID_MESSAGE, dmxp_consumer_copy_stretch(consumer, copies, sizeof copies, &count, DMXP_NO_WAIT));
    SAYS("side: 9");
    CHECK(statistics(region, "packed").last_error == DMXP_INVALID_MESSAGE);
    OK(dmxp_consumer_copy_stretch(consumer, copies, sizeof copies, &count, DMXP_NO_WAIT));
    CHECK(count == 2 && memcmp(copies, orders + 1, 2 * sizeof(Order)) == 0);
    ANSWERS(DMXP_EMPTY, dmxp_consumer_copy_stretch(consumer, copies, sizeof copies, &count, DMXP_NO_WAIT));
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(consumer));
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    dmxp_region *region = open_region(argv[1]);
    sending(region);
    receiving(region);
    stretches(region);
    OK(dmxp_region_close(region));
    return 0;
}
