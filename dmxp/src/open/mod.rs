//! Opening a handle under the management lock: the channel is found, and compared with what is asked for, or created, and the
//! handle registered.

mod compare;
pub(crate) mod create;
mod find;
mod register;
mod remove;
pub(crate) mod request;

use crate::delivery::{Receiver, Sender, broadcast, packed, priority, queue};
use crate::error::{Error, Result};
use crate::handle::{Handle, Role};
use crate::layout::waiters;
use crate::open::compare::compare;
use crate::open::create::create;
use crate::open::find::find;
use crate::open::register::{Begins, refuse_second_producer, register};
use crate::open::request::Request;
use crate::region::{Management, Region};
use crate::sync::Ordering;
use crate::table::delivery::Subscription;
use crate::table::properties::Properties;
use crate::wait::WaitStrategy;

/// A handle to each ring of a channel.
pub(crate) struct Opened {
    pub(crate) ring: OpenedRing,
    /// The ring for urgent messages, where the channel has priorities.
    pub(crate) high: Option<OpenedRing>,
}

impl Opened {
    pub(crate) fn set_wait_strategy(&mut self, strategy: WaitStrategy) {
        self.ring.handle.set_wait_strategy(strategy);
        if let Some(high) = &mut self.high {
            high.handle.set_wait_strategy(strategy);
        }
    }

    /// The producing side, of the channel's own ring and of that for urgent messages.
    pub(crate) fn into_senders(self, message_type: u32) -> (Sender, Option<Sender>) {
        let high = self.high.map(|high| high.into_sender(message_type));
        (self.ring.into_sender(message_type), high)
    }

    /// The consuming side.
    pub(crate) fn into_receiver(self) -> Receiver {
        match (self.ring.begins, self.high) {
            (Begins::Packed(slots, Some((is_lossy, beginning))), _) => {
                let receiver = packed::Receiver::new(self.ring.handle, slots, is_lossy, beginning);
                Receiver::Packed(Box::new(receiver))
            }
            (Begins::Subscriber(mode, beginning), _) => {
                let subscriber = broadcast::Subscriber::new(self.ring.handle, mode, beginning);
                Receiver::Broadcast(Box::new(subscriber))
            }
            (_, Some(high)) => Receiver::Priority(Box::new(priority::Receiver {
                urgent: queue::Receiver::new(high.handle, high.dead_letters),
                main: queue::Receiver::new(self.ring.handle, self.ring.dead_letters),
            })),
            (_, None) => Receiver::Queue(queue::Receiver::new(self.ring.handle, self.ring.dead_letters)),
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

/// Opens a handle, creating the channel if it does not exist and the request allows it.
pub(crate) fn open(region: &Region, request: &Request, role: Role) -> Result<Opened> {
    let request = &request.completed();
    request.check()?;
    region.attachment.check()?;
    let management = Management::lock(&region.attachment)?;
    crate::table::removal::purge_removed(&management);
    let properties = match find(&management, request)? {
        Some(properties) => {
            compare(&management, &properties, request, role)?;
            properties
        }
        None if request.open_only => {
            return Err(Error::ChannelNotFound {
                channel: request.label(),
            });
        }
        None => {
            // Before it is made: a consumer that is refused must not leave a channel behind that refuses the others.
            if role == Role::Consumer {
                request.check_subscription(request.delivery.unwrap_or_default())?;
            }
            create(&management, request)?
        }
    };
    if role == Role::Consumer {
        request.check_subscription(properties.delivery)?;
        if request.subscription == Some(Subscription::Lossy) && !properties.admits_lossy() {
            return Err(Error::invalid(format!(
                "channel {} admits no lossy subscribers: make it with them (with_lossy_subscribers, lossy_subscribers)",
                properties.label()
            )));
        }
    }
    if role == Role::Producer && properties.single_producer() {
        refuse_second_producer(&management, &properties)?;
    }
    let high = match properties.partner(region.attachment.mapping()) {
        None if properties.has_priorities() => {
            let label = properties.label();
            return Err(Error::corrupt(format!(
                "the ring for urgent messages of channel {label} is not there"
            )));
        }
        high => high,
    };
    let ring = open_ring(&management, region, properties, role, request)?;
    let mut high = high
        .map(|high| open_ring(&management, region, high, role, request))
        .transpose()?;
    if let Some(high) = &mut high {
        high.handle.keep(&ring.handle);
    }
    if role == Role::Producer {
        // The next producer reopens a closed stream. SeqCst: in one order with Event::raise and the looks at the bit.
        ring.handle
            .ring
            .record()
            .data_waiters
            .fetch_and(!waiters::CLOSED, Ordering::SeqCst);
    }
    drop(management);
    // What the dead left is dealt with now, and not at the first wait.
    crate::recovery::sweep::sweep_channel(&region.attachment, &ring.handle.properties)?;
    if let Some(high) = &high {
        crate::recovery::sweep::sweep_channel(&region.attachment, &high.handle.properties)?;
    }
    Ok(Opened { ring, high })
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
    let dead_letters = letters
        .map(|letters| register(management, region, letters, Role::Producer, &Request::default()))
        .transpose()?
        .map(|(handle, _)| handle);
    Ok(OpenedRing {
        handle,
        begins,
        dead_letters,
    })
}
