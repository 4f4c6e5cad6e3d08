"""Waiting in coroutines: `recv_async`, `send_async`, `async for`."""

import asyncio
import os
import pathlib
import random
import threading
import time
import unittest

import dmxp
from support import PATIENCE, RegionCase, Tick, sleeps_of, start


def threads():
    """Names of the library's threads."""
    names = (task.joinpath("comm").read_text().strip() for task in pathlib.Path("/proc/self/task").iterdir())
    return sorted(name for name in names if name.startswith("dmxp-"))


class Coroutines(RegionCase):
    def run_in_time(self, coroutine):
        async def limited():
            return await asyncio.wait_for(coroutine, PATIENCE)

        return asyncio.run(limited())

    def test_messages_come_in_order_and_the_iteration_ends_with_the_stream(self):
        producer, consumer = self.pair(capacity=4)

        async def send():
            for number in range(1_000):
                await producer.send_async(number.to_bytes(4, "little"))
                if number % 100 == 0:
                    await asyncio.sleep(0.005)
            producer.close()

        async def receive():
            return [int.from_bytes(message, "little") async for message in consumer]

        async def both():
            sender = asyncio.ensure_future(send())
            numbers = await receive()
            await sender
            return numbers

        self.assertEqual(self.run_in_time(both()), list(range(1_000)))

    def test_messages_of_another_process(self):
        code = """
import time
producer = dmxp.create_producer(name="ticks", capacity=8)
for number in range(200):
    producer.send(number.to_bytes(4, "little"))
    time.sleep(0.001)
producer.close()
"""
        consumer = dmxp.create_consumer(name="ticks", capacity=8)
        with start(code) as peer:
            async def receive():
                return [int.from_bytes(message, "little") async for message in consumer]

            self.assertEqual(self.run_in_time(receive()), list(range(200)))
            self.assertEqual(peer.wait(PATIENCE), 0)

    def test_a_coroutine_whose_handle_has_all_claims_out_waits_for_another_task(self):
        producer, consumer = self.pair(capacity=32)
        producer.send_batch([b"%d" % number for number in range(12)])

        async def release(held):
            for message in held[:4]:
                await asyncio.sleep(0.02)
                message.release()

        async def receive():
            held = [await consumer.recv_async() for _ in range(8)]
            releasing = asyncio.ensure_future(release(held))
            later = [bytes(await consumer.recv_async()) for _ in range(4)]
            await releasing
            return later

        self.assertEqual(self.run_in_time(receive()), [b"8", b"9", b"10", b"11"])

        async def send():
            claims = [producer.claim(1) for _ in range(8)]
            asyncio.get_running_loop().call_later(0.05, claims[0].abort)
            # Two wait for the one claim, one after the other.
            await asyncio.gather(producer.send_async(b"a"), producer.send_async(b"b"))
            return len(claims)

        self.assertEqual(self.run_in_time(send()), 8)
        # Those that failed only for a while have not failed.
        self.assertIsNone(dmxp.Region().channel_statistics(1).last_error)

    def test_a_coroutine_waits_for_a_thread_to_release(self):
        producer, consumer = self.pair(capacity=32)
        producer.send_batch([b"x"] * 9)

        async def receive():
            held = [await consumer.recv_async() for _ in range(8)]
            timer = threading.Timer(0.1, held[3].release)
            timer.start()
            message = await consumer.recv_async()
            timer.join()
            return bytes(message)

        self.assertEqual(self.run_in_time(receive()), b"x")

    def test_a_coroutine_that_is_alone_does_not_wait_for_itself(self):
        producer, consumer = self.pair(capacity=32)
        producer.send_batch([b"x"] * 9)

        async def receive():
            held = [await consumer.recv_async() for _ in range(8)]
            with self.assertRaises(dmxp.TooManyClaims):
                await consumer.recv_async()
            del held[0]
            return bytes(await consumer.recv_async())

        self.assertEqual(asyncio.run(receive()), b"x")
        self.assertEqual(dmxp.Region().channel_statistics(1).last_error.kind, "TooManyClaims")

    def test_typed_messages(self):
        producer = dmxp.create_producer(name="ticks", message=Tick)
        consumer = dmxp.create_consumer(name="ticks", message=Tick)

        async def receive():
            tick = await consumer.recv_async()
            message = await consumer.recv_async(dmxp.Message)
            return isinstance(tick, Tick), type(message)

        async def both():
            receiver = asyncio.ensure_future(receive())
            await asyncio.sleep(0.02)
            producer.send(Tick(side=1))
            producer.send(Tick(side=1))
            return await receiver

        self.assertEqual(self.run_in_time(both()), (True, dmxp.Message))

    def test_what_is_cancelled_takes_nothing(self):
        producer, consumer = self.pair(capacity=8)
        draws = random.Random(1)
        total = 3_000

        async def send():
            number = cancels = 0
            while number < total:
                task = asyncio.ensure_future(producer.send_async(number.to_bytes(4, "little")))
                for _ in range(draws.randrange(4)):
                    await asyncio.sleep(0)
                task.cancel()
                try:
                    await task
                    number += 1
                except asyncio.CancelledError:
                    cancels += 1
            return cancels

        async def receive():
            numbers, cancels = [], 0
            while len(numbers) < total:
                task = asyncio.ensure_future(consumer.recv_async())
                for _ in range(draws.randrange(4)):
                    await asyncio.sleep(0)
                task.cancel()
                try:
                    numbers.append(int.from_bytes(await task, "little"))
                except asyncio.CancelledError:
                    cancels += 1
            return numbers, cancels

        async def both():
            return await asyncio.gather(receive(), send())

        (numbers, cancelled), cancelled_sends = self.run_in_time(both())
        self.assertEqual(numbers, list(range(total)))
        self.assertGreater(cancelled, 100)
        self.assertGreater(cancelled_sends, 100)
        self.assertIsNone(consumer.receive())

    def test_tasks_that_share_a_consumer_get_each_message_once(self):
        producer, consumer = self.pair(capacity=64)

        async def receive():
            return [bytes(message) async for message in consumer]

        async def all_of_them():
            tasks = [asyncio.ensure_future(receive()) for _ in range(3)]
            for number in range(300):
                await producer.send_async(number.to_bytes(4, "little"))
                await asyncio.sleep(0)
            producer.close()
            return sum(await asyncio.gather(*tasks), [])

        received = self.run_in_time(all_of_them())
        self.assertEqual(sorted(received), sorted(number.to_bytes(4, "little") for number in range(300)))

    def test_a_hundred_channels_and_one_thread(self):
        channels = [f"channel-{number}" for number in range(100)]
        producers = [dmxp.create_producer(name=name, capacity=4) for name in channels]
        consumers = [dmxp.create_consumer(name=name) for name in channels]

        async def receive(consumer):
            return bytes(await consumer.recv_async())

        async def all_of_them():
            tasks = [asyncio.ensure_future(receive(consumer)) for consumer in consumers]
            await asyncio.sleep(0.1)
            library = threads()
            for number, producer in enumerate(producers):
                producer.send(str(number).encode())
            return library, await asyncio.gather(*tasks)

        library, received = self.run_in_time(all_of_them())
        self.assertEqual(library, ["dmxp-reactor"])
        self.assertEqual(received, [str(number).encode() for number in range(100)])

    def test_a_loop_after_another_one(self):
        producer, consumer = self.pair()
        for _ in range(3):
            timer = threading.Timer(0.05, producer.send, (b"later",))
            timer.start()
            self.assertEqual(bytes(self.run_in_time(consumer.recv_async())), b"later")
            timer.join()

    def test_the_documents_program_runs(self):
        document = pathlib.Path(__file__).resolve().parents[3] / "docs" / "WAITING.md"
        program = document.read_text().split("```python\n")[1].split("```")[0]
        exec(compile(program, str(document), "exec"), {})

    def test_detaching_ends_the_wait(self):
        _, consumer = self.pair()

        async def detach():
            task = asyncio.ensure_future(consumer.recv_async())
            await asyncio.sleep(0.05)
            consumer.detach()
            with self.assertRaises(dmxp.Detached):
                await task

        self.run_in_time(detach())

    def test_the_loop_rests_while_nothing_comes(self):
        _, consumer = self.pair()

        async def wait():
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(consumer.recv_async(), 1)

        slept = sleeps_of(lambda: self.run_in_time(wait()))
        self.assertTrue(1 <= slept <= 20, slept)

    def test_a_forked_child_hears_of_it(self):
        _, consumer = self.pair()

        async def wait():
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(consumer.recv_async(), 0.05)

        self.run_in_time(wait())
        child = os.fork()
        if child == 0:
            status = 1
            try:
                asyncio.run(consumer.recv_async())
            except dmxp.Forked:
                status = 0
            finally:
                os._exit(status)
        deadline = time.monotonic() + PATIENCE
        while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(ended, (child, 0))


if __name__ == "__main__":
    unittest.main()
