"""The calls of the package, on one thread."""

import array
import ctypes
import mmap
import os
import random
import time
import unittest

import dmxp
from support import EveryKind, Order, RegionCase, Side, Tick, run


class Bytes(RegionCase):
    def test_the_published_calls(self):
        dmxp.create_producer(channel_id=100).send(b"hello")
        self.assertEqual(dmxp.create_consumer(channel_id=100).receive(), b"hello")

    def test_receive_answers_none_when_there_is_nothing(self):
        producer, consumer = self.pair()
        self.assertIsNone(consumer.receive())
        with self.assertRaises(dmxp.Empty):
            consumer.try_recv()
        producer.send(b"")
        message = consumer.receive()
        self.assertEqual(bytes(message), b"")
        self.assertTrue(message)

    def test_bytes_are_exact_for_every_size(self):
        producer, consumer = self.pair(capacity=16)
        draw = random.Random(7)
        for size in [0, 1, 47, 48, 63, 64, 959, 960]:
            for _ in range(50):
                payload = draw.randbytes(size)
                producer.send(payload)
                with consumer.receive() as message:
                    self.assertEqual(bytes(message), payload)
                    self.assertEqual(len(message), size)
                    self.assertEqual(message.metadata.payload_len, size)

    def test_bytes_are_exact_between_processes(self):
        sizes = [0, 1, 47, 48, 63, 64, 959, 960]
        producer, _ = self.pair(capacity=1024)
        draw = random.Random(11)
        payloads = [draw.randbytes(size) for size in sizes]
        for payload in payloads:
            producer.send(payload)
        producer.close()
        received = run("for message in dmxp.create_consumer(channel_id=1): print(bytes(message).hex())")
        self.assertEqual(received.split("\n")[:-1], [payload.hex() for payload in payloads])

    def test_961_bytes_are_refused_with_the_limit(self):
        producer, consumer = self.pair(capacity=4)
        for send in [
            lambda: producer.send(bytes(961)),
            lambda: producer.try_send(bytes(961)),
            lambda: producer.send_batch([b"first", bytes(961)]),
            lambda: producer.send_up_to([b"first", bytes(961)]),
            lambda: producer.claim(961),
        ]:
            with self.assertRaisesRegex(ValueError, "961 bytes; the limit is 960 bytes") as caught:
                send()
            self.assertIsInstance(caught.exception, dmxp.PayloadTooLarge)
        self.assertIsNone(consumer.receive())

    def test_whatever_is_bytes_like_can_be_sent(self):
        producer, consumer = self.pair()
        anonymous = mmap.mmap(-1, 3)
        anonymous[:] = b"abc"
        for payload in [b"abc", bytearray(b"abc"), memoryview(b"xabcx")[1:4], array.array("B", b"abc"), anonymous]:
            producer.send(payload)
            self.assertEqual(bytes(consumer.receive()), b"abc")
        producer.send(array.array("I", [1, 2]))
        self.assertEqual(array.array("I", bytes(consumer.receive())).tolist(), [1, 2])
        with self.assertRaises(BufferError):
            producer.send(memoryview(b"abcdef")[::2])
        with self.assertRaises(TypeError):
            producer.send("text")
        # A message is bytes-like, too.
        producer.send(b"pass it on")
        producer.send(consumer.receive())
        self.assertEqual(consumer.receive(), b"pass it on")

    def test_a_message_is_bytes_like(self):
        producer, consumer = self.pair()
        producer.send(b"hello")
        message = consumer.receive()
        self.assertEqual(message[1], ord("e"))
        self.assertEqual(bytes(message[1:3]), b"el")
        self.assertEqual(list(message), list(b"hello"))
        self.assertEqual(str(message, "ascii"), "hello")
        self.assertEqual(int.from_bytes(message, "little"), int.from_bytes(b"hello", "little"))
        self.assertEqual(message, bytearray(b"hello"))
        self.assertNotEqual(message, b"hallo")
        self.assertNotEqual(message, None)
        self.assertTrue(memoryview(message).readonly)
        with self.assertRaises(TypeError):
            message[0] = 1
        with self.assertRaises(IndexError):
            message[5]

    def test_metadata_tells_who_sent_what(self):
        producer, consumer = self.pair()
        producer.set_message_type(77)
        before = time.time_ns()
        producer.send(b"hello")
        message = consumer.receive()
        after = time.time_ns()
        metadata = message.metadata
        self.assertEqual(
            (metadata.message_id, metadata.channel_id, metadata.message_type, metadata.sender_pid),
            (1, 1, 77, os.getpid()),
        )
        # 2 is Python in the format.
        self.assertEqual((metadata.sender_runtime, metadata.flags, metadata.payload_len), (2, 0, 5))
        self.assertEqual(metadata.redelivered, 0)
        self.assertTrue(before <= metadata.timestamp_ns <= after)
        # It is a copy.
        message.release()
        self.assertEqual(metadata.message_id, 1)
        self.assertIn("payload_len=5", repr(metadata))

    def test_a_message_that_is_given_back_comes_again(self):
        producer, consumer = self.pair()
        producer.send(b"one")
        message = consumer.recv()
        message.give_back()
        with self.assertRaises(ValueError):
            bytes(message)
        with consumer.recv() as message:
            self.assertEqual((message, message.metadata.redelivered), (b"one", 1))

    def test_checksums_go_along(self):
        producer, consumer = self.pair(checksums=True)
        producer.send(b"hello")
        self.assertEqual(consumer.receive(), b"hello")

    def test_compact_slots_hold_what_was_said(self):
        producer, consumer = self.pair(payload_capacity=100)
        region = dmxp.Region.open(self.region_name)
        info = region.channel(1)
        self.assertEqual((info.payload_capacity, info.slot_size, info.bytes), (100, 192, 2 * 192))
        for number in range(5):
            payload = bytes([number]) * 100
            producer.send(payload)
            self.assertEqual(consumer.receive(), payload)
        with self.assertRaisesRegex(ValueError, "101 bytes; the limit is 100 bytes"):
            producer.send(bytes(101))
        # Who does not say takes them as they are; who says otherwise is refused.
        self.assertEqual(dmxp.create_consumer(channel_id=1).payload_capacity, 100)
        for other in [{"compact_slots": False}, {"payload_capacity": 101}, {"v1_peers": True}]:
            with self.assertRaises(dmxp.ChannelMismatch):
                dmxp.create_consumer(channel_id=1, **other)
        for impossible in [{"payload_capacity": 0}, {"payload_capacity": 961}, {"compact_slots": True}]:
            with self.assertRaisesRegex(dmxp.InvalidArgument, "payload capacity"):
                dmxp.create_consumer(channel_id=2, **impossible)
        with self.assertRaisesRegex(dmxp.InvalidArgument, "v1 peers cannot have compact slots"):
            dmxp.create_consumer(channel_id=2, payload_capacity=8, v1_peers=True)

    def test_timeouts_are_seconds(self):
        producer, consumer = self.pair()
        for wrong in [-1, float("nan")]:
            with self.assertRaises(ValueError):
                consumer.recv(timeout=wrong)
        with self.assertRaises(TypeError):
            consumer.recv(timeout="1")
        producer.send(b"x")
        self.assertEqual(consumer.recv(timeout=float("inf")), b"x")
        with self.assertRaises(dmxp.Timeout):
            consumer.receive(timeout=0)


class Typed(RegionCase):
    def test_compact_slots_are_sized_to_the_class(self):
        producer, consumer = self.pair(message=Tick, compact_slots=True)
        size = ctypes.sizeof(Tick)
        info = dmxp.Region.open(self.region_name).channel(1)
        self.assertEqual((info.payload_capacity, info.slot_size), (size, (48 + size + 63) // 64 * 64))
        for number in range(5):
            producer.send(Tick(side=1, price=number, symbol="SAP"))
            with producer.claim() as tick:
                tick.price, tick.side = -number, Side.Sell
            first, second = consumer.recv(), consumer.recv()
            self.assertEqual((first.price, first.symbol, second.price), (number, "SAP", -number))
            del first, second

    def test_a_message_of_a_generated_class(self):
        producer, consumer = self.pair(message=Tick)
        producer.send(Tick(price=99.5, at=7, symbol="SAP", side=Side.Sell, quantity=3))
        tick = consumer.receive()
        self.assertIsInstance(tick, Tick)
        self.assertEqual((tick.price, tick.at, tick.symbol, tick.side, tick.quantity), (99.5, 7, "SAP", Side.Sell, 3))
        del tick
        producer.send(Tick(side=1, price=1.5))
        self.assertEqual(consumer.receive(Tick).price, 1.5)
        self.assertIsNone(consumer.receive(Tick))

    def test_every_kind_of_field_is_exact(self):
        producer, consumer = self.pair(message=EveryKind)
        draw = random.Random(3)
        for _ in range(20):
            sent = EveryKind.from_buffer_copy(draw.randbytes(EveryKind.SIZE))
            # What any bytes are not good for.
            sent.class_, sent.side, sent.letter, sent.maybe_side = True, Side.Buy, "\u00e9", None
            sent.sides, sent.switches = [1, 2, 1], [True, False, True, False, True]
            sent.samples, sent.points, sent.levels, sent.texts = b"ab", [(1, 2)], [3], ["x"]
            sent.shape.tag = sent.shapes[0].tag = sent.shapes[1].tag = 199
            producer.send(sent)
            self.assertEqual(bytes(consumer.recv()), bytes(sent))

    def test_the_schema_travels_with_the_channel(self):
        producer, _ = self.pair(message=Tick)
        channel = dmxp.Region().channel(1)
        self.assertEqual(channel.schema, Tick.SCHEMA)
        self.assertEqual(dmxp.create_consumer(channel_id=1, message=Tick).message, Tick)

    def test_another_message_type_is_refused_with_its_differences(self):
        producer, consumer = self.pair(message=Tick)
        with self.assertRaises(dmxp.SchemaMismatch) as caught:
            dmxp.create_consumer(channel_id=1, message=Order)
        self.assertIn("message `Tick` in the channel, message `Order` here", str(caught.exception))

        Changed = changed_tick("price: f64 @0", "price: i64 @0")
        with self.assertRaises(dmxp.SchemaMismatch) as caught:
            dmxp.create_producer(channel_id=1, message=Changed)
        for part in ["price", "f64", "i64", "0"]:
            self.assertIn(part, str(caught.exception))
        with self.assertRaises(dmxp.ChannelMismatch) as caught:
            dmxp.create_producer(channel_id=1)
        self.assertIn("untyped bytes", str(caught.exception))

        with self.assertRaisesRegex(TypeError, "carries `Tick`, not `Order`"):
            producer.send(Order())
        with self.assertRaisesRegex(ValueError, "has 32 bytes, 3 were given"):
            producer.send(b"abc")
        with self.assertRaisesRegex(TypeError, "carries `Tick`"):
            producer.claim(Order)
        producer.send(Tick(side=1, price=1))
        with self.assertRaises(dmxp.SchemaMismatch):
            consumer.receive(Order)
        with self.assertRaises(dmxp.SchemaMismatch):
            consumer.receive(dmxp.Message).view(Order)

    def test_what_is_no_message_class_is_refused(self):
        for wrong in [int, 3, "Tick"]:
            with self.assertRaisesRegex(TypeError, "dmxp generated"):
                dmxp.create_producer(channel_id=1, message=wrong)

    def test_an_untyped_channel_can_be_read_as_a_class(self):
        producer, consumer = self.pair()
        producer.send(bytes(Tick(side=1, price=2.5)))
        self.assertEqual(consumer.receive(Tick).price, 2.5)
        producer.send(b"short")
        with self.assertRaisesRegex(dmxp.InvalidMessage, "message 2 .*5 bytes, a `Tick` has 32"):
            consumer.receive(Tick)
        # It was taken off the channel.
        self.assertIsNone(consumer.receive())

    def test_a_typed_consumer_gives_messages_when_asked(self):
        producer, consumer = self.pair(message=Tick)
        producer.send(Tick(side=1, price=4))
        with consumer.recv(dmxp.Message) as message:
            self.assertEqual(message.metadata.payload_len, Tick.SIZE)
            self.assertEqual(message.metadata.message_type, Tick.SCHEMA_FINGERPRINT & 0xFFFF_FFFF)
            self.assertEqual(message.view().price, 4)
            self.assertEqual(message.view(Tick).price, 4)

    def test_the_message_of_a_view_is_found(self):
        producer, consumer = self.pair(message=Order, capacity=4)
        for _ in range(4):
            producer.send(Order(last=Tick(side=1, price=1)))
        order = consumer.recv()
        self.assertEqual(dmxp.message_of(order).metadata.message_id, 1)
        self.assertEqual(dmxp.message_of(order.last).metadata.message_id, 1)
        self.assertEqual(dmxp.message_of(order.last._symbol).metadata.message_id, 1)
        self.assertEqual(dmxp.message_of(memoryview(order).cast("B")[:0]).metadata.message_id, 1)
        message = consumer.recv(dmxp.Message)
        self.assertIs(dmxp.message_of(memoryview(message)), message)
        for wrong in [Order(), Order().last, b"", None]:
            with self.assertRaises(TypeError):
                dmxp.message_of(wrong)


def changed_tick(before, after):
    """Tick as another program may have it."""
    assert before in Tick.SCHEMA
    return dmxp.message_class(Tick.SCHEMA.replace(before, after))


class Regions(RegionCase):
    def test_regions_are_created_opened_and_removed(self):
        name = f"{self.region_name}-other"
        with self.assertRaises(dmxp.RegionNotFound) as caught:
            dmxp.Region.open(name)
        self.assertIsInstance(caught.exception, FileNotFoundError)
        self.assertIn(name, str(caught.exception))
        with dmxp.Region.create(name, size=4 << 20, max_handles=8) as region:
            self.assertEqual((region.info.size, region.info.max_handles), (4 << 20, 8))
            self.assertEqual(os.path.basename(region.path), name)
            with self.assertRaises(dmxp.RegionExists):
                dmxp.Region.create(name)
            self.assertEqual(dmxp.Region.open(name).info.id, region.info.id)
            self.assertEqual(dmxp.Region.open_or_create(name).info.id, region.info.id)
            with self.assertRaises(dmxp.RegionInUse):
                dmxp.Region.remove(name)
        with self.assertRaisesRegex(dmxp.Detached, "region was detached"):
            region.info
        dmxp.Region.remove(name)
        with self.assertRaises(dmxp.RegionNotFound):
            dmxp.Region.open_read_only(name)

    def test_a_region_by_directory(self):
        import tempfile

        with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
            with dmxp.Region("here", dir=directory, size=4 << 20) as region:
                self.assertEqual(os.fspath(region.path), os.path.join(directory, "here"))

    def test_channels_are_listed_and_removed(self):
        name = f"{self.region_name}-other"
        with dmxp.Region(name, size=4 << 20) as region:
            self.addCleanup(lambda: dmxp.Region.remove(name, force=True))
            producer = dmxp.create_producer(name="ticks", region=region, capacity=8, message=Tick)
            producer.send(Tick(side=1))
            (channel,) = region.channels()
            self.assertEqual((channel.name, channel.capacity, len(channel)), ("ticks", 8, 1))
            self.assertEqual([holder.pid for holder in channel.producers], [os.getpid()])
            self.assertEqual(channel.consumers, [])
            self.assertEqual(region.channel("ticks").id, region.channel(channel.id).id)
            with self.assertRaises(dmxp.ChannelNotFound):
                region.channel("tocks")
            with self.assertRaises(dmxp.ChannelInUse):
                region.remove_channel("ticks")
            # The region by its name.
            consumer = dmxp.create_consumer(name="ticks", region=name, message=Tick, open_only=True)
            region.remove_channel("ticks", force=True)
            with self.assertRaises(dmxp.Removed):
                producer.send(Tick(side=1))
            self.assertIsInstance(consumer.recv(), Tick)
            with self.assertRaises(dmxp.Removed):
                consumer.recv()
            producer.detach()
            consumer.detach()
            self.assertEqual(region.channels(), [])

    def test_who_only_looks_changes_nothing(self):
        producer, _ = self.pair()
        looking = dmxp.Region.open_read_only()
        self.assertTrue(looking.read_only)
        self.assertEqual(len(looking.channels()), 1)
        with self.assertRaises(dmxp.ReadOnly):
            looking.remove_channel(1)
        with self.assertRaises(dmxp.ReadOnly):
            dmxp.create_consumer(channel_id=1, region=looking)

    def test_what_does_not_fit_is_refused(self):
        self.pair(capacity=4)
        with self.assertRaises(dmxp.ChannelMismatch) as caught:
            dmxp.create_producer(channel_id=1, capacity=8)
        self.assertIn("capacity 4, and 8 was asked for", str(caught.exception))
        for capacity in [0, 3, 1 << 62]:
            with self.assertRaisesRegex(dmxp.InvalidArgument, f"capacity {capacity}:"):
                dmxp.create_producer(channel_id=2, capacity=capacity)
        with self.assertRaisesRegex(ValueError, "ids are 0 to 255"):
            dmxp.create_producer(channel_id=256)
        with self.assertRaises(dmxp.InvalidArgument):
            dmxp.create_producer()
        with self.assertRaisesRegex(dmxp.ChannelNotFound, "`nobody`"):
            dmxp.create_consumer(name="nobody", open_only=True)
        with self.assertRaises(dmxp.RegionNotFound):
            dmxp.create_consumer(channel_id=1, region=f"{self.region_name}-none", open_only=True)
        with self.assertRaises(TypeError):
            dmxp.create_consumer(channel_id=1, region=3)
        with self.assertRaisesRegex(dmxp.RegionFull, "largest free run"):
            dmxp.create_producer(channel_id=2, capacity=1 << 20)


class Handles(RegionCase):
    def test_handles_know_their_channel(self):
        producer = dmxp.create_producer(channel_id=9, name="nine", capacity=4)
        consumer = dmxp.create_consumer(name="nine")
        for handle in [producer, consumer]:
            self.assertEqual((handle.channel_id, handle.channel_name, handle.capacity), (9, "nine", 4))
            self.assertEqual(handle.payload_capacity, 960)
            self.assertIsNone(handle.message)
            self.assertEqual(len(handle), 0)
            self.assertTrue(handle)
        producer.send(b"x")
        self.assertEqual((len(producer), len(consumer)), (1, 1))

    def test_with_gives_the_place_up_and_not_the_stream(self):
        with dmxp.create_producer(channel_id=1) as producer:
            producer.send(b"x")
        with self.assertRaisesRegex(dmxp.Detached, "producer was detached"):
            producer.send(b"x")
        self.assertIn("detached", repr(producer))
        self.assertEqual(dmxp.Region().info.handles, 0)
        with dmxp.create_consumer(channel_id=1) as consumer:
            self.assertEqual(consumer.recv(), b"x")
            self.assertIsNone(consumer.receive())
        with self.assertRaisesRegex(dmxp.Detached, "consumer was detached"):
            consumer.receive()

    def test_closed_streams_are_drained(self):
        producer, consumer = self.pair(capacity=8)
        producer.send_batch([b"1", b"2", b"3"])
        producer.close()
        with self.assertRaises(dmxp.Closed):
            producer.send(b"4")
        self.assertEqual([bytes(message) for message in consumer], [b"1", b"2", b"3"])
        for receive in [consumer.receive, consumer.recv, consumer.try_recv]:
            with self.assertRaises(dmxp.Closed):
                receive()
        dmxp.create_producer(channel_id=1).send(b"again")
        self.assertEqual(consumer.receive(), b"again")


if __name__ == "__main__":
    unittest.main()
