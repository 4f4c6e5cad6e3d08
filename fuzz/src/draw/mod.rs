//! Inputs that make sense, or nearly, drawn at random from a seed. Random bytes, and changes of them, would hardly come to that.

mod schemas;
mod sessions;

pub use schemas::{codec, compat, schema_binary, schema_json, schema_text};
pub use sessions::{live, region, region_raw};
