//! What is asked of a channel when a handle is opened, and which of it cannot be had, whatever the region holds.

use crate::error::{Error, Result};
use crate::layout::{INLINE_PAYLOAD, PAYLOAD_OFFSET, SHORT_PAYLOAD_ALIGN, SHORT_PAYLOAD_OFFSET, SlotShape};
use crate::open::options;
use crate::table::delivery::{Delivery, Start, Subscription};
use crate::table::properties::DeadConsumers;
use dmxp_schema::model::Schema;
use std::time::Duration;

/// What is asked of a channel when a handle is opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) id: Option<u32>,
    pub(crate) name: Option<String>,
    pub(crate) capacity: Option<u64>,
    pub(crate) schema: Option<Schema>,
    pub(crate) compact_slots: Option<bool>,
    pub(crate) packed_slots: Option<bool>,
    /// Of the compact or packed slots of a channel of bytes.
    pub(crate) payload_capacity: Option<u32>,
    pub(crate) v1_peers: Option<bool>,
    pub(crate) checksums: Option<bool>,
    pub(crate) dead_consumers: Option<DeadConsumers>,
    pub(crate) redelivery_limit: Option<u32>,
    pub(crate) dead_letters: Option<String>,
    pub(crate) expiry: Option<Duration>,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) single_producer: Option<bool>,
    pub(crate) lossy_subscribers: Option<bool>,
    pub(crate) timestamps: Option<bool>,
    /// Of the consumer that is opened, as the next.
    pub(crate) subscription: Option<Subscription>,
    pub(crate) start: Option<Start>,
    pub(crate) end_without_producers: Option<bool>,
    pub(crate) keep_removed_region: Option<bool>,
    pub(crate) replace_if_unused: Option<bool>,
    pub(crate) priorities: Option<bool>,
    pub(crate) open_only: bool,
}

impl Request {
    /// The channel in words, for errors.
    pub(crate) fn label(&self) -> String {
        match (&self.name, self.id) {
            (Some(name), Some(id)) => format!("`{name}` ({id})"),
            (Some(name), None) => format!("`{name}`"),
            (None, Some(id)) => id.to_string(),
            (None, None) => "without id and name".into(),
        }
    }

    /// With what follows from what is asked for: packed slots are those of a broadcast channel that has one producer at a time.
    pub(crate) fn completed(&self) -> Self {
        let mut request = self.clone();
        if request.payload_capacity.is_some() && request.packed_slots != Some(true) {
            request.compact_slots.get_or_insert(true);
        }
        if request.packed_slots == Some(true) {
            request.delivery.get_or_insert(Delivery::Broadcast);
            request.single_producer.get_or_insert(true);
            request.timestamps.get_or_insert(false);
        }
        request
    }

    /// Whether what is asked for can be had together, by a channel that is made or one that is there.
    pub(crate) fn check(&self) -> Result<()> {
        options::check(self)?;
        if self.id.is_none() && self.name.is_none() {
            return Err(Error::invalid("give a channel id (0 to 255) or a channel name"));
        }
        if let Some(schema) = self.schema.as_ref().filter(|schema| schema.size() > INLINE_PAYLOAD) {
            let (len, limit) = (schema.size() as usize, INLINE_PAYLOAD as usize);
            return Err(Error::PayloadTooLarge { len, limit });
        }
        Ok(())
    }

    /// Whether a channel that is made as this says admits subscribers that may be overrun.
    pub(crate) fn admits_lossy(&self) -> bool {
        self.lossy_subscribers
            .unwrap_or(self.single_producer != Some(true) || self.subscription == Some(Subscription::Lossy))
    }

    /// The slots of the channel if it is made. The request has been checked.
    pub(crate) fn slots(&self) -> Result<SlotShape> {
        let size = self.payload_capacity.or(self.schema.as_ref().map(Schema::size));
        if self.packed_slots == Some(true) {
            return size.and_then(SlotShape::packed).ok_or_else(|| {
                Error::invalid("packed slots for bytes need a payload capacity: the bytes that each message has")
            });
        }
        if self.compact_slots != Some(true) {
            return Ok(SlotShape::V1);
        }
        size.and_then(|size| SlotShape::compact(size, self.payload_offset()))
            .ok_or_else(|| {
                Error::invalid("compact slots for bytes need a payload capacity: the most bytes that a message has")
            })
    }

    /// Whether payloads begin behind the metadata in the slots of the channel if it is made.
    pub(crate) fn has_short_heads(&self) -> bool {
        let is_compact = self.compact_slots == Some(true) && self.packed_slots != Some(true);
        // Messages that expire have one more word beside their metadata.
        is_compact
            && self.expiry.is_none()
            && self
                .schema
                .as_ref()
                .is_none_or(|schema| schema.align() <= SHORT_PAYLOAD_ALIGN)
    }

    /// Where payloads begin in them.
    pub(crate) fn payload_offset(&self) -> usize {
        if self.has_short_heads() {
            SHORT_PAYLOAD_OFFSET
        } else {
            PAYLOAD_OFFSET
        }
    }
}
