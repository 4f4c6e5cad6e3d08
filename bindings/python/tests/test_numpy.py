"""Arrays over slots. On CI numpy has to be there; elsewhere these tests are skipped without it."""

import os
import unittest

import dmxp
from support import RegionCase, Tick

try:
    import numpy
except ImportError:
    numpy = None

if numpy is None and os.environ.get("CI"):
    raise ImportError("numpy is not installed, and the environment variable CI is set")


@unittest.skipIf(numpy is None, "numpy is not installed")
class Arrays(RegionCase):
    def test_bytes(self):
        producer, consumer = self.pair()
        producer.send(b"\1\2\3")
        array = consumer.recv().numpy()
        self.assertEqual((array.tolist(), array.dtype), ([1, 2, 3], numpy.uint8))
        self.assertFalse(array.flags.writeable)
        with self.assertRaises(ValueError):
            array[0] = 1
        self.assertEqual(dmxp.message_of(array).metadata.payload_len, 3)

    def test_numbers(self):
        producer, consumer = self.pair()
        sent = numpy.arange(120, dtype="<f8")
        producer.send(sent)
        self.assertEqual(consumer.recv().numpy("<f8").tolist(), sent.tolist())

    def test_nothing(self):
        producer, consumer = self.pair()
        producer.send(numpy.empty(0, "<f8"))
        self.assertEqual(consumer.recv().numpy("<f8").shape, (0,))

    def test_messages_of_a_class(self):
        producer, consumer = self.pair(message=Tick)
        producer.send(Tick(side=1, price=1.5, symbol="SAP", quantity=3))
        (record,) = consumer.recv(dmxp.Message).numpy()
        self.assertEqual((record["price"], record["symbol"], record["quantity"]), (1.5, b"SAP", 3))
        # And back: a record of the dtype is a message.
        producer.send(record)
        self.assertEqual(consumer.recv().price, 1.5)

    def test_arrays_keep_the_slot(self):
        producer, consumer = self.pair()
        producer.send_batch([b"1", b"2"])
        message = consumer.recv()
        array = message.numpy()
        with self.assertRaises(BufferError):
            message.release()
        part = array[:1].view("i1").reshape(1, 1)
        del message, array
        self.assertFull(producer)
        self.assertEqual(part.tolist(), [[49]])
        del part
        producer.try_send(b"3")

    def test_arrays_over_an_instance_keep_the_slot(self):
        producer, consumer = self.pair(message=Tick)
        producer.send_batch([Tick(side=1, price=1.5), Tick(side=1)])
        array = numpy.frombuffer(consumer.recv(), dtype=Tick.dtype())
        self.assertEqual(array["price"][0], 1.5)
        self.assertFull(producer, Tick(side=1))
        del array
        producer.try_send(Tick(side=1))

    def test_slots_are_filled_through_arrays(self):
        producer, consumer = self.pair()
        with producer.claim(24) as slot:
            array = numpy.frombuffer(slot, "<f8")
            array[:] = [1, 2, 3]
            del array
        self.assertEqual(consumer.recv().numpy("<f8").tolist(), [1, 2, 3])
        with self.assertRaises(BufferError):
            with producer.claim(24) as slot:
                array = numpy.frombuffer(slot, "<f8")
        array[:] = 7
        self.assertIsNone(consumer.receive())


if __name__ == "__main__":
    unittest.main()


@unittest.skipIf(numpy is None, "numpy is not installed")
class Batches(RegionCase):
    def ticks(self, first, count):
        array = numpy.zeros(count, Tick.dtype())
        array["quantity"] = range(first, first + count)
        array["side"] = 1
        return array

    def address(self, array):
        return array.__array_interface__["data"][0]

    def test_arrays_arrive_in_place(self):
        for compact in [False, True]:
            with self.subTest(compact=compact):
                channel = {"name": f"ticks-{compact}", "capacity": 8, "message": Tick, "compact_slots": compact}
                producer, consumer = dmxp.create_producer(**channel), dmxp.create_consumer(**channel)
                self.assertEqual(producer.send_array(self.ticks(0, 5)), 1)
                array = consumer.recv_array(100)
                self.assertEqual(array["quantity"].tolist(), [0, 1, 2, 3, 4])
                self.assertEqual((array.dtype, array.flags.writeable), (Tick.dtype(), False))
                # Further apart than they are long: slots.
                self.assertEqual(array.strides, (128 if compact else 1088,))
                last = array[4:]
                del array
                producer.send_array(self.ticks(5, 3))
                with self.assertRaises(dmxp.Full):
                    producer.try_send(Tick(side=1))
                self.assertEqual(last["quantity"].tolist(), [4])
                del last
                producer.try_send(Tick(side=1))

    def test_packed_slots_are_one_array(self):
        channel = {"name": "packed", "capacity": 8, "message": Tick, "packed_slots": True}
        consumer, producer = dmxp.create_consumer(**channel), dmxp.create_producer(**channel)
        self.assertEqual(producer.send_array(self.ticks(0, 5)), 1)
        array = consumer.recv_array(100)
        self.assertEqual(array["quantity"].tolist(), [0, 1, 2, 3, 4])
        self.assertEqual((array.dtype, array.flags.writeable), (Tick.dtype(), False))
        # Side by side: in place.
        self.assertEqual(array.strides, (Tick.SIZE,))
        last = array[4:]
        del array
        producer.send_array(self.ticks(5, 3))
        with self.assertRaises(dmxp.Full):
            producer.try_send(Tick(side=1))
        self.assertEqual(last["quantity"].tolist(), [4])
        del last
        producer.send_array(self.ticks(8, 5))
        # It ends where the ring ends.
        self.assertEqual(consumer.recv_array(100)["quantity"].tolist(), [5, 6, 7])
        self.assertEqual(consumer.recv_array(2)["quantity"].tolist(), [8, 9])
        self.assertEqual(consumer.recv().quantity, 10)
        self.assertEqual(len(consumer.recv_up_to(5)), 2)
        with self.assertRaises(dmxp.Timeout):
            consumer.recv_array(5, timeout=0.01)
        with self.assertRaises(dmxp.InvalidArgument):
            consumer.recv_array(5, "f4", timeout=0)
        with self.assertRaises(ValueError):
            producer.send_array(numpy.zeros(3, "f4"))

    def test_an_array_past_the_end_of_the_ring_is_a_copy(self):
        producer, consumer = self.pair(message=Tick, capacity=8)
        producer.send_array(self.ticks(0, 6))
        self.assertEqual(len(consumer.recv_array(100)), 6)
        producer.send_array(self.ticks(6, 8))
        array = consumer.recv_array(100)
        self.assertEqual(array["quantity"].tolist(), list(range(6, 14)))
        self.assertEqual((array.strides, array.flags.writeable), ((Tick.SIZE,), False))
        # The slots are free.
        producer.send_array(self.ticks(14, 8), timeout=0)
        self.assertEqual(array["quantity"].tolist(), list(range(6, 14)))

    def test_as_many_as_asked_for(self):
        producer, consumer = self.pair(message=Tick, capacity=8)
        producer.send_array(self.ticks(0, 5))
        self.assertEqual([len(consumer.recv_array(n)) for n in [0, 2, 1, 9]], [0, 2, 1, 2])
        with self.assertRaises(dmxp.Timeout):
            consumer.recv_array(1, timeout=0.01)
        producer.close()
        with self.assertRaises(dmxp.Closed):
            consumer.recv_array(1)

    def test_numbers_on_an_untyped_channel(self):
        producer, consumer = self.pair(capacity=8)
        producer.send_array(numpy.arange(3, dtype="<f8"))
        self.assertEqual(consumer.recv_array(8, "<f8").tolist(), [0, 1, 2])
        with self.assertRaisesRegex(TypeError, "dtype"):
            consumer.recv_array(8)
        with self.assertRaisesRegex(TypeError, "object"):
            consumer.recv_array(8, object)

    def test_a_message_of_another_length_is_taken_off_and_the_others_are_not_lost(self):
        producer, consumer = self.pair(capacity=8)
        producer.send_batch([b"12345678", b"1234567", b"abcdefgh"])
        with self.assertRaisesRegex(dmxp.InvalidMessage, "7 bytes, an item of the dtype has 8"):
            consumer.recv_array(8, "<f8")
        self.assertEqual(sorted(bytes(consumer.recv()) for _ in range(2)), [b"12345678", b"abcdefgh"])

    def test_an_array_of_something_else_is_refused(self):
        producer, consumer = self.pair(message=Tick, capacity=8)
        with self.assertRaisesRegex(ValueError, "has 32 bytes, an item of the array 8"):
            producer.send_array(numpy.arange(4, dtype="<f8"))
        with self.assertRaises((BufferError, ValueError)):
            producer.send_array(self.ticks(0, 6)[::2])
        self.assertEqual(len(consumer), 0)

    def test_an_array_outlives_consumer_and_region(self):
        producer, consumer = self.pair(message=Tick, capacity=8)
        producer.send_array(self.ticks(0, 3))
        array = consumer.recv_array(8)
        producer.detach()
        consumer.detach()
        del producer, consumer
        dmxp.Region.remove(force=True)
        self.assertEqual(array["quantity"].tolist(), [0, 1, 2])
