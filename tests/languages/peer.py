"""The Python peer of the tests; see README.md."""

import ctypes
import hashlib
import sys

import dmxp
import drawn
from every_kind import EveryKind, Shape
from numbered import Numbered
from order import Order

# Seconds.
PATIENCE = 60


class Digest:
    def __init__(self):
        self.hash = hashlib.sha256()

    def add(self, message):
        self.hash.update(memoryview(message).nbytes.to_bytes(4, "little"))
        self.hash.update(message)

    def print(self):
        print(self.hash.hexdigest())


def fill(message, fields):
    """Sets every field by its name."""
    for name, value in fields.items():
        if name == "shape":
            message.shape.set(*value)
        elif name == "shapes":
            for shape, stored in zip(message.shapes, value):
                shape.set(*stored)
        elif name == "matrix":
            for row, numbers in zip(message.matrix, value):
                row[:] = numbers
        else:
            setattr(message, name, value)


SCALARS = frozenset((bool, bytes, float, int, str, type(None)))


def plain(value):
    """A value that compares by what it says: ctypes instances compare by where they are."""
    if type(value) in SCALARS:
        return value
    if isinstance(value, Shape):
        return plain((value.kind, value.value))
    if isinstance(value, (ctypes.Array, list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, ctypes.Structure):
        # Names with an underscore are raw storage, for which there is a property.
        return [plain(getattr(value, name.removeprefix("_"))) for name, _ in value._fields_]
    return value


class Peer:
    def __init__(self, region, channel):
        self.region = dmxp.Region.open(region)
        self.channel = channel

    def producer(self, message=None, channel=None):
        return dmxp.create_producer(name=channel or self.channel, message=message, region=self.region)

    def consumer(self, message=None):
        return dmxp.create_consumer(name=self.channel, message=message, region=self.region)

    def produce(self, count, seed):
        digest = Digest()
        with self.producer() as producer:
            for i in range(int(count)):
                payload = drawn.payload(int(seed), i)
                digest.add(payload)
                if i % 2 == 0:
                    producer.send(payload, timeout=PATIENCE)
                else:
                    with producer.claim(len(payload), timeout=PATIENCE) as slot:
                        slot[:] = payload
        digest.print()

    def consume(self, count, **options):
        digest = Digest()
        with dmxp.create_consumer(name=self.channel, region=self.region, **options) as consumer:
            for _ in range(int(count)):
                with consumer.recv(timeout=PATIENCE) as message:
                    digest.add(message)
        digest.print()

    def follow(self, count):
        self.consume(count, start=0)

    def oversize(self):
        payload = bytes(961)
        with self.producer() as producer:
            for send in (
                lambda: producer.send(payload, timeout=0),
                lambda: producer.send_batch([b"1", payload], timeout=0),
                lambda: producer.claim(len(payload), timeout=0),
            ):
                refused(send, dmxp.PayloadTooLarge)

    def send_every_kind(self, count, seed):
        digest = Digest()
        with self.producer(EveryKind) as producer:
            for i in range(int(count)):
                fields = drawn.Draws(int(seed), i).every_kind()
                if i % 2 == 0:
                    message = EveryKind()
                    fill(message, fields)
                    digest.add(message)
                    producer.send(message, timeout=PATIENCE)
                else:
                    with producer.claim(timeout=PATIENCE) as slot:
                        fill(slot, fields)
                        digest.add(slot)
        digest.print()

    def receive_every_kind(self, count, seed):
        digest = Digest()
        with self.consumer(EveryKind) as consumer:
            for i in range(int(count)):
                fields = drawn.Draws(int(seed), i).every_kind()
                message = consumer.recv(timeout=PATIENCE)
                for name, value in fields.items():
                    found = plain(getattr(message, name))
                    if found != plain(value):
                        sys.exit(f"message {i}: {name} is {found}, not {plain(value)}")
                digest.add(message)
                del message
        digest.print()

    def follow_numbered(self, how):
        options = {} if how == "latest" else {"subscription": how, "start": 0}
        received, expected, before = 0, 0, None
        with dmxp.create_consumer(name=self.channel, message=Numbered, region=self.region, **options) as consumer:
            while True:
                try:
                    message = consumer.recv(timeout=PATIENCE)
                except dmxp.Closed:
                    break
                metadata = dmxp.message_of(message).metadata
                number = metadata.message_id - 1
                # The first look at a latest value misses nothing.
                gap = number != expected + metadata.missed and not (how == "latest" and received == 0)
                if gap or not is_whole(message, number):
                    sys.exit(f"message {number} after {expected} is not what was sent")
                # The one before is held until now, and is still what it was.
                if before is not None and not is_whole(before, expected - 1):
                    sys.exit(f"message {expected - 1} changed while it was held")
                before, expected, received = message, number + 1, received + 1
            print(received, consumer.missed, expected)

    def answer_order(self, answers):
        with self.consumer(Order) as consumer, self.producer(Order, answers) as producer:
            order = consumer.recv(timeout=PATIENCE)
            print(f"{order.price:g} {order.quantity} {int(order.side)}")
            with producer.claim(timeout=PATIENCE) as answer:
                answer.price = order.price + 1
                answer.quantity = order.quantity + 1
                answer.side = order.side

    def open_order(self):
        refused(lambda: self.producer(Order), dmxp.SchemaMismatch)
        refused(lambda: self.consumer(Order), dmxp.SchemaMismatch)

    def receive_numbered(self, count):
        expected = 0
        with self.consumer(Numbered) as consumer:
            while expected < int(count):
                batch = consumer.recv_up_to(256, timeout=PATIENCE)
                for message in batch:
                    if message.producer != 0 or message.number != expected or message.check[5] != expected ^ 5:
                        sys.exit(f"{message} in place of number {expected}")
                    expected += 1
                del batch, message
        print(expected)


def is_whole(message, number):
    return (message.producer, message.number, *message.check) == (0, number, *(number ^ k for k in range(6)))


def refused(action, error):
    try:
        action()
    except error as refusal:
        print(refusal)
    else:
        sys.exit("not refused")


if __name__ == "__main__":
    region, channel, command, *arguments = sys.argv[1:]
    getattr(Peer(region, channel), command.replace("-", "_"))(*arguments)
