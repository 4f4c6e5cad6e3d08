//! Writes the types of the other languages. See README.md.

mod observation;

use observation::Observation;

dmxp::export! { Observation }
