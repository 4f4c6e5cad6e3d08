//! The first program that opens a channel creates it: what it left out has the defaults, and others that ask for something else are
//! refused.

use dmxp::{ChannelBuilder, Delivery, Error, Start, Subscription};
use dmxp_tests::TestRegion;

#[test]
fn a_refused_subscriber_leaves_no_channel_behind() {
    let region = TestRegion::new("first-comer-refused", 4 << 20);
    let news = ChannelBuilder::new().with_region(&region.region).with_name("news");
    for subscriber in [
        news.clone().with_start(Start::Oldest),
        news.clone().with_subscription(Subscription::Lossy),
    ] {
        let Err(Error::InvalidArgument { what }) = subscriber.build_consumer() else {
            panic!("a channel that was to be made as a queue has no subscribers");
        };
        assert!(what.contains("the first handle makes the channel"), "{what}");
    }
    assert!(region.region.channels().expect("a list").is_empty());
    let broadcast = news.with_delivery(Delivery::Broadcast);
    broadcast.build_producer().expect("nothing stands in its way");
}

#[test]
fn who_finds_another_delivery_is_told_so_before_anything_else() {
    let region = TestRegion::new("first-comer-delivery", 4 << 20);
    let news = ChannelBuilder::new().with_region(&region.region).with_name("news");
    drop(news.build_consumer().expect("the first, which names no delivery"));
    let wanted = news
        .with_delivery(Delivery::Broadcast)
        .with_capacity(64)
        .with_single_producer(true)
        .with_payload_capacity(8);
    let Err(Error::ChannelMismatch { property, existing, .. }) = wanted.build_producer() else {
        panic!("a queue is no broadcast channel");
    };
    assert_eq!((property, existing.as_str()), ("delivery", "queue"));
}
