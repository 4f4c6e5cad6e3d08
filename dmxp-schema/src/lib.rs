//! Message descriptors for dmxp: what a message looks like in memory, as data.
//!
//! A message type is declared once, in Rust, and `#[derive(DmxpMessage)]` writes its [`descriptor`] into a `const`. Everything
//! else is made from that:
//!
//! | module | gives |
//! |---|---|
//! | [`descriptor`] | the borrowed form, `const` |
//! | [`model`] | the owned twin, for schemas that come from a file or a channel; [`model::Schema`] is a validated one |
//! | [`validate`] | the rules every schema keeps, and the [`limits`](validate::limits) |
//! | [`fingerprint`] | 64 bits to compare instead |
//! | [`text`] | the one-line form for people |
//! | [`binary`] | the compact form stored beside the channel |
//! | [`json`] | the form for other tools |
//! | [`compat`] | may this reader read that writer, and if not, which field is to blame |
//! | [`codec`] | single fields of a message, and whole messages as JSON and back, through the schema alone |
//! | [`generate`] | matching types in other languages |
//!
//! There is no unsafe code and no shared memory here. Nothing that comes from outside is trusted. Without the feature `json`, which
//! brings [`json`], `codec::decode` and `codec::encode`, there are no dependencies.
//!
//! ```
//! use dmxp_schema::model::Schema;
//!
//! let tick: Schema = "struct Tick v1 size 16 align 8 { price: f64 @0 unit \"EUR\", volume: u64 @8 }".parse()?;
//! assert_eq!(tick.root().fields[1].offset, 8);
//! let stored = dmxp_schema::binary::encode(&tick)?;
//! assert_eq!(dmxp_schema::binary::decode(&stored)?, tick);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

/// The program in README.md is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod binary;
pub mod codec;
pub mod compat;
pub mod descriptor;
mod extent;
pub mod fingerprint;
pub mod generate;
#[cfg(feature = "json")]
pub mod json;
pub mod model;
pub mod text;
pub mod validate;
