//! The constants of the format document against what the library does.

use super::channel;
use super::format::Format;
use dmxp::{ChannelBuilder, Delivery, Error, RegionOptions, Wait};
use dmxp_tests::TestRegion;

#[test]
fn the_constants_are_those_of_the_library() {
    let format = Format::read();
    let mut constants = format.constants();
    let mut take = |name: &str| constants.remove(name).unwrap_or_else(|| panic!("no constant `{name}`"));
    // Compared with the bytes of a region in `a_message_lies_where_the_format_says`.
    for name in [
        "magic of the region",
        "version",
        "channels",
        "channel id of an unused entry",
        "first ring",
        "payload offset in a slot",
        "payload offset behind a short head",
        "slot stride",
        "magic of the control area",
        "extension revision",
        "default processes",
        "default handles",
    ] {
        take(name);
    }
    // Compared with a lock in `a_process_holds_the_documented_lock_byte`.
    take("first lock byte");

    let region = TestRegion::new("documents-constants", 8 << 20);
    let of_delivery = |delivery, capacity| channel(&region, 9, capacity).with_delivery(delivery).build_producer();
    let largest_of_a_queue = take("largest capacity of a queue");
    assert!(matches!(
        of_delivery(Delivery::Queue, largest_of_a_queue * 2),
        Err(Error::InvalidArgument { .. })
    ));
    assert!(matches!(
        of_delivery(Delivery::Queue, largest_of_a_queue),
        Err(Error::RegionFull { .. })
    ));
    let of_capacity = |capacity: u64| of_delivery(Delivery::Broadcast, capacity);
    let refused = |capacity: u64| matches!(of_capacity(capacity), Err(Error::InvalidArgument { .. }));
    let (smallest, largest) = (take("smallest capacity"), take("largest capacity"));
    assert!(refused(smallest / 2) && refused(largest * 2));
    assert!(
        matches!(of_capacity(largest), Err(Error::RegionFull { .. })),
        "possible, but not here"
    );
    let small = of_capacity(smallest).expect("the smallest channel");
    drop(small);

    let builder = ChannelBuilder::new().with_region(&region.region).with_channel_id(1);
    let producer = builder.build_producer().expect("a producer");
    assert_eq!(producer.capacity(), take("default capacity"));
    let limit = take("inline payload") as usize;
    producer.send(vec![0; limit]).expect("room");
    assert!(
        matches!(producer.send(vec![0; limit + 1]), Err(Error::PayloadTooLarge { limit: said, .. }) if said == limit)
    );
    let claims: Vec<_> = (0..take("claims of a handle"))
        .map(|_| producer.try_claim(1).expect("a cell"))
        .collect();
    assert!(matches!(producer.try_claim(1), Err(Error::TooManyClaims { limit }) if limit == claims.len()));
    drop(claims);
    let name = |len: u64| "n".repeat(len as usize);
    let longest = take("longest channel name");
    let named = |len| {
        ChannelBuilder::new()
            .with_region(&region.region)
            .with_capacity(2)
            .with_name(name(len))
            .build_producer()
    };
    assert!(named(longest).is_ok());
    assert!(matches!(named(longest + 1), Err(Error::InvalidArgument { .. })));

    let tables = |processes: u64, handles: u64| {
        let options = RegionOptions::new().size(16 << 20);
        options.max_processes(processes as u32).max_handles(handles as u32)
    };
    let (processes, handles) = (take("most processes"), take("most handles"));
    for beyond in [tables(processes + 1, 1), tables(1, handles + 1)] {
        let created = beyond.name(TestRegion::fresh_name("documents-beyond")).create();
        assert!(matches!(created, Err(Error::InvalidArgument { .. })));
    }
    drop(TestRegion::with("documents-most", tables(processes, handles)));

    let wide = TestRegion::new("documents-batch", 80 << 20);
    let builder = ChannelBuilder::new()
        .with_region(&wide.region)
        .with_channel_id(0)
        .with_capacity(1 << 16);
    let producer = builder.build_producer().expect("a producer");
    let most = take("most messages in a claim") as usize;
    producer
        .send_batch(&vec![[0_u8; 0]; most], Wait::No)
        .expect("the largest batch");
    let more = producer.send_batch(&vec![[0_u8; 0]; most + 1], Wait::No);
    assert!(matches!(more, Err(Error::BatchTooLarge { limit, .. }) if limit == most));

    assert_eq!(take("redelivery limit unless given"), returns_until_dropped());
    let limited = |times: u64| {
        let builder = channel(&region, 200, 2).with_redelivery_limit(times as u32);
        builder.build_producer().map(drop)
    };
    let limit = take("largest redelivery limit");
    assert!(matches!(limited(limit + 1), Err(Error::InvalidArgument { .. })));
    limited(limit).expect("the largest limit");
    assert_eq!(
        take("longest stored schema") as usize,
        dmxp::schema::validate::limits::MAX_BINARY
    );
    assert!(constants.is_empty(), "not checked: {constants:?}");
}

fn returns_until_dropped() -> u64 {
    let region = TestRegion::new("documents-returns", 2 << 20);
    let builder = channel(&region, 0, 2);
    builder
        .build_producer()
        .and_then(|producer| producer.send("unwanted"))
        .expect("room");
    for returns in 0.. {
        let consumer = builder.build_consumer().expect("a consumer");
        match consumer.try_recv() {
            Ok(message) => std::mem::forget(message),
            Err(_) => {
                assert_eq!(region.region.channel(0).expect("the channel").dropped, 1);
                return returns - 1;
            }
        }
    }
    unreachable!()
}
