//! dmxp's channels, by their typed handles, with everything that a user gets: metadata, timestamps, crash safety.

use crate::payload::Payload;
use crate::transport::{self, Failure, Place, Transport, Waiting};
use dmxp::{Channel, ChannelBuilder, Consumer, Delivery, Error, Producer, Region, RegionOptions, Wait, WaitStrategy};

/// How a channel is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Who gets a message.
    pub delivery: Delivery,
    /// Whether slots are sized to the messages.
    pub compact: bool,
    /// Whether there is one producer at most.
    pub single_producer: bool,
    /// Whether slots are messages and nothing else.
    pub packed: bool,
    /// Whether lossy subscribers are admitted where they need not be.
    pub lossy: bool,
    /// Whether messages carry the time of their sending, where they have metadata.
    pub timestamps: bool,
}

/// Channels of a region: in place, by claims and borrowed messages, or copied in and out. A claim in place starts as zeros, of which the
/// number is changed; or the message is written whole.
pub(crate) struct Dmxp<const IN_PLACE: bool, const WHOLE: bool = false> {
    region: Region,
    place: Place,
}

/// The region of a run.
pub(crate) struct Prepared {
    options: RegionOptions,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if let Err(error) = self.options.remove(true) {
            eprintln!("{error}");
        }
    }
}

fn builder<P: Payload>(region: &Region, place: &Place, lane: usize) -> ChannelBuilder<P> {
    let strategy = match place.waiting {
        Waiting::Asleep => WaitStrategy::Sleep,
        Waiting::Polling | Waiting::Default => WaitStrategy::default(),
    };
    let form = place.kind.form();
    let builder = Channel::<P>::builder()
        .with_region(region)
        .with_channel_id(lane as u32)
        .with_capacity(place.capacity as u64)
        .with_wait_strategy(strategy)
        .with_delivery(form.delivery)
        .with_single_producer(form.single_producer);
    if form.packed {
        return builder.with_packed_slots(true).with_lossy_subscribers(form.lossy);
    }
    let builder = builder.with_compact_slots(form.compact);
    if form.timestamps {
        builder
    } else {
        builder.with_timestamps(false)
    }
}

impl<P: Payload, const IN_PLACE: bool, const WHOLE: bool> Transport<P> for Dmxp<IN_PLACE, WHOLE> {
    type Sender = Sending<P, IN_PLACE, WHOLE>;
    type Receiver = Receiving<P, IN_PLACE>;
    type Prepared = Prepared;

    fn prepare(place: &mut Place) -> Result<Prepared, Failure> {
        // The largest slots, and room for the control area.
        let size = (place.lanes * place.capacity * 1_088 + (2 << 20)) as u64;
        let options = RegionOptions::new().name(&place.name).size(size);
        let region = options.create()?;
        let prepared = Prepared { options };
        for lane in 0..place.lanes {
            builder::<P>(&region, place, lane).build_producer()?;
        }
        Ok(prepared)
    }

    fn attach(place: &Place) -> Result<Self, Failure> {
        Ok(Self {
            region: RegionOptions::new().name(&place.name).open()?,
            place: place.clone(),
        })
    }

    fn sender(&self, lane: usize) -> Result<Self::Sender, Failure> {
        Ok(Sending(builder(&self.region, &self.place, lane).build_producer()?))
    }

    fn receiver(&self, lane: usize) -> Result<Receiving<P, IN_PLACE>, Failure> {
        let consumer = builder(&self.region, &self.place, lane).build_consumer()?;
        let is_packed = self.place.kind.form().packed;
        Ok(Receiving { consumer, is_packed })
    }

    fn bytes_per_lane(&self) -> Option<u64> {
        // The channel's own memory, and a record for each of the two ends.
        self.region.channel(0).ok().map(|channel| channel.bytes + 2 * 256)
    }
}

pub(crate) struct Sending<P: Payload, const IN_PLACE: bool, const WHOLE: bool>(Producer<P>);

pub(crate) struct Receiving<P: Payload, const IN_PLACE: bool> {
    consumer: Consumer<P>,
    /// Then a batch is one slice.
    is_packed: bool,
}

/// What a call that does not wait has done: `None` when it would have had to.
#[inline]
fn done<T>(result: dmxp::Result<T>) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Full | Error::Empty) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl<P: Payload, const IN_PLACE: bool, const WHOLE: bool> transport::Sender<P> for Sending<P, IN_PLACE, WHOLE> {
    #[inline]
    fn try_send(&mut self, message: &P) -> Result<bool, Failure> {
        if !IN_PLACE {
            return Ok(done(self.0.try_send(message))?.is_some());
        }
        if WHOLE {
            return match done(self.0.claim_uninit(Wait::No))? {
                Some(slot) => {
                    slot.write(*message).publish()?;
                    Ok(true)
                }
                None => Ok(false),
            };
        }
        match done(self.0.try_claim())? {
            Some(mut claim) => {
                claim.set_number(message.number());
                claim.publish()?;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn try_send_batch(&mut self, messages: &[P]) -> Result<usize, Failure> {
        if !IN_PLACE {
            return Ok(done(self.0.send_up_to(messages, Wait::No))?.unwrap_or(0));
        }
        match done(self.0.claim_batch(messages.len(), Wait::No))? {
            Some(mut claims) => {
                for (index, message) in messages.iter().enumerate() {
                    claims.get_mut(index).set_number(message.number());
                }
                claims.publish()?;
                Ok(messages.len())
            }
            None => Ok(0),
        }
    }
}

impl<P: Payload, const IN_PLACE: bool> transport::Receiver<P> for Receiving<P, IN_PLACE> {
    #[inline]
    fn try_receive(&mut self, max: usize, mut visit: impl FnMut(&P)) -> Result<usize, Failure> {
        if max > 1 {
            if self.is_packed {
                let Some(slice) = done(self.consumer.recv_slice(max, Wait::No))? else {
                    return Ok(0);
                };
                slice.iter().for_each(&mut visit);
                return Ok(slice.len());
            }
            let Some(batch) = done(self.consumer.recv_up_to(max, Wait::No))? else {
                return Ok(0);
            };
            batch.iter().for_each(&mut visit);
            Ok(batch.len())
        } else if IN_PLACE {
            match done(self.consumer.try_recv())? {
                Some(message) => {
                    visit(&message);
                    Ok(1)
                }
                None => Ok(0),
            }
        } else {
            match done(self.consumer.recv_copy(Wait::No))? {
                Some(message) => {
                    visit(&message);
                    Ok(1)
                }
                None => Ok(0),
            }
        }
    }

    fn try_receive_flagged(&mut self, mut visit: impl FnMut(&P, bool)) -> Result<usize, Failure> {
        if !IN_PLACE {
            return self.try_receive(1, |message| visit(message, false));
        }
        match done(self.consumer.try_recv())? {
            Some(message) => {
                visit(&message, message.metadata().redelivered > 0);
                Ok(1)
            }
            None => Ok(0),
        }
    }

    fn receive_blocking(&mut self, mut visit: impl FnMut(&P)) -> Result<(), Failure> {
        visit(&*self.consumer.recv_timeout(std::time::Duration::from_secs(10))?);
        Ok(())
    }
}
