"""Messages written in place, and batches."""

import copy
import gc
import pickle
import unittest

import dmxp
from support import Order, RegionCase, Side, Tick


class Claims(RegionCase):
    def test_bytes_are_written_in_place(self):
        producer, consumer = self.pair()
        claim = producer.claim(5)
        self.assertEqual((len(claim), claim.message_id), (5, 1))
        with claim as slot:
            self.assertEqual(bytes(slot), bytes(5))
            slot[:] = b"hello"
            self.assertIsNone(consumer.receive())
        self.assertEqual(consumer.receive(), b"hello")
        # The view is dead.
        with self.assertRaises(ValueError):
            slot[0] = 1
        with self.assertRaises(ValueError):
            memoryview(claim)
        with self.assertRaises(ValueError):
            claim.__enter__()

    def test_a_typed_message_is_written_in_place(self):
        producer, consumer = self.pair(message=Order)
        with producer.claim() as order:
            self.assertIsInstance(order, Order)
            order.limit = 2.5
            order.last.price = 1.5
            order.last.symbol = "SAP"
            order.last.side = Side.Buy
        order_received = consumer.recv()
        self.assertEqual((order_received.limit, order_received.last.symbol), (2.5, "SAP"))
        # The block's view cannot reach the slot any more.
        with self.assertRaises(ReferenceError):
            order.limit = 3
        with producer.claim(Order, timeout=1) as order:
            order.limit = 3.5
            order.last.side = 1
        self.assertEqual(consumer.recv().limit, 3.5)

    def test_a_class_on_an_untyped_channel(self):
        producer, consumer = self.pair()
        with producer.claim(Tick) as tick:
            tick.price, tick.side = 1.5, Side.Sell
        self.assertEqual(consumer.recv(Tick).price, 1.5)
        with self.assertRaises(TypeError):
            producer.claim()
        with self.assertRaises(TypeError):
            producer.claim("Tick")

    def test_slots_start_as_zeros(self):
        producer, consumer = self.pair()
        for _ in range(2):
            producer.send(b"\xff" * 960)
            consumer.recv().release()
        with producer.claim(960):
            pass
        self.assertEqual(consumer.recv(), bytes(960))

    def test_an_exception_aborts(self):
        producer, consumer = self.pair()
        with self.assertRaises(ZeroDivisionError):
            with producer.claim(5) as slot:
                slot[:] = b"hello"
                1 / 0
        del slot
        self.assertIsNone(consumer.receive())
        producer.send(b"next")
        self.assertEqual(consumer.recv(), b"next")

    def test_abort_aborts(self):
        producer, consumer = self.pair(message=Tick)
        claim = producer.claim()
        with claim as tick:
            tick.price = 1
            claim.abort()
            with self.assertRaises(ReferenceError):
                tick.price = 2
        self.assertIsNone(consumer.receive())
        claim = producer.claim()
        claim.abort()
        with self.assertRaises(ValueError):
            with claim:
                self.fail("an aborted claim was entered")

    def test_a_claim_that_is_dropped_is_aborted(self):
        producer, consumer = self.pair()
        for _ in range(10):
            producer.claim(3)
            # It is the consumer that passes over aborted slots.
            self.assertIsNone(consumer.receive())
        claim = producer.claim(3)
        claim.__enter__()
        del claim
        # It refers to its view, and that to it.
        gc.collect()
        producer.send(b"next")
        self.assertEqual(consumer.recv(timeout=1), b"next")

    def test_names_that_outlive_the_block_are_cut_off(self):
        producer, consumer = self.pair(message=Order)
        with producer.claim() as order:
            order.limit = 1
            last, last.side = order.last, Side.Buy
            symbol, setter, parts = last._symbol, order._limit.set, [order.last]
            setter(2.5)
            self.assertIsInstance(last, Tick)
            self.assertEqual((last.side, last, order.limit), (Side.Buy, Tick(side=1), 2.5))
            text = last.symbol
        # It was sent all the same, and what was kept leads nowhere.
        self.assertEqual(text, "")
        for use in [
            lambda: last.price,
            lambda: setattr(last, "price", 3),
            lambda: symbol[0],
            lambda: symbol.__setitem__(0, 1),
            lambda: setter(4),
            lambda: bytes(parts[0]),
            lambda: memoryview(order),
            lambda: order.fill(Order()),
            lambda: last == last,
            lambda: isinstance(order, Order),
            lambda: len(symbol),
            lambda: list(symbol),
        ]:
            with self.assertRaises(ReferenceError):
                use()
        self.assertIn("ended", repr(order))
        received = consumer.recv()
        self.assertEqual((received.limit, received.last.price), (2.5, 0))

    def test_a_message_is_not_published_under_buffers(self):
        producer, consumer = self.pair(message=Order)
        for get in [memoryview, lambda order: memoryview(order.last)]:
            with self.assertRaisesRegex(BufferError, "not sent"):
                with producer.claim() as order:
                    order.last.side = 1
                    kept = get(order)
            # A write now harms nobody: the slot is kept.
            kept.cast("B")[0] = 3
            self.assertIsNone(consumer.receive())
            del kept
            self.assertIsNone(consumer.receive())
        claim = producer.claim()
        with self.assertRaises(BufferError):
            with claim as order:
                kept = memoryview(claim)
        kept.release()
        with self.assertRaises(ValueError):
            claim.__enter__()
        producer.send(Order(last=Tick(side=1), limit=1))
        producer.send(Order(last=Tick(side=1), limit=2))
        self.assertEqual([consumer.recv().limit, consumer.recv().limit], [1, 2])

    def test_a_claim_is_filled_at_once(self):
        producer, consumer = self.pair(message=Order, capacity=8)
        whole = Order(last=Tick(price=1.5, side=2), limit=3)
        with producer.claim() as order:
            order.fill(whole)
            order.last.price = 2.5
        with producer.claim(whole) as order:
            self.assertEqual(order, whole)
            self.assertEqual((bytes(order), bytes(memoryview(order))), (bytes(whole), bytes(whole)))
        claim = producer.claim()
        claim.fill(bytes(whole))
        with claim as order:
            order.last.fill(Tick(price=9, side=1))
        # From one message to the next, over the slots of both.
        first = consumer.recv()
        with producer.claim(first) as order:
            order.limit = 4
        with producer.claim() as order, producer.claim(whole) as other:
            order.fill(other)
        self.assertEqual((first.last.price, first.limit), (2.5, 3))
        seen = [(each.last.price, each.limit) for each in consumer.recv_batch(5)]
        self.assertEqual(seen, [(1.5, 3), (9, 3), (2.5, 4), (1.5, 3), (1.5, 3)])
        with producer.claim(whole) as order:
            for wrong, error in [(Tick(side=1), TypeError), (b"short", ValueError), (5, TypeError), (None, TypeError)]:
                with self.assertRaises(error):
                    order.fill(wrong)
                with self.assertRaises(error):
                    producer.claim(wrong) if isinstance(wrong, Tick) else order.fill(wrong)
            self.assertEqual(order, whole)
        producer, consumer = dmxp.create_producer(channel_id=2), dmxp.create_consumer(channel_id=2)
        with producer.claim(whole) as order:
            order.limit = 5
        self.assertEqual(consumer.recv(Order).limit, 5)

    def test_a_block_is_a_buffer(self):
        producer, consumer = self.pair(message=Order)
        claim = producer.claim(Order(last=Tick(side=1)))
        with claim as order:
            with memoryview(order) as view:
                view.cast("B")[0:8] = b"\0" * 6 + b"\xf0\x3f"
            self.assertEqual(len(claim), Order.SIZE)
            copies = [copy.copy(order.last), pickle.loads(pickle.dumps(order.last)), copy.deepcopy(order).last]
        self.assertEqual([each.price for each in copies], [1, 1, 1])
        self.assertTrue(all(type(each) is Tick for each in copies))
        self.assertEqual(consumer.recv().last.price, 1)

    def test_an_invalid_message_is_not_published(self):
        producer, consumer = self.pair(message=Order)
        for _ in range(4):
            with self.assertRaisesRegex(dmxp.InvalidArgument, "last.side: 0 is not a value of Side"):
                with producer.claim() as order:
                    order.limit = 1
            self.assertIsNone(consumer.receive())
        producer.send(Order(last=Tick(side=1)))

    def test_a_view_of_the_view_is_noticed(self):
        producer, consumer = self.pair()
        for keep in [memoryview, lambda slot: slot[1:], lambda slot: slot.cast("c")]:
            with self.assertRaises(BufferError):
                with producer.claim(5) as slot:
                    kept = keep(slot)
            self.assertEqual(bytes(kept), bytes(len(kept)))
            del kept, slot
            self.assertIsNone(consumer.receive())

    def test_an_exception_with_views_is_passed_on(self):
        producer, consumer = self.pair()
        with self.assertRaises(ZeroDivisionError):
            with producer.claim(5) as slot:
                kept = slot[1:]
                1 / 0
        self.assertIsNone(consumer.receive())
        del kept, slot
        # The consumer passes over the aborted slot.
        self.assertIsNone(consumer.receive())
        producer.send_batch([b"1", b"2"])

    def test_claims_wait_for_room(self):
        producer, consumer = self.pair()
        producer.send_batch([b"1", b"2"])
        with self.assertRaises(dmxp.Timeout):
            producer.claim(5, timeout=0.01)
        claims = []
        consumer.recv().release()
        consumer.recv().release()
        claims = [producer.claim(1), producer.claim(1)]
        with self.assertRaises(dmxp.WouldDeadlock):
            producer.claim(1)
        del claims


class Batches(RegionCase):
    def test_all_or_nothing(self):
        producer, consumer = self.pair(capacity=4)
        self.assertEqual(producer.send_batch([b"1", bytearray(b"2"), memoryview(b"3")]), 1)
        with self.assertRaises(dmxp.Timeout):
            producer.send_batch([b"4", b"5"], timeout=0)
        self.assertEqual(len(producer), 3)
        with self.assertRaisesRegex(dmxp.BatchTooLarge, "5 messages; at most 4"):
            producer.send_batch([b"x"] * 5)
        self.assertEqual(producer.send_batch([]), 0)
        with self.assertRaises(TypeError):
            producer.send_batch([b"4", "5"])
        self.assertEqual(producer.send_batch(iter([b"4"])), 4)
        self.assertEqual([bytes(message) for message in consumer.recv_batch(4)], [b"1", b"2", b"3", b"4"])

    def test_as_many_as_there_is_room_for(self):
        producer, consumer = self.pair(capacity=4)
        self.assertEqual(producer.send_up_to([]), 0)
        self.assertEqual(producer.send_up_to([b"%d" % k for k in range(6)]), 4)
        with self.assertRaises(dmxp.Timeout):
            producer.send_up_to([b"x"], timeout=0)
        consumer.recv().release()
        self.assertEqual(producer.send_up_to([b"4", b"5"]), 1)
        self.assertEqual([bytes(message) for message in consumer.recv_up_to(64)], [b"1", b"2", b"3", b"4"])

    def test_a_batch_of_a_class(self):
        producer, consumer = self.pair(capacity=4, message=Tick)
        producer.send_batch([Tick(side=1, price=k) for k in range(3)])
        ticks = consumer.recv_up_to(10)
        self.assertEqual([tick.price for tick in ticks], [0, 1, 2])
        self.assertIsInstance(ticks[0], Tick)
        del ticks
        producer.send_batch([Tick(side=1, price=k) for k in range(3)])
        messages = consumer.recv_batch(3, dmxp.Message)
        self.assertEqual([message.metadata.message_id for message in messages], [4, 5, 6])

    def test_the_slots_of_a_batch_are_released_together(self):
        producer, consumer = self.pair(capacity=2)
        producer.send_batch([b"1", b"2"])
        first, second = consumer.recv_up_to(2)
        del second
        self.assertFull(producer)
        with self.assertRaisesRegex(dmxp.InvalidArgument, "batch"):
            first.give_back()
        view = memoryview(first)
        with self.assertRaises(BufferError):
            first.release()
        view.release()
        first.release()
        producer.send_batch([b"3", b"4"])

    def test_a_bad_message_does_not_take_others_with_it(self):
        producer, consumer = self.pair(capacity=4)
        producer.send_batch([bytes(Tick(side=1, price=1)), b"short", bytes(Tick(side=1, price=3))])
        with self.assertRaisesRegex(dmxp.InvalidMessage, "message 2 "):
            consumer.recv_batch(3, Tick)
        again = [consumer.recv(Tick), consumer.recv(Tick)]
        self.assertEqual([tick.price for tick in again], [1, 3])
        # A call that fails is no delivery.
        self.assertEqual([dmxp.message_of(tick).metadata.redelivered for tick in again], [0, 0])

    def test_counts_have_limits(self):
        producer, consumer = self.pair(capacity=4)
        self.assertEqual(consumer.recv_up_to(0), [])
        self.assertEqual(consumer.recv_batch(0), [])
        with self.assertRaises(dmxp.BatchTooLarge):
            consumer.recv_batch(5)
        with self.assertRaises(dmxp.Timeout):
            consumer.recv_up_to(4, timeout=0.01)
        producer.send(b"only")
        with self.assertRaises(dmxp.Timeout):
            consumer.recv_batch(2, timeout=0.01)
        producer.close()
        self.assertEqual(consumer.recv_batch(2)[0], b"only")


if __name__ == "__main__":
    unittest.main()
