//! May a reader with one schema read what a writer with another has written?
//!
//! Size and alignment of the message must be equal; there is no conversion, the reader borrows the writer's bytes.
//!
//! | difference | effect |
//! |---|---|
//! | notes: version, `since`, unit, alias, doc | note |
//! | reserved bytes divided or named otherwise; values or variants in another order | note |
//! | a field that the other side has as reserved bytes | compatible; the reader of an older message finds zeros there |
//! | the same, but zeros are no value of the field's type (a closed enum without the value 0) and the reader has the field | incompatible |
//! | a field renamed, and one side lists the other's name as an alias | compatible |
//! | a field renamed without alias, moved, removed, or of another type, length or capacity | incompatible |
//! | a value added to an open enum or to flags, by either side | compatible |
//! | a value of a closed enum that only the reader knows | compatible |
//! | a value of a closed enum that only the writer knows | incompatible |
//! | a value renamed | incompatible: the same number means something else |
//! | closed enum written, open enum read | compatible; the other way round incompatible |
//! | a variant added to a union, by either side | compatible: readers keep tags they do not know |
//! | a variant with another name or payload | incompatible |
//! | another name for a nested struct, an enum or a union | compatible; for the message itself incompatible |
//!
//! # What lives here
//! `compare` decides, `comparison` is the result and its text. The verdict is by meaning; whether two schemas are the same to the
//! byte is for [`crate::fingerprint`].

mod compare;
mod comparison;

pub use compare::compare;
pub use comparison::{Comparison, Difference, Effect, Part, Verdict};
