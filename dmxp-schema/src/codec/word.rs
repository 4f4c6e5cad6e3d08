//! Numbers in the bytes of a message: 1 to 8 bytes, little-endian.

use crate::model::IntegerType;

pub(super) fn unsigned(repr: IntegerType) -> IntegerType {
    match repr.size() {
        1 => IntegerType::U8,
        2 => IntegerType::U16,
        4 => IntegerType::U32,
        _ => IntegerType::U64,
    }
}

/// The bits of a flag; a negative one is its two's complement in the width of the integer.
pub(super) fn mask_of(value: i128, repr: IntegerType) -> u64 {
    let (_, max) = unsigned(repr).range();
    (value & max) as u64
}

pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

/// 1 to 8 little-endian bytes.
pub(super) fn read_word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

pub(super) fn read_signed(bytes: &[u8]) -> i64 {
    let unused = 64 - 8 * bytes.len() as u32;
    (read_word(bytes) << unused).cast_signed() >> unused
}

/// The NaN that the JSON form writes as `"NaN"`; others are written with their bits.
#[cfg(feature = "json")]
pub(super) const F64_NAN: u64 = 0x7ff8_0000_0000_0000;
/// The same of `f32`.
#[cfg(feature = "json")]
pub(super) const F32_NAN: u32 = 0x7fc0_0000;
