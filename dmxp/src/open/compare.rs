//! Comparing a channel with what is asked for.

use crate::error::{Error, Result};
use crate::handle::Role;
use crate::open::create::stored_form;
use crate::open::options;
use crate::open::request::Request;
use crate::region::Management;
use crate::table::properties::Properties;
use dmxp_schema::compat;

pub(crate) fn mismatch(
    properties: &Properties,
    property: &'static str,
    existing: impl ToString,
    asked: impl ToString,
) -> Error {
    let (existing, asked) = (existing.to_string(), asked.to_string());
    Error::ChannelMismatch {
        channel: properties.label(),
        property,
        existing,
        asked,
    }
}

/// Compares what was asked for with what exists. Writes nothing.
pub(crate) fn compare(
    management: &Management<'_>,
    properties: &Properties,
    request: &Request,
    role: Role,
) -> Result<()> {
    let mapping = management.attachment.mapping();
    options::compare(mapping, properties, request)?;
    let Some(mine) = &request.schema else {
        // A consumer that names no type takes what comes, and finds the schema with the channel. What a producer sends must be of it.
        return if properties.is_typed() && role == Role::Producer {
            let existing = properties
                .schema(mapping)?
                .map_or_else(String::new, |schema| schema.name().to_owned());
            Err(mismatch(properties, "message type", existing, "untyped bytes"))
        } else {
            Ok(())
        };
    };
    if !properties.is_typed() {
        return Err(mismatch(properties, "message type", "untyped bytes", mine.name()));
    }
    properties.check_align(mine)?;
    let same_numbers = properties.schema_fingerprint == mine.schema_fingerprint()
        && properties.layout_fingerprint == mine.layout_fingerprint();
    // Equal fingerprints are not proof; the stored bytes are.
    if same_numbers && properties.schema_bytes(mapping)? == stored_form(mine)? {
        return Ok(());
    }
    let Some(theirs) = properties.schema(mapping)? else {
        return Ok(());
    };
    let (comparison, words) = match role {
        Role::Producer => (compat::compare(mine, &theirs), ("here", "in the channel")),
        Role::Consumer => (compat::compare(&theirs, mine), ("in the channel", "here")),
    };
    if comparison.is_compatible() {
        return Ok(());
    }
    Err(Error::SchemaMismatch {
        channel: properties.label(),
        differences: comparison.describe(words.0, words.1),
    })
}
