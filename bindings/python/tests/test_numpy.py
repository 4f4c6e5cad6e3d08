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
        producer.send(Tick(price=1.5, symbol="SAP", quantity=3))
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
        producer.send_batch([Tick(price=1.5), Tick()])
        array = numpy.frombuffer(consumer.recv(), dtype=Tick.dtype())
        self.assertEqual(array["price"][0], 1.5)
        self.assertFull(producer, Tick())
        del array
        producer.try_send(Tick())

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
