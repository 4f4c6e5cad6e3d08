//! The traits of `zerocopy` and `bytemuck` on building blocks and messages, and types of other crates as payloads of bytes.

use bytemuck::{CheckedBitPattern, NoUninit, Pod};
use dmxp::message::{FixedStr, FixedVec, Flags, Nullable, Open, Reserved, Tagged, Timestamp, bytes_of};
use dmxp::{ChannelBuilder, DmxpMessage, Error, Wait};
use dmxp_tests::TestRegion;
use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, TryFromBytes};

#[dmxp::message(zerocopy, bytemuck)]
#[derive(PartialEq)]
#[repr(u8)]
enum Side {
    Zero,
    Buy,
}

#[dmxp::message(bytemuck)]
#[dmxp(flags)]
#[repr(u16)]
enum Quality {
    Stale = 1,
}

#[dmxp::message]
enum Reading {
    Celsius(f64),
    Offline,
}

/// Any bytes are one.
#[dmxp::message(version = 2, zerocopy, bytemuck)]
#[derive(PartialEq)]
struct Sample {
    time: Timestamp,
    name: FixedStr<6>,
    quality: Flags<Quality>,
    side: Open<Side>,
    rest: Reserved<7>,
    value: f64,
}

/// Some bytes are one.
#[dmxp::message(zerocopy = "try", bytemuck = "no_uninit")]
struct Order {
    price: u32,
    side: Side,
    is_new: bool,
    _pad: [u8; 2],
}

/// With what zerocopy has no traits for.
#[dmxp::message(bytemuck)]
struct Levels {
    prices: FixedVec<f64, 3>,
    volume: Nullable<u64>,
    reading: Tagged<Reading>,
}

/// Of a crate that knows nothing of dmxp.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Debug, PartialEq)]
#[repr(C)]
struct UdpHeader {
    ports: [U16; 2],
    checksum: U32,
}

#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Vertex {
    position: [f32; 3],
    colour: u32,
}

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(128))]
struct Wide([u8; 128]);

fn is_zerocopy<T: FromBytes + IntoBytes + Immutable + KnownLayout>() {}
fn is_pod<T: Pod>() {}
fn is_no_uninit<T: NoUninit>() {}

fn sample() -> Sample {
    Sample {
        time: Timestamp::from_nanos(7),
        name: FixedStr::from_static("abc"),
        quality: Quality::Stale.into(),
        side: Open::new(Side::Buy),
        rest: Reserved::new(),
        value: 1.5,
    }
}

#[test]
fn building_blocks_and_messages_have_the_traits_that_hold() {
    is_zerocopy::<Sample>();
    is_zerocopy::<FixedStr<3>>();
    is_zerocopy::<Reserved<9>>();
    is_zerocopy::<Timestamp>();
    is_pod::<Sample>();
    is_pod::<Levels>();
    is_pod::<FixedVec<[f32; 3], 7>>();
    is_pod::<Nullable<FixedStr<5>>>();
    is_no_uninit::<Order>();
    is_no_uninit::<Side>();
    assert_eq!(Sample::SCHEMA.version, 2);
}

#[test]
fn bytes_are_the_same_by_every_way() {
    let sample = sample();
    assert_eq!(sample.as_bytes(), bytes_of(&sample));
    assert_eq!(bytemuck::bytes_of(&sample), bytes_of(&sample));
    assert_eq!(Sample::read_from_bytes(bytes_of(&sample)).unwrap(), sample);
    let levels = Levels {
        prices: FixedVec::from_slice(&[1.0, 2.0]).unwrap(),
        volume: Nullable::some(9),
        reading: Tagged::new(Reading::Offline),
    };
    assert_eq!(bytemuck::bytes_of(&levels), bytes_of(&levels));
    // Whatever bytes there are, looking at them is safe.
    let wild: Levels = bytemuck::pod_read_unaligned(&vec![0xff; size_of::<Levels>()]);
    assert_eq!((wild.prices.len(), wild.volume.copied()), (3, Some(u64::MAX)));
    assert!(wild.reading.get().is_err());
    let order = Order {
        price: 5,
        side: Side::Buy,
        is_new: true,
        _pad: [0; 2],
    };
    let mut bytes = bytemuck::bytes_of(&order).to_vec();
    assert_eq!(Order::try_read_from_bytes(&bytes).unwrap().side, Side::Buy);
    bytes[5] = 2;
    assert!(Order::try_read_from_bytes(&bytes).is_err(), "2 is no bool");
    assert!(Side::is_valid_bit_pattern(&1) && !Side::is_valid_bit_pattern(&2));
}

fn bytes(region: &TestRegion, name: &str) -> ChannelBuilder {
    ChannelBuilder::new().with_region(&region.region).with_name(name)
}

#[test]
fn a_type_of_another_crate_is_a_payload_by_zerocopy() -> dmxp::Result<()> {
    use dmxp::interop::zerocopy::{ClaimAs as _, RecvAs as _};
    let region = TestRegion::new("interop-zerocopy", 8 << 20);
    for builder in [
        bytes(&region, "usual"),
        bytes(&region, "compact")
            .with_payload_capacity(8)
            .with_compact_slots(true),
        bytes(&region, "packed")
            .with_payload_capacity(8)
            .with_packed_slots(true),
    ] {
        let (consumer, producer) = (builder.build_consumer()?, builder.build_producer()?);
        // What an earlier message left in the slots does not show.
        producer.claim_as::<UdpHeader>(Wait::No)?.ports = [U16::new(9); 2];
        let mut header = producer.claim_as::<UdpHeader>(Wait::No)?;
        assert_eq!(header.checksum.get(), 0);
        header.ports = [U16::new(53), U16::new(4096)];
        header.publish()?;
        let header = consumer.recv_as::<UdpHeader>(Wait::No)?;
        assert_eq!((header.ports[1].get(), header.checksum.get()), (4096, 0));
        assert_eq!(header.bytes()[..4], [0, 53, 16, 0]);
        drop(header);
        assert!(matches!(consumer.recv_as::<UdpHeader>(Wait::No), Err(Error::Empty)));
    }
    let (consumer, producer) = (
        bytes(&region, "usual").build_consumer()?,
        bytes(&region, "usual").build_producer()?,
    );
    // A message of another length, and one whose bytes are no value, are refused; those behind them come.
    producer.send("short")?;
    producer.send([2_u8])?;
    producer.send([1_u8])?;
    let refused = consumer.recv_as::<UdpHeader>(Wait::No).map(drop).unwrap_err();
    assert!(
        matches!(&refused, Error::InvalidMessage { reason, .. } if reason.contains("5 bytes")),
        "{refused}"
    );
    let refused = consumer.recv_as::<bool>(Wait::No).map(drop).unwrap_err();
    assert!(
        matches!(&refused, Error::InvalidMessage { reason, .. } if reason.contains("bool")),
        "{refused}"
    );
    assert!(*consumer.recv_as::<bool>(Wait::No)?);
    assert!(consumer.is_empty());
    Ok(())
}

#[test]
fn a_type_of_another_crate_is_a_payload_by_bytemuck() -> dmxp::Result<()> {
    use dmxp::interop::bytemuck::{ClaimAs as _, RecvAs as _};
    let region = TestRegion::new("interop-bytemuck", 8 << 20);
    let builder = bytes(&region, "vertices");
    let (consumer, producer) = (builder.build_consumer()?, builder.build_producer()?);
    let mut vertex = producer.claim_as::<Vertex>(Wait::No)?;
    vertex.position[2] = 0.5;
    vertex.colour = 7;
    vertex.publish()?;
    producer.send(bytemuck::bytes_of(&Vertex {
        position: [1.0; 3],
        colour: 1,
    }))?;
    let vertex = *consumer.recv_as::<Vertex>(Wait::No)?;
    assert_eq!(
        vertex,
        Vertex {
            position: [0.0, 0.0, 0.5],
            colour: 7
        }
    );
    consumer.recv_as::<Vertex>(Wait::No)?.give_back();
    assert_eq!(consumer.recv_as::<Vertex>(Wait::No)?.colour, 1);
    // Aligned to more than payloads are: the claim is given up, and the slot is free again.
    let compact = bytes(&region, "wide")
        .with_payload_capacity(128)
        .with_compact_slots(true);
    let (consumer, producer) = (compact.build_consumer()?, compact.build_producer()?);
    let mut refused = 0;
    for _ in 0..2000 {
        match producer.claim_as::<Wide>(Wait::No) {
            Err(Error::InvalidArgument { what }) => {
                assert!(what.contains("128 bytes"), "{what}");
                refused += 1;
            }
            other => drop(other?),
        }
    }
    assert!(refused > 0, "not every slot lies at a multiple of 128");
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    Ok(())
}
