/* A typed channel, with the header that was generated from a Rust type. */
#include "check.h"
#include "quote.h"

int main(int argc, char **argv)
{
    dmxp_producer *producer;
    dmxp_consumer *consumer;
    dmxp_claim claim;
    dmxp_message message = DMXP_MESSAGE_INIT;
    dmxp_handle_info info = DMXP_HANDLE_INFO_INIT;
    char text[2048];
    size_t len;
    CHECK(argc == 2);
    dmxp_region *region = open_region(argv[1]);
    dmxp_channel_options options = channel_named("quotes", 0);
    dmxp_channel_info channel = DMXP_CHANNEL_INFO_INIT;
    OK(dmxp_region_find_channel(region, "quotes", &channel));
    CHECK(channel.message_size == sizeof(Quote));
    OK(dmxp_region_get_schema(region, channel.id, text, sizeof text, &len));
    CHECK(len == strlen(text));
    ANSWERS(DMXP_BUFFER_TOO_SMALL, dmxp_region_get_schema(region, channel.id, text, len, &len));
    CHECK(len == strlen(text));

    /* Bytes need not be quotes; a consumer without a type is tried in peek.c. */
    ANSWERS(DMXP_CHANNEL_MISMATCH, dmxp_producer_open(region, &options, &producer));
    SAYS("Quote");
    options.schema = "struct Quote v1 size 24 align 8 { bid: f64 @0, ask: f32 @8, size: u32 @12, symbol: str[8] @16 }";
    ANSWERS(DMXP_SCHEMA_MISMATCH, dmxp_consumer_open(region, &options, &consumer));
    SAYS("ask");
    options.schema = QUOTE_SCHEMA;
    options.message_type = 1;
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_open(region, &options, &producer));
    options.message_type = 0;
    OK(dmxp_consumer_open(region, &options, &consumer));
    options.name = "answers";
    OK(dmxp_producer_open(region, &options, &producer));
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_set_message_type(producer, 1));
    OK(dmxp_producer_get_info(producer, &info));
    CHECK(info.message_size == sizeof(Quote));

    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_send(producer, "short", 5, DMXP_NO_WAIT));
    SAYS("5 bytes");
    ANSWERS(DMXP_INVALID_ARGUMENT, dmxp_producer_claim(producer, sizeof(Quote) + 1, DMXP_NO_WAIT, &claim));

    /* Each quote is answered with one where bid and ask have changed places. */
    int32_t status;
    while ((status = dmxp_consumer_recv(consumer, DMXP_FOREVER, &message)) == DMXP_OK) {
        const Quote *quote = (const Quote *)message.data;
        CHECK(message.len == sizeof *quote);
        CHECK(message.metadata.message_type == (uint32_t)QUOTE_SCHEMA_FINGERPRINT);
        OK(dmxp_producer_claim(producer, sizeof(Quote), DMXP_FOREVER, &claim));
        Quote *answer = (Quote *)claim.data;
        answer->bid = quote->ask;
        answer->ask = quote->bid;
        answer->size = quote->size;
        CHECK(dmxp_str_set(answer->symbol, sizeof answer->symbol, quote->symbol));
        OK(dmxp_producer_publish(producer, &claim));
        OK(dmxp_consumer_release(consumer, &message));
    }
    CHECK(status == DMXP_CLOSED);
    OK(dmxp_producer_close(producer));
    OK(dmxp_producer_destroy(producer));
    OK(dmxp_consumer_destroy(consumer));
    OK(dmxp_region_close(region));
    return 0;
}
