//! Writes the type in Python. See README.md.

mod tick;

dmxp::export! { tick::Tick }
