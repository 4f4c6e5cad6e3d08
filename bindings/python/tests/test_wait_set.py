"""Waiting for many handles and descriptors at once, and how a handle waits."""

import os
import signal
import socket
import threading
import time
import unittest

import dmxp
from support import PATIENCE, RegionCase, start


class WaitSets(RegionCase):
    def test_what_is_ready_is_what_was_sent_to(self):
        names = [f"channel-{number}" for number in range(150)]
        consumers = [dmxp.create_consumer(name=name, capacity=4) for name in names]
        waiting = dmxp.WaitSet()
        for consumer in consumers:
            waiting.add(consumer)
        self.assertEqual(len(waiting), 150)
        self.assertEqual(waiting.wait(timeout=0.05), [])
        self.assertEqual(waiting.wait(timeout=0), [])
        code = """
import time
producers = [dmxp.create_producer(name=f"channel-{number}") for number in range(150)]
for number in range(300):
    producers[number * 7 % 150].send(str(number).encode())
    time.sleep(0.001)
"""
        received = []
        with start(code) as peer:
            while len(received) < 300:
                ready = waiting.wait(timeout=PATIENCE)
                self.assertTrue(ready)
                for consumer in ready:
                    while (message := consumer.receive()) is not None:
                        received.append((consumer.channel_name, int(bytes(message))))
            self.assertEqual(peer.wait(PATIENCE), 0)
        self.assertEqual(sorted(received, key=lambda pair: pair[1]), [(names[n * 7 % 150], n) for n in range(300)])

    def test_producers_and_descriptors(self):
        producer, consumer = self.pair(capacity=2)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            waiting = dmxp.WaitSet()
            waiting.add(producer)
            waiting.add(ours)
            self.assertEqual(waiting.wait(), [producer])
            producer.send_batch([b"1", b"2"])
            self.assertEqual(waiting.wait(timeout=0.05), [])
            timer = threading.Timer(0.05, theirs.send, (b"x",))
            timer.start()
            self.assertEqual(waiting.wait(timeout=PATIENCE), [ours])
            timer.join()
            waiting.remove(ours)
            with self.assertRaises(KeyError):
                waiting.remove(ours)
            timer = threading.Timer(0.05, consumer.receive)
            timer.start()
            self.assertEqual(waiting.wait(timeout=PATIENCE), [producer])
            timer.join()

    def test_what_cannot_be_a_member(self):
        _, consumer = self.pair()
        waiting = dmxp.WaitSet()
        waiting.add(consumer)
        with self.assertRaises(dmxp.InvalidArgument):
            waiting.add(consumer)
        with self.assertRaises(TypeError):
            waiting.add("a name")
        with self.assertRaises(dmxp.InvalidArgument):
            waiting.add(-1)
        with self.assertRaises(dmxp.IoError):
            waiting.add(100_000)
        consumer.detach()
        self.assertEqual(len(waiting), 0)
        with self.assertRaises(dmxp.Detached):
            waiting.add(consumer)

    def test_a_member_is_added_while_another_thread_waits(self):
        producer, consumer = self.pair()
        waiting = dmxp.WaitSet()
        found = []
        thread = threading.Thread(target=lambda: found.extend(waiting.wait(timeout=PATIENCE)))
        thread.start()
        time.sleep(0.05)
        waiting.add(consumer)
        producer.send(b"hello")
        thread.join()
        self.assertEqual(found, [consumer])

    def test_members_come_and_go_at_once_however_many_threads_wait(self):
        idle = dmxp.create_consumer(name="idle", capacity=2)
        producer, consumer = self.pair()
        waiting = dmxp.WaitSet()
        waiting.add(idle)
        threads = [threading.Thread(target=waiting.wait, kwargs={"timeout": PATIENCE}) for _ in range(3)]
        for thread in threads:
            thread.start()
        took = []

        def timed(call, *arguments):
            time.sleep(0.001)  # So that they wait again.
            before = time.monotonic()
            call(*arguments)
            took.append(time.monotonic() - before)

        for _ in range(100):
            timed(waiting.add, consumer)
            timed(len, waiting)
            timed(waiting.remove, consumer)
        # Those who wait look at signals every 50 ms, and let nobody wait for that.
        took.sort()
        self.assertLess(took[len(took) // 2], 0.02)
        producer.send(b"for nobody in the set")
        self.assertEqual(waiting.wait(timeout=0), [])
        dmxp.create_producer(name="idle").send(b"for all")
        for thread in threads:
            thread.join(PATIENCE)
            self.assertFalse(thread.is_alive())

    def test_a_poll_beside_a_waiting_thread_does_not_wait_for_it(self):
        _, consumer = self.pair()
        waiting = dmxp.WaitSet()
        waiting.add(consumer)
        thread = threading.Thread(target=waiting.wait, kwargs={"timeout": 0.5})
        thread.start()
        took = []
        while thread.is_alive():
            time.sleep(0.002)
            before = time.monotonic()
            self.assertEqual(waiting.wait(timeout=0), [])
            took.append(time.monotonic() - before)
        took.sort()
        self.assertLess(took[len(took) // 2], 0.02)

    def test_a_wait_is_interrupted_by_a_signal(self):
        _, consumer = self.pair()
        waiting = dmxp.WaitSet()
        waiting.add(consumer)
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with self.assertRaises(KeyboardInterrupt):
            waiting.wait()
        timer.join()


class Strategies(RegionCase):
    def test_messages_pass_whatever_the_strategies(self):
        for number, strategy in enumerate(["spin", "spin_then_sleep", "sleep"]):
            consumer = dmxp.create_consumer(channel_id=number, capacity=2, wait_strategy=strategy)
            producer = dmxp.create_producer(channel_id=number, wait_strategy=strategy)
            thread = threading.Thread(target=lambda: [producer.send(b"x") for _ in range(100)])
            thread.start()
            for _ in range(100):
                consumer.recv(timeout=PATIENCE)
            thread.join()

    def test_who_spins_uses_a_processor_and_who_sleeps_does_not(self):
        used = {}
        for number, strategy in enumerate(["spin", "sleep"]):
            consumer = dmxp.create_consumer(channel_id=number, capacity=2, wait_strategy=strategy)
            before = time.thread_time()
            with self.assertRaises(dmxp.Timeout):
                consumer.recv(timeout=0.5)
            used[strategy] = time.thread_time() - before
        self.assertLess(used["sleep"], 0.05)
        # On a loaded machine it gets less than all of one.
        self.assertGreater(used["spin"], 2 * used["sleep"])

    def test_an_unknown_strategy_is_refused(self):
        with self.assertRaisesRegex(dmxp.InvalidArgument, "spin_then_sleep"):
            dmxp.create_consumer(channel_id=1, wait_strategy="patience")


if __name__ == "__main__":
    unittest.main()
