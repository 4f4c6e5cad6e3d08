"""What was sent and received, refused and lost, counted for whoever is attached."""

import os
import time
import unittest

import dmxp
from support import PATIENCE, RegionCase, run, start


class Statistics(RegionCase):
    def setUp(self):
        super().setUp()
        self.region = dmxp.Region(size=4 << 20)

    def test_what_is_sent_received_and_refused_in_vain_is_counted(self):
        before = time.time_ns()
        producer = dmxp.create_producer(name="log", channel_id=3, capacity=4)
        consumer = dmxp.create_consumer(name="log")
        dmxp.create_producer(name="quiet", channel_id=9)
        self.assertIsNone(consumer.receive())
        for line in [b"1", b"22", b"333", b"4444"]:
            producer.send(line)
        self.assertFull(producer)
        for _ in range(2):
            consumer.receive().release()
        with consumer.receive():
            consumer.close()
        with self.assertRaises(dmxp.Closed):
            producer.send(b"late")

        log, quiet = self.region.statistics()
        self.assertEqual((log.id, log.name, log.capacity), (3, "log", 4))
        self.assertEqual((log.sent, log.sent_bytes, log.received, log.received_bytes), (4, 10, 3, 6))
        # A message, and the position that the late producer claimed and gave up.
        self.assertEqual((log.refused, log.empty, log.fill, log.highest_fill, log.utilisation), (1, 1, 2, 4, 0.5))
        nothing = (log.aborted, log.redelivered, log.dropped, log.dead_lettered, log.expired, log.recovered, log.drop_rate)
        self.assertEqual(nothing, (0, 0, 0, 0, 0, 0, 0.0))
        self.assertEqual(log.last_error.kind, "Closed")
        self.assertTrue(issubclass(getattr(dmxp, log.last_error.kind), dmxp.Error))
        self.assertTrue(before <= log.last_error.at_ns <= time.time_ns())
        sending, receiving = log.handles
        self.assertEqual((sending.role, sending.messages, sending.bytes, sending.in_vain), ("producer", 4, 10, 1))
        self.assertEqual((sending.highest_fill, sending.last_error), (4, log.last_error))
        self.assertEqual((receiving.role, receiving.messages, receiving.bytes), ("consumer", 3, 6))
        self.assertEqual((receiving.in_vain, receiving.highest_fill, receiving.last_error), (1, 0, None))
        self.assertEqual({handle.holder.pid for handle in log.handles}, {os.getpid()})
        self.assertEqual((quiet.sent, quiet.received, quiet.last_error, quiet.drop_rate), (0, 0, None, 0.0))
        self.assertRegex(repr(log), r'^ChannelStatistics\(id=3, name="log", sent=4, received=3, fill=2, refused=1, ')

        for name in [3, "log"]:
            self.assertEqual(self.region.channel_statistics(name).handles, log.handles)
        for name in [4, 256, "nobody's"]:
            with self.assertRaises(dmxp.ChannelNotFound):
                self.region.channel_statistics(name)
        with self.assertRaises(TypeError):
            self.region.channel_statistics(None)

    def test_what_is_lost_has_its_numbers(self):
        producer = dmxp.create_producer(name="old", expiry=0.03)
        consumer = dmxp.create_consumer(name="old")
        producer.send(b"old")
        time.sleep(0.05)
        producer.send(b"new")
        producer.claim(1).abort()
        consumer.receive().give_back()
        with consumer.receive() as message:
            self.assertEqual(message, b"new")
        self.assertIsNone(consumer.receive())
        old = self.region.channel_statistics("old")
        self.assertEqual((old.sent, old.expired, old.aborted, old.redelivered, old.drop_rate), (2, 1, 1, 1, 0.5))

    def test_other_processes_see_the_same_and_stay_counted_when_they_end(self):
        consumer = dmxp.create_consumer(name="log", capacity=64)
        sender = """
producer = dmxp.create_producer(name="log")
for number in range(10):
    producer.send(b"x" * number)
print(flush=True)
sys.stdin.read()
"""
        looker = """
region = dmxp.Region.open_read_only()
log = region.channel_statistics("log")
print(log.sent, log.sent_bytes, log.received, [(handle.role, handle.holder.pid) for handle in log.handles])
print(repr(region.statistics()) == repr([log]))
"""
        with start(sender, stdin=-1) as peer:
            self.assertEqual(peer.stdout.readline(), "\n")
            consumer.recv(timeout=PATIENCE).release()
            handles = [("consumer", os.getpid()), ("producer", peer.pid)]
            self.assertEqual(run(looker).splitlines(), [f"10 45 1 {handles}", "True"])
            peer.kill()
        self.assertEqual(self.region.recover().dead_processes, [peer.pid])
        log = self.region.channel_statistics("log")
        self.assertEqual((log.sent, log.sent_bytes, log.recovered), (10, 45, 1))
        self.assertEqual([handle.role for handle in log.handles], ["consumer"])


if __name__ == "__main__":
    unittest.main()
