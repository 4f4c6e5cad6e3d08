"""Broadcast and latest channels: who gets what, what is missed, how long copies stay, and how handles wait."""

import ctypes
import gc
import threading
import time
import unittest

import dmxp
from support import PATIENCE, Order, RegionCase, Tick, run, sleeps_of, start

try:
    import numpy
except ImportError:
    numpy = None


def numbered(number):
    return b"%d" % number * 8


class DeliveryCase(RegionCase):
    def producer(self, capacity=8, **options):
        return dmxp.create_producer(name="channel", capacity=capacity, **options)

    def consumer(self, **options):
        return dmxp.create_consumer(name="channel", **options)

    def info(self):
        return dmxp.Region().channel("channel")

    def send(self, producer, numbers):
        for number in numbers:
            self.assertEqual(producer.try_send(numbered(number)), number + 1)

    def received(self, consumer):
        return [bytes(message) for message in iter(consumer.receive, None)]


class Broadcast(DeliveryCase):
    def test_every_subscriber_gets_every_message(self):
        for single in [False, True]:
            with self.subTest(single=single):
                producer = self.producer(delivery="broadcast", single_producer=single)
                consumers = [self.consumer() for _ in range(3)]
                for lap in range(10):
                    numbers = range(8 * lap, 8 * lap + 8)
                    self.send(producer, numbers)
                    self.assertFull(producer)
                    for consumer in consumers:
                        self.assertEqual(len(consumer), 8)
                        self.assertEqual(self.received(consumer), [numbered(number) for number in numbers])
                        self.assertEqual((len(consumer), consumer.missed, consumer.delivery), (0, 0, "broadcast"))
                info = self.info()
                self.assertEqual((info.delivery, info.single_producer, len(info)), ("broadcast", single, 0))
                self.assertEqual([holder.subscription for holder in info.consumers], ["reliable"] * 3)
                self.assertEqual([holder.subscription for holder in info.producers], [None])
                self.assertIn('subscription="reliable"', repr(info.consumers[0]))
                del producer, consumers, consumer
                gc.collect()
                dmxp.Region().remove_channel("channel")

    def test_a_reliable_subscriber_holds_the_producer_back_and_its_messages_stay(self):
        producer, consumer = self.producer(delivery="broadcast"), self.consumer()
        self.send(producer, range(8))
        held = consumer.recv()
        view = memoryview(held)
        self.assertEqual(len([consumer.recv().release() for _ in range(7)]), 7)
        self.assertFull(producer)
        with self.assertRaises(dmxp.WouldDeadlock):
            consumer.recv(timeout=PATIENCE)
        self.assertEqual(bytes(view), numbered(0))
        del held, view
        self.send(producer, [8])
        consumer.detach()
        self.send(producer, range(9, 100))

    def test_whoever_waits_is_woken(self):
        producer, consumer = self.producer(delivery="broadcast", capacity=2), self.consumer()
        got = []

        def receive():
            for message in consumer:
                got.append(bytes(message))
                del message

        thread = threading.Thread(target=receive)
        thread.start()
        for number in range(1000):
            producer.send(numbered(number), timeout=PATIENCE)
        producer.close()
        thread.join(PATIENCE)
        self.assertEqual(got, [numbered(number) for number in range(1000)])

    def test_writing_to_an_instance_of_a_batch_is_seen_by_nobody_else(self):
        producer = self.producer(delivery="broadcast", message=Order)
        first, second = (self.consumer(message=Order) for _ in range(2))
        producer.send_batch([Order(last=Tick(side=1, price=price)) for price in range(3)])
        mine = first.recv_up_to(8)
        for order in mine:
            order.last.price += 7
        self.assertEqual([order.last.price for order in mine], [7, 8, 9])
        self.assertEqual([order.last.price for order in second.recv_up_to(8)], [0, 1, 2])
        messages = [dmxp.message_of(order) for order in mine]
        self.assertEqual([message.metadata.message_id for message in messages], [1, 2, 3])
        self.assertEqual([message.view().last.price for message in messages], [0, 1, 2])
        part = mine[2].last
        del mine, order, messages
        gc.collect()
        self.assertEqual(part.price, 9)

    def test_writing_to_an_instance_is_seen_by_nobody_else(self):
        producer = self.producer(delivery="broadcast", message=Order)
        first, second, third = (self.consumer(message=Order) for _ in range(3))
        producer.send(Order(last=Tick(side=1, price=1.5)))
        mine = first.recv()
        mine.last.price = 7
        self.assertEqual((mine.last.price, second.recv().last.price), (7, 1.5))
        with third.recv(dmxp.Message) as message:
            view = message.view()
            view.last.price = 8
            self.assertEqual((bytes(message), view.last.price), (bytes(Order(last=Tick(side=1, price=1.5))), 8))
            del view
        self.assertEqual(dmxp.message_of(mine.last).metadata.message_id, 1)
        part = mine.last
        del mine
        gc.collect()
        self.assertEqual(part.price, 7)

    def test_what_is_given_back_comes_to_the_same_one_again(self):
        producer = self.producer(delivery="broadcast")
        one, other = self.consumer(), self.consumer()
        self.send(producer, [0])
        one.recv().give_back()
        self.assertEqual(self.received(one), [numbered(0)])
        self.assertEqual(self.received(other), [numbered(0)])

    def test_late_ones_begin_where_they_choose(self):
        producer = self.producer(capacity=16, delivery="broadcast")
        self.send(producer, range(100))
        self.assertIsNone(self.consumer().receive())
        self.assertIsNone(self.consumer(start="newest").receive())
        oldest = self.received(self.consumer(start="oldest"))
        self.assertEqual(oldest, [numbered(number) for number in range(100)][-len(oldest) :])
        self.assertIn(len(oldest), range(12, 17))
        self.assertEqual(self.received(self.consumer(start=95)), [numbered(number) for number in range(95, 100)])
        gone = self.consumer(start=10)
        message = gone.receive()
        self.assertEqual(message, numbered(10 + gone.missed))
        self.assertEqual(message.metadata.missed, gone.missed)
        self.assertGreaterEqual(gone.missed, 74)
        positions = [holder.position for holder in self.info().consumers]
        self.assertEqual(positions, [10 + gone.missed])

    def test_a_second_producer_is_refused_where_there_is_one_at_a_time(self):
        producer = self.producer(delivery="broadcast", single_producer=True)
        with self.assertRaisesRegex(dmxp.ChannelInUse, "one producer at a time"):
            self.producer()
        with producer.claim(5) as slot, self.assertRaises(dmxp.TooManyClaims):
            slot[:] = b"hello"
            producer.send(b"x")
        producer.detach()
        self.producer().send(b"next")

    def test_a_claim_is_seen_when_it_is_published_and_not_before(self):
        for single in [False, True]:
            producer = dmxp.create_producer(channel_id=single, delivery="broadcast", single_producer=single)
            consumer = dmxp.create_consumer(channel_id=single)
            with producer.claim(5) as slot:
                slot[:] = b"hello"
                self.assertIsNone(consumer.receive())
            self.assertEqual(bytes(consumer.receive()), b"hello")
            producer.claim(5).abort()
            producer.send(b"next")
            self.assertEqual(bytes(consumer.receive()), b"next")


class Lossy(DeliveryCase):
    def test_it_knows_exactly_what_it_missed(self):
        for single in [False, True]:
            producer = dmxp.create_producer(
                channel_id=single, capacity=8, delivery="broadcast", single_producer=single, lossy_subscribers=True
            )
            consumer = dmxp.create_consumer(channel_id=single, subscription="lossy")
            expected, count = 0, 0
            for lap in range(20):
                self.send(producer, range(37 * lap, 37 * lap + 37))
                while (message := consumer.receive()) is not None:
                    expected += message.metadata.missed
                    self.assertEqual((message, message.metadata.message_id), (numbered(expected), expected + 1))
                    expected += 1
                    count += 1
            self.assertEqual((expected, count + consumer.missed), (740, 740))
            info = dmxp.Region().channel(int(single))
            self.assertEqual([(holder.subscription, holder.position) for holder in info.consumers], [("lossy", None)])

    def test_copies_stay_while_they_are_held_whatever_is_sent(self):
        producer, consumer = self.producer(delivery="broadcast"), self.consumer(subscription="lossy")
        self.send(producer, range(4))
        messages = [consumer.recv() for _ in range(3)]
        view = memoryview(messages[1])[1:]
        batch = consumer.recv_up_to(8)
        self.send(producer, range(4, 1000))
        later = consumer.recv_up_to(8)
        self.send(producer, range(1000, 2000))
        for number, message in enumerate([*messages, *batch]):
            self.assertEqual(message, numbered(number))
        for message in later:
            self.assertEqual(message, numbered(message.metadata.message_id - 1))
        # What is let go is used again, and nothing else.
        messages[0].release()
        del messages[1:], message
        for number in range(2000, 2100):
            self.send(producer, [number])
            consumer.recv().release()
        self.assertEqual((bytes(view), batch[0]), (numbered(1)[1:], numbered(3)))
        consumer.detach()
        del consumer
        gc.collect()
        self.assertEqual((bytes(view), batch[0]), (numbered(1)[1:], numbered(3)))

    def test_instances_and_their_parts_stay(self):
        producer = self.producer(delivery="broadcast", message=Order)
        consumer = self.consumer(subscription="lossy", message=Order)
        producer.send(Order(last=Tick(side=1, price=1.5)))
        order = consumer.recv()
        part = order.last
        for price in range(100):
            producer.send(Order(last=Tick(side=1, price=price)))
        last = consumer.recv_up_to(8)[-1]
        self.assertEqual((order.last.price, part.price, last.last.price), (1.5, 1.5, 99))
        self.assertEqual(ctypes.addressof(order) % 64, 0)
        del order
        gc.collect()
        self.assertEqual(part.price, 1.5)

    @unittest.skipUnless(numpy, "numpy is not there")
    def test_arrays_stay(self):
        producer = self.producer(delivery="broadcast", message=Tick)
        for subscription in ["lossy", "reliable"]:
            with self.subTest(subscription), self.consumer(subscription=subscription, message=Tick) as consumer:
                for price in range(4):
                    producer.send(Tick(side=1, price=price))
                array = consumer.recv_array(8)
                if subscription == "lossy":
                    for price in range(100):
                        producer.send(Tick(side=1, price=price))
                    self.assertEqual(consumer.recv_array(8)["price"][-1], 99)
                self.assertEqual(array["price"].tolist(), [0, 1, 2, 3])
                self.assertFalse(array.flags.writeable)
                array = array[2:]
            gc.collect()
            self.assertEqual(array["price"].tolist(), [2, 3])
            del array


class Latest(DeliveryCase):
    def test_whoever_looks_gets_the_newest(self):
        for single in [False, True]:
            producer = dmxp.create_producer(channel_id=single, delivery="latest", single_producer=single)
            reader = dmxp.create_consumer(channel_id=single)
            self.assertIsNone(reader.newest())
            self.assertIsNone(reader.receive())
            self.send(producer, range(50))
            message = reader.recv()
            self.assertEqual((message, message.metadata.missed), (numbered(49), 0))
            self.assertIsNone(reader.receive())
            newest = reader.newest()
            self.send(producer, range(50, 100))
            self.assertEqual((message, newest), (numbered(49), numbered(49)))
            self.assertEqual(len(reader), 1)
            changed = reader.recv()
            self.assertEqual((changed, changed.metadata.missed, reader.missed), (numbered(99), 49, 49))
            self.assertEqual((reader.capacity, reader.delivery, producer.delivery), (16, "latest", "latest"))
            with self.assertRaises(dmxp.BatchTooLarge):
                reader.recv_batch(2)
            producer.close()
            late = dmxp.create_consumer(channel_id=single)
            self.assertEqual([bytes(message) for message in late], [numbered(99)])

    def test_a_change_is_waited_for(self):
        producer, reader = self.producer(delivery="latest", message=Tick), self.consumer(message=Tick)
        with self.assertRaises(dmxp.Timeout):
            reader.recv(timeout=0.01)
        timer = threading.Timer(0.05, producer.send, [Tick(side=1, price=1)])
        timer.start()
        self.assertEqual(reader.recv(timeout=PATIENCE).price, 1)
        timer.join()

    def test_newest_is_for_latest_channels(self):
        self.producer(delivery="broadcast")
        with self.assertRaisesRegex(dmxp.InvalidArgument, "latest channels only"):
            self.consumer().newest()

    def test_values_are_never_torn_between_processes(self):
        self.producer(delivery="latest", capacity=4)
        sender = start(
            "producer = dmxp.create_producer(name='channel')\n"
            "for number in range(1, 20000): producer.send(bytes([number % 251]) * 900)\n"
            "producer.close()"
        )
        seen = 0
        for message in self.consumer():
            data = bytes(message)
            self.assertEqual(data, data[:1] * 900)
            self.assertGreater(message.metadata.message_id, seen)
            seen = message.metadata.message_id
        self.assertEqual(seen, 19999)
        sender.communicate(timeout=PATIENCE)
        self.assertEqual(sender.returncode, 0)


class Words(DeliveryCase):
    def test_what_is_not_possible_is_refused_with_what_is(self):
        for name, value, text in [
            ("delivery", "all", 'give "queue" or "broadcast" or "latest"'),
            ("subscription", "none", 'give "reliable" or "lossy"'),
            ("start", "now", 'give "newest" or "oldest"'),
        ]:
            with self.subTest(name), self.assertRaisesRegex(dmxp.InvalidArgument, f'{name} is "{value}"; {text}'):
                self.consumer(**{name: value})
        for start in [-1, 1.5, None, []]:
            if start is not None:
                with self.subTest(start=start), self.assertRaisesRegex(TypeError, "start: give"):
                    self.consumer(start=start)
        queue = self.producer()
        self.assertEqual((queue.delivery, self.info().delivery, self.info().single_producer), ("queue", "queue", False))
        with self.assertRaisesRegex(dmxp.InvalidArgument, "a queue channel cannot have a lossy subscription"):
            self.consumer(subscription="lossy")
        with self.assertRaisesRegex(dmxp.ChannelMismatch, "delivery"):
            self.consumer(delivery="latest")

    def test_metadata_says_what_was_missed(self):
        producer, consumer = self.producer(), self.consumer()
        producer.send(b"x")
        metadata = consumer.recv().metadata
        self.assertEqual((metadata.missed, consumer.missed), (0, 0))
        self.assertIn("missed=0", repr(metadata))


class Strategies(DeliveryCase):
    def sleeps(self, wait):
        consumer = self.consumer(capacity=8, wait_strategy=wait)

        def receive_in_vain():
            start = time.monotonic()
            with self.assertRaises(dmxp.Timeout):
                consumer.recv(timeout=1)
            self.assertGreaterEqual(time.monotonic() - start, 1)

        return sleeps_of(receive_in_vain)

    def test_who_spins_does_not_sleep_and_who_sleeps_looks_after_the_dead_now_and_then(self):
        self.assertLessEqual(self.sleeps("spin"), 3)
        for wait in ["spin_then_sleep", "sleep", None]:
            slept = self.sleeps(wait)
            self.assertTrue(5 <= slept <= 60, slept)

    def test_whatever_it_is_messages_and_signals_come_through(self):
        for wait in ["spin", "spin_then_sleep", "sleep"]:
            with self.subTest(wait):
                output = run(
                    "import signal, threading\n"
                    f"producer = dmxp.create_producer(channel_id=1, capacity=2, wait_strategy={wait!r})\n"
                    f"consumer = dmxp.create_consumer(channel_id=1, wait_strategy={wait!r})\n"
                    "sender = threading.Thread(target=lambda: [producer.send(b'x') for _ in range(100)])\n"
                    "sender.start()\n"
                    "print(sum(len(consumer.recv(timeout=30)) for _ in range(100)))\n"
                    "sender.join()\n"
                    "signal.setitimer(signal.ITIMER_REAL, 0.1)\n"
                    "signal.signal(signal.SIGALRM, signal.default_int_handler)\n"
                    "try:\n"
                    "    consumer.recv(timeout=30)\n"
                    "except KeyboardInterrupt:\n"
                    "    print('interrupted')\n"
                )
                self.assertEqual(output, "100\ninterrupted\n")


if __name__ == "__main__":
    unittest.main()
