//! Matching types in other languages, all from the same model.
//!
//! ```
//! use dmxp_schema::{generate, model::Schema};
//!
//! let tick: Schema = "struct Tick v1 size 8 align 8 { price: f64 @0 }".parse()?;
//! for file in generate::write("python", &[tick])? {
//!     assert!(file.text.contains("class Tick"), "tick.{}", file.extension);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What lives here
//! [`LANGUAGES`] is the table of all languages; whatever lists or chooses languages does it from there. To add one, write its
//! generator and add a row.
//!
//! A generator takes one or several schemas and gives the text of one file; definitions that they share are written once. It
//! is one module, reads top to bottom in the order of its output, and knows nothing of the others; what several need is in
//! `definitions`. The same schemas give the same bytes on every run. Generated code needs nothing of dmxp, and refuses to
//! compile or to be imported when a size, an alignment, an offset or a type in it is not what the schema says.

pub mod c;
mod definitions;
mod languages;
pub mod python;
pub mod schema;

pub(crate) use definitions::Definition;
pub use languages::{GeneratedFile, LANGUAGES, Language, Output, UnknownLanguage, language, write};
