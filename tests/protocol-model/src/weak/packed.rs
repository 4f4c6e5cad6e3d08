//! Packed slots: one producer, slots of nothing but messages, reliable subscribers that read in place and lossy ones that copy.
//!
//! The tail alone publishes. How far the producer may write is what broadcast channels have: before anything is written below a new
//! limit, the limit is `announced`, a full fence is run, the cursors are looked at once more, and then it is `verified`. A
//! lossy subscriber copies words and then looks whether what it copied had been announced to be overwritten. A subscriber that
//! joins shows its record, runs a full fence, and reads what is announced.
//!
//! A producer that dies leaves nothing to repair: its successor, which has the proof of its death, begins at the tail. What the
//! dead one wrote behind the tail was never sent; what it announced stays announced.
//!
//! Where there are lossy subscribers, a message is two words, each stored by itself, so that a copy may be of two messages. For the
//! reliable ones a slot is plain data.

use super::machine::{Condition, Protocol, State};
use super::turn::{Change, Step, Turn};
use crate::memory::Location;
use crate::search::Violation;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};

const TAIL: Location = 0;
const VERIFIED: Location = 1;
const ANNOUNCED: Location = 2;
const JOINS: Location = 3;
const SUBSCRIBERS: Location = 4;
const CAPACITY: u64 = 2;

const PRODUCER: usize = 0;
const SUCCESSOR: usize = 1;
const FIRST_SUBSCRIBER: usize = 2;

const PUBLISHED: u64 = 1 << 16;
const READ: u64 = 2 << 16;

/// What can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// The tail is stored without release.
    RelaxedTail,
    /// The tail is loaded without acquire.
    RelaxedReady,
    /// A cursor is stored without release.
    RelaxedCursor,
    /// A cursor is loaded without acquire.
    RelaxedCursorLoad,
    /// There is no fence at all between the announcement and the first word.
    AnnouncementUnfenced,
    /// The release fence alone is missing, which serves limits that a predecessor has raised.
    NoReleaseFence,
    /// The full fence alone is missing, which serves subscribers that join.
    NoFullFence,
    /// The cursors are not looked at again.
    NoSecondLook,
    /// A subscriber joins without its fence.
    JoinUnfenced,
    /// There is no acquire fence between a copy and the look at the announcement.
    NoAcquireFence,
    /// A copy is taken without that look.
    CopyUnchecked,
    /// A successor announces what it needs, although more is announced.
    AnnouncementLowered,
    /// `verified` is raised without release, and read without acquire.
    RelaxedVerified,
    /// The death of the producer is not proven in order.
    UnorderedProof,
}

/// What a search is about.
#[derive(Clone, Copy, Debug)]
pub struct Packed {
    /// Messages.
    pub messages: u8,
    /// Messages that are sent at once.
    pub batch: u8,
    /// Reliable subscribers from the beginning.
    pub reliable: usize,
    /// Reliable subscribers that join at any time, and want the oldest message that they can have.
    pub joining: usize,
    /// Lossy subscribers.
    pub lossy: usize,
    /// The producer dies, and has a successor.
    pub dies: bool,
    /// The planted mistake.
    pub mistake: Option<Mistake>,
}

/// What a thread keeps between two calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Local {
    /// A successor, or a subscriber that joins, has begun.
    began: bool,
    /// The position that comes next.
    next: u64,
    /// A writer: what it knows to be verified. A subscriber: what it knows to be published.
    known: u64,
    /// A writer: the number of joins when it last looked for readers, and which were there.
    joins: Option<u64>,
    subscribers: u8,
}

/// What was sent at each position.
type Ledger = [u8; 8];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Writer,
    Reliable,
    Joining,
    Lossy,
}

impl Packed {
    fn role(&self, thread: usize) -> Role {
        match thread {
            PRODUCER | SUCCESSOR => Role::Writer,
            _ if thread < FIRST_SUBSCRIBER + self.reliable => Role::Reliable,
            _ if thread < FIRST_SUBSCRIBER + self.reliable + self.joining => Role::Joining,
            _ => Role::Lossy,
        }
    }

    /// Who shows a cursor.
    fn reliable(&self) -> std::ops::Range<usize> {
        FIRST_SUBSCRIBER..FIRST_SUBSCRIBER + self.reliable + self.joining
    }

    fn record(&self, subscriber: usize) -> Location {
        SUBSCRIBERS + 2 * (subscriber - FIRST_SUBSCRIBER)
    }

    fn cursor(&self, subscriber: usize) -> Location {
        self.record(subscriber) + 1
    }

    /// The two words of a slot.
    fn words(&self, position: u64) -> [Location; 2] {
        let first = SUBSCRIBERS + 2 * self.reliable().len() + 2 * slot(position);
        [first, first + 1]
    }

    fn order(&self, mistake: Mistake, order: Ordering) -> Ordering {
        match self.has(mistake) {
            true => Relaxed,
            false => order,
        }
    }

    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// Sends the next messages, if there is room.
    fn send(&self, thread: usize, local: &mut Local, turn: &mut Turn<'_>) -> Step<()> {
        if thread == SUCCESSOR && !local.began {
            let dead = match self.has(Mistake::UnorderedProof) {
                true => turn.is_dead_unordered(PRODUCER)?,
                false => turn.is_dead(PRODUCER)?,
            };
            if dead {
                local.next = turn.load(TAIL, Acquire)?;
                local.began = true;
            }
            return Ok(());
        }
        let count = u64::from(self.batch).min(u64::from(self.messages) - local.next);
        let before = local.known;
        let room = self.room(thread, count, local, turn)?;
        let fences = !self.has(Mistake::NoReleaseFence) && !self.has(Mistake::AnnouncementUnfenced);
        if local.known != before && fences {
            turn.fence(Release)?;
        }
        if !room {
            return Ok(());
        }
        for position in local.next..local.next + count {
            let message = message(thread, position);
            turn.write(slot(position), message)?;
            if self.lossy > 0 {
                for word in self.words(position) {
                    turn.store(word, u64::from(message), Relaxed)?;
                }
            }
        }
        turn.store(TAIL, local.next + count, self.order(Mistake::RelaxedTail, Release))?;
        for position in local.next..local.next + count {
            turn.note(PUBLISHED | position << 8 | u64::from(message(thread, position)))?;
        }
        local.next += count;
        Ok(())
    }

    /// `limit::Known::room`, of a single producer: whether so many may be written.
    fn room(&self, thread: usize, count: u64, local: &mut Local, turn: &mut Turn<'_>) -> Step<bool> {
        let end = local.next + count;
        if local.known >= end {
            return Ok(true);
        }
        let verified = turn.load(VERIFIED, self.order(Mistake::RelaxedVerified, Acquire))?;
        local.known = verified;
        if verified >= end {
            return Ok(true);
        }
        let candidate = self.lowest(local, turn)?.min(end);
        if candidate <= verified {
            return Ok(false);
        }
        let lowers = thread == SUCCESSOR && self.has(Mistake::AnnouncementLowered);
        if turn.load(ANNOUNCED, Relaxed)? < candidate || lowers {
            turn.store(ANNOUNCED, candidate, Release)?;
        }
        if !self.has(Mistake::NoFullFence) && !self.has(Mistake::AnnouncementUnfenced) {
            turn.fence(SeqCst)?;
        }
        let lowest = match self.has(Mistake::NoSecondLook) {
            true => candidate,
            false => self.lowest(local, turn)?,
        };
        let allowed = candidate.min(lowest);
        if allowed > verified {
            if turn.load(VERIFIED, Relaxed)? < allowed {
                turn.store(VERIFIED, allowed, self.order(Mistake::RelaxedVerified, Release))?;
            }
            local.known = allowed;
        }
        Ok(local.known >= end)
    }

    /// `limit::Known::lowest`: the lowest cursor plus the capacity, as far as the tail is concerned.
    fn lowest(&self, local: &mut Local, turn: &mut Turn<'_>) -> Step<u64> {
        let joins = match self.joining {
            0 => 0,
            _ => turn.load(JOINS, Acquire)?,
        };
        if local.joins != Some(joins) {
            local.subscribers = 0;
            for subscriber in self.reliable() {
                if self.look(subscriber, turn)?.is_some() {
                    local.subscribers |= 1 << subscriber;
                }
            }
            local.joins = Some(joins);
        }
        let mut lowest = local.next;
        for subscriber in self.reliable().filter(|number| local.subscribers & 1 << number != 0) {
            if let Some(cursor) = self.look(subscriber, turn)? {
                lowest = lowest.min(cursor);
            }
        }
        Ok(lowest + CAPACITY)
    }

    /// What a subscriber needs. The record of one that was there from the beginning does not change, and is not read.
    fn look(&self, subscriber: usize, turn: &mut Turn<'_>) -> Step<Option<u64>> {
        if self.role(subscriber) == Role::Joining && turn.load(self.record(subscriber), Acquire)? == 0 {
            return Ok(None);
        }
        let order = self.order(Mistake::RelaxedCursorLoad, Acquire);
        turn.load(self.cursor(subscriber), order).map(Some)
    }

    /// `limit::guess`, the showing of the record, and `limit::join`.
    fn join(&self, thread: usize, local: &mut Local, turn: &mut Turn<'_>) -> Step<()> {
        let gone = turn.load(ANNOUNCED, Acquire)?.saturating_sub(CAPACITY);
        turn.store(self.cursor(thread), gone, Relaxed)?;
        turn.store(self.record(thread), 1, Release)?;
        turn.update(JOINS, Change::Add(1), AcqRel)?;
        if !self.has(Mistake::JoinUnfenced) {
            turn.fence(SeqCst)?;
        }
        let gone = turn.load(ANNOUNCED, Acquire)?.saturating_sub(CAPACITY);
        turn.store(self.cursor(thread), gone, Release)?;
        // Also where it lies behind the tail: what comes before it is passed over.
        local.next = gone;
        local.began = true;
        Ok(())
    }

    /// Reads the next message in place.
    fn read(&self, thread: usize, local: &mut Local, turn: &mut Turn<'_>) -> Step<()> {
        if local.known <= local.next {
            local.known = turn.load(TAIL, self.order(Mistake::RelaxedReady, Acquire))?;
            if local.known <= local.next {
                // Nothing new: as if it had not looked.
                local.known = local.next;
                return Ok(());
            }
        }
        let message = turn.read(slot(local.next))?;
        turn.note(READ | local.next << 8 | u64::from(message))?;
        local.next += 1;
        turn.store(
            self.cursor(thread),
            local.next,
            self.order(Mistake::RelaxedCursor, Release),
        )
    }

    /// Copies what is there, and then looks how much of it counts.
    fn copy(&self, local: &mut Local, turn: &mut Turn<'_>) -> Step<()> {
        if local.known <= local.next {
            local.known = turn.load(TAIL, self.order(Mistake::RelaxedReady, Acquire))?;
            if local.known <= local.next {
                local.known = local.next;
                return Ok(());
            }
        }
        let first = local.next;
        let end = local.known.min(first + CAPACITY);
        let mut copies = Vec::new();
        for position in first..end {
            let [one, other] = self.words(position);
            copies.push([turn.load(one, Relaxed)?, turn.load(other, Relaxed)?]);
        }
        if !self.has(Mistake::NoAcquireFence) {
            turn.fence(Acquire)?;
        }
        let lost = match self.has(Mistake::CopyUnchecked) {
            true => 0,
            false => turn
                .load(ANNOUNCED, Relaxed)?
                .saturating_sub(CAPACITY)
                .saturating_sub(first),
        };
        for (position, [one, other]) in (first..end).zip(copies).skip(lost as usize) {
            // Of two messages: none that was sent.
            let message = if one == other { one } else { 0xFF };
            turn.note(READ | position << 8 | message)?;
        }
        local.next = end.max(first + lost);
        Ok(())
    }
}

fn slot(position: u64) -> usize {
    (position % CAPACITY) as usize
}

/// What a writer sends at a position.
fn message(writer: usize, position: u64) -> u8 {
    (writer as u8) << 4 | (position as u8 + 1)
}

impl Protocol for Packed {
    type Local = Local;
    type Ledger = Ledger;

    fn values(&self) -> Vec<u64> {
        // As with a subscriber's record, so with the limits: nothing is verified at the start.
        let mut values = vec![0; SUBSCRIBERS + 2 * self.reliable().len()];
        if self.lossy > 0 {
            values.extend([0; 2 * CAPACITY as usize]);
        }
        values
    }

    fn locals(&self) -> Vec<Local> {
        vec![Local::default(); FIRST_SUBSCRIBER + self.reliable + self.joining + self.lossy]
    }

    fn ledger(&self) -> Ledger {
        Ledger::default()
    }

    fn deaths(&self) -> u8 {
        u8::from(self.dies)
    }

    fn is_mortal(&self, thread: usize) -> bool {
        thread == PRODUCER
    }

    fn run(&self, thread: usize, local: &mut Local, turn: &mut Turn<'_>) -> Step<()> {
        match self.role(thread) {
            Role::Writer => self.send(thread, local, turn),
            Role::Joining if !local.began => self.join(thread, local, turn),
            Role::Reliable | Role::Joining => self.read(thread, local, turn),
            Role::Lossy => self.copy(local, turn),
        }
    }

    fn is_finished(&self, thread: usize, local: &Local) -> bool {
        self.role(thread) == Role::Writer && local.next >= u64::from(self.messages)
    }

    fn interest(&self, state: &State<Self>, thread: usize) -> u32 {
        let bit = |location: Location| 1_u32 << location;
        let words = |position| self.words(position).map(bit).iter().sum::<u32>();
        let words = match self.lossy {
            0 => 0,
            _ => (0..CAPACITY).map(words).sum::<u32>(),
        };
        let written = bit(TAIL) | bit(VERIFIED) | bit(ANNOUNCED) | words;
        let cursors = self
            .reliable()
            .map(|number| bit(self.record(number)) | bit(self.cursor(number)));
        let shown = bit(JOINS) | cursors.sum::<u32>();
        match self.role(thread) {
            Role::Writer if thread == SUCCESSOR && !self.dies => 0,
            // What the dead one wrote, the proof of its death brings, all of it. But for that mistake.
            Role::Writer if thread == SUCCESSOR && !state.threads[thread].local.began => match self.mistake {
                Some(Mistake::UnorderedProof) => written | shown,
                _ if state.is_dead(PRODUCER) => written | shown,
                _ => shown,
            },
            Role::Writer => written | shown,
            Role::Reliable => bit(TAIL) | bit(self.cursor(thread)),
            Role::Joining => {
                bit(TAIL) | bit(ANNOUNCED) | bit(JOINS) | bit(self.record(thread)) | bit(self.cursor(thread))
            }
            Role::Lossy => bit(TAIL) | bit(ANNOUNCED) | words,
        }
    }

    fn has_acquire_fences(&self, thread: usize) -> bool {
        self.role(thread) == Role::Lossy
    }

    fn note(&self, ledger: &mut Ledger, _thread: usize, event: u64) -> Option<Violation> {
        let (position, message) = ((event >> 8) as usize & 0xFF, event as u8);
        match event & !0xFFFF {
            PUBLISHED => {
                ledger[position] = message;
                None
            }
            READ => (ledger[position] != message || message == 0).then_some(Violation::Torn),
            event => unreachable!("no event {event:#x} is ever noted"),
        }
    }

    /// Everything is sent, and every reliable subscriber has come to the end.
    fn is_good(&self, state: &State<Self>) -> bool {
        let sent = u64::from(self.messages);
        let writer = match state.is_dead(PRODUCER) {
            true => SUCCESSOR,
            false => PRODUCER,
        };
        state.threads[writer].condition == Condition::Finished
            && state.memory.newest(TAIL) == sent
            && self
                .reliable()
                .all(|subscriber| state.threads[subscriber].local.next == sent)
    }
}
