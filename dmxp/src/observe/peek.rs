//! The messages on a channel, without consuming any.
//!
//! Only looks: messages are copied, and the copy counts if the slot's sequence says before and after that the message lies there;
//! see [`ring::peek`](crate::ring::peek). What a call does is bounded by [`PeekOptions::limit`] and [`MAX_LOOKS`], whatever the region
//! holds.

use crate::delivery::metadata::Metadata;
use crate::error::{Error, Result};
use crate::layout::{MAX_CHANNELS, MessageMeta};
use crate::os::clock::boot_ns;
use crate::region::{Mapping, Region};
use crate::ring::broadcast::mapped::{META_WORD, META_WORDS, meta_of};
use crate::ring::broadcast::read::{is_whole, newest_kept};
use crate::ring::mapped::RingWords;
use crate::ring::memory::RingMemory;
use crate::ring::peek::{Found, copy, look, look_again};
use crate::ring::word::{Standing, standing};
use crate::sync::{AtomicU64, Ordering, fence};
use crate::table::delivery::Delivery;
use crate::table::properties::Properties;
use crate::table::rings::{RingName, Rings};
use dmxp_schema::model::Schema;

/// Slots that a call looks at in one ring, at most.
const MAX_LOOKS: u64 = 1 << 17;
/// How far before the messages that no consumer has claimed yet it looks for those that one has, and for returned ones.
const BEFORE_HEAD: u64 = MAX_LOOKS / 2;
/// The words of a slot that are copied first: metadata, and, where messages expire, when it was published.
const DESCRIPTION: usize = META_WORDS + 1;

/// Which messages [`Region::peek`] looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeekOptions {
    from: PeekFrom,
    limit: usize,
}

/// Where [`Region::peek`] begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeekFrom {
    /// With the oldest message that is there. On a queue of more than 65,536 slots, no further before the ones that no consumer has
    /// claimed than that.
    #[default]
    Oldest,
    /// With the newest, going back: the last messages, as many as the limit says.
    Newest,
    /// At this position: the [`next`](Peek::next) of an earlier call, or the id of a message less one. What lies before it is left
    /// out, and so are urgent messages, whose ring has positions of its own: look at that by its id, [`ChannelInfo::high`].
    ///
    /// [`ChannelInfo::high`]: crate::ChannelInfo::high
    Position(u64),
}

impl PeekOptions {
    /// Up to 100 messages from the oldest on.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            from: PeekFrom::Oldest,
            limit: 100,
        }
    }

    /// Where to begin.
    #[must_use]
    pub const fn from(mut self, from: PeekFrom) -> Self {
        self.from = from;
        self
    }

    /// Most messages to copy.
    #[must_use]
    pub const fn limit(mut self, messages: usize) -> Self {
        self.limit = messages;
        self
    }
}

impl Default for PeekOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What [`Region::peek`] found on a channel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Peek {
    /// The channel.
    pub channel: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Which consumers get a message.
    pub delivery: Delivery,
    /// The message type, with which the bytes can be decoded; `None` on untyped channels.
    pub schema: Option<Schema>,
    /// The messages, by position; urgent ones before all others.
    pub messages: Vec<Peeked>,
    /// Messages that are left out because a consumer released them, or a producer overwrote them, while they were copied.
    pub overwritten: u64,
    /// Where to [go on](PeekFrom::Position) to see what is after these messages, also what is sent later: the position after the last that
    /// was looked at, or, before it, the first that was claimed and not yet published. Of the ring for messages that are not urgent.
    pub next: u64,
}

/// A message that was looked at, and is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peeked {
    /// Its position in its ring.
    pub position: u64,
    /// Whether it lies in the ring for urgent messages, of a channel with [priorities](crate::ChannelBuilder::with_priorities).
    pub urgent: bool,
    /// What becomes of it.
    pub state: MessageState,
    /// What comes with it. [`redelivered`](Metadata::redelivered) says how often it was delivered, and returned, before the delivery
    /// that is to come or goes on.
    pub metadata: Metadata,
    /// Its payload; all that its slot holds where its sender says a length that no slot has.
    pub bytes: Vec<u8>,
    /// Whether a consumer would accept these bytes: their length is possible, and that of the channel's type, and on a channel with
    /// checksums theirs is right. Whether the values in it are valid is found by decoding them.
    pub intact: bool,
}

/// What becomes of a message, as [`Region::peek`] saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageState {
    /// It is there: on a queue, no consumer has claimed it; on a broadcast or latest channel, it was not overwritten, whether or not
    /// it was read.
    Waiting,
    /// A consumer that died or gave it back had it; it is delivered again to the consumer that comes first.
    Returned,
    /// A consumer of the queue has claimed it and not released it; or died with it, which the next waiter will notice.
    Claimed,
    /// It is older than the channel's [expiry](crate::ChannelBuilder::with_expiry): the next consumer skips it.
    Expired,
}

impl core::fmt::Display for MessageState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Returned => "returned",
            Self::Claimed => "claimed",
            Self::Expired => "expired",
        })
    }
}

impl Region {
    /// The messages that are on a channel, without consuming any: copies, each whole, with metadata, position and state. The id may be
    /// that of a ring for urgent messages, which is looked at by itself then.
    ///
    /// Changes nothing, waits for nobody, and works on a region opened read-only, beside producers and consumers at full speed. What a
    /// call does is bounded by the limit and by 131,072 slots looked at in each ring; [`Peek::next`] says where to go on. It is no
    /// snapshot: while it copies one message, others come and go.
    ///
    /// With the feature `json` the bytes become text without the source of the type:
    #[cfg_attr(feature = "json", doc = "```")]
    #[cfg_attr(not(feature = "json"), doc = "```ignore")]
    /// use dmxp::{Channel, PeekFrom, PeekOptions, RegionOptions};
    ///
    /// #[dmxp::message]
    /// struct Tick {
    ///     price: f64,
    ///     volume: u64,
    /// }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-peek-{}", std::process::id());
    /// # let region = RegionOptions::new().name(&name).size(4 << 20).create()?;
    /// let ticks = Channel::<Tick>::builder().with_region(&region).with_name("ticks").build_producer()?;
    /// ticks.send(&Tick { price: 99.5, volume: 10 })?;
    /// ticks.send(&Tick { price: 99.25, volume: 3 })?;
    ///
    /// // Another program, which knows the names and nothing else.
    /// let region = RegionOptions::new().name(&name).open_read_only()?;
    /// let found = region.peek_named("ticks", PeekOptions::new().from(PeekFrom::Newest).limit(1))?;
    /// let schema = found.schema.as_ref().ok_or("untyped")?;
    /// let message = &found.messages[0];
    /// let text = dmxp::schema::codec::decode(schema, &message.bytes)?.to_string();
    /// assert_eq!(text, r#"{"price":99.25,"volume":3}"#);
    /// assert_eq!((message.metadata.message_id, message.state.to_string()), (2, "waiting".into()));
    /// # RegionOptions::new().name(&name).remove(true)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::ChannelNotFound`], also where the channel is removed meanwhile; [`Error::Corrupt`] when its record or schema
    /// contradicts the format.
    pub fn peek(&self, id: u32, options: PeekOptions) -> Result<Peek> {
        let _looking = self.attachment.looking()?;
        let found = if id < MAX_CHANNELS {
            Properties::read(self.attachment.mapping(), id)?
        } else {
            None
        };
        let not_found = || Error::ChannelNotFound {
            channel: id.to_string(),
        };
        peek(self.attachment.mapping(), found.ok_or_else(not_found)?, options)
    }

    /// As [`peek`](Self::peek), of the channel with that name.
    ///
    /// # Errors
    /// As [`peek`](Self::peek).
    pub fn peek_named(&self, name: &str, options: PeekOptions) -> Result<Peek> {
        let _looking = self.attachment.looking()?;
        let mapping = self.attachment.mapping();
        // One damaged record must not hide the others.
        let found = (0..MAX_CHANNELS)
            .filter_map(|id| Properties::read(mapping, id).ok().flatten())
            .find(|found| !found.removed && found.ring_name() == RingName::Main && found.name.as_deref() == Some(name));
        let not_found = || Error::ChannelNotFound {
            channel: format!("`{name}`"),
        };
        peek(mapping, found.ok_or_else(not_found)?, options)
    }
}

fn peek(mapping: &Mapping, properties: Properties, options: PeekOptions) -> Result<Peek> {
    let mut found = Peek {
        channel: properties.id,
        delivery: properties.delivery,
        schema: properties.schema_as_it_lies(mapping)?,
        messages: Vec::new(),
        overwritten: 0,
        next: 0,
        name: None,
    };
    let rings = Rings::of(mapping, properties);
    for (_, ring) in &rings.others {
        // Positions are those of the main ring.
        if !matches!(options.from, PeekFrom::Position(_)) {
            Looking::at(mapping, ring).gather(options, &mut found);
            ring.still_there(mapping)?;
        }
    }
    found.next = Looking::at(mapping, &rings.main).gather(options, &mut found);
    rings.main.still_there(mapping)?;
    found.name = rings.main.name;
    Ok(found)
}

/// What lies at a position.
enum Look {
    Message(Peeked),
    /// It was there, and went while it was copied.
    Overwritten,
    /// Claimed, and not published yet.
    Unpublished,
    Nothing,
}

/// A ring that is looked at.
struct Looking<'a> {
    ring: RingWords<'a>,
    properties: &'a Properties,
    /// Positions below it were claimed by consumers when this began; 0 where consumers claim none.
    head: u64,
    /// Positions below it were claimed by producers when this began.
    end: u64,
    /// On the clock by which messages expire, if they do.
    now_ns: u64,
}

impl<'a> Looking<'a> {
    fn at(mapping: &'a Mapping, properties: &'a Properties) -> Self {
        let ring = RingWords {
            mapping,
            place: properties.place(),
        };
        // Acquire, head before tail: the head is not above the tail, and the sequences read next are no older than either.
        let head = match properties.delivery {
            Delivery::Queue => ring.head().load(Ordering::Acquire),
            Delivery::Broadcast | Delivery::Latest => 0,
        };
        let mut end = ring.tail().load(Ordering::Acquire);
        // A single producer moves the tail after it has published, or dies in between. Acquire: as in peek::look.
        let limit = end.saturating_add(ring.capacity().min(MAX_LOOKS));
        let is_packed = properties.slots.is_packed();
        while properties.single_producer() && !is_packed && end < limit && look(&ring, end).is_some() {
            end += 1;
        }
        let now_ns = if properties.expiry_ns == 0 { 0 } else { boot_ns() };
        Self {
            ring,
            properties,
            head,
            end,
            now_ns,
        }
    }

    /// Copies messages as the options say, and says where to go on.
    fn gather(&self, options: PeekOptions, found: &mut Peek) -> u64 {
        let before = found.messages.len();
        let end = self.gather_published(options, found);
        let is_latest = self.properties.delivery == Delivery::Latest && !self.properties.single_producer();
        // The value of a latest channel stays in its slot although the position was claimed anew and given up.
        if is_latest
            && found.messages.len() == before
            && options.limit > before
            && let Some((value, word)) = newest_kept(&self.ring, self.end)
            && !matches!(options.from, PeekFrom::Position(position) if position > value)
        {
            let again = || is_whole(&self.ring, value, word).then_some(Found::Published);
            match self.copy_message(value, again) {
                Look::Message(message) => found.messages.push(message),
                Look::Overwritten => found.overwritten += 1,
                Look::Unpublished | Look::Nothing => {}
            }
        }
        end
    }

    fn gather_published(&self, options: PeekOptions, found: &mut Peek) -> u64 {
        let lowest = self.end.saturating_sub(self.ring.capacity());
        let start = match options.from {
            PeekFrom::Newest => {
                self.gather_newest(lowest, options.limit, found);
                return self.end;
            }
            PeekFrom::Oldest if self.properties.delivery == Delivery::Queue => {
                self.head.min(self.end).saturating_sub(BEFORE_HEAD).max(lowest)
            }
            PeekFrom::Oldest => lowest,
            PeekFrom::Position(position) => position.max(lowest),
        };
        let end = self.end.min(start.saturating_add(MAX_LOOKS));
        let mut unpublished = None;
        let mut position = start;
        while position < end && found.messages.len() < options.limit {
            match self.look(position) {
                Look::Message(message) => found.messages.push(message),
                Look::Overwritten => found.overwritten += 1,
                Look::Unpublished => unpublished = unpublished.or(Some(position)),
                Look::Nothing => {}
            }
            position += 1;
        }
        unpublished.unwrap_or(position)
    }

    fn gather_newest(&self, lowest: u64, limit: usize, found: &mut Peek) {
        let first = found.messages.len();
        let lowest = lowest.max(self.end.saturating_sub(MAX_LOOKS));
        for position in (lowest..self.end).rev() {
            if found.messages.len() >= limit {
                break;
            }
            match self.look(position) {
                Look::Message(message) => found.messages.push(message),
                Look::Overwritten => found.overwritten += 1,
                Look::Unpublished | Look::Nothing => {}
            }
        }
        found.messages[first..].reverse();
    }

    fn look(&self, position: u64) -> Look {
        let (ring, properties) = (&self.ring, self.properties);
        if properties.slots.is_packed() {
            return self.look_packed(position);
        }
        if look(ring, position).is_none() {
            // Acquire: as in peek::look. Nothing is read through it.
            let standing = standing(ring.sequence(position).load(Ordering::Acquire), position);
            return match standing {
                Standing::Free | Standing::Behind if position >= self.head => Look::Unpublished,
                _ => Look::Nothing,
            };
        }
        self.copy_message(position, || look_again(ring, position))
    }

    /// Copies the message of a position that was seen to lie there; `again` says whether it still does.
    fn copy_message(&self, position: u64, again: impl FnOnce() -> Option<Found>) -> Look {
        let (ring, properties) = (&self.ring, self.properties);
        let mut description = [0; DESCRIPTION];
        copy(self.words(position, META_WORD, DESCRIPTION), &mut description);
        let (meta, times) = description.split_at(META_WORDS);
        let Ok(meta) = <[u64; META_WORDS]>::try_from(meta).map(meta_of) else {
            return Look::Nothing;
        };
        // What is copied of a length that is forged, or of another message, is no more than a slot holds.
        let len = meta.payload_len.min(properties.slots.payload_capacity) as usize;
        let mut words = vec![0; len.div_ceil(size_of::<u64>())];
        let payload_word = ring.place.payload_offset / size_of::<u64>();
        copy(self.words(position, payload_word, words.len()), &mut words);
        let Some(seen) = again() else {
            return Look::Overwritten;
        };
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        bytes.truncate(len);

        let redelivered = match seen {
            Found::Published => 0,
            Found::Returned { times } => times,
            // Counted up when it was taken.
            Found::Taken { times } => times.saturating_sub(1),
        };
        // Relaxed: behind the fence in look_again. Nothing is read through it.
        let is_claimed = match seen {
            Found::Published => {
                properties.delivery == Delivery::Queue && ring.head().load(Ordering::Relaxed) > position
            }
            Found::Returned { .. } => false,
            Found::Taken { .. } => true,
        };
        let published_ns = times.first().copied().unwrap_or(self.now_ns);
        let state = if is_claimed {
            MessageState::Claimed
        } else if properties.expiry_ns != 0 && self.now_ns.saturating_sub(published_ns) > properties.expiry_ns {
            MessageState::Expired
        } else if let Found::Returned { .. } = seen {
            MessageState::Returned
        } else {
            MessageState::Waiting
        };
        let intact = meta.payload_len as usize == len
            && (!properties.is_typed() || meta.payload_len == properties.message_size)
            && (!properties.checksums() || crc32fast::hash(&bytes) == meta.checksum);
        Look::Message(Peeked {
            position,
            urgent: properties.ring_name() == RingName::Urgent,
            state,
            metadata: Metadata::new(&meta, redelivered),
            bytes,
            intact,
        })
    }

    /// The same where slots hold the message and nothing else. A position below the tail was published.
    fn look_packed(&self, position: u64) -> Look {
        let (RingWords { mapping, place }, properties) = (&self.ring, self.properties);
        let slot = position & (place.capacity - 1);
        let size = place.slots.stride;
        let Some(bytes) = mapping.copy_out(place.offset + slot * u64::from(size), size as usize) else {
            return Look::Nothing;
        };
        // As packed::consume::lost: a thread that read a byte of the next lap finds the announcement that allowed it.
        fence(Ordering::Acquire);
        let announced = mapping.record(properties.id).announced.load(Ordering::Relaxed);
        if announced.saturating_sub(place.capacity) > position {
            return Look::Overwritten;
        }
        let meta = MessageMeta {
            message_id: position.wrapping_add(1),
            channel_id: properties.id,
            payload_len: size,
            ..MessageMeta::default()
        };
        Look::Message(Peeked {
            position,
            urgent: false,
            state: MessageState::Waiting,
            metadata: Metadata::new(&meta, 0),
            bytes,
            intact: true,
        })
    }

    /// Words of the slot of a position, from the `skip`th on. No more than a slot has.
    fn words(&self, position: u64, skip: usize, count: usize) -> impl Iterator<Item = &'a AtomicU64> {
        let (mapping, place) = (self.ring.mapping, self.ring.place);
        let slot = place.offset + place.slots.bytes(position & (place.capacity - 1));
        (skip..skip + count).map(move |k| mapping.word(slot + (k * size_of::<u64>()) as u64))
    }
}
