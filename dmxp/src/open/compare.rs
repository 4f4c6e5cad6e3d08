//! Comparing a channel with what is asked for.

use crate::error::{Error, Result};
use crate::handle::Role;
use crate::open::create::stored_form;
use crate::open::request::Request;
use crate::region::Management;
use crate::table::properties::{DeadConsumers, Properties};
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
    // First: who made a queue by leaving the delivery out has left out the rest as well, and this is the difference to tell.
    if let Some(asked) = request.delivery.filter(|&asked| asked != properties.delivery) {
        return Err(mismatch(properties, "delivery", properties.delivery, asked));
    }
    if let Some(capacity) = request.capacity.filter(|&capacity| capacity != properties.capacity) {
        return Err(mismatch(properties, "capacity", properties.capacity, capacity));
    }
    if let Some(limit) = request
        .redelivery_limit
        .filter(|&limit| limit != properties.redelivery_limit)
    {
        return Err(mismatch(
            properties,
            "redelivery limit",
            properties.redelivery_limit,
            limit,
        ));
    }
    if let Some(asked) = request.expiry.filter(|&asked| Some(asked) != properties.expiry()) {
        let existing = properties
            .expiry()
            .map_or_else(|| "(none)".into(), |expiry| format!("{expiry:?}"));
        return Err(mismatch(properties, "expiry", existing, format!("{asked:?}")));
    }
    if let Some(asked) = &request.dead_letters {
        let letters = properties.dead_letters(management.attachment.mapping());
        let existing = letters
            .and_then(|letters| letters.name)
            .unwrap_or_else(|| "(none)".into());
        if existing != *asked {
            return Err(mismatch(properties, "dead letters", existing, asked));
        }
    }
    if let Some(asked) = request
        .payload_capacity
        .filter(|&asked| asked != properties.slots.payload_capacity)
    {
        return Err(mismatch(
            properties,
            "payload capacity",
            properties.slots.payload_capacity,
            asked,
        ));
    }
    let drops = request.dead_consumers.map(|policy| policy == DeadConsumers::Drop);
    let switches = [
        ("compact slots", properties.slots.is_compact(), request.compact),
        ("packed slots", properties.slots.is_packed(), request.packed),
        ("v1_peers", properties.v1_peers(), request.v1_peers),
        ("checksums", properties.checksums(), request.checksums),
        ("single producer", properties.single_producer(), request.single_producer),
        (
            "lossy subscribers",
            properties.admits_lossy(),
            request.lossy_subscribers,
        ),
        ("timestamps", properties.timestamps(), request.timestamps),
        ("priorities", properties.has_priorities(), request.priorities),
        ("drops messages of dead consumers", properties.drops(), drops),
    ];
    for (property, existing, asked) in switches {
        if let Some(asked) = asked.filter(|&asked| asked != existing) {
            return Err(mismatch(properties, property, existing, asked));
        }
    }
    let mapping = management.attachment.mapping();
    let Some(mine) = &request.schema else {
        return if properties.is_typed() {
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
