//! Message descriptors for dmxp.
#![forbid(unsafe_code)]

pub mod descriptor;
pub mod fingerprint;
