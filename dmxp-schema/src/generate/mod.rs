//! Matching types in other languages, all from the same model.
//!
//! A generator takes one or several schemas and gives the text of one file; definitions that they share are written once. It
//! is one module, reads top to bottom in the order of its output, and knows nothing of the others. The same schemas give the
//! same bytes on every run. Generated code needs nothing of dmxp, and refuses to compile or to be imported when a size, an
//! alignment, an offset or a type in it is not what the schema says.

pub mod c;
mod definitions;
pub mod python;

pub(crate) use definitions::Definition;
