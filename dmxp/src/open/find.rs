//! Finding the channel that a request means.

use crate::error::{Error, Result};
use crate::open::compare::mismatch;
use crate::open::making::{Halt, Making, in_making};
use crate::open::request::Request;
use crate::region::Management;
use crate::sync::Ordering;
use crate::table::holders::{open_handles, pid_of};
use crate::table::properties::Properties;
use crate::table::rings::{RingName, every_ring};

/// The channel that the request means, if it exists. Everything of its record has been checked. One that another call makes halts this one.
pub(super) fn find(
    management: &Management<'_>,
    request: &Request,
    making: &Making,
) -> core::result::Result<Option<Properties>, Halt> {
    match in_making(management, request, making) {
        Some(id) => Err(Halt::InMaking(id)),
        None => Ok(find_made(management, request)?),
    }
}

fn find_made(management: &Management<'_>, request: &Request) -> Result<Option<Properties>> {
    let mapping = management.attachment.mapping();
    let found = match (request.id, &request.name) {
        (Some(id), _) => Properties::read(mapping, id)?,
        (None, Some(name)) => by_name(management, name),
        (None, None) => None,
    };
    let Some(properties) = found else {
        // Acquire: pairs with a v1 program's store of the capacity; nothing else of the entry is read.
        if let Some(id) = request.id
            && mapping.entry(id).capacity.load(Ordering::Acquire) != 0
        {
            let asked = "one that dmxp made".into();
            let existing = "one that a v1 program made, without a control record".into();
            return Err(Error::ChannelMismatch {
                channel: id.to_string(),
                property: "origin",
                existing,
                asked,
            });
        }
        if let (Some(_), Some(name)) = (request.id, &request.name)
            && let Some(other) = by_name(management, name)
        {
            return Err(mismatch(&other, "id", other.id, request.label()));
        }
        return Ok(None);
    };
    properties.expect_main(|channel| format!("another one: open that, by its name or id {channel}"))?;
    if properties.removed {
        let pids = open_handles(mapping, &properties)
            .map(|record| pid_of(mapping, record))
            .collect();
        return Err(Error::ChannelInUse {
            channel: format!("{} (removed)", properties.label()),
            pids,
        });
    }
    match &request.name {
        Some(name) if properties.name.as_ref() != Some(name) => {
            let existing = properties.name.clone().unwrap_or_else(|| "(none)".into());
            Err(mismatch(&properties, "name", existing, name))
        }
        _ => Ok(Some(properties)),
    }
}

fn by_name(management: &Management<'_>, name: &str) -> Option<Properties> {
    // One damaged record must not hide the others.
    every_ring(management.attachment.mapping())
        .filter_map(|(_, read)| read.ok())
        .find(|ring| !ring.removed && ring.ring_name() == RingName::Main && ring.name.as_deref() == Some(name))
}
