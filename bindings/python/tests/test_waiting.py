"""Timeouts, signals, threads and closing, while a call waits."""

import os
import signal
import threading
import time
import unittest

import dmxp
from support import PATIENCE, RegionCase, Tick


class Timeouts(RegionCase):
    def assertTakes50ms(self, call):
        start = time.monotonic()
        with self.assertRaises(dmxp.Timeout) as caught:
            call()
        took = time.monotonic() - start
        self.assertIsInstance(caught.exception, TimeoutError)
        self.assertGreaterEqual(took, 0.05)
        # Generous, for machines with other things to do.
        self.assertLess(took, 20)

    def test_empty_channels(self):
        _, consumer = self.pair()
        self.assertTakes50ms(lambda: consumer.recv(timeout=0.05))
        self.assertTakes50ms(lambda: consumer.receive(timeout=0.05))
        self.assertTakes50ms(lambda: consumer.recv_up_to(4, timeout=0.05))

    def test_full_channels(self):
        producer, _ = self.pair()
        producer.send_batch([b"1", b"2"])
        self.assertTakes50ms(lambda: producer.send(b"3", timeout=0.05))
        self.assertTakes50ms(lambda: producer.send_batch([b"3"], timeout=0.05))
        self.assertTakes50ms(lambda: producer.send_up_to([b"3"], timeout=0.05))
        self.assertTakes50ms(lambda: producer.claim(1, timeout=0.05))


class Signals(RegionCase):
    def interrupted(self, call):
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        start = time.monotonic()
        timer.start()
        with self.assertRaises(KeyboardInterrupt):
            call()
        self.assertLess(time.monotonic() - start, 20)
        timer.join()

    def test_receiving_is_interrupted(self):
        producer, consumer = self.pair()
        self.interrupted(consumer.recv)
        self.interrupted(lambda: next(consumer))
        producer.send(b"still works")
        self.assertEqual(consumer.recv(), b"still works")

    def test_sending_is_interrupted(self):
        producer, consumer = self.pair()
        producer.send_batch([b"1", b"2"])
        self.interrupted(lambda: producer.send(b"3"))
        self.assertEqual([bytes(message) for message in consumer.recv_batch(2)], [b"1", b"2"])
        self.assertIsNone(consumer.receive())

    def test_signal_handlers_run_while_a_call_waits(self):
        _, consumer = self.pair()
        seen = []
        before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        with self.assertRaises(dmxp.Timeout):
            consumer.recv(timeout=0.5)
        self.assertEqual(seen, [1])


class Threads(RegionCase):
    def run_all(self, *functions):
        failures = []

        def guarded(function):
            try:
                function()
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=guarded, args=(function,), daemon=True) for function in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
            self.assertFalse(thread.is_alive(), "a thread is stuck")
        if failures:
            raise failures[0]

    def test_one_handle_in_many_threads(self):
        producer, consumer = self.pair(capacity=64)
        count, senders, receivers = 4_000, 4, 4
        received = [[] for _ in range(receivers)]

        def send(sender):
            for number in range(count):
                producer.send(b"%d %d" % (sender, number))

        def receive(into):
            while True:
                with consumer.recv() as message:
                    if message == b"end":
                        return
                    into.append(tuple(map(int, bytes(message).split())))

        receiving = [threading.Thread(target=receive, args=(into,), daemon=True) for into in received]
        for thread in receiving:
            thread.start()
        self.run_all(*[lambda sender=sender: send(sender) for sender in range(senders)])
        for _ in receiving:
            producer.send(b"end")
        for thread in receiving:
            thread.join(PATIENCE)
            self.assertFalse(thread.is_alive(), "a thread is stuck")
        everything = sorted(pair for into in received for pair in into)
        self.assertEqual(everything, [(sender, number) for sender in range(senders) for number in range(count)])
        for into in received:
            for sender in range(senders):
                numbers = [number for other, number in into if other == sender]
                self.assertEqual(numbers, sorted(numbers))

    def test_a_thread_that_waits_keeps_nobody_from_releasing(self):
        producer, consumer = self.pair()
        producer.send(b"1")
        held = consumer.recv()
        waiting = threading.Thread(target=lambda: bytes(consumer.recv()), daemon=True)
        waiting.start()
        time.sleep(0.1)
        took = []
        for _ in range(10):
            start = time.monotonic()
            for _ in range(5):
                held.release()
                self.assertEqual(len(consumer), 0)
            took.append(time.monotonic() - start)
        # Nobody waits for the other's slice of 50 ms.
        self.assertLess(min(took), 0.04)
        producer.send(b"2")
        waiting.join(PATIENCE)
        self.assertFalse(waiting.is_alive())

    def test_detaching_ends_the_calls_of_other_threads(self):
        producer, consumer = self.pair()
        producer.detach()

        def receive():
            with self.assertRaises(dmxp.Detached):
                consumer.recv()

        self.run_all(receive, lambda: (time.sleep(0.1), consumer.detach()))
        self.assertEqual(dmxp.Region().info.handles, 0)

    def test_closing_ends_the_calls_of_other_threads(self):
        producer, consumer = self.pair(message=Tick)
        prices = []

        def receive():
            for tick in consumer:
                prices.append(tick.price)
                del tick

        def send():
            for price in range(100):
                producer.send(Tick(side=1, price=price))
            producer.close()

        self.run_all(receive, send)
        self.assertEqual(prices, list(range(100)))

    def test_a_full_channel_waits_for_another_thread(self):
        producer, consumer = self.pair()
        held = [consumer.recv() if producer.send(b"1") else None]

        def send():
            for number in range(1000):
                producer.send(b"%d" % number)

        def receive():
            held.clear()
            for number in range(1000):
                with consumer.recv() as message:
                    self.assertEqual(message, b"%d" % number)

        self.run_all(send, receive)


class AllClaimsOut(RegionCase):
    """What a call does whose handle has all its claims out."""

    def full_of_messages(self):
        producer, consumer = self.pair(capacity=32)
        producer.send_batch([b"%d" % number for number in range(12)])
        return producer, consumer, [consumer.recv() for _ in range(8)]

    def last_error(self, channel=1):
        error = dmxp.Region().channel_statistics(channel).last_error
        return error and error.kind

    def later(self, function):
        """Runs it in another thread, when the caller waits."""
        timer = threading.Timer(0.1, function)
        timer.daemon = True
        timer.start()
        self.addCleanup(timer.join, PATIENCE)
        return timer

    def test_receiving_waits_for_another_thread_to_release(self):
        producer, consumer, held = self.full_of_messages()
        for number, receive in enumerate([
            consumer.recv,
            lambda: consumer.recv(timeout=PATIENCE),
            lambda: consumer.receive(timeout=PATIENCE),
            lambda: next(consumer),
        ]):
            released = self.later(held[number].release)
            message = receive()
            released.join()
            self.assertEqual(bytes(message), b"%d" % (8 + number))
            held.append(message)
        # The calls that failed only for a while have not failed.
        self.assertIsNone(self.last_error())

    def test_sending_waits_for_another_thread_to_finish_a_claim(self):
        producer, consumer = self.pair(capacity=32)
        claims = [producer.claim(1) for _ in range(8)]
        self.later(claims[0].abort)
        producer.send(b"x")
        claims[0] = producer.claim(1)
        self.later(claims[1].abort)
        claims[1] = producer.claim(1, timeout=PATIENCE)
        self.assertEqual(len(consumer), 11)
        del claims

    def test_a_time_limit_is_kept(self):
        _, consumer, held = self.full_of_messages()
        idle = threading.Event()
        beside = threading.Thread(target=idle.wait, args=(PATIENCE,), daemon=True)
        beside.start()
        self.addCleanup(beside.join, PATIENCE)
        self.addCleanup(idle.set)
        start = time.monotonic()
        with self.assertRaises(dmxp.Timeout):
            consumer.recv(timeout=0.1)
        self.assertGreaterEqual(time.monotonic() - start, 0.1)
        self.assertEqual(self.last_error(), "TooManyClaims")
        del held

    def test_one_thread_alone_does_not_wait_for_itself_and_that_is_counted(self):
        producer, consumer, held = self.full_of_messages()
        for wait in [{}, {"timeout": PATIENCE}, {"timeout": 0}]:
            with self.assertRaises(dmxp.TooManyClaims):
                consumer.recv(**wait)
        with self.assertRaises(dmxp.TooManyClaims):
            consumer.try_recv()
        self.assertEqual(self.last_error(), "TooManyClaims")
        del held
        small = {"name": "small", "capacity": 2}
        producer, consumer = dmxp.create_producer(**small), dmxp.create_consumer(**small)
        producer.send_batch([b"1", b"2"])
        held = [consumer.recv(), consumer.recv()]
        self.assertIsNone(self.last_error("small"))
        with self.assertRaises(dmxp.WouldDeadlock):
            consumer.recv(timeout=PATIENCE)
        self.assertEqual(self.last_error("small"), "WouldDeadlock")
        for wait in [{"timeout": 0}, {}]:
            with self.assertRaises(dmxp.WouldDeadlock):
                consumer.recv(**wait)
        del held

    def test_a_signal_ends_the_wait(self):
        _, consumer, held = self.full_of_messages()
        interrupting = self.later(lambda: (time.sleep(0.2), os.kill(os.getpid(), signal.SIGINT)))
        with self.assertRaises(KeyboardInterrupt):
            consumer.recv()
        interrupting.join()
        del held

    def test_detaching_ends_the_wait(self):
        _, consumer, held = self.full_of_messages()
        self.later(consumer.detach)
        with self.assertRaises(dmxp.Detached):
            consumer.recv()
        del held


if __name__ == "__main__":
    unittest.main()
