"""The Python worker of the chaos test; see README.md."""

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


def check_of(producer, number):
    """What `check` holds in message `number` of `producer`."""
    mixed = (producer << 13 | producer >> 51) & MASK ^ number
    return [mixed ^ k for k in range(6)]


def fill(message, producer, number):
    message.producer = producer
    message.number = number
    message.check[:] = check_of(producer, number)


class Ledger:
    """A file of entries, each of them written by one write(2): who is killed leaves all of an entry, or nothing."""

    def __init__(self, path):
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)

    def write(self, producer, number, redelivered):
        os.write(self.descriptor, struct.pack("<3Q", producer, number, redelivered))


class Worker:
    def __init__(self, region, channel, name, ledger):
        self.region = dmxp.Region.open(region)
        self.channel = channel
        self.name = int(name)
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
                self.ledger.write(self.name, number, 0)
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
            self.ledger.write(NOBODY, NOBODY, 0)
            sys.exit(f"torn: {message.producer} {message.number} {list(message.check)}")
        self.ledger.write(message.producer, message.number, redelivered)

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
        self.ledger.write(CALL, most, 0)
        copies = []
        for borrowed in consumer.recv_up_to(most, dmxp.Message, timeout=PATIENCE):
            with borrowed:
                copies.append((Numbered.from_buffer_copy(borrowed), borrowed.metadata.redelivered))
        # Time to be killed in.
        self.pause()
        for message, redelivered in copies:
            self.write(message, redelivered)


if __name__ == "__main__":
    region, channel, command, name, ledger, *mode = sys.argv[1:]
    commands = {"chaos-produce": Worker.chaos_produce, "chaos-consume": Worker.chaos_consume}
    try:
        commands[command](Worker(region, channel, name, ledger), *mode)
    except dmxp.Closed:
        # The test has had enough.
        pass
