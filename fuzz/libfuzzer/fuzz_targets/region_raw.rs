#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|data: &[u8]| dmxp_fuzz::region_raw(data));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    dmxp_libfuzzer::drawn_or_changed(dmxp_fuzz::draw::region_raw, data, size, max_size, seed)
});
