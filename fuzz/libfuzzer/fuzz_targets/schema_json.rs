#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dmxp_fuzz::schema_json(data));
