#![no_main]

dmxp_libfuzzer::fuzz!(region_raw);
