//! The schemas themselves, in their text form, one on each line.

use crate::model::Schema;
use crate::text;

/// Writes one line for each schema.
///
/// ```
/// use dmxp_schema::{generate::schema, model::Schema};
///
/// let tick: Schema = "struct Tick v1 size 8 align 8 { price: f64 @0 }".parse()?;
/// let file = schema::lines(&[tick.clone()]);
/// assert_eq!(file.lines().map(str::parse).collect::<Result<Vec<Schema>, _>>()?, [tick]);
/// # Ok::<(), dmxp_schema::text::TextError>(())
/// ```
#[must_use]
pub fn lines(schemas: &[Schema]) -> String {
    schemas.iter().map(|schema| text::write(schema) + "\n").collect()
}
