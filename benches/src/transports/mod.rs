//! dmxp and its peers, one file each.

#[cfg(feature = "aeron")]
mod aeron;
mod array_queue;
mod bare;
mod cloudtoid;
mod descriptors;
pub mod dmxp;
#[cfg(feature = "iceoryx2")]
mod iceoryx2;
mod in_process;
mod message_queue;
mod plain;
mod rtrb;
mod shaq;
mod std_mpsc;
#[cfg(feature = "zmq")]
mod zmq;

use crate::payload::{Payload, Words1, Words8, Words32, Words120};
use crate::transport::Transport;
use ::dmxp::Delivery;
use dmxp::{Dmxp, Form};
use serde::{Deserialize, Serialize};

/// Something to do with a transport and a message type, chosen at run time.
pub trait Job {
    /// What comes of it.
    type Output;

    /// Does it.
    fn run<P: Payload, T: Transport<P> + 'static>(self) -> Self::Output;
}

macro_rules! kinds {
    ($($(#[$when:meta])? $kind:ident = $transport:ty, $name:literal;)*) => {
        /// All that is measured.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(missing_docs, reason = "`name` says what each is")]
        pub enum Kind {
            $($(#[$when])? $kind,)*
        }

        impl Kind {
            /// All that were built, in the order of tables.
            pub const ALL: &[Self] = &[$($(#[$when])? Self::$kind,)*];

            /// What tables call it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $($(#[$when])? Self::$kind => $name,)*
                }
            }

            fn with<P: Payload, J: Job>(self, job: J) -> J::Output {
                match self {
                    $($(#[$when])? Self::$kind => job.run::<P, $transport>(),)*
                }
            }
        }
    };
}

kinds! {
    Queue = Dmxp<false>, "dmxp queue";
    QueueInPlace = Dmxp<true>, "dmxp queue, in place";
    CompactQueue = Dmxp<false>, "dmxp queue, compact";
    CompactQueueInPlace = Dmxp<true>, "dmxp queue, compact, in place";
    Broadcast = Dmxp<false>, "dmxp broadcast, compact";
    BroadcastInPlace = Dmxp<true>, "dmxp broadcast, compact, in place";
    Spsc = Dmxp<false>, "dmxp SPSC";
    CompactSpsc = Dmxp<false>, "dmxp SPSC, compact";
    CompactSpscInPlace = Dmxp<true>, "dmxp SPSC, compact, in place";
    Latest = Dmxp<false>, "dmxp latest, compact";
    Packed = Dmxp<false>, "dmxp packed";
    PackedLossy = Dmxp<false>, "dmxp packed, lossy admitted";
    CompactQueueWhole = Dmxp<true, true>, "dmxp queue, compact, in place, written whole";
    CompactSpscWhole = Dmxp<true, true>, "dmxp SPSC, compact, in place, written whole";
    CompactQueueUntimed = Dmxp<false>, "dmxp queue, compact, without timestamps";
    CompactSpscUntimed = Dmxp<false>, "dmxp SPSC, compact, without timestamps";
    Shaq = shaq::Spsc, "shaq SPSC";
    ShaqMany = shaq::Mpmc, "shaq MPMC";
    Cloudtoid = cloudtoid::Cloudtoid, "cloudtoid-interprocess";
    #[cfg(feature = "iceoryx2")] Iceoryx2 = iceoryx2::Iceoryx2<P>, "iceoryx2 publish-subscribe";
    #[cfg(feature = "aeron")] Aeron = aeron::Aeron, "Aeron IPC";
    #[cfg(feature = "zmq")] ZeroMq = zmq::ZeroMq, "ZeroMQ ipc";
    SocketPair = descriptors::SocketPair, "Unix socket pair";
    Pipe = descriptors::Pipe, "pipe";
    MessageQueue = message_queue::MessageQueue, "POSIX message queue";
    ArrayQueue = array_queue::ArrayQueues<P>, "crossbeam ArrayQueue";
    Rtrb = rtrb::Rtrb<P>, "rtrb";
    StdMpsc = std_mpsc::StdMpsc<P>, "std sync_channel";
    PlainRing = plain::PlainRings<P>, "plain Vyukov ring";
    BareLine = bare::BareLines, "bare cache line";
    BareFutex = bare::BareFutexes, "bare futex";
}

impl Kind {
    /// Does a job with this transport and messages of that size.
    ///
    /// # Panics
    /// When the size is none of the four.
    pub fn dispatch<J: Job>(self, bytes: usize, job: J) -> J::Output {
        match bytes {
            8 => self.with::<Words1, J>(job),
            64 => self.with::<Words8, J>(job),
            256 => self.with::<Words32, J>(job),
            960 => self.with::<Words120, J>(job),
            _ => panic!("messages have 8, 64, 256 or 960 bytes, not {bytes}"),
        }
    }

    /// How a dmxp channel of this kind is opened. SPSC is broadcast with one producer and one subscriber.
    #[must_use]
    pub const fn form(self) -> Form {
        let (delivery, compact, single_producer) = match self {
            Self::CompactQueue | Self::CompactQueueInPlace | Self::CompactQueueWhole | Self::CompactQueueUntimed => {
                (Delivery::Queue, true, false)
            }
            Self::Broadcast | Self::BroadcastInPlace => (Delivery::Broadcast, true, false),
            Self::Spsc => (Delivery::Broadcast, false, true),
            Self::CompactSpsc | Self::CompactSpscInPlace | Self::CompactSpscWhole | Self::CompactSpscUntimed => {
                (Delivery::Broadcast, true, true)
            }
            Self::Packed | Self::PackedLossy => (Delivery::Broadcast, false, true),
            Self::Latest => (Delivery::Latest, true, false),
            _ => (Delivery::Queue, false, false),
        };
        Form {
            delivery,
            compact,
            single_producer,
            packed: self.is_packed(),
            lossy: matches!(self, Self::PackedLossy),
            timestamps: !matches!(self, Self::CompactQueueUntimed | Self::CompactSpscUntimed),
        }
    }

    /// Whether it is a dmxp channel whose slots are messages and nothing else.
    #[must_use]
    pub const fn is_packed(self) -> bool {
        matches!(self, Self::Packed | Self::PackedLossy)
    }

    /// Whether it takes part only where a case names it.
    #[must_use]
    pub const fn is_special(self) -> bool {
        matches!(
            self,
            Self::CompactQueueWhole | Self::CompactSpscWhole | Self::CompactQueueUntimed | Self::CompactSpscUntimed
        )
    }

    /// Whether it is one of dmxp's.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        matches!(
            self,
            Self::Queue
                | Self::QueueInPlace
                | Self::CompactQueue
                | Self::CompactQueueInPlace
                | Self::Broadcast
                | Self::BroadcastInPlace
                | Self::Spsc
                | Self::CompactSpsc
                | Self::CompactSpscInPlace
                | Self::Latest
                | Self::Packed
                | Self::PackedLossy
                | Self::CompactQueueWhole
                | Self::CompactSpscWhole
                | Self::CompactQueueUntimed
                | Self::CompactSpscUntimed
        )
    }

    /// Whether every receiver gets every message.
    #[must_use]
    pub const fn each_gets_all(self) -> bool {
        self.is_ours() && !matches!(self.form().delivery, Delivery::Queue)
    }

    /// Whether receivers get the newest message only: who is not waited for overwrites what nobody has seen.
    #[must_use]
    pub const fn is_newest_only(self) -> bool {
        matches!(self, Self::Latest | Self::BareLine | Self::BareFutex)
    }

    /// Whether it can connect processes, and not threads only.
    #[must_use]
    pub const fn between_processes(self) -> bool {
        !matches!(self, Self::ArrayQueue | Self::Rtrb | Self::StdMpsc | Self::PlainRing)
    }

    /// Whether several ends may send.
    #[must_use]
    pub const fn many_senders(self) -> bool {
        !matches!(
            self,
            Self::Shaq
                | Self::Rtrb
                | Self::BareLine
                | Self::BareFutex
                | Self::Spsc
                | Self::CompactSpsc
                | Self::CompactSpscInPlace
                | Self::CompactSpscWhole
                | Self::CompactSpscUntimed
                | Self::Packed
                | Self::PackedLossy
        )
    }

    /// Whether several ends may receive.
    #[must_use]
    pub const fn many_receivers(self) -> bool {
        #[cfg(feature = "iceoryx2")]
        if matches!(self, Self::Iceoryx2) {
            return false;
        }
        #[cfg(feature = "aeron")]
        if matches!(self, Self::Aeron) {
            return false;
        }
        #[cfg(feature = "zmq")]
        if matches!(self, Self::ZeroMq) {
            return false;
        }
        self.many_senders() && !matches!(self, Self::StdMpsc)
    }

    /// Whether it has threads of its own beside those of the run, which need a core now and then.
    #[must_use]
    pub const fn has_threads(self) -> bool {
        #[cfg(feature = "aeron")]
        if matches!(self, Self::Aeron) {
            return true;
        }
        #[cfg(feature = "zmq")]
        if matches!(self, Self::ZeroMq) {
            return true;
        }
        false
    }

    /// Whether it has calls for batches.
    #[must_use]
    pub const fn has_batches(self) -> bool {
        self.is_ours() || matches!(self, Self::Shaq | Self::ShaqMany | Self::Rtrb)
    }

    /// Whether its receivers can sleep.
    #[must_use]
    pub const fn has_sleep(self) -> bool {
        #[cfg(feature = "zmq")]
        if matches!(self, Self::ZeroMq) {
            return true;
        }
        self.is_ours()
            || matches!(
                self,
                Self::Cloudtoid | Self::SocketPair | Self::Pipe | Self::MessageQueue | Self::StdMpsc | Self::BareFutex
            )
    }

    /// Whether each message costs a system call or more: such runs send fewer of them.
    #[must_use]
    pub const fn is_slow(self) -> bool {
        #[cfg(feature = "iceoryx2")]
        if matches!(self, Self::Iceoryx2) {
            return true;
        }
        #[cfg(feature = "zmq")]
        if matches!(self, Self::ZeroMq) {
            return true;
        }
        matches!(self, Self::SocketPair | Self::Pipe | Self::MessageQueue)
    }
}
