"""The exceptions of dmxp. Their texts say what was asked, what was found and what to do."""

__all__ = [
    "Error",
    "Timeout",
    "Full",
    "Empty",
    "Closed",
    "NoProducers",
    "Removed",
    "Detached",
    "Forked",
    "Evicted",
    "WouldDeadlock",
    "TooManyClaims",
    "InvalidArgument",
    "PayloadTooLarge",
    "BatchTooLarge",
    "InvalidMessage",
    "ChecksumMismatch",
    "RegionNotFound",
    "RegionExists",
    "RegionInUse",
    "RegionMismatch",
    "RegionRemoved",
    "NotARegion",
    "InvalidMagic",
    "Corrupt",
    "RegionFull",
    "OutOfMemory",
    "ChannelTableFull",
    "ProcessTableFull",
    "HandleTableFull",
    "ChannelNotFound",
    "ChannelInUse",
    "ChannelMismatch",
    "SchemaMismatch",
    "ManagementLockBusy",
    "ReadOnly",
    "SecretMismatch",
    "PeerRefused",
    "HandOver",
    "IoError",
]


class Error(Exception):
    """What all exceptions of dmxp have in common."""


class Timeout(Error, TimeoutError):
    """The time given has passed."""


class Full(Error):
    """No free slot, and the call does not wait."""


class Empty(Error):
    """No message, and the call does not wait."""


class Closed(Error):
    """The stream has ended: `close` was called and everything sent before it was received."""


class NoProducers(Closed):
    """No producer is left, and all that they sent was received: for consumers made with `end_without_producers`."""


class Removed(Error):
    """The channel was removed by force while this handle was open."""


class Detached(Error, ValueError):
    """The producer, consumer or region was given up by `detach` or at the end of its `with` block."""


class Forked(Error):
    """The object came into this process by fork; open one of its own here."""


class Evicted(Error):
    """The process lost its place in the region."""


class WouldDeadlock(Error):
    """The handle itself holds the slot that it would wait for, and no other thread could release it."""


class TooManyClaims(Error):
    """The handle holds as many messages or claims as it can, 8."""


class InvalidArgument(Error, ValueError):
    """A name, size, id or count that cannot be; a message that is not valid, and was not sent."""


class PayloadTooLarge(Error, ValueError):
    """The payload does not fit a slot."""


class BatchTooLarge(Error, ValueError):
    """More messages in one batch than can ever be claimed at once."""


class InvalidMessage(Error, ValueError):
    """A received message is not what its channel carries. It has been taken off the channel."""


class ChecksumMismatch(Error, ValueError):
    """A received message's payload differs from its checksum. It has been taken off the channel."""


class RegionNotFound(Error, FileNotFoundError):
    """There is no such region."""


class RegionExists(Error, FileExistsError):
    """A region of that name exists already."""


class RegionInUse(Error):
    """The region cannot be removed while processes are attached."""


class RegionMismatch(Error):
    """The region exists with other properties than were asked for."""


class RegionRemoved(Error):
    """The region's file was removed or replaced while this process was attached."""


class NotARegion(Error):
    """The file is not a region that this version can use."""


class InvalidMagic(NotARegion):
    """The first eight bytes of the file are not those of a region."""


class Corrupt(Error):
    """Something stored in the region contradicts the format."""


class RegionFull(Error):
    """The region has no room for the channel."""


class OutOfMemory(Error, MemoryError):
    """The file system of the region cannot back more memory."""


class ChannelTableFull(Error):
    """All 256 channels of the region are taken."""


class ProcessTableFull(Error):
    """All places for attached processes are taken."""


class HandleTableFull(Error):
    """All places for producers and consumers are taken."""


class ChannelNotFound(Error, LookupError):
    """No such channel."""


class ChannelInUse(Error):
    """The channel has open handles."""


class ChannelMismatch(Error):
    """The channel exists with other properties."""


class SchemaMismatch(ChannelMismatch):
    """The channel carries another message type."""


class ManagementLockBusy(Error):
    """Another process holds the management lock of the region and does not give it back, or too many others had it before."""


class ReadOnly(Error):
    """The region was opened for looking only."""


class SecretMismatch(Error):
    """The secret given is not the region's."""


class PeerRefused(Error):
    """The process at the other end of the socket is not one that the policy accepts."""


class HandOver(Error):
    """Handing a region over, or receiving one, failed at the peer."""


class IoError(Error, OSError):
    """A system call failed."""
