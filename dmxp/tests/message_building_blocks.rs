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

/// The same calls on a building block and on its counterpart of the standard library.
#[test]
fn nullable_does_what_option_does() {
    for option in [None, Some(1_u32), Some(9)] {
        let nullable = Nullable::from(option);
        assert_eq!(nullable.unwrap_or(5), option.unwrap_or(5));
        assert_eq!(nullable.unwrap_or_default(), option.unwrap_or_default());
        assert_eq!(nullable.unwrap_or_else(|| 7), option.unwrap_or(7));
        assert_eq!(
            nullable.and_then(|value| value.checked_sub(5)),
            option.and_then(|value| value.checked_sub(5))
        );
        assert_eq!(nullable.filter(|value| *value > 5), option.filter(|value| *value > 5));
        assert_eq!(nullable.or(Nullable::some(3)), option.or(Some(3)));
        assert_eq!(nullable.ok_or("none"), option.ok_or("none"));
        assert_eq!(
            nullable.is_some_and(|value| value > 5),
            option.is_some_and(|value| value > 5)
        );
        assert_eq!(nullable.iter().count(), option.iter().count());
        assert_eq!(nullable.into_iter().sum::<u32>(), option.into_iter().sum::<u32>());
        assert_eq!(option, nullable);
        let (mut nullable, mut option) = (nullable, option);
        assert_eq!(nullable.get_or_insert(4), option.get_or_insert(4));
        assert_eq!(nullable.replace(6), option.replace(6));
        *nullable.insert(8) += 1;
        assert_eq!((nullable.take(), nullable.as_ref()), (Some(9), None));
        assert_eq!(bytes_of(&nullable), [0; 8], "what was taken leaves zeros");
        for other in [None, Some(1), Some(2)] {
            assert_eq!(nullable.cmp(&other.into()), None.cmp(&other));
            assert_eq!(hash(&Nullable::from(other)), hash(&other.as_ref()));
        }
    }
}

fn hash(value: &impl std::hash::Hash) -> u64 {
    use std::hash::Hasher;
    let mut hasher = std::hash::DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn fixed_vec_does_what_vec_does() {
    let mut fixed = FixedVec::<u32, 8>::new();
    let mut vec = Vec::new();
    assert_eq!(fixed.try_extend(1..=5), Ok(()));
    vec.extend(1..=5);
    assert_eq!(
        (fixed.insert(2, 20), fixed.remove(0), fixed.swap_remove(1)),
        (Ok(()), 1, 20)
    );
    vec.insert(2, 20);
    vec.remove(0);
    vec.swap_remove(1);
    assert_eq!(fixed, vec);
    fixed.retain(|element| element % 2 == 1);
    vec.retain(|element| element % 2 == 1);
    assert_eq!(fixed, vec);
    assert_eq!(
        bytes_of(&fixed)[4 + 4 * fixed.len()..],
        vec![0; 4 * (8 - fixed.len())],
        "removed ones leave zeros"
    );
    for element in &mut fixed {
        *element += 1;
    }
    assert_eq!(fixed.into_iter().rev_sorted(), [6, 4]);
    assert_eq!((fixed.capacity(), fixed.remaining_capacity()), (8, 6));
    assert_eq!(fixed.try_extend(0..9), Err(6));
    assert_eq!(FixedVec::from([1_u8, 2, 3, 4]), [1, 2, 3, 4]);
    let (small, large) = (FixedVec::<u32, 4>::from([1, 2, 3, 4]), FixedVec::<u32, 2>::from([2, 1]));
    assert!(small < large && hash(&small) == hash(&vec![1_u32, 2, 3, 4]));
    let set = std::collections::HashSet::from([small]);
    assert!(set.contains([1, 2, 3, 4].as_slice()), "found by a slice");
}

trait RevSorted {
    fn rev_sorted(self) -> Vec<u32>;
}

impl<I: Iterator<Item = u32>> RevSorted for I {
    fn rev_sorted(self) -> Vec<u32> {
        let mut all: Vec<u32> = self.collect();
        all.sort_unstable_by(|one, other| other.cmp(one));
        all
    }
}

#[test]
fn fixed_str_does_what_string_does() {
    let (mut fixed, mut string) = (FixedStr::<8>::EMPTY, String::new());
    fixed.push_str("abc").unwrap();
    fixed.push('ü').unwrap();
    string.push_str("abc");
    string.push('ü');
    assert_eq!(fixed, string);
    assert_eq!(string, fixed);
    assert_eq!(*"abcü", fixed);
    assert_eq!("abcü", fixed);
    assert_eq!(
        fixed.push_str("more"),
        Err(FixedStrError::TooLong { length: 9, capacity: 8 })
    );
    assert_eq!(
        fixed.push('\0'),
        Err(FixedStrError::ContainsNul {
            position: 5,
            length: 6,
            capacity: 8
        })
    );
    assert_eq!(fixed, string, "nothing was appended");
    let map = std::collections::BTreeMap::from([(fixed, 1)]);
    assert_eq!(map.get("abcü".as_bytes()), Some(&1));
    assert!(FixedStr::<4>::from_static("b") > FixedStr::<8>::from_static("abc"));
    // What another process left behind a NUL does not come to light.
    let mut left = copy_from_bytes::<FixedStr<8>>(b"ab\0defgh").unwrap();
    left.push('c').unwrap();
    assert_eq!(
        (left.as_str(), bytes_of(&left)),
        (Ok("abc"), b"abc\0\0\0\0\0".as_slice())
    );
    fixed.clear();
    assert_eq!(bytes_of(&fixed), [0; 8]);
}

#[test]
fn open_enums_and_flags_compare_and_combine() {
    let (low, newer) = (Open::new(Level::Low), Open::<Level>::from_raw(5));
    assert!(low == Level::Low && low < Open::new(Level::High) && newer > low);
    assert_eq!(
        (low.known(), newer.known(), newer.is_known()),
        (Some(Level::Low), None, false)
    );
    assert_eq!(
        (newer.unwrap_or(Level::High), newer.unwrap_or_else(|_| Level::Low)),
        (Level::High, Level::Low)
    );
    assert_eq!(
        (low.map(|level| level as i8), newer.map(|level| level as i8)),
        (Some(-1), None)
    );
    const NONE: Flags<Quality> = Flags::new();
    let all = Flags::<Quality>::all();
    let stale = Flags::from(Quality::Stale);
    assert!(all.is_all() && all.contains_all(stale) && !stale.is_all() && !stale.intersects(!stale));
    assert_eq!(((all ^ stale) & stale, all - stale - all, !NONE), (NONE, NONE, all));
    let mut set = NONE;
    set.toggle(Quality::Stale);
    set.set(Quality::Stale, true);
    assert_eq!((set, set.len()), (stale, 1));
    set &= NONE;
    set |= Quality::Stale;
    set ^= Quality::Stale;
    set.extend([Quality::Stale]);
    set -= all;
    assert!(set.is_empty() && set < stale);
    // Bits that this version does not know are kept.
    let unknown = Flags::<Quality>::from_bits(0x40);
    assert_eq!((unknown | stale).bits(), 0x41);
    assert_eq!((unknown - all).bits(), 0x40);
}

#[test]
fn timestamps_calculate_with_durations() {
    let time = Timestamp::from_millis(1_500).unwrap();
    assert_eq!(time, Timestamp::from_micros(1_500_000).unwrap());
    let mut later = time + Duration::from_nanos(7);
    assert_eq!(
        SystemTime::from(later),
        SystemTime::from(time) + Duration::from_nanos(7)
    );
    assert_eq!(
        (later.as_seconds(), later.as_millis(), later.as_micros()),
        (1, 1_500, 1_500_000)
    );
    assert_eq!(later.duration_since(time), Some(Duration::from_nanos(7)));
    assert_eq!(time.saturating_duration_since(later), Duration::ZERO);
    later -= Duration::from_secs(3);
    later += Duration::from_nanos(1);
    assert_eq!(
        (later.as_nanos(), later.as_seconds(), later.as_millis()),
        (-1_499_999_992, -2, -1_500)
    );
    assert_eq!(
        Timestamp::MAX.duration_since(Timestamp::MIN),
        Some(Duration::from_nanos(u64::MAX))
    );
    assert_eq!(
        Timestamp::MIN.checked_add(Duration::from_nanos(u64::MAX)),
        Some(Timestamp::MAX)
    );
    for duration in [Duration::from_nanos(1), Duration::MAX] {
        assert_eq!(
            (
                Timestamp::MAX.checked_add(duration),
                Timestamp::MIN.checked_sub(duration)
            ),
            (None, None)
        );
        assert_eq!(Timestamp::MAX.saturating_add(duration), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.saturating_sub(duration), Timestamp::MIN);
    }
    assert!(Timestamp::now().elapsed() < Duration::from_secs(3600));
}
