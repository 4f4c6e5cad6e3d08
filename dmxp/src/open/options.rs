//! The options that a channel and its handles can be opened with: one table, from which come the checks of a request and the
//! comparison with a channel that is there. Tests hold the builder's methods, the members of C's struct, Python's arguments and
//! docs/OPTIONS.md to it.
//!
//! A new option is a row here, a field of [`Request`], a setter in each language, and what it does.

use crate::error::{Error, Result};
use crate::layout::{INLINE_PAYLOAD, MAX_CHANNELS};
use crate::open::compare::mismatch;
use crate::open::request::Request;
use crate::region::Mapping;
use crate::table::delivery::{Delivery, Subscription};
use crate::table::properties::{DeadConsumers, MAX_REDELIVERIES, Properties, check_capacity, check_name};

/// Which handle decides on an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// The handle that creates the channel decides. The others may say the same or nothing, and are refused if they say something
    /// else.
    Creator,
    /// Each handle for itself.
    Handle,
    /// Each producer for itself.
    Producer,
    /// Each consumer for itself.
    Consumer,
}

/// How an option is given in a language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// Under its own name: `with_NAME` of the builder in Rust, a member of `dmxp_channel_options` in C, an argument in Python.
    Named,
    /// As these, under this name: where a unit belongs to the name, or no value does.
    As(&'static str),
    /// In another way, in words.
    Otherwise(&'static str),
    /// Not at all.
    Never,
}

/// What users are told of an option.
#[derive(Clone, Copy, Debug)]
pub struct ChannelOption {
    /// The same in every language.
    pub name: &'static str,
    /// How it is given in Rust.
    pub rust: Given,
    /// How it is given in C.
    pub c: Given,
    /// How it is given in Python.
    pub python: Given,
    /// Type and possible values.
    pub values: &'static str,
    /// What a new channel, or the handle, has if it is left out.
    pub default: &'static str,
    /// Which handle decides.
    pub set_by: SetBy,
    /// What it does, in a line.
    pub doc: &'static str,
}

/// The options, in the order in which they are checked and compared.
pub fn channel_options() -> impl Iterator<Item = &'static ChannelOption> {
    ROWS.iter().map(|row| &row.option)
}

/// An option, and what opening does with it.
struct Row {
    option: ChannelOption,
    /// What errors of a comparison call it.
    property: &'static str,
    /// Whether a request asks for it: a switch that is on, a value that is given.
    asks: fn(&Request) -> bool,
    /// Refuses what no channel can have.
    check: fn(&Request) -> Result<()>,
    /// Names of options that cannot be had together with this one, and why.
    excludes: &'static [(&'static str, &'static str)],
    /// Why a channel of that delivery cannot have what is asked for.
    refused_on: fn(&Request, Delivery) -> Option<String>,
    /// What an existing channel has and what is asked for, if that is something else.
    differs: fn(&Existing<'_>, &Request) -> Option<(String, String)>,
}

/// A channel that is there.
struct Existing<'a> {
    properties: &'a Properties,
    mapping: &'a Mapping,
}

/// Checks what is asked for, whatever the region holds.
pub(crate) fn check(request: &Request) -> Result<()> {
    for row in ROWS {
        (row.check)(request)?;
    }
    for row in ROWS.iter().filter(|row| (row.asks)(request)) {
        for (other, why) in row.excludes {
            if ROWS.iter().any(|row| row.option.name == *other && (row.asks)(request)) {
                return Err(Error::invalid(*why));
            }
        }
    }
    match request.delivery {
        Some(delivery) => check_on(request, delivery, SetBy::Creator),
        None => Ok(()),
    }
}

/// Checks what is asked for of the options that `set_by` sets, on a channel of that delivery.
pub(crate) fn check_on(request: &Request, delivery: Delivery, set_by: SetBy) -> Result<()> {
    let rows = ROWS.iter().filter(|row| row.option.set_by == set_by);
    match rows.filter_map(|row| (row.refused_on)(request, delivery)).next() {
        Some(why) => Err(Error::invalid(why)),
        None => Ok(()),
    }
}

/// Compares all that the creator of a channel decides, but for the messages' type.
pub(crate) fn compare(mapping: &Mapping, properties: &Properties, request: &Request) -> Result<()> {
    let existing = Existing { properties, mapping };
    for row in ROWS {
        if let Some((existing, asked)) = (row.differs)(&existing, request) {
            return Err(mismatch(properties, row.property, existing, asked));
        }
    }
    Ok(())
}

fn differs<T: PartialEq + ToString>(existing: T, asked: Option<T>) -> Option<(String, String)> {
    let asked = asked.filter(|asked| *asked != existing)?;
    Some((existing.to_string(), asked.to_string()))
}

fn cannot_have(delivery: Delivery, what: &str, why: &str) -> Option<String> {
    Some(format!("a {delivery} channel cannot have {what}: {why}"))
}

/// For options of queues: `asked` is refused on others.
fn queues_only(asked: bool, delivery: Delivery, what: &str, why: &str) -> Option<String> {
    let refused = asked && delivery != Delivery::Queue;
    refused.then(|| cannot_have(delivery, what, why)).flatten()
}

const NOT_AGAIN: &str = "nothing is delivered again there";

/// For options of subscribers, which broadcast channels have.
fn subscribers_only(asked: Option<&str>, delivery: Delivery) -> Option<String> {
    let why = match delivery {
        Delivery::Broadcast => return None,
        Delivery::Latest => "its consumers read the newest value",
        Delivery::Queue => {
            "its consumers share what comes (the first handle makes the channel, a queue unless the delivery is given)"
        }
    };
    cannot_have(delivery, asked?, why)
}

fn check_payload_capacity(request: &Request) -> Result<()> {
    let Some(asked) = request.payload_capacity else {
        return Ok(());
    };
    let why = if request.schema.is_some() {
        "the slots of a channel with a message type are sized to the type".to_owned()
    } else if request.compact_slots == Some(false) && request.packed_slots != Some(true) {
        format!("slots that are not compact hold {INLINE_PAYLOAD} bytes")
    } else if !(1..=INLINE_PAYLOAD).contains(&asked) {
        format!("give 1 to {INLINE_PAYLOAD} bytes")
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!("payload capacity {asked}: {why}")))
}

/// What a row has unless it says otherwise.
const OPTION: ChannelOption = ChannelOption {
    name: "",
    rust: Given::Named,
    c: Given::Named,
    python: Given::Named,
    values: "flag",
    default: "off",
    set_by: SetBy::Creator,
    doc: "",
};
const ROW: Row = Row {
    option: OPTION,
    property: "",
    asks: |_| false,
    check: |_| Ok(()),
    excludes: &[],
    refused_on: |_, _| None,
    differs: |_, _| None,
};

static ROWS: &[Row] = &[
    Row {
        option: ChannelOption {
            name: "region",
            c: Given::Otherwise("the first argument of `dmxp_producer_open`"),
            values: "region; in Python its name too",
            default: "the default region",
            set_by: SetBy::Handle,
            doc: "The region in which the channel lies",
            ..OPTION
        },
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "name",
            values: "text, 1 to 64 bytes",
            default: "none",
            set_by: SetBy::Handle,
            doc: "Finds the channel by its name. A name or an id is needed",
            ..OPTION
        },
        check: |request| request.name.as_deref().map_or(Ok(()), check_name),
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "channel_id",
            values: "0 to 255",
            default: "the highest free id",
            set_by: SetBy::Handle,
            doc: "Finds the channel by its number",
            ..OPTION
        },
        check: |request| match request.id.filter(|&id| id >= MAX_CHANNELS) {
            Some(id) => {
                let last = MAX_CHANNELS - 1;
                Err(Error::invalid(format!("channel id {id}: ids are 0 to {last}")))
            }
            None => Ok(()),
        },
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "id_and_name",
            rust: Given::Never,
            python: Given::Never,
            set_by: SetBy::Handle,
            doc: "C only: `name` and `channel_id` count both; 0: `channel_id` counts only if `name` is `NULL`",
            ..OPTION
        },
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "message",
            rust: Given::Otherwise("`Channel::<T>::builder`"),
            c: Given::Never,
            values: "message type",
            default: "untyped: bytes",
            set_by: SetBy::Handle,
            doc: "The type of the messages; an existing channel of another type is refused",
            ..OPTION
        },
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "schema",
            python: Given::Never,
            values: "schema; in C its text",
            default: "untyped: bytes",
            set_by: SetBy::Handle,
            doc: "The same for a type known only at run time: lengths are checked, values are not",
            ..OPTION
        },
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "message_type",
            rust: Given::Never,
            python: Given::Never,
            values: "number of 32 bits",
            default: "0",
            set_by: SetBy::Producer,
            doc: "C only, producers of untyped channels: the application's number in the metadata",
            ..OPTION
        },
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "open_only",
            rust: Given::As("open_only"),
            set_by: SetBy::Handle,
            doc: "Opens what exists; creates neither region nor channel",
            ..OPTION
        },
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "replace_if_unused",
            set_by: SetBy::Handle,
            doc: "Makes the channel anew if it exists with other properties and nobody has it open; its messages are lost",
            ..OPTION
        },
        asks: |request| request.replace_if_unused == Some(true),
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "keep_removed_region",
            set_by: SetBy::Handle,
            doc: "This handle goes on when the region's file is removed or replaced",
            ..OPTION
        },
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "wait_strategy",
            values: "strategy",
            default: "spin, then sleep",
            set_by: SetBy::Handle,
            doc: "What the calls of this handle do while they wait",
            ..OPTION
        },
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "subscription",
            values: "subscription",
            default: "reliable",
            set_by: SetBy::Consumer,
            doc: "Broadcast: what happens when this consumer is too slow",
            ..OPTION
        },
        refused_on: |request, delivery| {
            let asked = request.subscription.map(|subscription| match subscription {
                Subscription::Reliable => "a reliable subscription",
                Subscription::Lossy => "a lossy subscription",
            });
            subscribers_only(asked, delivery)
        },
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "start",
            values: "start",
            default: "newest",
            set_by: SetBy::Consumer,
            doc: "Broadcast: where this consumer begins",
            ..OPTION
        },
        refused_on: |request, delivery| subscribers_only(request.start.map(|_| "a start"), delivery),
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "end_without_producers",
            set_by: SetBy::Consumer,
            doc: "The stream ends for this consumer when the last producer has gone and all was received. Not with v1 peers",
            ..OPTION
        },
        asks: |request| request.end_without_producers == Some(true),
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "start_position",
            rust: Given::Never,
            python: Given::Never,
            values: "position",
            default: "0",
            set_by: SetBy::Consumer,
            doc: "C only: the position for `DMXP_START_POSITION`",
            ..OPTION
        },
        ..ROW
    },
    // Before all else that is compared: a creator that made a queue by leaving the delivery out has left out the rest as well, and
    // this is the difference to tell.
    Row {
        option: ChannelOption {
            name: "delivery",
            values: "queue, broadcast, latest",
            default: "queue",
            doc: "Which consumers get a message",
            ..OPTION
        },
        property: "delivery",
        differs: |is, asked| differs(is.properties.delivery, asked.delivery),
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "capacity",
            values: "slots, a power of two from 2 to 2^20, or 2^32 on broadcast and latest channels",
            default: "1,024; 16 on latest channels",
            doc: "How many messages the channel holds",
            ..OPTION
        },
        property: "capacity",
        check: |request| {
            let check = |capacity| check_capacity(capacity, request.delivery);
            request.capacity.map_or(Ok(()), check)
        },
        differs: |is, asked| differs(is.properties.capacity, asked.capacity),
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "redelivery_limit",
            values: "0 to 12; in C -1 for 0",
            default: "10",
            doc: "Queues: how often a message is delivered again at most",
            ..OPTION
        },
        property: "redelivery limit",
        check: |request| match request.redelivery_limit.filter(|&limit| limit > MAX_REDELIVERIES) {
            Some(limit) => Err(Error::invalid(format!(
                "redelivery limit {limit}: give 0 to {MAX_REDELIVERIES}"
            ))),
            None => Ok(()),
        },
        refused_on: |request, delivery| {
            queues_only(
                request.redelivery_limit.is_some(),
                delivery,
                "a redelivery limit",
                NOT_AGAIN,
            )
        },
        differs: |is, asked| differs(is.properties.redelivery_limit, asked.redelivery_limit),
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "expiry",
            c: Given::As("expiry_ns"),
            values: "time; nanoseconds in C, seconds in Python",
            default: "messages do not expire",
            doc: "Queues: messages older than that are skipped and counted",
            ..OPTION
        },
        property: "expiry",
        asks: |request| request.expiry.is_some(),
        check: |request| match request.expiry {
            Some(expiry) if expiry.is_zero() || u64::try_from(expiry.as_nanos()).is_err() => Err(Error::invalid(
                format!("expiry {expiry:?}: give 1 ns to 584 years, or leave it out"),
            )),
            _ => Ok(()),
        },
        refused_on: |request, delivery| {
            let why = "what is older is overwritten, or was sent to everybody";
            queues_only(request.expiry.is_some(), delivery, "messages that expire", why)
        },
        differs: |is, asked| {
            let existing = is.properties.expiry();
            let asked = asked.expiry.filter(|&asked| Some(asked) != existing)?;
            let existing = existing.map_or_else(|| "(none)".into(), |expiry| format!("{expiry:?}"));
            Some((existing, format!("{asked:?}")))
        },
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "dead_letters",
            values: "name of a channel",
            default: "none: they are dropped and counted",
            doc: "Queues: the channel that gets messages which were returned more often than the limit",
            ..OPTION
        },
        property: "dead letters",
        check: |request| {
            let Some(letters) = &request.dead_letters else {
                return Ok(());
            };
            check_name(letters)?;
            if request.name.as_ref() == Some(letters) {
                let what = format!("channel `{letters}` cannot be its own for dead letters");
                return Err(Error::invalid(what));
            }
            Ok(())
        },
        refused_on: |request, delivery| {
            queues_only(request.dead_letters.is_some(), delivery, "dead letters", NOT_AGAIN)
        },
        differs: |is, asked| {
            let asked = asked.dead_letters.clone()?;
            let letters = is.properties.dead_letters(is.mapping);
            let existing = letters.and_then(|letters| letters.name);
            differs(existing.unwrap_or_else(|| "(none)".into()), Some(asked))
        },
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "payload_capacity",
            values: "bytes, 1 to 960",
            default: "960",
            doc: "Untyped channels: compact slots for messages of at most that many bytes, or packed ones for messages of exactly that many",
            ..OPTION
        },
        property: "payload capacity",
        check: check_payload_capacity,
        differs: |is, asked| differs(is.properties.slots.payload_capacity, asked.payload_capacity),
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "compact_slots",
            doc: "Slots sized to the messages",
            ..OPTION
        },
        property: "compact slots",
        asks: |request| request.compact_slots == Some(true),
        differs: |is, asked| differs(is.properties.slots.is_compact(), asked.compact_slots),
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "packed_slots",
            doc: "Slots that hold the messages and nothing else, read as slices: broadcast with a single producer, without metadata",
            ..OPTION
        },
        property: "packed slots",
        asks: |request| request.packed_slots == Some(true),
        check: |request| {
            let why = if request.packed_slots != Some(true) {
                return Ok(());
            } else if request.delivery.is_some_and(|delivery| delivery != Delivery::Broadcast) {
                "another delivery than broadcast: nothing in a slot says which consumer has it"
            } else if request.single_producer == Some(false) {
                "several producers: nothing in a slot says whether it is written"
            } else if request.timestamps == Some(true) {
                "timestamps: slots hold the message and nothing else"
            } else {
                return Ok(());
            };
            Err(Error::invalid(format!("a channel with packed slots cannot have {why}")))
        },
        excludes: &[
            (
                "compact_slots",
                "a channel with packed slots cannot have compact ones: choose one of the two",
            ),
            (
                "checksums",
                "a channel with packed slots cannot have checksums: slots hold the message and nothing else",
            ),
        ],
        differs: |is, asked| differs(is.properties.slots.is_packed(), asked.packed_slots),
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "v1_peers",
            doc: "Queues: programs that know only the v1 format take part. Each publish then makes a system call to wake sleepers, \
                  since v1 programs do not say that they sleep",
            ..OPTION
        },
        property: "v1_peers",
        asks: |request| request.v1_peers == Some(true),
        excludes: &[
            (
                "checksums",
                "a channel for v1 peers cannot have checksums: v1 programs neither write nor check them",
            ),
            (
                "expiry",
                "messages cannot expire on a channel for v1 peers: v1 programs neither say when they send nor skip what is old",
            ),
            (
                "priorities",
                "a channel for v1 peers cannot have priorities: v1 programs know of one ring only",
            ),
            (
                "compact_slots",
                "a channel for v1 peers cannot have compact slots: v1 programs know slots of 1,088 bytes only",
            ),
            (
                "end_without_producers",
                "a consumer of a channel for v1 peers cannot be told that the producers have gone: those of v1 programs are not seen",
            ),
        ],
        refused_on: |request, delivery| {
            let asked = request.v1_peers == Some(true);
            queues_only(asked, delivery, "v1 peers", "v1 programs know queues only")
        },
        differs: |is, asked| differs(is.properties.v1_peers(), asked.v1_peers),
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "checksums",
            doc: "Each message carries a CRC-32 of its payload, which is checked when it is received. Not with v1 peers",
            ..OPTION
        },
        property: "checksums",
        asks: |request| request.checksums == Some(true),
        differs: |is, asked| differs(is.properties.checksums(), asked.checksums),
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "single_producer",
            doc: "Broadcast and latest: one producer at a time, which makes sending faster",
            ..OPTION
        },
        property: "single producer",
        refused_on: |request, delivery| {
            let refused = request.single_producer == Some(true) && delivery == Delivery::Queue;
            refused.then(|| {
                "a queue has any number of producers; one at a time is for broadcast and latest channels".to_owned()
            })
        },
        differs: |is, asked| differs(is.properties.single_producer(), asked.single_producer),
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "lossy_subscribers",
            default: "on; off with a single producer, unless a lossy subscriber creates the channel",
            doc: "Broadcast: whether subscribers may be overrun. Without them, claims are written in the slots themselves",
            ..OPTION
        },
        property: "lossy subscribers",
        refused_on: |request, delivery| match delivery {
            Delivery::Broadcast => None,
            Delivery::Latest => (request.lossy_subscribers == Some(false))
                .then(|| {
                    cannot_have(
                        delivery,
                        "reliable subscribers only",
                        "its consumers read the newest value",
                    )
                })
                .flatten(),
            Delivery::Queue => (request.lossy_subscribers == Some(true))
                .then(|| cannot_have(delivery, "lossy subscribers", "its consumers share what comes"))
                .flatten(),
        },
        differs: |is, asked| differs(is.properties.admits_lossy(), asked.lossy_subscribers),
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "timestamps",
            default: "on",
            doc: "Whether messages bear the time of their publication. Sending is faster without",
            ..OPTION
        },
        property: "timestamps",
        differs: |is, asked| differs(is.properties.timestamps(), asked.timestamps),
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "priorities",
            doc: "Queues: urgent messages",
            ..OPTION
        },
        property: "priorities",
        asks: |request| request.priorities == Some(true),
        refused_on: |request, delivery| {
            let why = "everybody reads what was sent in the order in which it was sent";
            queues_only(request.priorities == Some(true), delivery, "priorities", why)
        },
        differs: |is, asked| differs(is.properties.has_priorities(), asked.priorities),
        ..ROW
    },
    Row {
        option: ChannelOption {
            name: "dead_consumers",
            values: "deliver again, or drop",
            default: "deliver again",
            doc: "Queues: what happens to the messages that a consumer held when it died",
            ..OPTION
        },
        property: "drops messages of dead consumers",
        refused_on: |request, delivery| {
            let what = "a policy for messages of dead consumers";
            queues_only(request.dead_consumers.is_some(), delivery, what, NOT_AGAIN)
        },
        differs: |is, asked| {
            let drops = asked.dead_consumers.map(|policy| policy == DeadConsumers::Drop);
            differs(is.properties.drops(), drops)
        },
        ..ROW
    },
];

#[cfg(test)]
mod tests {
    use super::ROWS;

    #[test]
    fn every_option_is_there_once_and_excludes_options_that_exist() {
        let asked = |name: &str| ROWS.iter().filter(|row| row.option.name == name).count();
        for row in ROWS {
            assert_eq!(asked(row.option.name), 1, "{}", row.option.name);
            assert!(!row.option.doc.is_empty(), "{}", row.option.name);
            for (other, _) in row.excludes {
                assert_eq!(asked(other), 1, "{} excludes {other}", row.option.name);
            }
        }
    }
}
