#![no_main]

dmxp_libfuzzer::fuzz!(schema_text);
