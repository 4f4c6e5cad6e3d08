//! Programs built with different versions of a message.

use dmxp::message::{Open, Reserved};
use dmxp::{Channel, DmxpMessage, Error, Wait};
use dmxp_tests::TestRegion;
use dmxp_tests::orders::{first, moved, second};

/// Opens the channel in a process of its own kind: `T` is all that this end knows.
fn builder<T: DmxpMessage>(region: &TestRegion) -> dmxp::ChannelBuilder<T> {
    Channel::<T>::builder()
        .with_region(&region.region)
        .with_name("orders")
        .with_capacity(8)
}

#[test]
fn a_newer_producer_and_an_older_consumer_understand_each_other() {
    let region = TestRegion::new("newer-producer", 4 << 20);
    let consumer = builder::<first::Order>(&region)
        .build_consumer()
        .expect("the older creates the channel");
    let producer = builder::<second::Order>(&region)
        .build_producer()
        .expect("the newer may write to it");
    let order = second::Order {
        limit_price: 99.5,
        quantity: 7,
        side: Open::from(second::Side::SellShort),
        room: Reserved::default(),
        client: 42,
    };
    producer.send(&order).expect("room");
    let received = consumer.recv_copy(Wait::No).expect("a message");
    assert_eq!((received.price, received.quantity), (99.5, 7));
    assert!(
        received.side.get().is_err(),
        "the older does not know the new value, and can tell"
    );
}

#[test]
fn an_older_producer_and_a_newer_consumer_understand_each_other() {
    let region = TestRegion::new("older-producer", 4 << 20);
    let producer = builder::<first::Order>(&region)
        .build_producer()
        .expect("the older creates the channel");
    let consumer = builder::<second::Order>(&region)
        .build_consumer()
        .expect("the newer may read it");
    let mut claim = producer.claim().expect("room");
    claim.price = 1.25;
    claim.side = Open::from(first::Side::Buy);
    claim.publish().expect("publishing");
    let received = consumer.recv_copy(Wait::No).expect("a message");
    assert_eq!((received.limit_price, received.client), (1.25, 0));
    assert_eq!(received.side.get().ok(), Some(second::Side::Buy));
}

#[test]
fn a_different_layout_is_refused_naming_field_offsets_and_types() {
    let region = TestRegion::new("moved", 4 << 20);
    let _producer = builder::<first::Order>(&region).build_producer().expect("the channel");
    for error in [
        builder::<moved::Order>(&region).build_consumer().unwrap_err(),
        builder::<moved::Order>(&region).build_producer().unwrap_err(),
    ] {
        assert!(matches!(error, Error::SchemaMismatch { .. }), "{error}");
        let text = error.to_string();
        for part in [
            "orders", "`price`", "f64", "offset 0", "f32", "offset 8", "quantity", "u32",
        ] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }
}

#[test]
fn bytes_are_received_from_a_channel_of_messages_and_not_sent_to_it() {
    let region = TestRegion::new("mix", 4 << 20);
    let producer = builder::<first::Order>(&region).build_producer().expect("the channel");
    let bytes = dmxp::ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("orders");
    let text = bytes.build_producer().unwrap_err().to_string();
    assert!(text.contains("Order") && text.contains("untyped bytes"), "{text}");
    let consumer = bytes.build_consumer().expect("a consumer of any type");
    let schema = consumer.as_raw().schema().expect("what is stored");
    assert_eq!(schema, producer.as_raw().schema().expect("what is stored"));
    assert_eq!(schema.map(|schema| schema.name().to_owned()).as_deref(), Some("Order"));
}
