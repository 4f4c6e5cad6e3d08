//! What is handed out as a reference is valid, whatever bytes lie there.

use dmxp::DmxpMessage;
use dmxp::message::{
    DmxpField, FixedStr, FixedVec, Flags, Nullable, Open, Reserved, Tagged, Timestamp, bytes_of, copy_from_bytes,
    ref_from_bytes,
};

#[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
#[repr(u8)]
enum Side {
    Buy = 1,
    Sell = 200,
}

#[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
#[dmxp(flags)]
#[repr(u16)]
enum Quality {
    Stale = 1,
    Top = 0x8000,
}

#[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
#[repr(i16)]
enum Level {
    Low = -2,
    High = 300,
}

#[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
enum Reading {
    Flag(bool),
    Number(u32),
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
#[repr(C)]
struct Leg {
    side: Side,
    active: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
#[repr(C)]
struct Order {
    id: u32,
    letter: char,
    reading: Tagged<Reading>,
    level: Level,
    legs: [Leg; 2],
    more: FixedVec<Leg, 2>,
    last: Nullable<Leg>,
    flag: bool,
}

fn order() -> Order {
    let leg = Leg {
        side: Side::Buy,
        active: true,
    };
    Order {
        id: 7,
        letter: 'ß',
        reading: Tagged::new(Reading::Flag(true)),
        level: Level::High,
        legs: [leg; 2],
        more: FixedVec::from_slice(&[leg]).unwrap(),
        last: Nullable::some(leg),
        flag: false,
    }
}

/// Bytes at each of which every value is tried.
fn accepted_at(offset: usize) -> Vec<u8> {
    let valid = bytes_of(&order()).to_vec();
    (0..=255)
        .filter(|byte| {
            let mut bytes = valid.clone();
            bytes[offset] = *byte;
            copy_from_bytes::<Order>(&bytes).is_ok()
        })
        .collect()
}

#[test]
fn each_byte_of_a_message_takes_exactly_the_values_of_its_type() {
    let any: Vec<u8> = (0..=255).collect();
    // id
    (0..4).for_each(|offset| assert_eq!(accepted_at(offset), any));
    // 'ß' is U+00DF: any U+00xx and U+xxDF outside the surrogates, and up to U+10FFFF.
    assert_eq!(accepted_at(4), any);
    assert_eq!(
        accepted_at(5),
        any.iter()
            .copied()
            .filter(|byte| !(0xD8..=0xDF).contains(byte))
            .collect::<Vec<_>>()
    );
    assert_eq!(accepted_at(6), (0..=0x10).collect::<Vec<_>>());
    assert_eq!(accepted_at(7), [0]);
    // The tag: a flag, a number, nothing, or a variant of a later version.
    assert_eq!(accepted_at(8), any);
    // The flag, then what it leaves unused.
    assert_eq!(accepted_at(12), [0, 1]);
    (13..16).for_each(|offset| assert_eq!(accepted_at(offset), any));
    // 300 is 0x012C; -2 is 0xFFFE.
    assert_eq!((accepted_at(16), accepted_at(17)), (vec![0x2C], vec![0x01]));
    // Legs.
    for leg in [18, 20, 24] {
        assert_eq!(accepted_at(leg), [1, 200]);
        assert_eq!(accepted_at(leg + 1), [0, 1]);
    }
    // The count: 2 would count a leg of zeros, which is none.
    assert_eq!((accepted_at(22), accepted_at(23)), (vec![0, 1], vec![0]));
    (26..28).for_each(|uncounted| assert_eq!(accepted_at(uncounted), any));
    // Presence, then the leg.
    assert_eq!(
        (accepted_at(28), accepted_at(29), accepted_at(30)),
        (any, vec![1, 200], vec![0, 1])
    );
    assert_eq!(accepted_at(31), [0, 1]);
    assert_eq!(size_of::<Order>(), 32);
}

fn reason<T: DmxpField + std::fmt::Debug>(value: &T, offset: usize, byte: u8) -> String {
    let mut bytes = bytes_of(value).to_vec();
    bytes[offset] = byte;
    copy_from_bytes::<T>(&bytes).unwrap_err().to_string()
}

#[test]
fn an_invalid_value_is_named_by_its_path() {
    let order = order();
    assert_eq!(reason(&order, 20, 7), "legs[1].side: 7 is not a value of Side");
    assert_eq!(reason(&order, 22, 3), "more: count 3 is above the capacity 2");
    assert_eq!(reason(&order, 25, 2), "more[0].active: 2 is not a bool (0 or 1)");
    assert_eq!(reason(&order, 30, 9), "last.active: 9 is not a bool (0 or 1)");
    assert_eq!(reason(&order, 12, 4), "reading.Flag: 4 is not a bool (0 or 1)");
    assert_eq!(reason(&order, 5, 0xD8), "letter: 0xD8DF is not a Unicode scalar value");
    assert_eq!(reason(&order, 17, 0xFF), "level: -212 is not a value of Level");
    assert_eq!(reason(&true, 0, 255), "255 is not a bool (0 or 1)");
}

#[test]
fn an_absent_value_may_hold_anything() {
    let mut bytes = [0xEE; 3];
    bytes[0] = 0;
    assert!(copy_from_bytes::<Nullable<Leg>>(&bytes).unwrap().is_none());
    bytes[0] = 0x80;
    assert!(copy_from_bytes::<Nullable<Leg>>(&bytes).is_err());
}

#[test]
fn blocks_of_numbers_take_any_bits() {
    for fill in [0, 1, 0x55, 0xAA, 0xFF] {
        let bytes = [fill; 64];
        assert!(copy_from_bytes::<FixedStr<9>>(&bytes[..9]).is_ok());
        assert!(copy_from_bytes::<Reserved<9>>(&bytes[..9]).is_ok());
        assert!(copy_from_bytes::<Timestamp>(&bytes[..8]).is_ok());
        assert!(copy_from_bytes::<Open<Level>>(&bytes[..2]).is_ok());
        assert!(copy_from_bytes::<Flags<Quality>>(&bytes[..2]).is_ok());
        assert!(copy_from_bytes::<Nullable<f64>>(&bytes[..16]).is_ok());
        assert!(copy_from_bytes::<[Nullable<u16>; 4]>(&bytes[..16]).is_ok());
    }
    const {
        assert!(<FixedStr<9>>::ALWAYS_VALID && <Nullable<f64>>::ALWAYS_VALID && <Flags<Quality>>::ALWAYS_VALID);
        assert!(!<Tagged<Reading>>::ALWAYS_VALID && !Leg::ALWAYS_VALID && !<[bool; 2]>::ALWAYS_VALID);
    }
}

#[test]
fn bytes_of_another_length_are_refused() {
    for length in [0, 31, 33] {
        let error = copy_from_bytes::<Order>(&vec![0; length]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{length} bytes given for a value of 32 bytes")
        );
        assert!(Order::validate(&vec![0; length]).is_err());
    }
    assert!(bool::validate(&[]).is_err());
    assert!(char::validate(&[0; 3]).is_err());
    assert!(<FixedVec<u16, 2>>::validate(&[0]).is_err());
}

#[test]
fn references_need_aligned_bytes() {
    let order = order();
    let bytes = bytes_of(&order);
    assert_eq!(ref_from_bytes::<Order>(bytes), Ok(&order));
    let shifted: Vec<u8> = [0; 8].iter().chain(bytes).copied().collect();
    let aligned = shifted.as_ptr().align_offset(4);
    assert!(ref_from_bytes::<[u32; 1]>(&shifted[aligned + 1..aligned + 5]).is_err());
    assert!(ref_from_bytes::<[u32; 1]>(&shifted[aligned..aligned + 4]).is_ok());
}

#[test]
fn a_message_survives_the_way_through_its_bytes() {
    let order = order();
    assert_eq!(copy_from_bytes::<Order>(bytes_of(&order)), Ok(order));
    assert_eq!(order.reading.get(), Ok(Some(Reading::Flag(true))));
}

#[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
#[repr(i16)]
enum Balance {
    Even = 0,
    Odd = -1,
}

#[dmxp::message]
struct Settled {
    balance: Balance,
    legs: [FixedVec<Leg, 2>; 2],
}

#[test]
fn zeros_are_said_to_be_valid_exactly_where_they_are() {
    fn check<T: DmxpField>(expected: bool) {
        let zeros = vec![0; size_of::<T>()];
        let name = std::any::type_name::<T>();
        assert_eq!(T::validate(&zeros).is_ok(), expected, "{name}");
        assert_eq!(T::ZERO_IS_VALID, expected, "{name}");
    }
    check::<u64>(true);
    check::<f32>(true);
    check::<bool>(true);
    check::<char>(true);
    check::<Timestamp>(true);
    check::<FixedStr<14>>(true);
    check::<FixedVec<Leg, 2>>(true);
    check::<Nullable<Leg>>(true);
    check::<Tagged<Reading>>(true);
    check::<Flags<Quality>>(true);
    check::<Open<Side>>(true);
    check::<Reserved<3>>(true);
    check::<Balance>(true);
    check::<Settled>(true);
    check::<[bool; 4]>(true);
    check::<[Side; 0]>(true);
    check::<Side>(false);
    check::<Level>(false);
    check::<Leg>(false);
    check::<[Leg; 2]>(false);
    check::<Order>(false);
}
