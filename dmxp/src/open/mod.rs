//! Opening a handle under the management lock: the channel is found, and compared with what is asked for, or created, and the
//! handle registered.
//!
//! - [`options`]: what can be asked for, one table
//! - [`request`]: what one handle asks for
//! - [`find`](mod@find), [`compare`](mod@compare), [`create`](mod@create): the channel
//! - [`making`]: what is made of a large channel without the lock
//! - [`register`](mod@register): the handle's record
//! - [`remove`]: removing a channel
//! - [`region`]: attaching to a region

mod compare;
pub(crate) mod create;
mod find;
mod making;
pub(crate) mod options;
mod region;
mod register;
mod remove;
pub(crate) mod request;

use crate::delivery::{Receiver, Sender, broadcast, packed, priority, queue};
use crate::error::{Error, Result};
use crate::handle::{Handle, Role};
use crate::layout::waiters;
use crate::open::compare::compare;
use crate::open::create::{create, restore_dead_letters};
use crate::open::find::find;
use crate::open::making::wait::wait_for_maker;
use crate::open::making::{Halt, Making};
use crate::open::options::{SetBy, check_on};
use crate::open::register::{Begins, refuse_second_producer, register};
use crate::open::request::Request;
use crate::recovery::sweep::sweep_channel;
use crate::region::{Management, Region};
use crate::ring::memory::RingMemory;
use crate::sync::Ordering;
use crate::table::delivery::Subscription;
use crate::table::lives;
use crate::table::properties::Properties;
use crate::table::rings::{RingName, Rings};
use crate::wait::WaitStrategy;

/// A handle to each ring of a channel.
pub(crate) struct Opened {
    pub(crate) main: OpenedRing,
    others: Vec<(RingName, OpenedRing)>,
}

impl Opened {
    /// Takes the handle to another ring than the main one, if the channel has that ring.
    pub(crate) fn take(&mut self, name: RingName) -> Option<OpenedRing> {
        let index = self.others.iter().position(|(other, _)| *other == name)?;
        Some(self.others.swap_remove(index).1)
    }

    pub(crate) fn set_wait_strategy(&mut self, strategy: WaitStrategy) {
        let others = self.others.iter_mut().map(|(_, ring)| ring);
        for ring in core::iter::once(&mut self.main).chain(others) {
            ring.handle.set_wait_strategy(strategy);
        }
    }

    /// The handles go on when the region's file is removed.
    fn keep_removed_region(&self) {
        for ring in core::iter::once(&self.main).chain(self.others.iter().map(|(_, ring)| ring)) {
            ring.handle.registration().keep_removed_region();
            if let Some(letters) = &ring.dead_letters {
                letters.registration().keep_removed_region();
            }
        }
    }

    /// Has a consumer told when its producers have gone.
    pub(crate) fn end_without_producers(&mut self) {
        let others = self.others.iter_mut().map(|(_, ring)| ring);
        for ring in core::iter::once(&mut self.main).chain(others) {
            ring.handle.end_without_producers();
        }
    }

    /// The producing side, of the channel's own ring and of that for urgent messages.
    pub(crate) fn into_senders(mut self, message_type: u32) -> (Sender, Option<Sender>) {
        let urgent = self.take(RingName::Urgent);
        (
            self.main.into_sender(message_type),
            urgent.map(|urgent| urgent.into_sender(message_type)),
        )
    }

    /// The consuming side.
    pub(crate) fn into_receiver(mut self) -> Receiver {
        let urgent = self.take(RingName::Urgent);
        let main = self.main;
        match (main.begins, urgent) {
            (Begins::Packed(slots, Some((is_lossy, beginning))), _) => {
                let receiver = packed::Receiver::new(main.handle, slots, is_lossy, beginning);
                Receiver::Packed(Box::new(receiver))
            }
            (Begins::Subscriber(mode, beginning), _) => {
                let subscriber = broadcast::Subscriber::new(main.handle, mode, beginning);
                Receiver::Broadcast(Box::new(subscriber))
            }
            (_, Some(urgent)) => Receiver::Priority(Box::new(priority::Receiver {
                urgent: queue::Receiver::new(urgent.handle, urgent.dead_letters),
                main: queue::Receiver::new(main.handle, main.dead_letters),
            })),
            (_, None) => Receiver::Queue(queue::Receiver::new(main.handle, main.dead_letters)),
        }
    }
}

/// A handle, where it begins, and for consumers where they put what was returned too often.
pub(crate) struct OpenedRing {
    pub(crate) handle: Handle,
    pub(crate) begins: Begins,
    pub(crate) dead_letters: Option<Handle>,
}

impl OpenedRing {
    fn into_sender(self, message_type: u32) -> Sender {
        match self.begins {
            Begins::Packed(slots, _) => Sender::Packed(Box::new(packed::Sender::new(self.handle, slots))),
            Begins::Publisher(next) => {
                Sender::Broadcast(Box::new(broadcast::Publisher::new(self.handle, message_type, next)))
            }
            _ => Sender::Queue(queue::Sender::new(self.handle, message_type)),
        }
    }
}

/// Notes that a producer has come, which its record says already: one that comes to a channel without another, or to a closed one, begins
/// a stream.
fn arrived(management: &Management<'_>, producer: &Handle, is_closed: bool) {
    let (attachment, properties) = (management.attachment, &producer.properties);
    let continues = !is_closed && lives::other_producer(attachment, properties, producer.index);
    let tail = producer.ring.tail().load(Ordering::Acquire);
    lives::enter_producer(attachment.mapping().record(properties.id), (!continues).then_some(tail));
}

/// Opens a handle, creating the channel if it does not exist and the request allows it.
pub(crate) fn open(region: &Region, request: &Request, role: Role) -> Result<Opened> {
    let request = &request.completed();
    request.check()?;
    region.attachment.check()?;
    if request.keep_removed_region != Some(true) {
        region.attachment.expect_file()?;
    }
    let mut making = Making::default();
    let opened = loop {
        let management = Management::lock(&region.attachment)?;
        crate::table::removal::purge_removed(&management);
        let id = match open_locked(&management, region, request, role, &mut making) {
            Ok(opened) => {
                making.discard_unmade(&management);
                break opened;
            }
            Err(Halt::Failed(error)) => {
                making.take_back(&management);
                return Err(error);
            }
            Err(Halt::Unprepared) => None,
            Err(Halt::InMaking(id)) => {
                // Nobody is to wait for one that waits.
                making.discard_unmade(&management);
                Some(id)
            }
        };
        drop(management);
        let outcome = match id {
            None => making.prepare(&region.attachment),
            Some(id) => wait_for_maker(&region.attachment, id),
        };
        if let Err(error) = outcome {
            making.take_back(&Management::lock(&region.attachment)?);
            return Err(error);
        }
    };
    if request.keep_removed_region == Some(true) {
        opened.keep_removed_region();
    }
    // What the dead left is dealt with now, and not at the first wait.
    for ring in core::iter::once(&opened.main).chain(opened.others.iter().map(|(_, ring)| ring)) {
        sweep_channel(&region.attachment, &ring.handle.properties)?;
    }
    Ok(opened)
}

/// The same under the lock. The rings that were made for it go to `making`.
fn open_locked(
    management: &Management<'_>,
    region: &Region,
    request: &Request,
    role: Role,
    making: &mut Making,
) -> core::result::Result<Opened, Halt> {
    let properties = find_or_create(management, request, role, making)?;
    Ok(open_channel(management, region, properties, request, role)?)
}

/// The channel that is meant. The rings that were made for it go to `making`.
fn find_or_create(
    management: &Management<'_>,
    request: &Request,
    role: Role,
    making: &mut Making,
) -> core::result::Result<Properties, Halt> {
    let Some(properties) = find(management, request, making)? else {
        if request.open_only {
            let channel = request.label();
            return Err(Error::ChannelNotFound { channel }.into());
        }
        // Before it is made: a consumer that is refused must not leave a channel behind that refuses the others.
        if role == Role::Consumer {
            check_on(request, request.delivery.unwrap_or_default(), SetBy::Consumer)?;
        }
        return create(management, request, making);
    };
    let properties = restore_dead_letters(management, request, properties, making)?;
    match compare(management, &properties, request, role) {
        Ok(()) => Ok(properties),
        Err(Error::ChannelMismatch { .. } | Error::SchemaMismatch { .. })
            if request.replace_if_unused == Some(true) && !request.open_only =>
        {
            remove_for_another(management, properties)?;
            create(management, request, making)
        }
        Err(error) => Err(error.into()),
    }
}

/// Removes a channel that nobody has open, to make another in its place.
fn remove_for_another(management: &Management<'_>, properties: Properties) -> Result<()> {
    if properties.v1_peers() {
        return Err(Error::invalid(format!(
            "channel {} is shared with programs that know only v1: whether one has it open cannot be seen, so that it is not made anew \
             (replace_if_unused); remove it first",
            properties.label()
        )));
    }
    remove::refuse_as_letters(management.attachment.mapping(), &properties)?;
    remove::remove_unused(management, properties)
}

/// Opens a handle of a channel that is there.
fn open_channel(
    management: &Management<'_>,
    region: &Region,
    properties: Properties,
    request: &Request,
    role: Role,
) -> Result<Opened> {
    if role == Role::Consumer {
        check_on(request, properties.delivery, SetBy::Consumer)?;
        if request.end_without_producers == Some(true) && properties.v1_peers() {
            return Err(Error::invalid(format!(
                "channel {} is shared with programs that know only v1: whether their producers have gone cannot be seen, so that a \
                 consumer cannot ask to be told (with_end_without_producers, end_without_producers)",
                properties.label()
            )));
        }
        if request.subscription == Some(Subscription::Lossy) && !properties.admits_lossy() {
            return Err(Error::invalid(format!(
                "channel {} admits no lossy subscribers: make it with them (with_lossy_subscribers)",
                properties.label()
            )));
        }
    }
    if role == Role::Producer && properties.single_producer() {
        refuse_second_producer(management, &properties)?;
    }
    let rings = Rings::all_of(region.attachment.mapping(), properties)?;
    let main = open_ring(management, region, rings.main, role, request)?;
    let mut others = Vec::new();
    for (name, properties) in rings.others {
        let mut ring = open_ring(management, region, properties, role, request)?;
        ring.handle.keep(&main.handle);
        others.push((name, ring));
    }
    if role == Role::Producer {
        // The next producer reopens a closed stream. SeqCst: in one order with Event::raise and the looks at the bit.
        let record = main.handle.ring.record();
        record.data_waiters.fetch_and(!waiters::CLOSED, Ordering::SeqCst);
    }
    // Whoever waits for the other side to come looks once a tick. To wake them would wake all that wait for messages or for room.
    Ok(Opened { main, others })
}

fn open_ring(
    management: &Management<'_>,
    region: &Region,
    properties: Properties,
    role: Role,
    request: &Request,
) -> Result<OpenedRing> {
    let letters = match role {
        Role::Consumer => properties.dead_letters(region.attachment.mapping()),
        Role::Producer => None,
    };
    let (handle, begins) = register(management, region, properties, role, request)?;
    if role == Role::Producer {
        // Acquire: nothing rests on it; the lock orders closed and reopened streams.
        let is_closed = handle.ring.data().waiters.load(Ordering::Acquire) & waiters::CLOSED != 0;
        arrived(management, &handle, is_closed);
    }
    let dead_letters = letters
        .map(|letters| register(management, region, letters, Role::Producer, &Request::default()))
        .transpose()?
        .map(|(handle, _)| handle);
    if let Some(letters) = &dead_letters {
        arrived(management, letters, false);
    }
    Ok(OpenedRing {
        handle,
        begins,
        dead_letters,
    })
}
