"""Types of the extension module. Import from `dmxp`."""

import os
import socket as _socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from ctypes import Structure
from types import TracebackType
from typing import Any, Generic, Literal, SupportsIndex, TypeVar, final, overload

from _typeshed import FileDescriptorLike
from typing_extensions import Buffer, Self

__version__: str

# A generated class.
_M = TypeVar("_M", bound=Structure)
# What a consumer gives when it is not told: messages, or instances of the class it was made with.
_D = TypeVar("_D", bound=Message | Structure, covariant=True)
# What happens to the messages that a consumer held when it died.
_DeadConsumers = Literal["deliver_again", "drop"]
_WaitStrategy = Literal["spin", "spin_then_sleep", "sleep"]
# Who gets a message.
_Delivery = Literal["queue", "broadcast", "latest"]
# What happens when a consumer of a broadcast channel is too slow.
_Subscription = Literal["reliable", "lossy"]
# Where a consumer of a broadcast channel begins.
_Start = Literal["newest", "oldest"] | int
# What a producer sends when it is not told: bytes, or instances of the class it was made with.
_P = TypeVar("_P", bound=Buffer)
# Bytes of a message, on any channel.
_Bytes = bytes | bytearray | memoryview
# What a claim's block gets.
_V = TypeVar("_V", bound=memoryview | Structure, covariant=True)

@overload
def create_producer(
    channel_id: int | None = None,
    *,
    name: str | None = None,
    message: None = None,
    capacity: int | None = None,
    region: Region | str | None = None,
    compact_slots: bool | None = None,
    packed_slots: bool | None = None,
    payload_capacity: int | None = None,
    v1_peers: bool | None = None,
    checksums: bool | None = None,
    dead_consumers: _DeadConsumers | None = None,
    redelivery_limit: int | None = None,
    dead_letters: str | None = None,
    expiry: float | None = None,
    priorities: bool | None = None,
    wait_strategy: _WaitStrategy | None = None,
    delivery: _Delivery | None = None,
    single_producer: bool | None = None,
    lossy_subscribers: bool | None = None,
    timestamps: bool | None = None,
    replace_if_unused: bool = False,
    keep_removed_region: bool = False,
    open_only: bool = False,
) -> Producer[Buffer]:
    """Opens a producer, and creates region and channel if they do not exist.

    >>> dmxp.create_producer(channel_id=100).send(b"hello")
    1

    Either `channel_id` (0 to 255) or `name` is needed. `message` is a class that dmxp generated: it makes the channel a typed
    one. `capacity` is a power of two, 1024 if left out and created. `region` is a `Region` or a region's name; the default
    region if left out. `v1_peers` says that programs that know only the v1 format use the channel too, `checksums` that each
    message carries a CRC-32. `open_only` creates nothing. What is left out is taken as the channel has it.

    With `compact_slots=True` slots are sized to the type, 48 bytes and its size, rounded up to 64, and not 1,088 bytes each;
    `payload_capacity`, 1 to 960, does the same for bytes, and says how many a message has at most.

    The messages that a consumer held when it died are delivered again with `dead_consumers="deliver_again"`, what a channel has
    unless it is told otherwise, and dropped and counted with "drop". `redelivery_limit` says how often a message is delivered
    again at most, 0 to 12, 10 if left out and created. One that was returned more often, by consumers that died or gave it back,
    goes to the channel that `dead_letters` names, which is created with this one; without one it is dropped and counted.

    Messages older than `expiry` seconds are not delivered: consumers skip them and count them (`ChannelInfo.expired`). The age counts
    from the publication, on a clock that nobody sets. Messages do not expire if left out.

    `wait_strategy` says what calls of this handle do while they wait: "spin_then_sleep", what they do if it is left out; "spin", which
    is the fastest and takes all of a core; "sleep", for messages that come seldom.

    With `priorities=True` the channel has two rings: what is sent with `Producer.high` is received before all others that wait, which
    may starve.

    `delivery` says who gets a message: one of the consumers ("queue", what a channel is unless it is told otherwise), each of them
    ("broadcast"), or whoever looks the newest ("latest"). A broadcast or latest channel with `single_producer=True` has one producer
    at a time, which sends faster and holds one claim at a time; a second one is refused with `ChannelInUse`.

    >>> agency = dmxp.create_producer(name="news", delivery="broadcast")
    >>> archive, ticker = [dmxp.create_consumer(name="news") for _ in range(2)]
    >>> agency.send(b"rain")
    1
    >>> bytes(archive.receive()), bytes(ticker.receive())
    (b'rain', b'rain')

    With `replace_if_unused=True` a channel that exists with other properties, or other messages, is made anew, without what is in it, if
    nobody has it open; `ChannelInUse` if somebody has. With `keep_removed_region=True` this handle goes on when the region's file is removed
    or replaced; otherwise it raises `RegionRemoved` then, when it is opened and within 40 ms of waiting.

    Raises `ChannelMismatch` and `SchemaMismatch` when the channel exists and is different, `RegionFull`, `OutOfMemory` and
    `ChannelTableFull` when it cannot be created, `ChannelNotFound` when it may not be, `InvalidArgument` for impossible ids,
    names and capacities.
    """
@overload
def create_producer(
    channel_id: int | None = None,
    *,
    name: str | None = None,
    message: type[_M],
    capacity: int | None = None,
    region: Region | str | None = None,
    compact_slots: bool | None = None,
    packed_slots: bool | None = None,
    payload_capacity: int | None = None,
    v1_peers: bool | None = None,
    checksums: bool | None = None,
    dead_consumers: _DeadConsumers | None = None,
    redelivery_limit: int | None = None,
    dead_letters: str | None = None,
    expiry: float | None = None,
    priorities: bool | None = None,
    wait_strategy: _WaitStrategy | None = None,
    delivery: _Delivery | None = None,
    single_producer: bool | None = None,
    lossy_subscribers: bool | None = None,
    timestamps: bool | None = None,
    replace_if_unused: bool = False,
    keep_removed_region: bool = False,
    open_only: bool = False,
) -> Producer[_M]: ...
@overload
def create_consumer(
    channel_id: int | None = None,
    *,
    name: str | None = None,
    message: None = None,
    capacity: int | None = None,
    region: Region | str | None = None,
    compact_slots: bool | None = None,
    packed_slots: bool | None = None,
    payload_capacity: int | None = None,
    v1_peers: bool | None = None,
    checksums: bool | None = None,
    dead_consumers: _DeadConsumers | None = None,
    redelivery_limit: int | None = None,
    dead_letters: str | None = None,
    expiry: float | None = None,
    priorities: bool | None = None,
    wait_strategy: _WaitStrategy | None = None,
    delivery: _Delivery | None = None,
    single_producer: bool | None = None,
    lossy_subscribers: bool | None = None,
    timestamps: bool | None = None,
    subscription: _Subscription | None = None,
    start: _Start | None = None,
    end_without_producers: bool = False,
    replace_if_unused: bool = False,
    keep_removed_region: bool = False,
    open_only: bool = False,
) -> Consumer[Message]:
    """Opens a consumer, and creates region and channel if they do not exist.

    >>> producer = dmxp.create_producer(channel_id=100)
    >>> consumer = dmxp.create_consumer(channel_id=100)
    >>> producer.send(b"hello")
    1
    >>> bytes(consumer.receive())
    b'hello'

    A consumer without `message` receives bytes from any channel there is, also from one whose messages have a type, which is the
    `ChannelInfo.schema` of the channel.

    The arguments are those of `create_producer`, and for broadcast channels two more. Producers wait for a consumer whose
    `subscription` is "reliable", what it is if left out; one that is "lossy" is overrun, and told how many messages it missed. It begins
    at the `start`: "newest", with what is sent from now on; "oldest", with the oldest message that no producer may overwrite any more;
    or at a position, the id less one of its message.

    >>> agency = dmxp.create_producer(name="news", delivery="broadcast", capacity=4)
    >>> ticker = dmxp.create_consumer(name="news", subscription="lossy")
    >>> for number in range(100):
    ...     _ = agency.send(b"%d" % number)
    >>> messages = ticker.recv_up_to(4)
    >>> bytes(messages[-1]), len(messages) + ticker.missed
    (b'99', 100)

    With `end_without_producers=True` the stream ends for this consumer when the last producer has gone, detached or its process proven
    dead, and all was received: iteration ends, and `recv` raises `NoProducers`, which is a `Closed`. Before the first producer has come
    there is no end, and the next one after the last begins a new stream (`Consumer.stream`). Channels outlive processes, so that it is
    off if left out; not on channels with v1 peers.

    >>> consumer = dmxp.create_consumer(name="jobs", end_without_producers=True)
    >>> with dmxp.create_producer(name="jobs") as producer:
    ...     producer.send_batch([b"one", b"two"])
    1
    >>> [bytes(job) for job in consumer]
    [b'one', b'two']
    """
@overload
def create_consumer(
    channel_id: int | None = None,
    *,
    name: str | None = None,
    message: type[_M],
    capacity: int | None = None,
    region: Region | str | None = None,
    compact_slots: bool | None = None,
    packed_slots: bool | None = None,
    payload_capacity: int | None = None,
    v1_peers: bool | None = None,
    checksums: bool | None = None,
    dead_consumers: _DeadConsumers | None = None,
    redelivery_limit: int | None = None,
    dead_letters: str | None = None,
    expiry: float | None = None,
    priorities: bool | None = None,
    wait_strategy: _WaitStrategy | None = None,
    delivery: _Delivery | None = None,
    single_producer: bool | None = None,
    lossy_subscribers: bool | None = None,
    timestamps: bool | None = None,
    subscription: _Subscription | None = None,
    start: _Start | None = None,
    end_without_producers: bool = False,
    replace_if_unused: bool = False,
    keep_removed_region: bool = False,
    open_only: bool = False,
) -> Consumer[_M]: ...
@final
class StreamInfo:
    """What was sent by producers that came one after the other without a moment between them in which there was none."""
    @property
    def number(self) -> int:
        """How many streams the channel has had, this one included: 0 before the first producer. It grows by one when a producer comes to a
        channel that has none, or that was closed.
        """
    @property
    def first_message(self) -> int:
        """The id that this stream's first message has, or will have; 1 in the first stream, 0 before it."""
    def __eq__(self, other: object, /) -> bool: ...

@final
class Producer(Generic[_P]):
    """A producer, made by `create_producer`. Threads may share it, one call at a time; a producer for each is faster.

    >>> with dmxp.create_producer(channel_id=100) as producer:
    ...     producer.send(b"hello")
    ...     producer.send_batch([b"one", b"two"])
    1
    2

    `with` ends in `detach()`. That does not end the stream, since a channel outlives its users; `close()` does.
    """
    @property
    def high(self) -> Producer[_P]:
        """The producer of urgent messages, on a channel with priorities: used like this one, and what it sends is received before all
        others that wait. Raises `InvalidArgument` on other channels.
        """
    @property
    def channel_id(self) -> int:
        """The channel's id."""
    @property
    def channel_name(self) -> str | None:
        """The channel's name, if it has one."""
    @property
    def capacity(self) -> int:
        """Slots of the channel."""
    @property
    def payload_capacity(self) -> int:
        """Bytes that a message can have."""
    @property
    def delivery(self) -> _Delivery:
        """Who gets a message of the channel: "queue", "broadcast" or "latest"."""
    @property
    def message(self) -> type[Structure] | None:
        """The class that this producer was made with."""
    def set_message_type(self, message_type: int) -> None:
        """Sets `metadata.message_type` of the messages that follow, on untyped channels."""
    def send(self, payload: _P | _Bytes, timeout: float | None = None) -> int:
        """Sends a bytes-like object, or an instance of the channel's class, with one copy, into the slot. Waits for room, forever
        without `timeout` (seconds). Returns the message's id.

        Raises `PayloadTooLarge`, `Timeout`, `Closed`, `Removed`, `Forked`; `WouldDeadlock` and `TooManyClaims` when claims of
        this producer stand in the way, and there is no other thread that could finish one.
        """
    def try_send(self, payload: _P | _Bytes) -> int:
        """`send` that does not wait: raises `Full` when there is no room."""
    async def send_async(self, payload: _P | _Bytes) -> int:
        """`send` as a coroutine, for asyncio: waits without blocking the event loop. What is cancelled has sent nothing."""
    def send_batch(self, messages: Iterable[_P | _Bytes], timeout: float | None = None) -> int:
        """Sends all messages or none, with one atomic claim; they become visible at once. Waits for room for all of them. Returns
        the first one's id; the others follow without a gap. Of no messages, 0.

        Raises `BatchTooLarge` when there are more than the channel's capacity or 32,767, and what `send` raises.
        """
    def send_array(self, array: Any, timeout: float | None = None) -> int:
        """`send_batch` of the records of a one-dimensional numpy array, or of any contiguous buffer whose items are messages: of the
        channel's class, or on untyped channels of as many bytes as an item has.
        """
    def send_up_to(self, messages: Iterable[_P | _Bytes], timeout: float | None = None) -> int:
        """Sends as many of the messages as there is room for, from the first on, and at least one, for which it waits. Returns
        how many.
        """
    @overload
    def claim(self, what: int, timeout: float | None = None) -> Claim[memoryview]:
        """Claims a slot, to write a message in place: `claim(16)` for 16 bytes, `claim(Tick)` for a `Tick`, `claim()` for the
        class of the channel, `claim(tick)` for a message that begins as `tick` is. To be used with `with`; see `Claim`. Otherwise all bytes
        start as zeros, which is no valid value of some classes (a closed enum without a zero): set such fields.

        Waits for room, forever without `timeout` (seconds). Raises what `send` raises.
        """
    @overload
    def claim(self, what: type[_M], timeout: float | None = None) -> Claim[_M]: ...
    @overload
    def claim(self, what: _M, timeout: float | None = None) -> Claim[_M]: ...
    @overload
    def claim(self: Producer[_M], what: None = None, timeout: float | None = None) -> Claim[_M]: ...
    def consumers(self) -> int:
        """How many consumers the channel has: live handles, of any process; those of dead processes are not counted."""
    def consumer_pids(self) -> list[int]:
        """The process ids of the channel's consumers, one for each handle, as those processes have them."""
    def wait_for_consumers(self, count: int = 1, timeout: float | None = None) -> int:
        """Waits until the channel has at least `count` consumers, and returns how many it has. Raises `Timeout`.

        >>> producer = dmxp.create_producer(name="jobs")
        >>> producer.wait_for_consumers(timeout=0)
        Traceback (most recent call last):
            ...
        dmxp.errors.Timeout: timed out
        >>> consumer = dmxp.create_consumer(name="jobs")  # usually in another process
        >>> producer.wait_for_consumers()
        1
        """
    def stream(self) -> StreamInfo:
        """The channel's newest stream: a `StreamInfo`; see `Consumer.stream`."""
    def close(self) -> None:
        """Ends the stream: sending fails from now on, consumers drain what is there and then get `Closed`. The next producer that
        is opened reopens it.
        """
    def detach(self) -> None:
        """Gives this producer's place up. The stream goes on. What is done with the object afterwards raises `Detached`."""
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

@final
class Consumer(Generic[_D]):
    """A consumer, made by `create_consumer`. Threads may share it, one call at a time; a consumer for each is faster.

    >>> producer = dmxp.create_producer(channel_id=100)
    >>> with dmxp.create_consumer(channel_id=100) as consumer:
    ...     consumer.receive() is None
    ...     producer.send_batch([b"one", b"two", b"three"])
    ...     bytes(consumer.receive())
    ...     producer.close()
    ...     for message in consumer:
    ...         print(bytes(message))
    True
    1
    b'one'
    b'two'
    b'three'

    `receive()` does not wait, `recv()` does. A consumer made with `message=Tick` receives `Tick`s, in place; `recv(Tick)` and
    `recv(dmxp.Message)` ask for one or the other. `with` ends in `detach()`.
    """
    @property
    def channel_id(self) -> int:
        """The channel's id."""
    @property
    def channel_name(self) -> str | None:
        """The channel's name, if it has one."""
    @property
    def capacity(self) -> int:
        """Slots of the channel."""
    @property
    def payload_capacity(self) -> int:
        """Bytes that a message can have."""
    @property
    def delivery(self) -> _Delivery:
        """Who gets a message of the channel: "queue", "broadcast" or "latest"."""
    @property
    def missed(self) -> int:
        """How many messages this consumer missed in all. On a broadcast channel: those that were overwritten before a lossy one came to
        them, and those before its start that were gone; received and missed messages together are those that were sent, but that a
        claim which one of several producers gave up counts as missed if it lies among missed ones. On a latest channel: values that
        were replaced before it looked. 0 on queues. `Metadata.missed` tells it for each message.
        """
    @property
    def message(self) -> type[Structure] | None:
        """The class that this consumer was made with."""
    @overload
    def receive(self, message: None = None, timeout: float | None = None) -> _D | None:
        """Takes a message if there is one, else None, and does not wait; with `timeout` (seconds), waits that long and then
        raises `Timeout`.

        The message is borrowed in its slot: a `Message`, or with a generated class an instance of that, over the slot. Where others
        may overwrite the slot, for lossy subscribers and on latest channels, it is a copy; so is an instance on a broadcast channel,
        since it can be written, and others read the slot. It is a valid one: a message with an unknown value of a closed enum, or a bool
        that is neither 0 nor 1, raises `InvalidMessage`. Do not write to an instance: on a queue
        it lies over the slot, and if the message comes back to the channel it is delivered as you left it.

        Raises `Closed` when the stream has ended and all of it was received, `InvalidMessage` and `ChecksumMismatch` when a
        message cannot be read (it has been taken off the channel), `TooManyClaims` when this consumer holds 8 messages (with a
        timeout, if no other thread could release one), `Removed`, `Forked`.
        """
    @overload
    def receive(self, message: type[_M], timeout: float | None = None) -> _M | None: ...
    @overload
    def receive(self, message: type[Message], timeout: float | None = None) -> Message | None: ...
    @overload
    def recv(self, message: None = None, timeout: float | None = None) -> _D:
        """Waits for a message, forever without `timeout` (seconds); otherwise as `receive`."""
    @overload
    def recv(self, message: type[_M], timeout: float | None = None) -> _M: ...
    @overload
    def recv(self, message: type[Message], timeout: float | None = None) -> Message: ...
    @overload
    def try_recv(self, message: None = None) -> _D:
        """`recv` that does not wait: raises `Empty` when there is no message."""
    @overload
    def try_recv(self, message: type[_M]) -> _M: ...
    @overload
    def try_recv(self, message: type[Message]) -> Message: ...
    @overload
    async def recv_async(self, message: None = None) -> _D:
        """`recv` as a coroutine, for asyncio: waits without blocking the event loop. What is cancelled, by a time limit or otherwise,
        has taken no message. Any number of tasks may wait, at any number of consumers.

        A message that is kept over an `await` keeps its slot for as long, and producers stop when they have come round to it:
        copy it (`bytes(message)`) or let it go before.
        """
    @overload
    async def recv_async(self, message: type[_M]) -> _M: ...
    @overload
    async def recv_async(self, message: type[Message]) -> Message: ...
    @overload
    def newest(self, message: None = None) -> _D | None:
        """The newest message of a latest channel, whether this consumer has seen it or not; None when nothing was sent yet. Does not
        wait: `recv` waits for one that is newer than the last.

        >>> poses = dmxp.create_producer(name="pose", delivery="latest")
        >>> reader = dmxp.create_consumer(name="pose")
        >>> reader.newest() is None
        True
        >>> for pose in [b"left", b"middle", b"right"]:
        ...     _ = poses.send(pose)
        >>> bytes(reader.recv()), reader.receive() is None, bytes(reader.newest())
        (b'right', True, b'right')

        Raises `InvalidArgument` on other channels, and otherwise what `receive` does.
        """
    @overload
    def newest(self, message: type[_M]) -> _M | None: ...
    @overload
    def newest(self, message: type[Message]) -> Message | None: ...
    @overload
    def recv_up_to(self, max: int, message: None = None, timeout: float | None = None) -> list[_D]:
        """Waits for a message and then takes all that are there, at most `max`, with one atomic claim: a list. The slots are
        released together, when all messages and their views are gone.

        A batch with a message that cannot be read is refused as a whole: the others go back to the channel, to be delivered
        again.
        """
    @overload
    def recv_up_to(self, max: int, message: type[_M], timeout: float | None = None) -> list[_M]: ...
    @overload
    def recv_up_to(self, max: int, message: type[Message], timeout: float | None = None) -> list[Message]: ...
    def recv_array(self, max: int, dtype: Any = None, timeout: float | None = None, *, metadata: bool = False) -> Any:
        """`recv_up_to` into a read-only numpy array of records: over the slots, which stay taken while the array or a view of it
        exists, or a copy where the batch goes past the ring's end (at most once in `capacity` messages). Without `dtype`, that
        of the consumer's message class. A message whose length is not the dtype's raises `InvalidMessage` and has been taken off
        the channel; the others go back to it.

        With packed slots the array is always over the slots, of a lossy consumer over a copy, and takes no longer the more messages
        there are; it ends where the ring ends. Let it go before the next one: `del`, or leave the function.

        >>> import numpy
        >>> options = {"name": "volts", "capacity": 65536, "packed_slots": True, "payload_capacity": 8}
        >>> consumer, producer = dmxp.create_consumer(**options), dmxp.create_producer(**options)
        >>> producer.send_array(numpy.arange(1000.0))
        1
        >>> float(consumer.recv_array(2000, "f8").sum())
        499500.0

        With `metadata=True` it is a pair: the array, and one with the metadata of each message, whose fields are those of `Metadata`.
        """
    @overload
    def recv_batch(self, count: int, message: None = None, timeout: float | None = None) -> list[_D]:
        """Waits until `count` messages are there and takes them with one atomic claim: a list. It has fewer only where an aborted
        claim divides them, for messages that are delivered again, and at the end of the stream. Otherwise as `recv_up_to`.

        Raises `BatchTooLarge` when there can never be so many.
        """
    @overload
    def recv_batch(self, count: int, message: type[_M], timeout: float | None = None) -> list[_M]: ...
    @overload
    def recv_batch(self, count: int, message: type[Message], timeout: float | None = None) -> list[Message]: ...
    def producers(self) -> int:
        """How many producers the channel has: live handles, of any process; those of dead processes are not counted."""
    def producer_pids(self) -> list[int]:
        """The process ids of the channel's producers, one for each handle, as those processes have them."""
    def wait_for_producers(self, count: int = 1, timeout: float | None = None) -> int:
        """Waits until the channel has at least `count` producers, and returns how many it has. Raises `Timeout`."""
    def stream(self) -> StreamInfo:
        """The channel's newest stream: a `StreamInfo`. A producer that comes to a channel without producers, or to one that was closed, begins
        a stream; one that comes while another lives continues it.

        >>> consumer = dmxp.create_consumer(name="jobs")
        >>> for _ in range(2):
        ...     with dmxp.create_producer(name="jobs") as producer:
        ...         _ = producer.send(b"hello")
        >>> consumer.stream()
        StreamInfo(number=2, first_message=2)
        """
    def close(self) -> None:
        """Ends the stream for everybody: sending fails from now on, consumers drain what is there and then get `Closed`."""
    def detach(self) -> None:
        """Gives this consumer's place up; messages it has lent out stay until they are gone. What is done with the object
        afterwards raises `Detached`.
        """
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> _D: ...
    def __aiter__(self) -> Self: ...
    async def __anext__(self) -> _D:
        """Return a value or raise StopAsyncIteration."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

@final
class Message(Buffer):
    """A message, borrowed in its slot: bytes-like, without a copy.

    The slot goes back to producers when the message and all views of it are gone, or with `release()`. A consumer holds at
    most 8 messages (or batches) at once.

    >>> consumer = dmxp.create_consumer(channel_id=100)
    >>> dmxp.create_producer(channel_id=100).send(b"hello")
    1
    >>> with consumer.recv() as message:
    ...     bytes(message), len(message), message[0], message.metadata.sender_runtime
    (b'hello', 5, 104, 2)
    >>> len(message)
    Traceback (most recent call last):
    ValueError: the message was released
    """
    @property
    def metadata(self) -> Metadata:
        """What came with the message, a `Metadata`."""
    @property
    def released(self) -> bool:
        """Whether the message was released or given back."""
    def release(self) -> None:
        """Hands the slot back to producers. Afterwards the message cannot be read. For a message of a batch this happens when
        all of the batch are released.

        Raises `BufferError` while views of the message exist; of a batch that was received as instances of a class, while any of
        them exists.
        """
    def give_back(self) -> None:
        """Returns the message to the channel, to be delivered again, with `metadata.redelivered` counted up, to whoever comes
        first.

        Raises `BufferError` while views of the message exist, and `dmxp.InvalidArgument` for a message of a batch, which is
        released as a whole.
        """
    @overload
    def view(self, message: type[_M]) -> _M:
        """An instance of a generated class over the slot, without a copy. It keeps the slot. Without an argument, of the class
        the consumer was made with.
        """
    @overload
    def view(self, message: None = None) -> Any: ...
    def numpy(self, dtype: Any = None) -> Any:
        """A read-only one-dimensional numpy array over the slot, without a copy. It keeps the slot. Without `dtype`, that of the
        consumer's message class, and `uint8` on untyped channels.
        """
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def __bytes__(self) -> bytes: ...
    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> memoryview: ...
    def __iter__(self) -> Iterator[int]: ...
    def __eq__(self, other: object) -> bool: ...
    def __buffer__(self, flags: int) -> memoryview: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

@final
class Claim(AbstractContextManager[_V, None]):
    """A slot claimed for writing, to be used with `with`: the message is written in place, published at the end of the block,
    and aborted by an exception.

    The block gets a writable memoryview of as many zero bytes as were asked for, or what stands for an instance of the generated
    class; both lie in the slot. After the block both are cut off, and so is every part of the instance that has got another name: what
    is done with them raises. A message that is not valid is not sent, and raises `InvalidArgument`.

    `fill(message)` writes all of it at once. A claim is a buffer, as what its block gets: a memoryview or array that is made of it
    and is there at the end of the block keeps the message from being sent (`BufferError`).

    >>> producer = dmxp.create_producer(channel_id=100)
    >>> claim = producer.claim(5)
    >>> with claim as slot:
    ...     slot[:] = b"hello"
    >>> claim.message_id
    1
    """
    @property
    def message_id(self) -> int:
        """The id that the message gets."""
    def abort(self) -> None:
        """Gives the slot up; consumers never see the message.

        Raises `BufferError` when views other than that of the `with` block exist; the slot goes with the last of them.
        """
    def fill(self, message: Buffer) -> None:
        """Writes all of the message: from an instance of its class, or from as many bytes as were claimed.

        >>> producer = dmxp.create_producer(channel_id=100)
        >>> claim = producer.claim(5)
        >>> claim.fill(b"hello")
        >>> with claim as slot:
        ...     slot[0] = ord("H")
        >>> bytes(dmxp.create_consumer(channel_id=100).recv())
        b'Hello'
        """
    def __buffer__(self, flags: int) -> memoryview: ...
    def __len__(self) -> int: ...
    def __enter__(self) -> _V: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

@final
class Metadata:
    """What comes with a message besides its payload; a copy, which outlives the message."""
    @property
    def message_id(self) -> int:
        """Position in the channel plus one: unique per channel, increasing."""
    @property
    def timestamp_ns(self) -> int:
        """When it was published, nanoseconds since the Unix epoch."""
    @property
    def channel_id(self) -> int:
        """The channel."""
    @property
    def message_type(self) -> int:
        """Low 32 bits of the sender's schema fingerprint on typed channels, the application's number on others."""
    @property
    def sender_pid(self) -> int:
        """The sender's process id."""
    @property
    def sender_runtime(self) -> int:
        """The sender's language: 1 Rust, 2 Python, 3 C, 4 C++, 5 Go, 6 Node."""
    @property
    def flags(self) -> int:
        """Flag bits of the format; 0 for ordinary messages, 4 for dead letters, 8 for urgent messages."""
    @property
    def payload_len(self) -> int:
        """Bytes of payload."""
    @property
    def redelivered(self) -> int:
        """How often the message was delivered before."""
    @property
    def missed(self) -> int:
        """How many messages this subscriber missed just before it, because it was overrun; on a latest channel, how many were
        replaced before it looked. 0 on queues.
        """
    @property
    def is_dead_letter(self) -> bool:
        """Whether the message was returned too often on the channel that `channel_id` names, and moved to this one. All else here
        is as its sender wrote it.
        """
    @property
    def is_high_priority(self) -> bool:
        """Whether the message was sent as urgent, on a channel with priorities. Then `channel_id` and `message_id` are those of the ring
        for urgent messages.
        """
    def __eq__(self, other: object) -> bool: ...

@final
class Region:
    """A region of shared memory, a file in `/dev/shm`, which holds up to 256 channels.

    `Region(...)` opens it and creates it if there is none. `name` and `dir` default to the environment variables DMXP_REGION
    and DMXP_DIR, and those to `dmxp_alloc` in `/dev/shm`, or `dmxp_alloc-UID` where that is another user's. A region that exists with
    another `size` (bytes, default 128 MiB), `max_processes` (default 256) or `max_handles` (default 1024) than is given is refused with
    `RegionMismatch`, or, with `replace_if_unused`, made anew if no process is attached (`RegionInUse` if one is). With `group_access`, a region that is created can be read and
    written by the group of its file (mode 0660) and not only by its owner (0600), and one that is opened may belong to another
    user if its file is open to a group that this process is in. With `accept_owner`, a uid, it may belong to that user. Otherwise
    it must be this process's own user's, or root's. A region that is created with a `secret`, 16 bytes, is refused to those who
    do not give it as well: a guard against mistakes, not an access control. See docs/SECURITY.md.

    >>> with dmxp.Region("docs-example", size=4 << 20) as region:
    ...     producer = dmxp.create_producer(name="ticks", region=region)
    ...     region.info.size, [channel.name for channel in region.channels()]
    (4194304, ['ticks'])
    >>> dmxp.Region.remove("docs-example", force=True)
    """
    def __new__(
        cls,
        name: str | None = None,
        *,
        dir: str | os.PathLike[str] | None = None,
        size: int | None = None,
        max_processes: int | None = None,
        max_handles: int | None = None,
        group_access: bool = False,
        accept_owner: int | None = None,
        secret: bytes | None = None,
        replace_if_unused: bool = False,
    ) -> Self: ...
    @classmethod
    def open_or_create(
        cls,
        name: str | None = None,
        *,
        dir: str | os.PathLike[str] | None = None,
        size: int | None = None,
        max_processes: int | None = None,
        max_handles: int | None = None,
        group_access: bool = False,
        accept_owner: int | None = None,
        secret: bytes | None = None,
        replace_if_unused: bool = False,
    ) -> Region:
        """Opens a region, and creates it if there is none: what `Region(...)` does."""
    @classmethod
    def create(
        cls,
        name: str | None = None,
        *,
        dir: str | os.PathLike[str] | None = None,
        size: int | None = None,
        max_processes: int | None = None,
        max_handles: int | None = None,
        group_access: bool = False,
        accept_owner: int | None = None,
        secret: bytes | None = None,
    ) -> Region:
        """Creates a region. Raises `RegionExists` when there is one."""
    @classmethod
    def open(
        cls,
        name: str | None = None,
        *,
        dir: str | os.PathLike[str] | None = None,
        group_access: bool = False,
        accept_owner: int | None = None,
        secret: bytes | None = None,
    ) -> Region:
        """Opens a region. Raises `RegionNotFound` when there is none, `InvalidMagic`, `NotARegion` or `Corrupt` when the file
        cannot be used.
        """
    @classmethod
    def wait_for(
        cls,
        name: str | None = None,
        *,
        timeout: float | None = None,
        dir: str | os.PathLike[str] | None = None,
        group_access: bool = False,
        accept_owner: int | None = None,
        secret: bytes | None = None,
    ) -> Region:
        """Opens a region as soon as it exists, which another process makes. Raises `Timeout` after `timeout` seconds, waits as long as it takes
        if that is left out. Sleeps meanwhile.
        """
    @classmethod
    def open_read_only(
        cls,
        name: str | None = None,
        *,
        dir: str | os.PathLike[str] | None = None,
        group_access: bool = False,
        accept_owner: int | None = None,
        secret: bytes | None = None,
    ) -> Region:
        """Opens a region for looking only: nothing is registered or written, and channels can be listed but not opened."""
    @classmethod
    def create_anonymous(
        cls,
        name: str | None = None,
        *,
        size: int | None = None,
        max_processes: int | None = None,
        max_handles: int | None = None,
        secret: bytes | None = None,
    ) -> Region:
        """Creates a region without a name. It lies in no directory: other processes get it by `hand_over`, or by a `descriptor`.
        Nobody can shorten it under its users, and its memory is given back when the last process that has it is gone. `name` is
        only what errors and `/proc` call it.

        >>> region = dmxp.Region.create_anonymous(size=4 << 20)
        >>> region.is_anonymous, dmxp.create_producer(name="ticks", region=region).send(b"hello")
        (True, 1)
        """
    @classmethod
    def attach(
        cls, descriptor: FileDescriptorLike, *, name: str | None = None, secret: bytes | None = None
    ) -> Region:
        """Attaches to a region without a name by a descriptor of it: a number, or an object with `fileno()`. It may be closed
        afterwards.

        Raises `NotARegion` for anything but memory that is sealed against shrinking, growing and further seals.
        """
    @classmethod
    def attach_read_only(
        cls, descriptor: FileDescriptorLike, *, name: str | None = None, secret: bytes | None = None
    ) -> Region:
        """Attaches to a region without a name for looking only, as `open_read_only` does to one that has a name."""
    @classmethod
    def receive(
        cls,
        socket: _socket.socket,
        timeout: float,
        policy: Callable[[PeerCredentials], bool] | None = None,
        *,
        name: str | None = None,
        accept_owner: int | None = None,
        secret: bytes | None = None,
    ) -> Region:
        """Receives the region that the process at the other end of a connected Unix socket hands over, if that runs as the same user,
        as root, or as the user `accept_owner`; or if `policy`, which is called with its `PeerCredentials`, says so. `timeout`,
        in seconds, bounds the whole exchange. After an exception the connection is of no further use.

        Raises `PeerRefused`, `Timeout`, and `HandOver` when the peer closes the connection or speaks of something else.
        """
    @staticmethod
    def remove(
        name: str | None = None,
        *,
        dir: str | os.PathLike[str] | None = None,
        force: bool = False,
        group_access: bool = False,
        accept_owner: int | None = None,
        secret: bytes | None = None,
    ) -> None:
        """Removes a region's file; no new process can join. Handles of attached processes raise `RegionRemoved` when they wait, unless they were
        made with `keep_removed_region`. Raises `RegionInUse` when processes are
        attached, unless `force`.
        """
    @property
    def path(self) -> os.PathLike[str]:
        """The region's file; what errors call it, if it has no name."""
    @property
    def is_anonymous(self) -> bool:
        """Whether the region has no name, and is passed on by descriptor only."""
    @property
    def read_only(self) -> bool:
        """Whether the region was opened for looking only."""
    @property
    def info(self) -> RegionInfo:
        """Size, tables and free space at this moment, a `RegionInfo`."""
    def channels(self) -> list[ChannelInfo]:
        """The channels of the region, by id: a list of `ChannelInfo`."""
    def channel(self, channel: int | str) -> ChannelInfo:
        """The channel with that id or name. Raises `ChannelNotFound`."""
    def wait_for_channel(self, channel: int | str, timeout: float | None = None) -> ChannelInfo:
        """The channel with that id or name as soon as it exists, which another process makes. Raises `Timeout` after `timeout` seconds, waits as
        long as it takes if that is left out. Sleeps meanwhile.

        >>> region = dmxp.Region()
        >>> region.wait_for_channel("ticks", timeout=0)
        Traceback (most recent call last):
            ...
        dmxp.errors.Timeout: timed out
        >>> producer = dmxp.create_producer(name="ticks")  # usually in another process
        >>> region.wait_for_channel("ticks").name
        'ticks'
        """
    @property
    def is_current(self) -> bool:
        """Whether a process that opens the region by its path now finds this one: False when its file was removed, renamed or replaced. A
        region without a name is always current.
        """
    def remove_channel(self, channel: int | str, *, force: bool = False) -> None:
        """Removes the channel with that id or name and gives its space back. Raises `ChannelInUse` while handles are open, and
        `InvalidArgument` while another channel's dead letters go there; with `force` it goes all the same, and their calls raise
        `Removed`.
        """
    def recover(self, *, dry_run: bool = False, force: bool = False) -> Recovery:
        """Repairs at once, for the whole region, what dead processes left, and says what it found: a `Recovery`. Processes that wait
        do the same for their channel, within 100 ms; this is for those who want to know, or to see a region clean.

        `dry_run` changes nothing and reports what would be done. `force` also repairs positions that are claimed and that no
        handle explains: what programs left that know only the v1 format. Nobody can tell whether such a program is dead; whoever
        forces says that none of them is running, or its message is taken from under it.

        >>> print(dmxp.Region().recover(dry_run=True))
        nothing to recover

        Raises `ReadOnly`, `Forked` and `Evicted`, and `ManagementLockBusy` after ten seconds.
        """
    def blockages(self) -> list[Blockage]:
        """Who waits for whom, on every channel, at this moment: a list of `Blockage`, the positions that keep producers or consumers
        from going on, who holds them, and who waits. Only looks, and works on a region opened read-only.

        A claim or a message that a living process holds is waited for, however long; this names it. That of a dead one is here
        for as long as it takes somebody who waits to notice.

        >>> producer = dmxp.create_producer(name="bytes")
        >>> claim = producer.claim(8)  # claimed, and not published
        >>> [blockage] = dmxp.Region().blockages()
        >>> blockage.name, blockage.blocked, blockage.obstacle, blockage.holder.state
        ('bytes', 'consumers', 'writing', 'running')
        """
    def statistics(self) -> list[ChannelStatistics]:
        """What happened on each channel since it was made, and what each open handle did: a list of `ChannelStatistics`, by id. Always
        counted, and read without stopping anybody; works on a region opened read-only.

        >>> producer = dmxp.create_producer(name="log", capacity=4)
        >>> consumer = dmxp.create_consumer(name="log")
        >>> for line in [b"one", b"three"]:
        ...     _ = producer.send(line)
        >>> consumer.receive().release()
        >>> [log] = dmxp.Region().statistics()
        >>> log.sent, log.sent_bytes, log.received, log.received_bytes
        (2, 8, 1, 3)
        >>> log.utilisation  # one message in four slots
        0.25
        >>> [(handle.role, handle.messages) for handle in log.handles]
        [('producer', 2), ('consumer', 1)]

        A handle's counts stay when it is closed or its process killed. A process that is killed in the middle of a call may have
        published or released messages of that call and not counted them; one that is killed while it opens a handle may lose one
        number of the ended handle whose place it takes.

        Raises `Corrupt`.
        """
    def peek(self, channel: int | str, *, start: _Start | None = None, limit: int = 100) -> Peek:
        """Copies the messages that are on the channel with that id or name, without consuming any: a `Peek`. Each is whole, and comes with
        metadata, position and state. It begins at the `start`: "oldest"; "newest", going back; or at a position, the `next` of an earlier
        call. Of a channel with priorities, urgent messages come first; from a position on there are none.

        >>> producer = dmxp.create_producer(name="log")
        >>> for line in [b"one", b"two", b"three"]:
        ...     _ = producer.send(line)
        >>> found = dmxp.Region.open_read_only().peek("log", limit=2)
        >>> found.messages
        [Peeked(position=0, state="waiting", payload=b'one'), Peeked(position=1, state="waiting", payload=b'two')]
        >>> [rest] = dmxp.Region().peek("log", start=found.next).messages
        >>> bytes(rest), rest.metadata.message_id
        (b'three', 3)

        Changes nothing, waits for nobody, and works on a region opened read-only. What a call does is bounded by the limit, and by
        131,072 slots looked at in each ring. Raises `ChannelNotFound` and `Corrupt`.
        """
    def channel_statistics(self, channel: int | str) -> ChannelStatistics:
        """The statistics of the channel with that id or name: one of those that `statistics` gives. Raises `ChannelNotFound`.

        >>> producer = dmxp.create_producer(name="log", capacity=2)
        >>> while producer.try_send(b"line") < 2:
        ...     pass
        >>> producer.try_send(b"one too many")
        Traceback (most recent call last):
            ...
        dmxp.errors.Full: the channel is full
        >>> dmxp.Region().channel_statistics("log").refused
        1
        """
    def hand_over(
        self, socket: _socket.socket, timeout: float, policy: Callable[[PeerCredentials], bool] | None = None
    ) -> None:
        """Hands this region, which has no name, to the process at the other end of a connected Unix socket, if that runs as the same
        user or as root; or if `policy`, which is called with its `PeerCredentials`, says so. The other end calls `Region.receive`.
        Returns when it has attached. `timeout`, in seconds, bounds the whole exchange. After an exception the peer may have the
        region all the same, and the connection is of no further use.

        >>> import socket, threading
        >>> ours, theirs = socket.socketpair()
        >>> region = dmxp.Region.create_anonymous(size=4 << 20)
        >>> with ours, theirs:
        ...     giver = threading.Thread(target=region.hand_over, args=(ours, 10))
        ...     giver.start()
        ...     dmxp.Region.receive(theirs, 10).info.id == region.info.id
        ...     giver.join()
        True

        Raises `PeerRefused`, `Timeout`, `HandOver` when the peer refuses, closes the connection or speaks of something else, and
        `InvalidArgument` when the region has a name.
        """
    def descriptor(self) -> int:
        """A new file descriptor of this region, which has no name: to be inherited by another process (`pass_fds` of `subprocess`)
        or sent to one, and closed with `os.close`. Whoever has it can read and write the region.

        Raises `InvalidArgument` when the region has a name, and `ReadOnly`.
        """
    def detach(self) -> None:
        """Gives the region up, as far as this object holds it: its producers and consumers keep working."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

@final
class RegionInfo:
    """Numbers of a region at one moment."""
    @property
    def path(self) -> os.PathLike[str]:
        """Its file."""
    @property
    def size(self) -> int:
        """Bytes in all."""
    @property
    def id(self) -> int:
        """128 random bits that no other region has."""
    @property
    def control_size(self) -> int:
        """Bytes of the control area, part of `size`."""
    @property
    def free(self) -> int:
        """Bytes free for channels."""
    @property
    def largest_free(self) -> int:
        """The longest free run: the largest channel that fits."""
    @property
    def channels(self) -> int:
        """Active channels."""
    @property
    def processes(self) -> int:
        """Processes attached."""
    @property
    def max_processes(self) -> int:
        """Places for attached processes."""
    @property
    def handles(self) -> int:
        """Producers and consumers open."""
    @property
    def max_handles(self) -> int:
        """Places for producers and consumers."""

@final
class ChannelInfo:
    """A channel at one moment."""
    @property
    def id(self) -> int:
        """Its number, 0 to 255."""
    @property
    def name(self) -> str | None:
        """Its name, if it has one."""
    @property
    def capacity(self) -> int:
        """Slots: messages it holds at most."""
    @property
    def payload_capacity(self) -> int:
        """Bytes of payload that a slot holds."""
    @property
    def slot_size(self) -> int:
        """Bytes from one slot to the next: 1,088, or fewer where slots are compact."""
    @property
    def bytes(self) -> int:
        """Bytes of the region it takes."""
    @property
    def schema(self) -> str | None:
        """The message type in its one-line form; None on untyped channels."""
    @property
    def delivery(self) -> _Delivery:
        """Who gets a message: one of the consumers ("queue"), all of them ("broadcast"), or whoever looks the newest ("latest")."""
    @property
    def single_producer(self) -> bool:
        """Whether a broadcast or latest channel has one producer at a time."""
    @property
    def lossy_subscribers(self) -> bool:
        """Whether it admits subscribers that may be overrun."""
    @property
    def timestamps(self) -> bool:
        """Whether messages bear the time of their publication."""
    @property
    def v1_peers(self) -> bool:
        """Made to be shared with programs that know only the v1 format."""
    @property
    def checksums(self) -> bool:
        """Each message carries a CRC-32."""
    @property
    def tail(self) -> int:
        """Positions claimed by producers since the channel was made."""
    @property
    def head(self) -> int:
        """Positions claimed by consumers since the channel was made; on a broadcast channel, the lowest that a reliable subscriber
        needs, or the tail if there is none, as on a latest one.
        """
    @property
    def dead_consumers(self) -> _DeadConsumers:
        """What happens to the messages that a consumer held when it died: "deliver_again" or "drop"."""
    @property
    def redelivery_limit(self) -> int:
        """How often a message is delivered again at most."""
    @property
    def dead_letters(self) -> str | None:
        """Name of the channel for messages that were returned more often, if there is one. It may have been removed."""
    @property
    def expiry(self) -> float | None:
        """Age in seconds beyond which a message is not delivered; None where messages do not expire."""
    @property
    def expired(self) -> int:
        """Messages that expired before a consumer had them. One may be counted twice if the process that skips it dies at it."""
    @property
    def high_id(self) -> int | None:
        """Where the channel has priorities, the number of the ring for urgent messages, of which `Region.channel` tells. All else here is
        of the ring for the others.
        """
    @property
    def high_of(self) -> int | None:
        """Of which channel this is the ring for urgent messages."""
    @property
    def aborted(self) -> int:
        """Positions claimed by producers that gave up or died, stepped over by consumers."""
    @property
    def redelivered(self) -> int:
        """Deliveries of messages that had been delivered before."""
    @property
    def dropped(self) -> int:
        """Messages that no consumer had to the end: returned more often than the limit and not moved to the dead letters, or held
        by a consumer that died where the policy is to drop them. One may be counted twice if who drops it dies at it.
        """
    @property
    def dead_lettered(self) -> int:
        """Messages moved to the channel for dead letters. One may be moved twice if the process that moves it dies at it."""
    @property
    def recovered(self) -> int:
        """Producers and consumers that died and were swept."""
    @property
    def closed(self) -> bool:
        """The stream has ended."""
    @property
    def removed(self) -> bool:
        """Removed by force while these handles were open."""
    @property
    def created_ns(self) -> int:
        """When it was made, nanoseconds since the Unix epoch."""
    @property
    def creator_pid(self) -> int:
        """Who made it."""
    @property
    def producers(self) -> list[HolderInfo]:
        """Open producers, a list of `HolderInfo`."""
    @property
    def consumers(self) -> list[HolderInfo]:
        """Open consumers, a list of `HolderInfo`."""
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...

@final
class HolderInfo:
    """Somebody who holds a channel open."""
    @property
    def pid(self) -> int:
        """Its process."""
    @property
    def thread(self) -> int:
        """The thread that opened the handle."""
    @property
    def opened_ns(self) -> int:
        """When it was opened, nanoseconds since the Unix epoch."""
    @property
    def state(self) -> Literal["running", "stopped", "dead", "unknown"]:
        """"running"; "stopped" (SIGSTOP, a debugger: alive, and waited for); "dead", and what it left is not yet repaired; or
        "unknown", where the pid does not say: another PID namespace, or no `/proc`.
        """
    @property
    def subscription(self) -> _Subscription | None:
        """How a consumer of a broadcast channel subscribes, "reliable" or "lossy"; None of others. Readers of latest values are lossy."""
    @property
    def position(self) -> int | None:
        """The position from which on a reliable subscriber needs messages; None of others."""
    def __eq__(self, other: object) -> bool: ...

@final
class Recovery:
    """What `Region.recover` found and did, or would do. `str` makes a line of text for each process and channel."""
    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
    @property
    def dry_run(self) -> bool:
        """Nothing was done."""
    @property
    def tables_repaired(self) -> bool:
        """Somebody had died while changing the tables; they were repaired, when the management lock was taken."""
    @property
    def dead_processes(self) -> list[int]:
        """Pids of the processes that died attached, in their own PID namespaces."""
    @property
    def channels(self) -> list[ChannelRecovery]:
        """The channels on which something was found, a list of `ChannelRecovery`."""
    @property
    def removed_channels(self) -> list[int]:
        """Ids of channels removed by force whose last handle was a dead one's: gone now, and their space is free."""
    @property
    def damaged(self) -> list[tuple[int, str]]:
        """Channels that could not be looked at: their ids, each with the reason."""
    def __eq__(self, other: object) -> bool: ...

@final
class ChannelRecovery:
    """What `Region.recover` found on one channel."""
    @property
    def id(self) -> int:
        """Its number, 0 to 255."""
    @property
    def name(self) -> str | None:
        """Its name, if it has one."""
    @property
    def dead_producers(self) -> int:
        """Producers that died."""
    @property
    def dead_consumers(self) -> int:
        """Consumers that died."""
    @property
    def aborted(self) -> int:
        """Claimed and never published positions; consumers step over them."""
    @property
    def returned(self) -> int:
        """Messages that will be delivered again, flagged."""
    @property
    def dropped(self) -> int:
        """Messages dropped: returned too often, or because that is the channel's policy."""
    @property
    def deferred(self) -> int:
        """Producers and consumers that died and cannot be dealt with yet: a living process is in the middle of a claim on the same
        position. Try again; `Region.blockages` names it if it is stopped.
        """
    def __eq__(self, other: object) -> bool: ...

@final
class Blockage:
    """A position of a channel that others cannot get past, and who could change that. `str` says it in words."""
    @property
    def channel_id(self) -> int:
        """The channel's number, 0 to 255."""
    @property
    def name(self) -> str | None:
        """The channel's name, if it has one."""
    @property
    def blocked(self) -> Literal["consumers", "producers"]:
        """Who is kept from going on: "consumers", when the message that comes next was claimed and is not published, or
        "producers", when the slot that comes next is occupied.
        """
    @property
    def position(self) -> int:
        """The position: the id of the message there, or to be there, less one."""
    @property
    def obstacle(self) -> Literal["writing", "reading", "unread", "returned", "subscriber", "unexplained", "other"]:
        """What is the matter with it: "writing", a producer has claimed it; "reading", a consumer has; "unread", a message is there
        that no consumer has claimed: the channel is full; "returned", a message was returned and waits to be taken again;
        "subscriber", a reliable subscriber of a broadcast channel still needs the message there: the slowest, who is `holder`;
        "unexplained", it was claimed and no handle says that it did: a program that knows only v1, alive or not, which
        `Region.recover(force=True)` is for; or "other".
        """
    @property
    def holder(self) -> HolderInfo | None:
        """Who holds the position, a `HolderInfo`; None where nobody of ours does."""
    @property
    def age(self) -> float | None:
        """Seconds that it has been in the way, as far as those who wait have noticed; they look every 40 ms. None when nobody has
        waited for as long as that.
        """
    @property
    def waiters(self) -> list[Waiting]:
        """Those who wait and have slept for 40 ms at least, a list of `Waiting`."""
    def __eq__(self, other: object) -> bool: ...

@final
class Peek:
    """What `Region.peek` found on a channel."""
    @property
    def channel_id(self) -> int:
        """The channel's number, 0 to 255."""
    @property
    def name(self) -> str | None:
        """Its name, if it has one."""
    @property
    def delivery(self) -> _Delivery:
        """Who gets a message: "queue", "broadcast" or "latest"."""
    @property
    def schema(self) -> str | None:
        """The message type in its one-line form, with which the bytes can be decoded; None on untyped channels."""
    @property
    def messages(self) -> list[Peeked]:
        """The messages, by position, urgent ones before all others: a list of `Peeked`."""
    @property
    def overwritten(self) -> int:
        """Messages that are left out because a consumer released them, or a producer overwrote them, while they were copied."""
    @property
    def next(self) -> int:
        """Where to go on, as `start`, to see what is after these messages, also what is sent later: the position after the last that was
        looked at, or, before it, the first that was claimed and not yet published. Of the ring for messages that are not urgent.
        """

@final
class Peeked:
    """A message that was looked at, and is still there. `bytes(peeked)` is its payload."""
    @property
    def position(self) -> int:
        """Its position in its ring."""
    @property
    def urgent(self) -> bool:
        """Whether it lies in the ring for urgent messages."""
    @property
    def state(self) -> Literal["waiting", "returned", "claimed", "expired", "other"]:
        """What becomes of it: "waiting", and on a broadcast or latest channel "waiting" until it is overwritten; "returned", to be delivered
        again, by a consumer that died or gave it back; "claimed" by a consumer of the queue; or "expired", and the next consumer skips it.
        """
    @property
    def metadata(self) -> Metadata:
        """What comes with it, a `Metadata`. `redelivered` says how often it was delivered, and returned, before the delivery that is to come
        or goes on.
        """
    @property
    def payload(self) -> bytes:
        """Its payload, bytes; all that its slot holds where its sender says a length that no slot has."""
    @property
    def intact(self) -> bool:
        """Whether a consumer would accept these bytes: their length is possible, and that of the channel's type, and on a channel with
        checksums theirs is right.
        """
    def __bytes__(self) -> bytes: ...

@final
class ChannelStatistics:
    """What happened on a channel since it was made, by all handles it ever had; see `Region.statistics`.

    Numbers are read one by one while others count: each is right by itself, and when nobody sends or receives they are exact, but for
    what a death loses.
    """
    @property
    def id(self) -> int:
        """The channel's number, 0 to 255."""
    @property
    def name(self) -> str | None:
        """Its name, if it has one."""
    @property
    def capacity(self) -> int:
        """Slots."""
    @property
    def fill(self) -> int:
        """Messages waiting now, among them those claimed and not yet published."""
    @property
    def highest_fill(self) -> int:
        """The most slots that were seen occupied. A producer of a queue looks with every 64th message it sends and each time it finds no
        room; what is there now counts too. A peak between two looks may have been higher, by up to 64 messages (or one batch) of each
        producer.
        """
    @property
    def sent(self) -> int:
        """Messages published."""
    @property
    def sent_bytes(self) -> int:
        """Bytes of payload in them."""
    @property
    def received(self) -> int:
        """Messages that a consumer took off the channel, or let go of on a broadcast or latest channel: counted when the message is
        released, once for each subscriber that had it.
        """
    @property
    def received_bytes(self) -> int:
        """Bytes of payload in them."""
    @property
    def refused(self) -> int:
        """Calls that found no room. One that waits counts at most once, for its first attempt."""
    @property
    def empty(self) -> int:
        """Calls that found no message, counted as `refused`."""
    @property
    def aborted(self) -> int:
        """Positions that producers gave up or died with."""
    @property
    def redelivered(self) -> int:
        """Deliveries of messages that had been delivered before."""
    @property
    def dropped(self) -> int:
        """Messages that no consumer had to the end; see `ChannelInfo.dropped`."""
    @property
    def dead_lettered(self) -> int:
        """Messages moved to the channel for dead letters."""
    @property
    def expired(self) -> int:
        """Messages that expired before a consumer had them."""
    @property
    def recovered(self) -> int:
        """Handles that died and were swept."""
    @property
    def last_error(self) -> LastError | None:
        """The last error that a call of any handle gave, other than full, empty and timed out: a `LastError`, or None."""
    @property
    def handles(self) -> list[HandleStatistics]:
        """The handles that are open now, and dead ones not yet swept: a list of `HandleStatistics`."""
    @property
    def utilisation(self) -> float:
        """How full the channel is: occupied slots to all slots, 0 to 1."""
    @property
    def drop_rate(self) -> float:
        """Which part of the messages that were sent no consumer had or will have: those dropped and those expired to those sent, 0 to 1; 0
        when none was sent. Refused sends are no part of it: their callers know, and may have tried again.
        """

@final
class HandleStatistics:
    """What one open handle did."""
    @property
    def holder(self) -> HolderInfo:
        """Whose it is, a `HolderInfo`."""
    @property
    def role(self) -> Literal["producer", "consumer", "other"]:
        """Which end: "producer" or "consumer"."""
    @property
    def messages(self) -> int:
        """Messages sent, or received."""
    @property
    def bytes(self) -> int:
        """Bytes of payload in them."""
    @property
    def in_vain(self) -> int:
        """Calls that found no room, or no message."""
    @property
    def highest_fill(self) -> int:
        """The most slots that this producer saw occupied; 0 of consumers."""
    @property
    def last_error(self) -> LastError | None:
        """The last error of its calls, other than full, empty and timed out: a `LastError`, or None."""
    def __eq__(self, other: object) -> bool: ...

@final
class LastError:
    """An error that a call of a handle gave, in any language."""
    @property
    def kind(self) -> str:
        """Which, as the name of the exception, such as "Closed"; "Error" for those that are not told apart."""
    @property
    def at_ns(self) -> int:
        """When, nanoseconds since the Unix epoch."""
    def __eq__(self, other: object) -> bool: ...

@final
class WaitSet:
    """Waits for many consumers, producers and file descriptors at once, of any number of regions.

    >>> orders, cancels = (dmxp.create_consumer(name=name, capacity=8) for name in ("orders", "cancels"))
    >>> waiting = dmxp.WaitSet()
    >>> waiting.add(orders)
    >>> waiting.add(cancels)
    >>> dmxp.create_producer(name="cancels").send(b"order 7")
    1
    >>> [consumer.channel_name for consumer in waiting.wait()]
    ['cancels']
    >>> bytes(cancels.receive())
    b'order 7'
    >>> waiting.wait(timeout=0.01)
    []

    That something is ready is a hint: another consumer of the channel may take the message first, so take it with `receive()` or
    `try_recv()`. A member stays ready until it is used, one whose stream has ended until it is removed. A set keeps its members
    alive; one that is detached is in the set no more.
    """
    def __new__(cls) -> Self: ...
    def add(self, member: Producer | Consumer[Any] | FileDescriptorLike) -> None:
        """Adds a consumer, ready when there is a message; a producer, ready when there is room; or a file descriptor, or an object that
        has one (`fileno()`), ready when it can be read; the set has a duplicate of it until it is removed. Threads that wait with the set wait for
        the new member too, at once.

        Raises `InvalidArgument` for what is a member already, `IoError` for descriptors that cannot be waited for, `Detached`, `Forked`.
        """
    def remove(self, member: Producer | Consumer[Any] | FileDescriptorLike) -> None:
        """Takes a member out of the set; threads that wait with it wait for that member no more. Raises `KeyError` when it is none."""
    def wait(self, timeout: float | None = None) -> list[Any]:
        """Waits until a member is ready, forever without `timeout` (seconds), and returns those that are: a list. It is empty when the
        time is over. With a timeout of 0 it only looks.
        """
    def __len__(self) -> int: ...

@final
class Waiting:
    """Somebody who waits at a `Blockage`."""
    @property
    def who(self) -> HolderInfo:
        """Who, a `HolderInfo`."""
    @property
    def since(self) -> float:
        """For how long, in seconds."""
    def __eq__(self, other: object) -> bool: ...

@final
class PeerCredentials:
    """The process at the other end of a Unix socket, as the kernel wrote it down when the two were connected: it who connected or
    listened, or who made the pair of sockets, even if another process has the socket now.

    >>> import os, socket
    >>> ours, theirs = socket.socketpair()
    >>> with ours, theirs:
    ...     dmxp.PeerCredentials.of(ours).pid == os.getpid()
    True
    """
    @staticmethod
    def of(socket: _socket.socket) -> PeerCredentials:
        """Those of the other end of a connected Unix socket."""
    @property
    def pid(self) -> int:
        """Its process id; 0 if it lies in a PID namespace that this process cannot see."""
    @property
    def uid(self) -> int:
        """Its effective user id."""
    @property
    def gid(self) -> int:
        """Its effective group id."""
    @property
    def is_same_user(self) -> bool:
        """Whether it runs as this process's effective user, or as root."""
    def __eq__(self, other: object) -> bool: ...
