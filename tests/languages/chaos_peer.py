"""The Python worker of the chaos tests; see README.md."""

import os
import random
import struct
import sys
import time

import dmxp
from numbered import Numbered

# Seconds.
PATIENCE = 60
# Messages that one call sends or receives.
MOST = 4

MASK = 2**64 - 1
NOBODY = MASK
# Stands in a ledger where a producer does, for a call that may copy as many messages as the number says.
CALL = MASK - 1

# The same in the ledgers of broadcast and latest channels.
SUBSCRIBED, SENDING, MISSED, TORN, NOTHING = (MASK - k for k in range(5))


def check_of(producer, number):
    """What `check` holds in message `number` of `producer`."""
    mixed = (producer << 13 | producer >> 51) & MASK ^ number
    return [mixed ^ k for k in range(6)]


def fill(message, producer, number):
    message.producer = producer
    message.number = number
    message.check[:] = check_of(producer, number)


class Ledger:
    """A file of entries. A process that is killed leaves all entries of a call, or none: they are written by one write(2)."""

    def __init__(self, path):
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)

    def write(self, *entries):
        os.write(self.descriptor, b"".join(struct.pack("<3Q", *entry) for entry in entries))


class Worker:
    def __init__(self, region, channel, name, ledger):
        self.region = dmxp.Region.open(region)
        self.channel = channel
        self.name = int(name)
        self.path = ledger
        self.ledger = Ledger(ledger)
        self.random = random.Random(self.name)

    def pause(self):
        time.sleep(self.random.randrange(400) / 1e6)

    def drawn(self, modes, mode):
        """The mode that was asked for, or another one for each call."""
        if mode is not None:
            return modes[mode]
        return self.random.choice(list(modes.values()))

    # Producers. Each way to send takes the number that comes next, and returns how many messages it has sent.

    def chaos_produce(self, mode=None):
        producer = dmxp.create_producer(name=self.channel, message=Numbered, region=self.region)
        modes = {"single": self.send_single, "batch": self.send_batch, "claim-held": self.send_claim_held}
        following = 0
        while True:
            count = self.drawn(modes, mode)(producer, following)
            for number in range(following, following + count):
                self.ledger.write((self.name, number, 0))
            following += count

    def message(self, number):
        message = Numbered()
        fill(message, self.name, number)
        return message

    def send_single(self, producer, number):
        producer.send(self.message(number), timeout=PATIENCE)
        return 1

    def send_batch(self, producer, number):
        count = self.random.randint(1, MOST)
        producer.send_batch([self.message(number + k) for k in range(count)], timeout=PATIENCE)
        return count

    def send_claim_held(self, producer, number):
        with producer.claim(timeout=PATIENCE) as slot:
            fill(slot, self.name, number)
            self.pause()
        return 1

    # Consumers. All but `copying` write a message down before they let go of it; a message is let go of when no view of it is left.

    def chaos_consume(self, mode=None):
        consumer = dmxp.create_consumer(name=self.channel, message=Numbered, region=self.region)
        modes = {
            "single": self.receive_single,
            "batch": self.receive_batch,
            "borrow-held": self.receive_borrow_held,
        }
        # Loses what it has copied and not written down when it is killed: only where it was asked for.
        if mode == "copying":
            modes = {mode: self.receive_copies}
        while True:
            self.drawn(modes, mode)(consumer)

    def write(self, message, redelivered):
        if list(message.check) != check_of(message.producer, message.number):
            self.ledger.write((NOBODY, NOBODY, 0))
            sys.exit(f"torn: {message.producer} {message.number} {list(message.check)}")
        self.ledger.write((message.producer, message.number, redelivered))

    def receive_single(self, consumer):
        with consumer.recv(dmxp.Message, timeout=PATIENCE) as borrowed:
            message = borrowed.view(Numbered)
            self.write(message, borrowed.metadata.redelivered)
            # Leaving the block releases the slot, which no view may outlive.
            del message

    def receive_batch(self, consumer):
        for message in consumer.recv_up_to(self.random.randint(1, MOST), timeout=PATIENCE):
            self.write(message, dmxp.message_of(message).metadata.redelivered)

    def receive_borrow_held(self, consumer):
        message = consumer.recv(timeout=PATIENCE)
        self.pause()
        self.write(message, dmxp.message_of(message).metadata.redelivered)

    def receive_copies(self, consumer):
        most = self.random.randint(1, MOST)
        self.ledger.write((CALL, most, 0))
        copies = []
        for borrowed in consumer.recv_up_to(most, dmxp.Message, timeout=PATIENCE):
            with borrowed:
                copies.append((Numbered.from_buffer_copy(borrowed), borrowed.metadata.redelivered))
        # Time to be killed in.
        self.pause()
        for message, redelivered in copies:
            self.write(message, redelivered)

    # Broadcast and latest channels. Each way to send takes the number that comes next, and returns the id of its first message and
    # how many there are.

    def chaos_publish(self):
        producer = dmxp.create_producer(name=self.channel, message=Numbered, region=self.region, open_only=True)
        ways = (self.publish_one, self.publish_batch, self.publish_claim, self.publish_beside_aborted, self.publish_late)
        following = 0
        while True:
            self.ledger.write((SENDING, 0, time.monotonic_ns()))
            first, count = self.random.choice(ways)(producer, following)
            self.ledger.write(*((self.name, following + k, first + k) for k in range(count)))
            following += count

    def publish_one(self, producer, number):
        return producer.send(self.message(number), timeout=PATIENCE), 1

    def publish_batch(self, producer, number):
        count = self.random.randint(1, MOST)
        return producer.send_batch([self.message(number + k) for k in range(count)], timeout=PATIENCE), count

    def publish_claim(self, producer, number):
        claim = producer.claim(timeout=PATIENCE)
        with claim as slot:
            fill(slot, self.name, number)
            self.pause()
        return claim.message_id, 1

    def publish_beside_aborted(self, producer, number):
        producer.claim(timeout=PATIENCE).abort()
        return self.publish_one(producer, number)

    def publish_late(self, producer, number):
        self.pause()
        return self.publish_one(producer, number)

    # Subscribers. A message is written down before it is let go of. Borrowed messages lie in the slot, for reliable ones; instances of
    # the class are copies.

    def chaos_subscribe(self, policy):
        last = last_received(self.path)
        options, start = {}, None
        if policy != "latest":
            options["subscription"] = policy
        if policy == "reliable" and last is not None:
            # The message after the last one: its position is the last one's id.
            options["start"] = start = last
        consumer = dmxp.create_consumer(
            name=self.channel, message=Numbered, region=self.region, open_only=True, **options
        )
        self.ledger.write((SUBSCRIBED, MASK if start is None else start, time.monotonic_ns()))
        ways = (self.follow_batch, self.follow_batch, self.follow_one, self.follow_held, self.follow_two)
        self.seen = last is not None
        while True:
            way = self.look if policy == "latest" else self.random.choice(ways)
            way(consumer, self.random.choice((dmxp.Message, Numbered)))

    def note(self, *received):
        entries = []
        for message in received:
            if isinstance(message, dmxp.Message):
                metadata = message.metadata
                producer, number, *check = memoryview(message).cast("Q")
            else:
                metadata = dmxp.message_of(message).metadata
                producer, number, check = message.producer, message.number, list(message.check)
            if metadata.missed > 0:
                entries.append((MISSED, metadata.missed, 0))
            is_whole = check == check_of(producer, number)
            entries.append((producer, number, metadata.message_id) if is_whole else (TORN, 0, 0))
        self.ledger.write(*entries)

    def follow_batch(self, consumer, what):
        batch = consumer.recv_up_to(self.random.randint(1, 4 * MOST), what, timeout=PATIENCE)
        if self.random.randrange(4) == 0:
            self.pause()
        self.note(*batch)

    def follow_one(self, consumer, what):
        self.note(consumer.recv(what, timeout=PATIENCE))

    def follow_held(self, consumer, what):
        message = consumer.recv(what, timeout=PATIENCE)
        self.pause()
        self.note(message)

    def follow_two(self, consumer, what):
        first = consumer.recv(what, timeout=PATIENCE)
        try:
            second = consumer.try_recv(what)
        except (dmxp.Empty, dmxp.Closed):
            second = None
        self.pause()
        self.note(first)
        if second is not None:
            self.note(second)
            # Let go of in the other order.
            del second

    def look(self, consumer, what):
        if self.random.randrange(3) == 0:
            message = consumer.newest(what)
            if message is None:
                if self.seen:
                    self.ledger.write((NOTHING, 0, 0))
                return
        else:
            message = consumer.recv(what, timeout=PATIENCE)
        self.seen = True
        self.pause()
        self.note(message)


def last_received(path):
    """The id of the last message in a ledger; None if there is none."""
    with open(path, "rb") as ledger:
        entries = ledger.read()
    for at in range(len(entries) - 24, -1, -24):
        first, _, third = struct.unpack_from("<3Q", entries, at)
        if first < NOTHING:
            return third
    return None


if __name__ == "__main__":
    region, channel, command, name, ledger, *mode = sys.argv[1:]
    try:
        getattr(Worker(region, channel, name, ledger), command.replace("-", "_"))(*mode)
    except dmxp.Closed:
        # The test has had enough.
        pass
