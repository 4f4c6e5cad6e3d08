"""Metadata beside arrays, masked arrays, and tables of pandas."""

import unittest

import dmxp
from support import EveryKind, Order, RegionCase, Tick

try:
    import numpy
except ImportError:
    numpy = None
try:
    import pandas
except ImportError:
    pandas = None


@unittest.skipIf(numpy is None, "numpy is not installed")
class Tables(RegionCase):
    def test_metadata_comes_beside_an_array(self):
        for packed in (False, True):
            options = {"name": f"ticks-{packed}", "message": Tick, "packed_slots": packed, "capacity": 8}
            consumer, producer = dmxp.create_consumer(**options), dmxp.create_producer(**options)
            producer.send_batch([Tick(side=1, price=price) for price in range(3)])
            array, metadata = consumer.recv_array(8, metadata=True)
            self.assertEqual(array["price"].tolist(), [0, 1, 2])
            self.assertEqual(metadata["message_id"].tolist(), [1, 2, 3])
            self.assertEqual(metadata["payload_len"].tolist(), [Tick.SIZE] * 3)
            # Packed slots carry nothing but the message.
            self.assertEqual(set(metadata["sender_runtime"].tolist()), {0 if packed else 2})
            del array
            # What goes past the ring's end is a copy, and has its metadata all the same.
            producer.send_batch([Tick(side=1, price=price) for price in range(7)])
            seen = []
            while len(seen) < 7:
                array, metadata = consumer.recv_array(8, metadata=True)
                self.assertEqual(len(array), len(metadata))
                seen += zip(metadata["message_id"].tolist(), array["price"].tolist())
                del array
            self.assertEqual(seen, [(4 + k, k) for k in range(7)])
        producer, consumer = self.pair()
        producer.send(b"12345678")
        first = consumer.recv()
        first.give_back()
        array, metadata = consumer.recv_array(1, "<u8", metadata=True)
        self.assertEqual((metadata["redelivered"].tolist(), metadata.dtype.names[:2]), ([1], ("message_id", "timestamp_ns")))
        self.assertGreater(metadata["timestamp_ns"][0], 10**18)

    def test_values_that_may_be_absent_are_masked(self):
        producer, consumer = self.pair(message=Order, capacity=4)
        producer.send_batch([Order(last=Tick(side=1), limit=limit) for limit in (1.5, None, 2.5)])
        array = consumer.recv_array(4)
        limits = dmxp.masked(array["limit"])
        self.assertEqual(limits.tolist(), [1.5, None, 2.5])
        self.assertEqual(limits.sum(), 4)
        with self.assertRaisesRegex(TypeError, "present"):
            dmxp.masked(array["last"])
        times = EveryKind(side=1, sides=[1, 1, 1], times=[None, 7])
        column = dmxp.masked(numpy.frombuffer(bytes(times), EveryKind.dtype())["times"])
        self.assertEqual((column.shape, column.mask.tolist()), ((1, 2), [[True, False]]))

    @unittest.skipIf(pandas is None, "pandas is not installed")
    def test_a_table_of_messages(self):
        producer, consumer = self.pair(message=Order, capacity=4)
        orders = [Order(last=Tick(side=1, price=price, symbol="SAP"), limit=limit) for price, limit in [(1, None), (2, 2.5)]]
        producer.send_batch(orders)
        array, metadata = consumer.recv_array(4, metadata=True)
        table = dmxp.to_pandas(array, metadata)
        del array
        # The table has memory of its own.
        producer.send_batch(orders * 2, timeout=1)
        self.assertEqual(table["last.price"].tolist(), [1, 2])
        self.assertEqual(table["last.symbol"].tolist(), ["SAP", "SAP"])
        self.assertEqual((table["limit"].isna().tolist(), table["limit"][1]), ([True, False], 2.5))
        self.assertEqual(table["metadata.message_id"].tolist(), [1, 2])
        self.assertIn("M8[ns]", table["last.at"].dtype.str)

    @unittest.skipIf(pandas is None, "pandas is not installed")
    def test_a_table_of_every_kind(self):
        one = EveryKind(side=1, sides=[1, 2, 1], matrix=[[1, 2, 3], [4, 5, 6]], points=[(1, 2)], samples=[7, 8], venue="X",
                        names=list("abcd"), maybe_point=(5, 6), maybe_text="hi", corner=(3, 4), class_=True, texts=["t"])  # fmt: skip
        table = dmxp.to_pandas(numpy.frombuffer(bytes(one) * 2, EveryKind.dtype()))
        row = table.iloc[1]
        self.assertEqual((row["corner.x"], row["venue"], row["class_"], row["side"]), (3, "X", True, 1))
        self.assertEqual((row["samples"], row["points"], row["texts"]), ([7, 8], [(1, 2)], ["t"]))
        self.assertEqual((row["matrix"], row["names"]), ([[1, 2, 3], [4, 5, 6]], ["a", "b", "c", "d"]))
        self.assertEqual((row["maybe_point"], row["maybe_text"], row["maybe"]), ((5, 6), "hi", pandas.NA))
        self.assertEqual(row["times"], [None, None])


if __name__ == "__main__":
    unittest.main()
