"""The lives of peers and regions: counting, waiting, the end with the producers, removed regions, and options that differ."""

import asyncio
import os
import signal
import threading
import unittest

import dmxp
from support import PATIENCE, RegionCase, Tick, start


class Peers(RegionCase):
    def test_they_are_counted_and_waited_for(self):
        producer = dmxp.create_producer(name="jobs")
        self.assertEqual(producer.consumers(), 0)
        with self.assertRaises(dmxp.Timeout):
            producer.wait_for_consumers(timeout=0.05)
        waiting = threading.Thread(target=lambda: producer.wait_for_consumers(timeout=PATIENCE))
        waiting.start()
        consumer = dmxp.create_consumer(name="jobs")
        waiting.join(PATIENCE)
        self.assertFalse(waiting.is_alive())
        self.assertEqual(producer.consumer_pids(), [os.getpid()])
        self.assertEqual(consumer.producer_pids(), [os.getpid()])
        self.assertEqual((producer.wait_for_consumers(), consumer.wait_for_producers(1, timeout=0)), (1, 1))
        producer.detach()
        self.assertEqual(consumer.producers(), 0)
        with self.assertRaises(dmxp.errors.Detached):
            producer.consumers()

    def test_a_wait_is_interrupted(self):
        producer = dmxp.create_producer(name="jobs")
        for call in (producer.wait_for_consumers, lambda: dmxp.Region().wait_for_channel("none"), self.region_wait):
            timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            with self.assertRaises(KeyboardInterrupt):
                call()
            timer.join()

    def region_wait(self):
        dmxp.wait_for_region(self.region_name + "-none")

    def test_the_last_producer_that_goes_is_an_end(self):
        consumer = dmxp.create_consumer(name="jobs", end_without_producers=True)
        self.assertIsNone(consumer.receive())
        self.assertEqual(consumer.stream(), consumer.stream())
        self.assertEqual((consumer.stream().number, consumer.stream().first_message), (0, 0))
        for number in (1, 2):
            with dmxp.create_producer(name="jobs") as producer:
                producer.send(b"job")
                self.assertEqual(producer.stream().number, number)
            self.assertEqual([bytes(job) for job in consumer], [b"job"])
            with self.assertRaises(dmxp.NoProducers) as caught:
                consumer.recv()
            self.assertIsInstance(caught.exception, dmxp.Closed)
        self.assertEqual(consumer.stream().first_message, 2)

    def test_coroutines_and_wait_sets_end_too(self):
        producer = dmxp.create_producer(name="jobs")
        consumer = dmxp.create_consumer(name="jobs", end_without_producers=True)

        async def jobs():
            asyncio.get_running_loop().call_later(0.1, producer.detach)
            return [bytes(job) async for job in consumer]

        producer.send(b"job")
        self.assertEqual(asyncio.run(asyncio.wait_for(jobs(), PATIENCE)), [b"job"])
        waits = dmxp.WaitSet()
        waits.add(consumer)
        self.assertEqual(waits.wait(timeout=PATIENCE), [consumer])

    def test_a_producer_that_was_killed_has_gone(self):
        consumer = dmxp.create_consumer(name="jobs", end_without_producers=True)
        child = start(
            "import time\n"
            "producer = dmxp.create_producer(name='jobs')\n"
            "producer.send(b'job')\n"
            "claim = producer.claim(8)\n"
            "time.sleep(600)\n"
        )
        self.assertEqual(bytes(consumer.recv(timeout=PATIENCE)), b"job")
        self.assertEqual(consumer.producer_pids(), [child.pid])
        child.kill()
        child.communicate()
        self.assertEqual(consumer.producers(), 0)
        with self.assertRaises(dmxp.NoProducers):
            consumer.recv(timeout=PATIENCE)


class Regions(RegionCase):
    def test_waiting_for_a_region_and_a_channel(self):
        with self.assertRaises(dmxp.Timeout):
            dmxp.wait_for_region(timeout=0.05)
        timer = threading.Timer(0.1, lambda: dmxp.Region(size=4 << 20))
        timer.start()
        region = dmxp.Region.wait_for(timeout=PATIENCE)
        timer.join()
        self.assertEqual(region.info.size, 4 << 20)
        with self.assertRaises(dmxp.Timeout):
            region.wait_for_channel(7, timeout=0.05)
        timer = threading.Timer(0.1, lambda: dmxp.create_producer(7, name="jobs"))
        timer.start()
        self.assertEqual(region.wait_for_channel(7, timeout=PATIENCE).name, "jobs")
        self.assertEqual(region.wait_for_channel("jobs").id, 7)
        timer.join()

    def test_a_removed_region(self):
        region = dmxp.Region(size=4 << 20)
        self.assertTrue(region.is_current)
        consumer = dmxp.create_consumer(name="jobs", region=region)
        staying = dmxp.create_consumer(name="jobs", region=region, keep_removed_region=True)
        os.unlink(region.path)
        self.assertFalse(region.is_current)
        with self.assertRaisesRegex(dmxp.RegionRemoved, "RemoveIPC"):
            consumer.recv(timeout=PATIENCE)
        with self.assertRaises(dmxp.Timeout):
            staying.recv(timeout=0.1)
        with self.assertRaises(dmxp.RegionRemoved):
            dmxp.create_producer(name="jobs", region=region)
        dmxp.create_producer(name="jobs", region=region, keep_removed_region=True)
        self.assertTrue(dmxp.Region(size=4 << 20).is_current)

    def test_a_region_without_its_lock_file(self):
        region = dmxp.Region(size=4 << 20)
        consumer = dmxp.create_consumer(name="jobs", region=region)
        locks = region.path.with_name(f".{region.path.name}.{region.info.id:032x}.locks")
        locks.unlink()
        self.assertFalse(region.is_current)
        with self.assertRaises(dmxp.RegionRemoved):
            consumer.recv(timeout=PATIENCE)
        with self.assertRaisesRegex(dmxp.NotARegion, f"lock file {locks} is missing.*remove it"):
            dmxp.Region.open()
        dmxp.Region.remove(force=True)
        anew = dmxp.Region(size=4 << 20)
        self.assertTrue(anew.is_current)
        anew.detach()
        dmxp.Region.remove()
        self.assertEqual(list(region.path.parent.glob(f".{region.path.name}.*")), [])

    def test_options_that_a_region_does_not_have(self):
        region = dmxp.Region(size=4 << 20, max_handles=16)
        with self.assertRaisesRegex(dmxp.RegionMismatch, "size 4194304, and 8388608 was asked for"):
            dmxp.Region(size=8 << 20)
        with self.assertRaises(dmxp.RegionInUse):
            dmxp.Region(size=8 << 20, replace_if_unused=True)
        region.detach()
        del region
        self.assertEqual(dmxp.Region(size=8 << 20, replace_if_unused=True).info.max_handles, 1024)

    def test_a_channel_that_is_made_anew(self):
        with dmxp.create_producer(name="jobs", capacity=4) as producer:
            producer.send(b"lost")
            with self.assertRaises(dmxp.ChannelInUse):
                dmxp.create_consumer(name="jobs", capacity=8, replace_if_unused=True)
        with self.assertRaises(dmxp.ChannelMismatch):
            dmxp.create_consumer(name="jobs", capacity=8)
        consumer = dmxp.create_consumer(name="jobs", message=Tick, capacity=8, replace_if_unused=True)
        self.assertEqual((consumer.capacity, len(consumer)), (8, 0))


if __name__ == "__main__":
    unittest.main()
