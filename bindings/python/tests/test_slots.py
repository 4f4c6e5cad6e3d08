"""How long a message keeps its slot, seen through the producer of a channel of two slots."""

import copy
import ctypes
import gc
import pickle
import unittest
import weakref

import dmxp
from support import Order, RegionCase, Tick


class Slots(RegionCase):
    """Two messages are sent and the first is received: the channel has room again exactly when its slot comes back."""

    def borrowed(self, message=None):
        producer, consumer = self.pair(message=message)
        producer.send(Order(last=Tick(side=1, price=1.5)) if message else b"one")
        producer.send(Order(last=Tick(side=1, price=2.5)) if message else b"two")
        self.producer = producer
        self.payload = Order(last=Tick(side=1)) if message else b"three"
        return consumer, consumer.recv()

    def assertKept(self):
        gc.collect()
        self.assertFull(self.producer, self.payload)

    def assertReleased(self):
        # At once, and not when the garbage collector comes.
        self.producer.try_send(self.payload)

    def test_a_message_keeps_its_slot(self):
        _, message = self.borrowed()
        gone = weakref.ref(message)
        self.assertKept()
        del message
        self.assertIsNone(gone())
        self.assertReleased()

    def test_release_gives_the_slot_back_and_ends_the_message(self):
        _, message = self.borrowed()
        self.assertFalse(message.released)
        message.release()
        self.assertTrue(message.released)
        self.assertReleased()
        for look in [bytes, len, memoryview, list, lambda m: m[0], lambda m: m.metadata, lambda m: m.give_back()]:
            with self.assertRaisesRegex(ValueError, "released"):
                look(message)
        message.release()
        self.assertIn("released", repr(message))

    def test_a_message_is_not_released_under_its_views(self):
        _, message = self.borrowed()
        view = memoryview(message)
        part = view[1:]
        del view
        for end in [message.release, message.give_back]:
            with self.assertRaisesRegex(BufferError, "views"):
                end()
        self.assertKept()
        self.assertEqual(bytes(part), b"ne")
        part.release()
        message.release()
        self.assertReleased()

    def test_the_last_view_keeps_the_slot(self):
        _, message = self.borrowed()
        view = memoryview(message)
        part = view[1:]
        del message, view
        self.assertKept()
        del part
        self.assertReleased()

    def test_with_releases(self):
        consumer, message = self.borrowed()
        with message:
            self.assertEqual(message, b"one")
        self.assertReleased()
        with self.assertRaises(BufferError):
            with consumer.recv() as message:
                view = memoryview(message)
        self.assertKept()
        view.release()
        message.release()
        self.assertReleased()

    def test_an_exception_passes_through_with(self):
        consumer, message = self.borrowed()
        with self.assertRaises(ZeroDivisionError):
            with message:
                view = memoryview(message)
                1 / 0
        self.assertEqual(bytes(view), b"one")
        self.assertKept()

    def test_a_typed_message_keeps_its_slot(self):
        _, order = self.borrowed(Order)
        message = weakref.ref(dmxp.message_of(order))
        self.assertKept()
        del order
        self.assertIsNone(message())
        self.assertReleased()

    def test_a_part_of_a_typed_message_keeps_the_slot(self):
        _, order = self.borrowed(Order)
        last = order.last
        symbol = last._symbol
        del order
        self.assertKept()
        self.assertEqual(last.price, 1.5)
        del last
        self.assertKept()
        del symbol
        self.assertReleased()

    def test_a_memoryview_of_a_typed_message_keeps_the_slot(self):
        _, order = self.borrowed(Order)
        view = memoryview(order)
        del order
        self.assertKept()
        del view
        self.assertReleased()

    def test_copies_of_a_typed_message_do_not_keep_the_slot(self):
        _, order = self.borrowed(Order)
        order_class, last = type(order), order.last.price
        copies = [copy.copy(order), copy.deepcopy(order), pickle.loads(pickle.dumps(order))]
        self.assertTrue(issubclass(order_class, Order))
        self.assertEqual(order_class.__qualname__, "Order")
        del order
        self.assertReleased()
        for each in copies:
            self.assertIs(type(each), Order)
            self.assertEqual(each.last.price, last)

    def test_a_message_is_not_released_while_an_instance_exists(self):
        _, order = self.borrowed(Order)
        message = dmxp.message_of(order)
        with self.assertRaises(BufferError):
            message.release()
        self.assertFalse(message.released)
        del order
        message.release()
        self.assertReleased()
        with self.assertRaises(ValueError):
            message.view(Order)

    def batch(self):
        """Two instances, which take the whole channel."""
        self.producer, consumer = self.pair(message=Order)
        self.payload = Order(last=Tick(side=1))
        self.producer.send_batch([Order(last=Tick(side=1, price=price)) for price in [1.5, 2.5]])
        return consumer.recv_up_to(8)

    def test_the_slots_of_instances_of_a_batch_come_back_with_the_last_of_them(self):
        orders = self.batch()
        last = orders[1].last
        del orders
        self.assertKept()
        self.assertEqual(last.price, 2.5)
        del last
        self.assertReleased()

    def test_each_instance_of_a_batch_leads_to_its_message(self):
        orders = self.batch()
        messages = [dmxp.message_of(order.last) for order in reversed(orders)]
        self.assertEqual([message.metadata.message_id for message in messages], [2, 1])
        for message, price in zip(messages, [2.5, 1.5]):
            self.assertEqual(message.view().last.price, price)
            self.assertEqual(message, dmxp.message_of(message.view()))

    def test_a_message_of_a_batch_is_not_released_while_instances_of_the_batch_exist(self):
        orders = self.batch()
        message = dmxp.message_of(orders[1])
        again = dmxp.message_of(orders[1])
        for _ in range(2):
            with self.assertRaises(BufferError):
                message.release()
            orders = orders[:1]
        del orders
        self.assertKept()
        message.release()
        self.assertTrue(again.released)
        self.assertReleased()
        with self.assertRaises(ValueError):
            again.view()

    def test_views_by_view_keep_the_slot(self):
        consumer, order = self.borrowed(Order)
        message = dmxp.message_of(order)
        del order
        order = message.view()
        with self.assertRaises(BufferError):
            message.release()
        del message
        self.assertKept()
        del order
        self.assertReleased()

    def test_views_outlive_the_consumer_and_the_region(self):
        consumer, order = self.borrowed(Order)
        self.producer.detach()
        consumer.detach()
        with self.assertRaises(dmxp.Detached):
            consumer.recv()
        del consumer
        dmxp.Region.remove(force=True)
        gc.collect()
        self.assertEqual(order.last.price, 1.5)
        del order

    def test_a_detached_consumer_goes_with_its_last_message(self):
        consumer, message = self.borrowed()
        region = dmxp.Region()
        self.assertEqual(region.info.handles, 2)
        consumer.detach()
        self.assertEqual(region.info.handles, 2)
        self.assertKept()
        del message
        self.assertEqual(region.info.handles, 1)
        self.assertReleased()

    def test_eight_messages_are_held_at_most(self):
        producer, consumer = self.pair(capacity=16)
        producer.send_batch([b"x"] * 10)
        held = [consumer.recv() for _ in range(8)]
        with self.assertRaisesRegex(dmxp.TooManyClaims, "8 claims"):
            consumer.recv()
        del held[0]
        self.assertEqual(consumer.recv(), b"x")

    def test_a_handle_does_not_wait_for_itself(self):
        producer, consumer = self.pair()
        producer.send_batch([b"1", b"2"])
        held = [consumer.recv(), consumer.recv()]
        with self.assertRaisesRegex(dmxp.WouldDeadlock, "release or publish"):
            consumer.recv(timeout=1)
        del held


def mappings_of(name):
    """The address ranges at which the region is mapped."""
    with open("/proc/self/maps") as lines:
        for line in lines:
            fields = line.split()
            if fields[-1].endswith(f"/{name}"):
                yield tuple(int(bound, 16) for bound in fields[0].split("-"))


class Places(RegionCase):
    def assertInRegion(self, address, size):
        ranges = list(mappings_of(self.region_name))
        self.assertTrue(any(low <= address and address + size <= high for low, high in ranges), (address, ranges))

    def test_nothing_is_copied_on_the_way_out(self):
        producer, consumer = self.pair(message=Order)
        producer.send(Order(last=Tick(side=1, price=1.5)))
        order = consumer.recv()
        address = ctypes.addressof(order)
        self.assertInRegion(address, Order.SIZE)
        self.assertEqual(address % 64, 0)
        self.assertEqual(ctypes.addressof(order.last), address)
        # The very same bytes.
        message = dmxp.message_of(order)
        order.last.price = 7.5
        self.assertEqual(Tick.from_buffer_copy(message).price, 7.5)

    def test_nothing_is_copied_on_the_way_in(self):
        producer, consumer = self.pair()
        with producer.claim(16) as slot:
            address = ctypes.addressof((ctypes.c_char * 16).from_buffer(slot))
            self.assertInRegion(address, 16)
            slot[:5] = b"hello"
        message = consumer.recv()
        self.assertEqual(ctypes.addressof(message.view(Sixteen)), address)
        self.assertEqual(message, b"hello" + bytes(11))


class Sixteen(ctypes.LittleEndianStructure):
    SCHEMA = "struct Sixteen v1 size 16 align 8 { low: u64 @0, high: u64 @8 }"
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


if __name__ == "__main__":
    unittest.main()
