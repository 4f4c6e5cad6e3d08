"""Messages are looked at without being consumed, and received without their type."""

import ctypes
import time
import unittest

import dmxp
from support import PATIENCE, RegionCase, Tick, run, start


class Peeking(RegionCase):
    def setUp(self):
        super().setUp()
        self.region = dmxp.Region(size=8 << 20)
        self.looking = dmxp.Region.open_read_only()

    def test_what_is_looked_at_stays_and_is_what_the_consumer_gets(self):
        producer = dmxp.create_producer(name="words", channel_id=3, capacity=8)
        consumer = dmxp.create_consumer(name="words")
        words = [b"one", b"two", b"", b"four"]
        for word in words:
            producer.send(word)
        for channel in [3, "words"]:
            for region in [self.region, self.looking]:
                found = region.peek(channel)
                self.assertEqual([bytes(message) for message in found.messages], words)
        self.assertEqual((found.channel_id, found.name, found.delivery, found.schema), (3, "words", "queue", None))
        self.assertEqual((found.overwritten, found.next), (0, 4))
        self.assertEqual(repr(found), 'Peek(channel_id=3, name="words", messages=4, overwritten=0, next=4)')
        for position, (peeked, word) in enumerate(zip(found.messages, words)):
            with consumer.receive() as message:
                self.assertEqual(bytes(message), word)
                self.assertEqual(peeked.metadata, message.metadata)
            self.assertEqual((peeked.position, peeked.state, peeked.payload), (position, "waiting", word))
            self.assertEqual((peeked.intact, peeked.urgent), (True, False))
        self.assertEqual(self.looking.peek("words").messages, [])

    def test_it_says_what_becomes_of_a_message(self):
        producer = dmxp.create_producer(name="words", capacity=8, expiry=0.2, priorities=True)
        consumer = dmxp.create_consumer(name="words")
        for word in [b"held", b"returned", b"left"]:
            producer.send(word)
        held = consumer.receive()
        consumer.receive().give_back()

        def seen():
            return [(bytes(message), message.state) for message in self.looking.peek("words").messages]

        self.assertEqual(seen(), [(b"held", "claimed"), (b"returned", "returned"), (b"left", "waiting")])
        self.assertEqual([message.metadata.redelivered for message in self.looking.peek("words").messages], [0, 1, 0])
        time.sleep(0.25)
        producer.high.send(b"now")
        now, *others = self.looking.peek("words").messages
        self.assertEqual((bytes(now), now.urgent, now.metadata.is_high_priority), (b"now", True, True))
        states = [(bytes(message), message.state) for message in others]
        self.assertEqual(states, [(b"held", "claimed"), (b"returned", "expired"), (b"left", "expired")])
        held.release()

    def test_it_begins_and_ends_where_it_is_told(self):
        producer = dmxp.create_producer(name="numbers", capacity=16)
        for number in range(10):
            producer.send(b"%d" % number)

        def seen(**options):
            return [int(bytes(message)) for message in self.looking.peek("numbers", **options).messages]

        self.assertEqual(seen(limit=3), [0, 1, 2])
        self.assertEqual(seen(start="oldest", limit=3), [0, 1, 2])
        self.assertEqual(seen(start="newest", limit=3), [7, 8, 9])
        self.assertEqual(seen(start=8), [8, 9])
        self.assertEqual(seen(limit=0), [])
        found, start = [], None
        while page := self.looking.peek("numbers", start=start, limit=3):
            if not page.messages:
                break
            found += [message.position for message in page.messages]
            start = page.next
        self.assertEqual(found, list(range(10)))
        with self.assertRaises(dmxp.InvalidArgument):
            seen(start="middle")
        for wrong in [-1, 1.5, b"oldest"]:
            with self.assertRaises(TypeError):
                seen(start=wrong)
        for channel in [99, 256, "nobody's"]:
            with self.assertRaises(dmxp.ChannelNotFound):
                self.looking.peek(channel)
        with self.assertRaises(TypeError):
            self.looking.peek(None)

    def test_messages_of_a_type_come_with_their_schema(self):
        producer = dmxp.create_producer(name="ticks", message=Tick, delivery="broadcast")
        for price in [1.5, 2.5]:
            producer.send(Tick(side=1, price=price))
        found = self.looking.peek("ticks")
        self.assertEqual((found.schema, found.delivery), (Tick.SCHEMA, "broadcast"))
        self.assertEqual([Tick.from_buffer_copy(message.payload).price for message in found.messages], [1.5, 2.5])
        # An old message stays until it is overwritten.
        self.assertEqual(len(self.looking.peek("ticks").messages), 2)

    def test_a_consumer_without_the_type_receives_and_learns_it(self):
        producer = dmxp.create_producer(name="ticks", message=Tick)
        producer.send(Tick(side=1, price=99.5))
        producer.send(Tick(side=1, price=98.5))
        # Another process, which has no such class.
        receiver = """
consumer = dmxp.create_consumer(name="ticks", open_only=True)
with consumer.receive() as message:
    print(bytes(message).hex(), message.metadata.payload_len)
print(dmxp.Region().channel("ticks").schema)
try:
    dmxp.create_producer(name="ticks", open_only=True)
except dmxp.ChannelMismatch as error:
    print("untyped bytes was asked for" in str(error))
"""
        said = run(receiver).splitlines()
        size = ctypes.sizeof(Tick)
        self.assertEqual(said, [f"{bytes(Tick(side=1, price=99.5)).hex()} {size}", Tick.SCHEMA, "True"])
        # And one here, asked for the class when a message comes.
        consumer = dmxp.create_consumer(name="ticks")
        self.assertIsNone(consumer.message)
        self.assertEqual(consumer.receive(Tick).price, 98.5)

    def test_it_looks_beside_a_sender_in_another_process(self):
        consumer = dmxp.create_consumer(name="numbers", capacity=4)
        sender = """
producer = dmxp.create_producer(name="numbers")
for number in range(20000):
    producer.send(b"%d" % number * 50, timeout=60)
"""
        with start(sender) as peer:
            seen = 0
            for number in range(20000):
                if number % 4 == 0:
                    for message in self.looking.peek("numbers").messages:
                        self.assertEqual(message.payload, b"%d" % message.position * 50)
                        seen += 1
                with consumer.recv(timeout=PATIENCE) as message:
                    self.assertEqual(bytes(message), b"%d" % number * 50)
            self.assertGreater(seen, 0)
            self.assertEqual(peer.wait(PATIENCE), 0)


if __name__ == "__main__":
    unittest.main()
