//! What the programs share that libFuzzer drives.

/// The next input to try: one in four is drawn anew, the others are changes of one that found something. Returns its length.
pub fn drawn_or_changed(draw: fn(u64) -> Vec<u8>, data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    if !seed.is_multiple_of(4) {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    let drawn = draw(seed.into());
    let len = drawn.len().min(max_size);
    data[..len].copy_from_slice(&drawn[..len]);
    len
}
