"""Typed, zero-copy channels between processes and languages on one machine.

>>> producer = dmxp.create_producer(channel_id=100)
>>> consumer = dmxp.create_consumer(channel_id=100)
>>> producer.send(b"hello")
1
>>> bytes(consumer.receive())
b'hello'

A channel carries bytes, or messages of a class that dmxp generated from a Rust type (``message=Tick``). Messages are read and
written in place, in shared memory: a received message is a view of its slot, and the slot goes back to producers when the last
view is gone.
"""

from . import errors
from ._dmxp import (
    Blockage,
    ChannelInfo,
    ChannelRecovery,
    ChannelStatistics,
    Claim,
    Consumer,
    HandleStatistics,
    HolderInfo,
    LastError,
    Message,
    Metadata,
    Peek,
    Peeked,
    PeerCredentials,
    Producer,
    Recovery,
    Region,
    RegionInfo,
    StreamInfo,
    WaitSet,
    Waiting,
    __version__,
    create_consumer,
    create_producer,
)
from .errors import *  # noqa: F403
from . import uncaught as _uncaught  # noqa: E402, F401, I001
from . import declare, tables
from .declare import *  # noqa: F403
from .tables import *  # noqa: F403
from .views import message_of

wait_for_region = Region.wait_for

__all__ = [
    "Blockage",
    "ChannelInfo",
    "ChannelRecovery",
    "ChannelStatistics",
    "Claim",
    "Consumer",
    "HandleStatistics",
    "HolderInfo",
    "LastError",
    "Message",
    "Metadata",
    "Peek",
    "Peeked",
    "PeerCredentials",
    "Producer",
    "Recovery",
    "Region",
    "RegionInfo",
    "StreamInfo",
    "WaitSet",
    "Waiting",
    "__version__",
    "create_consumer",
    "create_producer",
    "errors",
    "message_of",
    *declare.__all__,
    "wait_for_region",
    *errors.__all__,
    *tables.__all__,
]
