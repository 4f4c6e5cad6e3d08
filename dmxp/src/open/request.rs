//! What is asked of a channel when a handle is opened, and which of it cannot be had, whatever the region holds.

use crate::error::{Error, Result};
use crate::layout::{INLINE_PAYLOAD, MAX_CHANNELS, SlotShape};
use crate::table::delivery::{Delivery, Start, Subscription};
use crate::table::properties::{DeadConsumers, MAX_REDELIVERIES, check_capacity, check_name};
use dmxp_schema::model::Schema;
use std::time::Duration;

/// What is asked of a channel when a handle is opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) id: Option<u32>,
    pub(crate) name: Option<String>,
    pub(crate) capacity: Option<u64>,
    pub(crate) schema: Option<Schema>,
    pub(crate) compact: Option<bool>,
    pub(crate) packed: Option<bool>,
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
        if request.payload_capacity.is_some() && request.packed != Some(true) {
            request.compact.get_or_insert(true);
        }
        if request.packed == Some(true) {
            request.delivery.get_or_insert(Delivery::Broadcast);
            request.single_producer.get_or_insert(true);
            request.timestamps.get_or_insert(false);
        }
        request
    }

    /// Whether what is asked for can be had together, by a channel that is made or one that is there.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(id) = self.id.filter(|&id| id >= MAX_CHANNELS) {
            return Err(Error::invalid(format!(
                "channel id {id}: ids are 0 to {}",
                MAX_CHANNELS - 1
            )));
        }
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        if let Some(capacity) = self.capacity {
            check_capacity(capacity)?;
        }
        if let Some(limit) = self.redelivery_limit.filter(|&limit| limit > MAX_REDELIVERIES) {
            return Err(Error::invalid(format!(
                "redelivery limit {limit}: give 0 to {MAX_REDELIVERIES}"
            )));
        }
        if let Some(letters) = &self.dead_letters {
            check_name(letters)?;
            if self.name.as_ref() == Some(letters) {
                return Err(Error::invalid(format!(
                    "channel `{letters}` cannot be its own for dead letters"
                )));
            }
        }
        if self.v1_peers == Some(true) && self.checksums == Some(true) {
            return Err(Error::invalid(
                "a channel for v1 peers cannot have checksums: v1 programs neither write nor check them",
            ));
        }
        self.check_expiry()?;
        if self.v1_peers == Some(true) && self.priorities == Some(true) {
            return Err(Error::invalid(
                "a channel for v1 peers cannot have priorities: v1 programs know of one ring only",
            ));
        }
        self.check_slots()?;
        self.check_delivery()?;
        if self.id.is_none() && self.name.is_none() {
            return Err(Error::invalid("give a channel id (0 to 255) or a channel name"));
        }
        if let Some(schema) = self.schema.as_ref().filter(|schema| schema.size() > INLINE_PAYLOAD) {
            let (len, limit) = (schema.size() as usize, INLINE_PAYLOAD as usize);
            return Err(Error::PayloadTooLarge { len, limit });
        }
        Ok(())
    }

    fn check_expiry(&self) -> Result<()> {
        let Some(expiry) = self.expiry else { return Ok(()) };
        if expiry.is_zero() || u64::try_from(expiry.as_nanos()).is_err() {
            return Err(Error::invalid(format!(
                "expiry {expiry:?}: give 1 ns to 584 years, or leave it out"
            )));
        }
        if self.v1_peers == Some(true) {
            return Err(Error::invalid(
                "messages cannot expire on a channel for v1 peers: v1 programs neither say when they send nor skip what is old",
            ));
        }
        Ok(())
    }

    fn check_delivery(&self) -> Result<()> {
        let delivery = self.delivery.unwrap_or_default();
        if delivery == Delivery::Queue {
            return match (self.delivery, self.single_producer) {
                (Some(_), Some(true)) => Err(Error::invalid(
                    "a queue has any number of producers; one at a time is for broadcast and latest channels",
                )),
                _ => Ok(()),
            };
        }
        let of_queues = [
            ("v1 peers", self.v1_peers == Some(true), "v1 programs know queues only"),
            (
                "dead letters",
                self.dead_letters.is_some(),
                "nothing is delivered again there",
            ),
            (
                "a redelivery limit",
                self.redelivery_limit.is_some(),
                "nothing is delivered again there",
            ),
            (
                "messages that expire",
                self.expiry.is_some(),
                "what is older is overwritten, or was sent to everybody",
            ),
            (
                "priorities",
                self.priorities == Some(true),
                "everybody reads what was sent in the order in which it was sent",
            ),
            (
                "a policy for messages of dead consumers",
                self.dead_consumers.is_some(),
                "nothing is delivered again there",
            ),
        ];
        match of_queues.into_iter().find(|(_, asked, _)| *asked) {
            Some((what, _, why)) => Err(Error::invalid(format!(
                "a {delivery} channel cannot have {what}: {why}"
            ))),
            None => Ok(()),
        }
    }

    /// Whether a channel that is made as this says admits subscribers that may be overrun.
    pub(crate) fn admits_lossy(&self) -> bool {
        self.lossy_subscribers
            .unwrap_or(self.single_producer != Some(true) || self.subscription == Some(Subscription::Lossy))
    }

    /// What a consumer asks for that its channel cannot give.
    pub(crate) fn check_subscription(&self, delivery: Delivery) -> Result<()> {
        let asked = match (delivery, self.subscription, self.start) {
            (Delivery::Broadcast, ..) | (_, None, None) => return Ok(()),
            (_, Some(Subscription::Reliable), _) => "a reliable subscription",
            (_, Some(Subscription::Lossy), _) => "a lossy subscription",
            (_, None, Some(_)) => "a start",
        };
        let why = match delivery {
            Delivery::Latest => "its consumers read the newest value",
            Delivery::Queue | Delivery::Broadcast => {
                "its consumers share what comes (who comes first makes the channel, a queue unless the delivery is given)"
            }
        };
        Err(Error::invalid(format!(
            "a {delivery} channel cannot have {asked}: {why}"
        )))
    }

    fn check_slots(&self) -> Result<()> {
        if self.v1_peers == Some(true) && self.compact == Some(true) {
            return Err(Error::invalid(
                "a channel for v1 peers cannot have compact slots: v1 programs know slots of 1,088 bytes only",
            ));
        }
        self.check_packed()?;
        let Some(asked) = self.payload_capacity else {
            return Ok(());
        };
        if self.schema.is_some() {
            return Err(Error::invalid(format!(
                "payload capacity {asked}: the slots of a channel with a message type are sized to the type"
            )));
        }
        if self.compact == Some(false) && self.packed != Some(true) {
            return Err(Error::invalid(format!(
                "payload capacity {asked}: slots that are not compact hold {INLINE_PAYLOAD} bytes"
            )));
        }
        if SlotShape::compact(asked).is_none() {
            return Err(Error::invalid(format!(
                "payload capacity {asked}: give 1 to {INLINE_PAYLOAD} bytes"
            )));
        }
        Ok(())
    }

    /// What packed slots cannot go with.
    fn check_packed(&self) -> Result<()> {
        if self.packed != Some(true) {
            return Ok(());
        }
        let conflicts = [
            (
                "another delivery than broadcast",
                self.delivery.is_some_and(|delivery| delivery != Delivery::Broadcast),
                "nothing in a slot says who has it",
            ),
            (
                "several producers",
                self.single_producer == Some(false),
                "nothing in a slot says whether it is written",
            ),
            ("compact slots", self.compact == Some(true), "choose one of the two"),
            (
                "checksums",
                self.checksums == Some(true),
                "slots hold the message and nothing else",
            ),
            (
                "timestamps",
                self.timestamps == Some(true),
                "slots hold the message and nothing else",
            ),
        ];
        match conflicts.into_iter().find(|(_, asked, _)| *asked) {
            Some((what, _, why)) => Err(Error::invalid(format!(
                "a channel with packed slots cannot have {what}: {why}"
            ))),
            None => Ok(()),
        }
    }

    /// The slots of the channel if it is made. The request has been checked.
    pub(crate) fn slots(&self) -> Result<SlotShape> {
        if self.packed == Some(true) {
            return self
                .payload_capacity
                .or(self.schema.as_ref().map(Schema::size))
                .and_then(SlotShape::packed)
                .ok_or_else(|| {
                    Error::invalid("packed slots for bytes need a payload capacity: the bytes that each message has")
                });
        }
        if self.compact != Some(true) {
            return Ok(SlotShape::V1);
        }
        self.payload_capacity
            .or(self.schema.as_ref().map(Schema::size))
            .and_then(SlotShape::compact)
            .ok_or_else(|| {
                Error::invalid("compact slots for bytes need a payload capacity: the most bytes that a message has")
            })
    }
}
