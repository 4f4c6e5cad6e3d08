//! Aeron over shared memory (`aeron:ipc`), with its own C driver and client, as its authors measure it: exclusive publications, terms of
//! the default length (64 MiB, three of them a lane, in `/dev/shm`), their pages touched before the run, some fragments a poll.
//!
//! The driver runs in the process that starts the run, which otherwise sleeps. Where a core is left for it, its conductor spins there, and
//! no worker runs there; its threads for the network, which has nothing to do, back off. Where the workers need all cores, all of the driver
//! is in one thread that backs off, and a sender that finds no room yields to it.

use crate::payload::Payload;
use crate::transport::{Failure, Place, Receiver, Sender, Transport};
use rusteron_client::{
    AERON_IPC_STREAM, Aeron as Client, AeronContext, AeronExclusivePublication, AeronSubscription, Handlers,
    IntoCString,
};
use rusteron_media_driver::AeronIdleStrategyKind;
use rusteron_media_driver::bindings::aeron_threading_mode_enum::{
    AERON_THREADING_MODE_DEDICATED, AERON_THREADING_MODE_SHARED,
};
use rusteron_media_driver::testing::EmbeddedDriver;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Aeron(Place);

pub(crate) struct Publishing {
    publication: AeronExclusivePublication,
    _client: Client,
}

pub(crate) struct Subscribed {
    subscription: AeronSubscription,
    _client: Client,
}

fn directory(place: &Place) -> String {
    format!("/dev/shm/{}-aeron", place.name)
}

fn client(place: &Place) -> Result<Client, Failure> {
    let context = AeronContext::new()?;
    context.set_dir(&directory(place).into_c_string())?;
    context.set_pre_touch_mapped_memory(true)?;
    let client = Client::new(&context)?;
    client.start()?;
    Ok(client)
}

impl<P: Payload> Transport<P> for Aeron {
    type Sender = Publishing;
    type Receiver = Subscribed;
    type Prepared = EmbeddedDriver;

    fn prepare(place: &mut Place) -> Result<EmbeddedDriver, Failure> {
        let cores = dmxp::schedule::allowed_cpus()?;
        if !place.spare_cores.is_empty() {
            // The driver's threads begin here, and inherit this.
            dmxp::schedule::pin_to(&place.spare_cores)?;
        }
        let driver = EmbeddedDriver::launch_with(|context| {
            context.set_dir(&directory(place).into_c_string())?;
            if place.spare_cores.is_empty() {
                context.set_threading_mode(AERON_THREADING_MODE_SHARED)?;
                context.set_shared_idle_strategy_kind(AeronIdleStrategyKind::Backoff)?;
            } else {
                context.set_threading_mode(AERON_THREADING_MODE_DEDICATED)?;
                context.set_conductor_idle_strategy_kind(AeronIdleStrategyKind::BusySpin)?;
            }
            Ok(())
        });
        dmxp::schedule::pin_to(&cores)?;
        let driver = driver?;
        Ok(driver)
    }

    fn attach(place: &Place) -> Result<Self, Failure> {
        Ok(Self(place.clone()))
    }

    fn sender(&self, lane: usize) -> Result<Publishing, Failure> {
        let client = client(&self.0)?;
        let publication = client
            .async_add_exclusive_publication(AERON_IPC_STREAM, stream(lane)?)?
            .poll_blocking(PATIENCE)?;
        Ok(Publishing {
            publication,
            _client: client,
        })
    }

    fn receiver(&self, lane: usize) -> Result<Subscribed, Failure> {
        let client = client(&self.0)?;
        let subscription = client
            .async_add_subscription(AERON_IPC_STREAM, stream(lane)?, Handlers::NONE, Handlers::NONE)?
            .poll_blocking(PATIENCE)?;
        Ok(Subscribed {
            subscription,
            _client: client,
        })
    }
}

fn stream(lane: usize) -> Result<i32, Failure> {
    Ok(1_000 + i32::try_from(lane)?)
}

impl<P: Payload> Sender<P> for Publishing {
    #[inline]
    fn try_send(&mut self, message: &P) -> Result<bool, Failure> {
        match self.publication.offer(message.bytes()) {
            Ok(_) => Ok(true),
            Err(error) if error.is_retryable() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl<P: Payload> Receiver<P> for Subscribed {
    // As in Aeron's own examples and benchmarks.
    const AT_ONCE: usize = 10;

    #[inline]
    fn try_receive(&mut self, max: usize, mut visit: impl FnMut(&P)) -> Result<usize, Failure> {
        let mut mistaken = false;
        let received = self.subscription.poll_fn(
            |bytes: &[u8], _header| {
                let message = bytes.as_ptr().cast::<P>();
                if bytes.len() == P::BYTES && message.is_aligned() {
                    // SAFETY: so many bytes, aligned, and all bytes are valid in a message of words.
                    visit(unsafe { &*message });
                } else {
                    mistaken = true;
                }
            },
            max,
        )?;
        if mistaken {
            return Err("a fragment that is no message".into());
        }
        Ok(usize::try_from(received)?)
    }
}
