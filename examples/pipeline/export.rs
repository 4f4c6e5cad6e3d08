//! Writes the types of the stage in Python. See README.md.

#[path = "../weather/observation.rs"]
mod observation;
#[expect(dead_code, reason = "the stages in Rust use the rest")]
mod readings;

dmxp::export! { observation::Observation, readings::Reading }
