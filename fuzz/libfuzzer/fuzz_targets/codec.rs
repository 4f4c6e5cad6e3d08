#![no_main]

dmxp_libfuzzer::fuzz!(codec);
