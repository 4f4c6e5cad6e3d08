"""Other processes: children made by fork, peers, and the end of the interpreter."""

import multiprocessing
import os
import subprocess
import unittest

import dmxp
from support import PATIENCE, Order, RegionCase, Tick, run, start


class Fork(RegionCase):
    def test_inherited_handles_refuse_and_own_ones_work(self):
        producer, consumer = self.pair(message=Order, capacity=8)
        producer.send(Order(last=Tick(side=1, price=1)))
        order = consumer.recv()
        message = dmxp.message_of(order)
        # On a channel of its own: an unpublished message holds up those behind it.
        writer = dmxp.create_producer(channel_id=2, message=Order)
        claim = writer.claim(Order(last=Tick(side=1)))

        def child():
            for call in [
                lambda: producer.send(Order(last=Tick(side=1))),
                consumer.recv,
                lambda: memoryview(message),
                lambda: message.metadata,
                message.view,
                claim.__enter__,
            ]:
                try:
                    call()
                except dmxp.Forked as error:
                    assert "inherited by fork" in str(error)
                else:
                    os._exit(3)
            with dmxp.create_producer(channel_id=1, message=Order) as own:
                own.send(Order(last=Tick(side=1), limit=2))
            with dmxp.create_consumer(channel_id=1, message=Order) as own:
                # Nothing that the parent holds was given back.
                assert own.recv(timeout=1).limit == 2
                assert own.receive() is None

        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join(PATIENCE)
        self.assertEqual(process.exitcode, 0)
        # What the child dropped, the parent still has.
        self.assertEqual(order.last.price, 1)
        with claim as written:
            written.limit = 3
        self.assertEqual(dmxp.create_consumer(channel_id=2, message=Order).recv().limit, 3)

    def test_a_child_of_a_process_with_waiting_threads_can_go(self):
        code = """
import os, threading, time
consumer = dmxp.create_consumer(channel_id=1)
for _ in range(4):
    threading.Thread(target=consumer.recv, daemon=True).start()
time.sleep(0.2)
children = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        try:
            consumer.recv()
        except dmxp.Forked:
            del consumer
            sys.exit(0)
        os._exit(1)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
print("done")
"""
        self.assertEqual(run(code), "done\n")


class Peers(RegionCase):
    def test_100_000_messages_arrive_in_order(self):
        count = 100_000
        code = """
producer = dmxp.create_producer(channel_id=1, capacity=1024)
for number in range(int(sys.argv[1])):
    producer.send(number.to_bytes(8, "little"))
producer.close()
"""
        consumer = dmxp.create_consumer(channel_id=1, capacity=1024)
        peer = start(code, count)
        self.addCleanup(peer.stdout.close)
        self.addCleanup(peer.wait)
        for number, message in zip(range(count), consumer):
            self.assertEqual(int.from_bytes(message, "little"), number)
        del message
        with self.assertRaises(dmxp.Closed):
            consumer.recv(timeout=PATIENCE)

    def test_a_killed_consumer_loses_nothing(self):
        producer, consumer = self.pair(capacity=4)
        peer = start(
            "held = dmxp.create_consumer(channel_id=1).recv(); print(bytes(held), flush=True); sys.stdin.read()",
            stdin=subprocess.PIPE,
        )
        self.addCleanup(peer.stdout.close)
        self.addCleanup(peer.stdin.close)
        producer.send(b"precious")
        self.assertEqual(peer.stdout.readline(), "b'precious'\n")
        peer.kill()
        peer.wait()
        with consumer.recv(timeout=PATIENCE) as message:
            self.assertEqual((message, message.metadata.redelivered), (b"precious", 1))


class End(RegionCase):
    """However things stand when the interpreter ends, the process ends in order."""

    def test_with_everything_alive(self):
        code = """
producer = dmxp.create_producer(channel_id=1)
consumer = dmxp.create_consumer(channel_id=1)
region = dmxp.Region()
producer.send_batch([b"1", b"2", b"3"])
message = consumer.recv()
view = memoryview(consumer.recv())
claim = producer.claim(4)
slot = claim.__enter__()
sys.modules["kept"] = [consumer, view, claim]
print("done")
"""
        self.assertEqual(run(code), "done\n")

    def test_with_daemon_threads_that_wait(self):
        code = """
import threading, time
consumer = dmxp.create_consumer(channel_id=1, capacity=2)
producer = dmxp.create_producer(channel_id=2, capacity=2)
while len(producer) < 2:
    producer.send(b"x")
def poll():
    while True:
        try:
            consumer.recv(timeout=0.001)
        except dmxp.Timeout:
            pass
for target in [consumer.recv] * 4 + [lambda: producer.send(b"3")] * 4 + [poll] * 4:
    threading.Thread(target=target, daemon=True).start()
time.sleep(0.1)
print("done", flush=True)
"""
        for _ in range(10):
            self.assertEqual(run(code), "done\n")

    def test_with_messages_that_keep_coming_to_a_daemon_thread(self):
        code = """
import threading, time
producer = dmxp.create_producer(channel_id=1)
consumer = dmxp.create_consumer(channel_id=1)
def send():
    while True:
        producer.send(b"x")
def receive():
    for message in consumer:
        del message
for target in [send, receive]:
    threading.Thread(target=target, daemon=True).start()
time.sleep(0.1)
print("done", flush=True)
"""
        for _ in range(10):
            self.assertEqual(run(code), "done\n")

    def test_with_threads_that_want_the_gil_while_the_interpreter_ends(self):
        code = """
import builtins, threading, time
class Slow:
    def __del__(self, sleep=time.sleep, say=print):
        sleep(0.2)
        say("ended", flush=True)
builtins.slow = Slow()
consumer = dmxp.create_consumer(channel_id=1)
def poll(consumer=consumer, Timeout=dmxp.Timeout):
    while True:
        try:
            consumer.recv(timeout=0.001)
        except Timeout:
            pass
for target in [consumer.recv] * 4 + [poll] * 4:
    threading.Thread(target=target, daemon=True).start()
time.sleep(0.1)
"""
        for _ in range(5):
            self.assertEqual(run(code), "ended\n")


if __name__ == "__main__":
    unittest.main()
