"""Nothing invalid is sent; what is on a channel all the same is refused and counted; classes that contradict their schemas are refused."""

import ctypes
import unittest

import dmxp
from support import EveryKind, Order, RegionCase, Side, Tick

try:
    import numpy
except ImportError:
    numpy = None


def broken_tick(**fields):
    """A tick that no generated class lets be made."""
    tick = Tick(**{"side": 1} | fields)
    place = memoryview(tick).cast("B")
    place[Tick._side.offset] = 7
    place.release()
    return tick


class Sending(RegionCase):
    def test_an_invalid_message_is_not_sent(self):
        producer, consumer = self.pair(message=Tick, capacity=8)
        good = Tick(side=Side.Sell, price=1.5)
        attempts = [
            lambda: producer.send(Tick()),
            lambda: producer.try_send(bytes(Tick.SIZE)),
            lambda: producer.send(broken_tick(), timeout=1),
            lambda: producer.send_batch([good, broken_tick()]),
            lambda: producer.send_up_to([good, broken_tick()]),
        ]
        for attempt in attempts:
            with self.assertRaisesRegex(dmxp.InvalidArgument, "side: [07] is not a value of Side"):
                attempt()
        self.assertIsNone(consumer.receive())
        producer.send_batch([good, good])
        self.assertEqual(consumer.recv(), good)
        statistics = dmxp.Region().channel_statistics(1)
        self.assertEqual((statistics.sent, statistics.aborted), (2, 0))

    @unittest.skipIf(numpy is None, "numpy is not installed")
    def test_an_array_with_an_invalid_message_is_not_sent(self):
        for packed in (False, True):
            producer = dmxp.create_producer(channel_id=3 + packed, message=Tick, packed_slots=packed, capacity=8)
            consumer = dmxp.create_consumer(channel_id=3 + packed, message=Tick)
            records = numpy.zeros(3, Tick.dtype())
            records["side"] = [1, 2, 3]
            with self.assertRaisesRegex(dmxp.InvalidArgument, "side: 3"):
                producer.send_array(records)
            with self.assertRaises(dmxp.Timeout):
                consumer.recv_array(4, timeout=0)
            records["side"] = 1
            producer.send_array(records)
            self.assertEqual(len(consumer.recv_array(4)), 3)

    def test_every_kind_is_checked(self):
        producer, consumer = self.pair(message=EveryKind)
        good = EveryKind(side=1, sides=[1, 2, 1])
        producer.send(good)
        self.assertEqual(consumer.recv(), good)
        for name, size, value in [
            ("_raw2_class__raw", 1, 2),
            ("_side", 1, 9),
            ("_letter", 4, 0xD800),
            ("_samples", 2, 14),
            ("_points", 4, 4),
            ("_levels", 8, 3),
            ("_sides", 1, 0),
            ("_switches", 1, 2),
        ]:
            data = bytearray(bytes(good))
            at = getattr(EveryKind, name).offset
            data[at : at + size] = value.to_bytes(size, "little")
            with self.assertRaises(dmxp.InvalidArgument, msg=name):
                producer.send(data)
        self.assertIsNone(consumer.receive())


class Receiving(RegionCase):
    def test_an_invalid_message_is_refused_and_counted(self):
        # An untyped producer is as good as a broken one.
        receivers = [
            lambda consumer: consumer.recv(Tick, timeout=1),
            lambda consumer: consumer.receive(Tick),
            lambda consumer: consumer.recv_up_to(4, Tick),
            lambda consumer: consumer.recv_batch(1, Tick),
        ]
        for number, receive in enumerate(receivers):
            producer = dmxp.create_producer(channel_id=10 + number)
            consumer = dmxp.create_consumer(channel_id=10 + number)
            producer.send(bytes(broken_tick()))
            with self.assertRaisesRegex(dmxp.InvalidMessage, "side: 7 is not a value of Side"):
                receive(consumer)
            statistics = dmxp.Region().channel_statistics(10 + number)
            self.assertEqual(statistics.last_error.kind, "InvalidMessage", receive)
            self.assertEqual(statistics.dropped, 1)
            # So is one of another length.
            producer.send(b"short")
            with self.assertRaisesRegex(dmxp.InvalidMessage, "5 bytes, a `Tick` has 32"):
                receive(consumer)
            self.assertEqual(dmxp.Region().channel_statistics(10 + number).dropped, 2)
            # Bytes can be looked at, whatever they are.
            producer.send(bytes(broken_tick()))
            with consumer.recv() as message:
                self.assertEqual(bytes(message), bytes(broken_tick()))
                with self.assertRaises(dmxp.InvalidMessage):
                    message.view(Tick)

    def test_of_a_batch_the_invalid_one_alone_is_set_aside(self):
        producer, consumer = self.pair(capacity=4)
        producer.send_batch([bytes(Tick(side=1, price=1)), bytes(broken_tick()), bytes(Tick(side=2, price=3))])
        with self.assertRaisesRegex(dmxp.InvalidMessage, "message 2 "):
            consumer.recv_up_to(3, Tick)
        again = [consumer.recv(Tick), consumer.recv(Tick)]
        self.assertEqual([tick.price for tick in again], [1, 3])


class Classes(RegionCase):
    def test_a_class_that_contradicts_its_schema_is_refused(self):
        def like_tick(**changes):
            fields = [changes.get(name, (name, ctype)) for name, ctype in Tick._fields_]
            members = {"SCHEMA": Tick.SCHEMA, "_fields_": fields, "__slots__": ()}
            return type(ctypes.Structure)("Tick", (ctypes.Structure,), members)

        dmxp.create_producer(channel_id=1, message=like_tick())
        names = dict(Tick._fields_)
        for changes in [
            {"price": ("price", ctypes.c_int64)},
            {"price": ("at", ctypes.c_double), "at": ("price", ctypes.c_int64)},
            {"price": ("at", ctypes.c_int64), "at": ("price", ctypes.c_double)},
            {"price": ("cost", ctypes.c_double)},
            {"quantity": ("quantity", ctypes.c_int32)},
            {"quantity": ("quantity", ctypes.c_float)},
            {"_side": ("_side", ctypes.c_int8)},
            {"_symbol": ("_symbol", ctypes.c_uint16 * (len(bytes(names["_symbol"]())) // 2))},
            {"price": ("price", ctypes.c_double.__ctype_be__)},
        ]:
            with self.assertRaisesRegex(TypeError, "contradicts its SCHEMA|bytes, and its SCHEMA says"):
                dmxp.create_producer(channel_id=1, message=like_tick(**changes))
            with self.assertRaisesRegex(TypeError, "SCHEMA"):
                dmxp.create_consumer(channel_id=1).recv(like_tick(**changes))

    def test_every_generated_class_agrees_with_its_schema(self):
        for number, message in enumerate([EveryKind, Order, Tick]):
            dmxp.create_producer(channel_id=number, message=message)

            class Own(message):
                __slots__ = ()

                def more(self):
                    return 1

            dmxp.create_consumer(channel_id=number, message=Own)
        changed = EveryKind.SCHEMA.replace("Circle(f64) = 1", "Circle(i64) = 1")
        self.assertNotEqual(changed, EveryKind.SCHEMA)
        liar = type("EveryKind", (EveryKind,), {"SCHEMA": changed, "__slots__": ()})
        with self.assertRaisesRegex(TypeError, "shape.Circle: SCHEMA says i64"):
            dmxp.create_producer(channel_id=9, message=liar)


class Values(RegionCase):
    def test_messages_in_slots_copy_pickle_and_compare(self):
        import copy
        import pickle

        producer, consumer = self.pair(message=EveryKind, capacity=8)
        sent = EveryKind(side=1, sides=[1, 2, 1], matrix=[[1, 2, 3], [4, 5, 6]], points=[(1, 2)], names=["a", "b", "c", "d"])
        sent.shape.set(sent.shape.Kind.Line, [(1, 2), (3, 4)])
        producer.send_batch([sent] * 3)
        received = consumer.recv()
        self.assertEqual(received, sent)
        self.assertEqual(repr(received), repr(sent))
        parts = lambda message: [message, message.corner, message.matrix, message.matrix[1], message.shape, message.points]  # noqa: E731
        for part, own in zip(parts(received), parts(sent), strict=True):
            for other in [copy.copy(part), copy.deepcopy(part), pickle.loads(pickle.dumps(part))]:
                self.assertEqual(other, own)
                self.assertIs(type(other), type(own))
        for other in consumer.recv_batch(2):
            self.assertEqual(copy.copy(other), sent)
        kept = copy.copy(received)
        del received, part, other
        producer.send_batch([EveryKind(side=2, sides=[1, 1, 1])] * 8)
        self.assertEqual(kept, sent)

    def test_what_does_not_fit_is_not_stored_in_a_slot(self):
        producer, consumer = self.pair(message=EveryKind)
        with producer.claim(EveryKind(side=1, sides=[1, 2, 1])) as message:
            for name, value, error in [
                ("count", 2**32, OverflowError),
                ("class_", "false", TypeError),
                ("raw", 5, TypeError),
                ("sides", [1, 2, 3], ValueError),
                ("temperature", 1e39, OverflowError),
            ]:
                before = bytes(message)
                with self.assertRaises(error):
                    setattr(message, name, value)
                self.assertEqual(bytes(message), before)
            with self.assertRaises(OverflowError):
                message.matrix[0][0] = 1e39
            message.matrix[0][0] = 5
            message.points = [message.corner, (1, 2)]
            message.corner = message.points[1]
        received = consumer.recv()
        self.assertEqual((received.matrix[0][0], received.corner.y, len(received.points)), (5, 2, 2))


if __name__ == "__main__":
    unittest.main()
