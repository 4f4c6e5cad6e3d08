//! Building blocks leave no byte behind: what is unused is zero.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dmxp::DmxpMessage;
use dmxp::message::{
    CapacityExceeded, FixedStr, FixedStrError, FixedVec, Flags, Nullable, Open, Reserved, Tagged, Timestamp, bytes_of,
    copy_from_bytes,
};

#[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
enum Reading {
    Small(u16),
    Large([u32; 3]),
    #[dmxp(tag = 255)]
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
#[repr(i8)]
enum Level {
    Low = -1,
    High = 1,
}

#[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
#[dmxp(flags)]
#[repr(u8)]
enum Quality {
    Stale = 1,
    Corrected = 128,
}

#[test]
fn a_removed_element_leaves_zeros() {
    let mut vec = FixedVec::<u16, 3>::from_slice(&[0x1111, 0x2222, 0x3333]).unwrap();
    assert_eq!(bytes_of(&vec), [3, 0, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33]);
    assert_eq!(vec.pop(), Some(0x3333));
    assert_eq!(bytes_of(&vec), [2, 0, 0x11, 0x11, 0x22, 0x22, 0, 0]);
    vec.clear();
    assert_eq!(bytes_of(&vec), [0; 8]);
    assert_eq!(vec.pop(), None);
    assert_eq!(bytes_of(&FixedVec::<bool, 6>::new()), [0; 8]);
    assert_eq!(bytes_of(&FixedVec::<[u64; 2], 2>::default()), [0; 40]);
}

#[test]
fn a_full_vector_refuses_and_keeps_what_it_has() {
    let mut vec = FixedVec::<u8, 2>::new();
    assert_eq!(vec.push(1), Ok(()));
    assert!(vec.extend_from_slice(&[2, 3]).is_err());
    assert_eq!(*vec, [1]);
    assert_eq!(vec.extend_from_slice(&[2]), Ok(()));
    assert!(vec.is_full());
    assert_eq!(vec.push(9), Err(9));
    let error: CapacityExceeded = FixedVec::<u8, 2>::try_from(&[0; 3][..]).unwrap_err();
    assert_eq!((error.length, error.capacity), (3, 2));
    vec[0] = 7;
    assert_eq!(vec.iter().copied().collect::<Vec<_>>(), [7, 2]);
}

#[test]
fn a_forged_count_reads_as_the_capacity() {
    // Unvalidated, as a borrowed `FixedVec` in memory that a broken peer wrote to.
    let mut raw = FixedVec::<u64, 2>::from_slice(&[1, 2]).unwrap();
    let forged = std::ptr::from_mut(&mut raw).cast::<u64>();
    // SAFETY: the count is the `u64` at the start of the vector, and takes any bits.
    unsafe { forged.write(u64::MAX) };
    assert_eq!(*raw, [1, 2]);
    assert!(raw.is_full());
    assert_eq!(raw.push(3), Err(3));
    assert_eq!(raw.pop(), Some(2));
    assert_eq!(*raw, [1]);
}

#[test]
fn an_absent_value_is_all_zeros() {
    let mut value = Nullable::some(0x0102_0304_u32);
    assert_eq!(bytes_of(&value), [1, 0, 0, 0, 4, 3, 2, 1]);
    *value.get_mut().unwrap() = 5;
    assert_eq!(value.take(), Some(5));
    assert_eq!(bytes_of(&value), [0; 8]);
    value.set(Some(1));
    value.set(None);
    assert_eq!(bytes_of(&value), [0; 8]);
    assert_eq!(value.get_mut(), None);
    assert_eq!(Option::from(Nullable::from(Some('x'))), Some('x'));
    assert_eq!(Nullable::<f64>::default(), None);
    assert_eq!(Nullable::from(2.5), Some(2.5));
}

#[test]
fn a_smaller_variant_leaves_zeros_after_it() {
    let mut tagged = Tagged::new(Reading::Large([u32::MAX; 3]));
    assert_eq!(bytes_of(&tagged), [&[2, 0, 0, 0][..], &[255; 12]].concat());
    tagged.set(Some(Reading::Small(0x0201)));
    assert_eq!(bytes_of(&tagged), [&[1, 0, 0, 0, 1, 2][..], &[0; 10]].concat());
    tagged.set(Some(Reading::Nothing));
    assert_eq!(bytes_of(&tagged), [&[255][..], &[0; 15]].concat());
    tagged.set(None);
    assert_eq!(bytes_of(&tagged), [0; 16]);
    assert_eq!(tagged.get(), Ok(None));
}

#[test]
fn an_unknown_variant_keeps_its_bytes() {
    let bytes: Vec<u8> = [[77, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]].concat();
    let tagged = copy_from_bytes::<Tagged<Reading>>(&bytes).unwrap();
    assert_eq!(tagged.get().unwrap_err().to_string(), "77 is not a tag of Reading");
    assert_eq!(bytes_of(&{ tagged }), bytes);
    assert_eq!(format!("{tagged:?}"), "Reading(tag 77)");
}

#[test]
fn a_variant_is_read_in_place_by_tag_and_type() {
    let tagged = Tagged::new(Reading::Large([1, 2, 3]));
    assert_eq!(tagged.payload_as::<[u32; 3]>(2), Some(&[1, 2, 3]));
    assert_eq!(tagged.payload_as::<[u32; 2]>(2), None);
    assert_eq!(tagged.payload_as::<u16>(1), None);
}

#[test]
fn text_that_does_not_fit_is_refused_with_both_lengths() {
    assert_eq!(
        FixedStr::<3>::new("abcd"),
        Err(FixedStrError::TooLong { length: 4, capacity: 3 })
    );
    assert_eq!(
        FixedStr::<3>::new("a\0b"),
        Err(FixedStrError::ContainsNul {
            position: 1,
            length: 3,
            capacity: 3
        })
    );
    assert_eq!(bytes_of(&FixedStr::<4>::new("ab").unwrap()), b"ab\0\0");
    assert_eq!(FixedStr::<3>::new("abc").unwrap().as_str(), Ok("abc"));
    assert_eq!(FixedStr::<3>::truncated("aöö"), "aö");
    assert_eq!(FixedStr::<4>::truncated("aöö"), "aö");
}

#[test]
fn text_from_others_ends_at_the_first_nul_and_need_not_be_utf8() {
    let text = copy_from_bytes::<FixedStr<4>>(b"a\0zz").unwrap();
    assert_eq!((text.as_str(), text.len()), (Ok("a"), 1));
    assert_eq!(text, FixedStr::<4>::new("a").unwrap());
    let text = copy_from_bytes::<FixedStr<4>>(b"\xFFab\0").unwrap();
    assert!(text.as_str().is_err());
    assert_eq!(
        (text.to_string(), format!("{text:?}")),
        ("\u{FFFD}ab".to_owned(), r#""\xffab""#.to_owned())
    );
}

#[test]
fn open_enums_and_flags_keep_what_they_do_not_know() {
    let open = Open::<Level>::from_raw(-7);
    assert_eq!(open.get().unwrap_err().raw, -7);
    assert_eq!((open.raw(), format!("{open:?}")), (-7, "Level(-7)".to_owned()));
    assert_eq!(
        format!("{:?} {:?}", Open::new(Level::Low), Open::from(Level::High)),
        "Low High"
    );

    let mut flags = Flags::<Quality>::from_bits(0b1000_0110);
    flags.insert(Quality::Stale);
    assert_eq!(format!("{flags:?}"), "Stale | Corrected | 0x6");
    flags.remove(Quality::Corrected);
    assert_eq!((flags.bits(), flags.unknown_bits()), (0b111, 0b110));
    assert_eq!(
        Flags::<Quality>::all().iter().collect::<Vec<_>>(),
        [Quality::Stale, Quality::Corrected]
    );
    assert_eq!(
        [Quality::Stale, Quality::Corrected].into_iter().collect::<Flags<_>>(),
        Flags::all()
    );
    assert_eq!(format!("{:?}", Flags::<Quality>::new()), "(none)");
}

#[test]
fn reserved_bytes_are_zero() {
    assert_eq!(bytes_of(&Reserved::<5>::default()), [0; 5]);
    assert!(!copy_from_bytes::<Reserved<2>>(&[0, 1]).unwrap().is_zero());
}

#[test]
fn timestamps_are_written_as_rfc_3339() {
    // From `date -u -d @… --rfc-3339=ns`.
    for (nanos, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400_000_000_000, "2000-02-29T00:00:00Z"),
        (1_709_251_199_999_000_000, "2024-02-29T23:59:59.999Z"),
        (4_107_542_400_000_001_000, "2100-03-01T00:00:00.000001Z"),
        (-2_203_891_200_000_000_000, "1900-03-01T00:00:00Z"),
        (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
        (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
    ] {
        assert_eq!(Timestamp::from_nanos(nanos).to_string(), text);
    }
}

#[test]
fn timestamps_convert_to_the_clock_of_the_standard_library() {
    for time in [
        UNIX_EPOCH,
        UNIX_EPOCH - Duration::from_nanos(1),
        UNIX_EPOCH + Duration::new(1_700_000_000, 5),
    ] {
        assert_eq!(SystemTime::from(Timestamp::from(time)), time);
    }
    assert_eq!(
        Timestamp::from_system_time(UNIX_EPOCH + Duration::from_secs(u64::MAX / 4)).as_nanos(),
        i64::MAX
    );
    assert_eq!(Timestamp::from_seconds(i64::MAX), None);
}
