//! Which consumers get a message.

/// Which consumers get a message of a channel, as [`ChannelBuilder::with_delivery`](crate::ChannelBuilder::with_delivery) sets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// One of the consumers, which compete.
    #[default]
    Queue,
    /// Every consumer, each at its own pace. Reliable ones hold producers back, lossy ones are overrun.
    Broadcast,
    /// A consumer that looks gets the newest message; older ones are overwritten, and nobody holds producers back. The newest stays until
    /// there is a newer one: of a batch and of claims that are held at once there is room for the capacity less one.
    Latest,
}

/// What happens when a subscriber of a broadcast channel is too slow, as
/// [`ChannelBuilder::with_subscription`](crate::ChannelBuilder::with_subscription) sets it for a consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subscription {
    /// Producers wait for it: it gets every message from its start on.
    #[default]
    Reliable,
    /// It is overrun, and told how many messages it missed: [`Consumer::missed`](crate::Consumer::missed).
    Lossy,
}

/// Where a subscriber of a broadcast channel begins, as [`ChannelBuilder::with_start`](crate::ChannelBuilder::with_start) sets it for
/// a consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With what is sent from now on.
    #[default]
    Newest,
    /// With the oldest message that no producer may overwrite any more: of what was sent, at least the last three quarters of the
    /// capacity.
    Oldest,
    /// At this position, the id less one of its message: waits for it if it was not sent yet. Messages that are gone already count
    /// as [missed](crate::Consumer::missed).
    Position(u64),
}

impl core::fmt::Display for Delivery {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Queue => "queue",
            Self::Broadcast => "broadcast",
            Self::Latest => "latest",
        })
    }
}
