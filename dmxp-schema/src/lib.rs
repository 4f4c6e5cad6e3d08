//! Message descriptors for dmxp.

pub mod descriptor;
