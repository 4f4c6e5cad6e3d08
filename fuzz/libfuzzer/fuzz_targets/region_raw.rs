#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dmxp_fuzz::region_raw(data));
