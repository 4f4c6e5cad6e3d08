//! What the programs share that libFuzzer drives.

/// A program that tries a target with inputs of which one in four is drawn anew, and the others are changes of one that found something.
#[macro_export]
macro_rules! fuzz {
    ($target:ident) => {
        libfuzzer_sys::fuzz_target!(|data: &[u8]| dmxp_fuzz::$target(data));

        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            if !seed.is_multiple_of(4) {
                return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
            }
            let drawn = dmxp_fuzz::draw::$target(seed.into());
            let len = drawn.len().min(max_size);
            data[..len].copy_from_slice(&drawn[..len]);
            len
        });
    };
}
