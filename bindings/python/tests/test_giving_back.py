"""A message that is held when an exception comes is not lost."""

import contextlib
import copy
import io
import subprocess
import threading
import unittest

import dmxp
from support import PATIENCE, RegionCase, Tick, run, start


class Blocks(RegionCase):
    def test_a_block_that_raises_gives_the_message_back(self):
        producer, consumer = self.pair()
        producer.send(b"job")
        for attempt in range(3):
            with self.assertRaises(ZeroDivisionError):
                with consumer.recv(timeout=1) as message:
                    self.assertEqual(message.metadata.redelivered, attempt)
                    1 / 0
            self.assertTrue(message.released)
        with consumer.recv(timeout=1) as message:
            self.assertEqual(bytes(message), b"job")
        self.assertIsNone(consumer.receive())

    def test_views_in_the_traceback_do_not_lose_the_message(self):
        producer, consumer = self.pair()
        producer.send(b"job")
        try:
            with consumer.recv() as message:
                view = memoryview(message)
                1 / 0
        except ZeroDivisionError:
            pass
        self.assertIsNone(consumer.receive())
        del view
        self.assertEqual((bytes(message := consumer.receive()), message.metadata.redelivered), (b"job", 1))

    def test_a_block_over_an_instance(self):
        producer, consumer = self.pair(message=Tick)
        producer.send(Tick(side=1, price=1.5))
        with self.assertRaises(ZeroDivisionError):
            with consumer.recv() as tick:
                self.assertIsInstance(tick, Tick)
                kept = copy.copy(tick)
                tick.price / (tick.price - 1.5)
        self.assertEqual(kept.price, 1.5)
        # Whatever name it has, the slot is not reached by it any more.
        with self.assertRaises(ReferenceError):
            tick.price
        with consumer.recv() as tick:
            self.assertEqual(dmxp.message_of(tick).metadata.redelivered, 1)
        self.assertIsNone(consumer.receive())
        producer.send_batch([Tick(side=1), Tick(side=1)])
        with self.assertRaises(ValueError):
            tick = consumer.recv()
            with tick as outer:
                with tick:
                    self.assertIsNotNone(outer)
                    self.fail("two blocks at once")

    def test_a_block_over_an_instance_ends_its_hold(self):
        producer, consumer = self.pair(message=Tick, capacity=2)
        producer.send_batch([Tick(side=1), Tick(side=2)])
        with consumer.recv() as tick:
            side = tick.side
        # Though the name is still there.
        producer.send(Tick(side=2), timeout=1)
        self.assertEqual(side, 1)
        with self.assertRaises(ReferenceError):
            tick.side

    def test_of_a_batch_all_come_again(self):
        for message, instances in [(None, [b"1", b"2"]), (Tick, [Tick(side=1, price=1), Tick(side=1, price=2)])]:
            with self.subTest(message=message):
                options = {"name": str(message), "capacity": 4, "message": message}
                producer, consumer = dmxp.create_producer(**options), dmxp.create_consumer(**options)
                producer.send_batch(instances)
                with self.assertRaises(ZeroDivisionError):
                    batch = consumer.recv_up_to(4)
                    with batch[1]:
                        1 / 0
                self.assertIsNone(consumer.receive())
                del batch
                again = [consumer.recv(timeout=1), consumer.recv(timeout=1)]
                self.assertEqual(*map(bytes, [again[0], instances[0]]))
                self.assertIsNone(consumer.receive())

    def test_poison_goes_to_the_dead_letters(self):
        producer = dmxp.create_producer(channel_id=1, redelivery_limit=1, dead_letters="dead")
        consumer = dmxp.create_consumer(channel_id=1)
        producer.send(b"poison")
        for _ in range(2):
            with self.assertRaises(ZeroDivisionError):
                with consumer.recv(timeout=1):
                    1 / 0
        self.assertIsNone(consumer.receive())
        self.assertEqual(bytes(dmxp.create_consumer(name="dead").recv(timeout=1)), b"poison")


class Uncaught(RegionCase):
    def left(self, code, *arguments):
        """What is on the channel after a program has ended by an exception, with how often it was delivered."""
        program = start(code, *arguments, stderr=subprocess.DEVNULL)
        program.communicate(timeout=PATIENCE)
        self.assertEqual(program.returncode, 1)
        left = []
        consumer = dmxp.create_consumer(channel_id=1)
        while (message := consumer.receive()) is not None:
            left.append((bytes(message), message.metadata.redelivered))
            message.release()
        return left

    def test_what_the_program_holds_when_it_ends_comes_again(self):
        producer = dmxp.create_producer(channel_id=1, capacity=8)
        consume = "consumer = dmxp.create_consumer(channel_id=1)\n"
        for code in [
            "def work():\n    message = consumer.recv(timeout=10)\n    1 / 0\nwork()",
            "message = consumer.recv(timeout=10)\nview = memoryview(message)\n1 / 0",
            "for message in consumer:\n    print(bytes(message)); message.nothing",
            "batch = consumer.recv_up_to(1)\nraise KeyboardInterrupt",
            # Another hook, which does not know of this one.
            "sys.excepthook = lambda *what: None\nmessage = consumer.recv(timeout=10)\n1 / 0",
            "import asyncio\nasync def main():\n    message = await consumer.recv_async()\n    1 / 0\nasyncio.run(main())",
        ]:
            producer.send(b"job")
            with self.subTest(code=code):
                if "KeyboardInterrupt" in code:
                    program = start(consume + code, stderr=subprocess.DEVNULL)
                    program.communicate(timeout=PATIENCE)
                    self.assertNotEqual(program.returncode, 0)
                    consumer = dmxp.create_consumer(channel_id=1)
                    left = consumer.recv(timeout=PATIENCE)
                    self.assertEqual((bytes(left), left.metadata.redelivered), (b"job", 1))
                    del left
                else:
                    self.assertEqual(self.left(consume + code), [(b"job", 1)])

    def test_what_was_let_go_before_does_not_come_again(self):
        producer = dmxp.create_producer(channel_id=1, capacity=8)
        producer.send_batch([b"one", b"two", b"three"])
        code = """
consumer = dmxp.create_consumer(channel_id=1)
message = consumer.recv(timeout=10)
message = consumer.recv(timeout=10)
with consumer.recv(timeout=10) as other:
    bytes(other)
1 / 0
"""
        self.assertEqual(self.left(code), [(b"two", 1)])

    def test_a_thread_that_ends_by_an_exception_gives_back_what_it_holds(self):
        producer, consumer = self.pair(capacity=8)
        own = dmxp.create_consumer(channel_id=1)
        producer.send_batch([b"thread", b"handed over", b"kept"])
        seen = []
        def work():
            message = consumer.recv(timeout=PATIENCE)
            seen.append(bytes(message))
            given.wait(PATIENCE)
            handed = box.pop()
            seen.append(bytes(handed))
            message.nothing

        given, box = threading.Event(), []
        with contextlib.redirect_stderr(io.StringIO()):
            thread = threading.Thread(target=work)
            thread.start()
            while not seen:
                given.wait(0.01)
            box.append(own.recv(timeout=PATIENCE))
            kept = own.recv(timeout=PATIENCE)
            given.set()
            thread.join(PATIENCE)
        self.assertEqual(seen, [b"thread", b"handed over"])
        again = {bytes(message := own.recv(timeout=PATIENCE)): message.metadata.redelivered for _ in range(2)}
        self.assertEqual(again, {b"thread": 1, b"handed over": 1})
        # What this thread holds is its own.
        self.assertEqual(bytes(kept), b"kept")
        kept.release()
        del message
        self.assertIsNone(own.receive())

    def test_a_program_that_ends_well_has_dealt_with_what_it_holds(self):
        producer = dmxp.create_producer(channel_id=1, capacity=8)
        producer.send(b"job")
        run("message = dmxp.create_consumer(channel_id=1).recv(timeout=10)\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    pass")
        self.assertIsNone(dmxp.create_consumer(channel_id=1).receive())


class Lists(RegionCase):
    def test_a_list_of_a_consumer_says_what_to_do(self):
        producer, consumer = self.pair(capacity=16, message=Tick)
        producer.send_batch([Tick(side=1, price=price) for price in range(12)])
        producer.close()
        with self.assertRaisesRegex(dmxp.TooManyClaims, r"copy what you keep: .*\[copy.copy\(message\)"):
            list(consumer)
        prices = [tick.price for tick in [copy.copy(tick) for tick in consumer]]
        self.assertEqual(prices[-4:], [8, 9, 10, 11])


if __name__ == "__main__":
    unittest.main()
