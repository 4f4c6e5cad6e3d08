"""What the dead leave, on request and by policy; who waits for whom; whose regions may be opened."""

import asyncio
import math
import os
import signal
import stat
import struct
import subprocess
import threading
import time
import unittest

import dmxp
from support import PATIENCE, Order, RegionCase, Tick, run, start

# What peers hold when they say so.
HOLD_MESSAGE = "held = dmxp.create_consumer(name='small', open_only=True).recv(timeout=30)"
HOLD_CLAIM = "held = dmxp.create_producer(name='small', open_only=True).claim(8, timeout=30)"
WAIT = "dmxp.create_consumer(name='small', open_only=True).recv(timeout=30)"


class File:
    """The bytes of a region's file, where docs/MEMORY_LAYOUT.md says what they are."""

    def __init__(self, region):
        self.path = region.path
        self.control = self.get("Q", 56)

    def get(self, kind, place):
        with open(self.path, "rb") as file:
            return struct.unpack(kind, os.pread(file.fileno(), struct.calcsize(kind), place))[0]

    def put(self, kind, place, value):
        with open(self.path, "r+b") as file:
            os.pwrite(file.fileno(), struct.pack(kind, value), place)

    def channel(self, number):
        """Where the record of a channel is."""
        return self.control + 1024 + number * 512

    def handle(self, thread, role):
        """Where the record of a handle is: 1 is a producer's, 2 a consumer's."""
        table, count = self.control + self.get("Q", self.control + 32), self.get("I", self.control + 20)
        wanted = (role, thread)
        [place] = [
            place
            for place in range(table, table + count * 256, 256)
            if self.get("Q", place) != 0 and (self.get("I", place + 12), self.get("I", place + 28)) == wanted
        ]
        return place


class RecoveryCase(RegionCase):
    def setUp(self):
        super().setUp()
        self.region = dmxp.Region(size=4 << 20)

    def small(self, **options):
        producer = dmxp.create_producer(name="small", region=self.region, **options)
        return producer, dmxp.create_consumer(name="small", region=self.region)

    def peer(self, code):
        """A process that does that, says so, and stays until it is ended."""
        peer = start(f"{code}\nprint('there', flush=True); sys.stdin.read()", stdin=subprocess.PIPE)
        self.addCleanup(peer.stdout.close)
        self.addCleanup(peer.stdin.close)
        self.addCleanup(self.end, peer)
        self.assertEqual(peer.stdout.readline(), "there\n")
        return peer

    @staticmethod
    def end(peer):
        peer.kill()
        peer.wait(PATIENCE)

    def killed(self, code):
        """The pid of such a process that has come to its end."""
        peer = self.peer(code)
        self.end(peer)
        return peer.pid

    def until(self, what, condition):
        """What the condition answers once it holds."""
        deadline = time.monotonic() + PATIENCE
        while not (answer := condition()):
            self.assertLess(time.monotonic(), deadline, f"{what} did not happen in time")
            time.sleep(0.002)
        return answer

    def info(self):
        return self.region.channel("small")


class Report(RecoveryCase):
    def test_a_dry_run_foretells_what_recovery_does_and_changes_nothing(self):
        producer, consumer = self.small(capacity=4)
        producer.send(b"borrowed")
        self.assertTrue(self.region.recover().is_clean)
        reader, writer = self.peer(HOLD_MESSAGE), self.peer(HOLD_CLAIM)
        living = self.region.recover()
        self.assertEqual((living.is_clean, str(living)), (True, "nothing to recover"))
        self.end(reader)
        self.end(writer)
        states = {holder.pid: holder.state for holder in self.info().producers + self.info().consumers}
        self.assertEqual(states, {os.getpid(): "running", reader.pid: "dead", writer.pid: "dead"})

        before = self.region.path.read_bytes()
        foretold = self.region.recover(dry_run=True)
        self.assertEqual(self.region.path.read_bytes(), before)
        done = self.region.recover()
        self.assertEqual(sorted(done.dead_processes), sorted([reader.pid, writer.pid]))
        self.assertEqual((foretold.dry_run, done.dry_run, done.is_clean), (True, False, False))
        self.assertEqual((done.tables_repaired, done.removed_channels, done.damaged), (False, [], []))
        self.assertEqual((foretold.channels, foretold.dead_processes), (done.channels, done.dead_processes))
        self.assertNotEqual(foretold, done)
        [channel] = done.channels
        self.assertEqual((channel.id, channel.name), (self.info().id, "small"))
        self.assertEqual((channel.dead_producers, channel.dead_consumers, channel.deferred), (1, 1, 0))
        self.assertEqual((channel.aborted, channel.returned, channel.dropped), (1, 1, 0))
        self.assertIn("returned=1", repr(channel))
        line = "`small`: 1 dead producers, 1 dead consumers; 1 claims aborted, 1 messages returned, 0 dropped"
        self.assertIn(line, str(done))
        self.assertTrue(str(foretold).startswith("nothing was changed"))

        self.assertEqual(self.region.recover(), self.region.recover())
        self.assertTrue(self.region.recover().is_clean)
        with consumer.recv(timeout=0) as message:
            self.assertEqual((message, message.metadata.redelivered), (b"borrowed", 1))
        self.assertIsNone(consumer.receive())
        info = self.info()
        self.assertEqual((info.aborted, info.redelivered, info.recovered), (1, 1, 2))
        self.assertEqual((info.dropped, info.dead_lettered), (0, 0))
        self.assertEqual(producer.send_up_to([b"x"] * 5, timeout=0), 4)

    def test_what_a_zombie_held_is_given_back(self):
        producer, consumer = self.small(capacity=4)
        producer.send(b"precious")
        peer = self.peer(HOLD_MESSAGE)
        peer.kill()
        # It ends, and nobody has asked how.
        os.waitid(os.P_PID, peer.pid, os.WEXITED | os.WNOWAIT)
        self.assertEqual(self.region.recover().dead_processes, [peer.pid])
        with consumer.recv(timeout=0) as message:
            self.assertEqual((message, message.metadata.redelivered), (b"precious", 1))

    def test_a_channel_removed_by_force_goes_with_the_last_that_died_with_it(self):
        self.small()
        peer = self.peer(HOLD_CLAIM)
        number = self.info().id
        self.region.remove_channel("small", force=True)
        self.assertTrue(self.region.recover().is_clean)
        self.assertTrue(self.region.channel(number).removed)
        self.end(peer)
        done = self.region.recover()
        self.assertEqual((done.removed_channels, done.is_clean), ([number], False))
        with self.assertRaises(dmxp.ChannelNotFound):
            self.region.channel(number)

    def test_a_damaged_channel_is_named_and_does_not_keep_the_others_from_recovery(self):
        producer, consumer = self.small(capacity=4)
        producer.send(b"precious")
        dmxp.create_producer(channel_id=7, region=self.region)
        peer = self.killed(HOLD_MESSAGE)
        file = File(self.region)
        file.put("I", file.channel(7) + 8, 99)
        done = self.region.recover()
        self.assertEqual((done.dead_processes, [channel.returned for channel in done.channels]), ([peer], [1]))
        self.assertEqual([number for number, _ in done.damaged], [7])
        self.assertIn("state 99", done.damaged[0][1])
        self.assertEqual(consumer.recv(timeout=0), b"precious")

    def test_tables_that_somebody_died_changing_are_repaired(self):
        file = File(self.region)
        file.put("I", file.control + 12, 1)
        done = self.region.recover()
        self.assertEqual((done.tables_repaired, done.is_clean), (True, False))
        self.assertTrue(self.region.recover().is_clean)

    def test_what_a_v1_program_left_is_repaired_only_by_force(self):
        producer = dmxp.create_producer(channel_id=3, capacity=4, v1_peers=True, region=self.region)
        consumer = dmxp.create_consumer(channel_id=3, region=self.region)
        producer.send(b"claimed by v1")
        # What a v1 program does that moves a cursor and dies.
        file = File(self.region)
        for cursor in [256, 128]:
            place = 128 + 3 * 384 + cursor
            file.put("Q", place, file.get("Q", place) + 1)
        self.assertTrue(self.region.recover().is_clean)
        [blockage] = self.region.blockages()
        self.assertEqual((blockage.channel_id, blockage.name), (3, None))
        self.assertEqual((blockage.blocked, blockage.position, blockage.obstacle), ("consumers", 1, "unexplained"))
        self.assertIsNone(blockage.holder)
        foretold = self.region.recover(dry_run=True, force=True)
        done = self.region.recover(force=True)
        self.assertEqual(done.channels, foretold.channels)
        [channel] = done.channels
        self.assertEqual((channel.name, channel.aborted, channel.returned), (None, 1, 1))
        with consumer.recv(timeout=PATIENCE) as message:
            self.assertEqual((message, message.metadata.redelivered), (b"claimed by v1", 1))
        self.assertTrue(self.region.recover(force=True).is_clean)

    def test_the_dead_are_left_while_a_living_one_may_have_claimed_the_same(self):
        producer, consumer = self.small(capacity=4)
        peer = self.peer(HOLD_CLAIM)
        # As if both had wanted position 0: the dead one has moved the cursor, and neither has come to know whose it is.
        file = File(self.region)
        cells = [file.handle(holder.thread, 1) + 64 for holder in self.info().producers]
        self.assertEqual(len(cells), 2)
        for cell in cells:
            file.put("Q", cell, 1 << 62 | 1 << 46)
        self.end(peer)
        done = self.region.recover()
        [channel] = done.channels
        self.assertEqual((channel.deferred, channel.aborted, channel.dead_producers), (1, 0, 0))
        self.assertIn("1 handles left, try again", str(done))
        file.put("Q", file.handle(threading.get_native_id(), 1) + 64, 0)
        [channel] = self.region.recover().channels
        self.assertEqual((channel.deferred, channel.aborted, channel.returned), (0, 1, 0))
        self.assertEqual((channel.dead_producers, channel.dead_consumers), (1, 0))
        producer.send(b"next")
        self.assertEqual(consumer.recv(timeout=0), b"next")

    def test_recovery_needs_a_region_of_this_process_open_for_writing(self):
        looker = dmxp.Region.open_read_only()
        with self.assertRaises(dmxp.ReadOnly):
            looker.recover()
        looker.detach()
        with self.assertRaises(dmxp.Detached):
            looker.recover()
        with self.assertRaises(dmxp.Detached):
            looker.blockages()
        code = """
import os
region = dmxp.Region()
child = os.fork()
if child == 0:
    try:
        region.recover()
    except dmxp.Forked:
        os._exit(0)
    os._exit(1)
print(os.waitpid(child, 0)[1])
"""
        self.assertEqual(run(code), "0\n")


class Policies(RecoveryCase):
    def test_a_poisonous_message_goes_to_the_dead_letters_and_not_to_every_consumer_in_turn(self):
        producer, consumer = self.small(capacity=4, redelivery_limit=1, dead_letters="graves")
        producer.send(b"poison")
        for _ in range(2):
            self.killed(HOLD_MESSAGE)
            self.assertEqual(self.region.recover().channels[0].returned, 1)
        producer.send(b"wholesome")
        with consumer.recv(timeout=PATIENCE) as message:
            self.assertEqual(message, b"wholesome")
            self.assertFalse(message.metadata.is_dead_letter)
        letters = dmxp.create_consumer(name="graves", open_only=True, region=self.region)
        with letters.recv(timeout=0) as letter:
            self.assertEqual(letter, b"poison")
            metadata = letter.metadata
        info = self.info()
        # 4 is the flag in the format; all else is as it was sent.
        self.assertEqual((metadata.is_dead_letter, metadata.flags), (True, 4))
        self.assertEqual((metadata.channel_id, metadata.message_id), (info.id, 1))
        self.assertEqual((info.dead_lettered, info.dropped, info.redelivered), (1, 0, 1))
        self.assertEqual((info.aborted, info.recovered), (0, 2))
        self.assertEqual((info.dead_consumers, info.redelivery_limit), ("deliver_again", 1))
        self.assertEqual(info.dead_letters, "graves")

    def test_a_dead_letter_of_a_typed_channel_is_of_its_class(self):
        producer, consumer = self.pair(message=Tick, redelivery_limit=0, dead_letters="lost ticks")
        producer.send(Tick(side=1, price=7))
        consumer.recv(dmxp.Message).give_back()
        self.assertIsNone(consumer.receive())
        with self.assertRaises(dmxp.SchemaMismatch):
            dmxp.create_consumer(name="lost ticks", message=Order, open_only=True)
        tick = dmxp.create_consumer(name="lost ticks", message=Tick, open_only=True).recv(timeout=0)
        self.assertEqual((tick.price, dmxp.message_of(tick).metadata.is_dead_letter), (7, True))

    def test_where_the_policy_says_drop_a_message_is_delivered_at_most_once(self):
        producer, consumer = self.small(capacity=2, dead_consumers="drop")
        producer.send(b"held by the dead")
        self.killed(HOLD_MESSAGE)
        [channel] = self.region.recover().channels
        self.assertEqual((channel.dropped, channel.returned), (1, 0))
        self.assertIsNone(consumer.receive())
        info = self.info()
        self.assertEqual((info.dead_consumers, info.dropped), ("drop", 1))
        self.assertEqual((info.redelivery_limit, info.dead_letters), (10, None))
        self.assertEqual(producer.send_up_to([b"x"] * 3, timeout=0), 2)

    def test_messages_that_are_too_old_are_skipped_and_counted(self):
        producer, consumer = self.small(expiry=0.05)
        producer.send_batch([b"one", b"two"])
        time.sleep(0.06)
        producer.send(b"three")
        self.assertEqual([bytes(message) for message in consumer.recv_up_to(8)], [b"three"])
        self.assertIsNone(consumer.receive())
        self.assertEqual((self.info().expiry, self.info().expired, self.info().dropped), (0.05, 2, 0))
        _, usual = self.pair(name="usual")
        self.assertIsNone(usual.receive())
        self.assertEqual((self.region.channel("usual").expiry, self.region.channel("usual").expired), (None, 0))

    def test_urgent_messages_come_first_in_every_form(self):
        producer, consumer = self.small(capacity=8, priorities=True)
        high = producer.high
        self.assertIs(high, producer.high)
        producer.send(b"a")
        high.send_batch([b"A", b"B"])
        with high.claim(1) as slot:
            slot[:] = b"C"
        self.assertEqual((len(producer), len(high), len(consumer)), (1, 3, 4))
        batch = consumer.recv_up_to(8)
        self.assertEqual([bytes(message) for message in batch], [b"A", b"B", b"C"])
        metadata = batch[2].metadata
        self.assertEqual((metadata.is_high_priority, metadata.flags, metadata.message_id), (True, 8, 3))
        del batch
        with consumer.recv(timeout=PATIENCE) as message:
            self.assertEqual((message, message.metadata.is_high_priority), (b"a", False))
        info = self.info()
        ring = self.region.channel(info.high_id)
        self.assertEqual((ring.high_of, ring.high_id, ring.tail, info.tail), (info.id, None, 3, 1))
        self.assertEqual(metadata.channel_id, ring.id)
        self.assertEqual([channel.id for channel in self.region.channels()], [info.id])
        # Whoever waits is woken by either.
        for sender in [producer, high]:
            waiting = threading.Thread(target=lambda: consumer.recv(timeout=PATIENCE).release())
            waiting.start()
            sender.send(b"x")
            waiting.join(PATIENCE)
            self.assertFalse(waiting.is_alive())
        producer.detach()
        with self.assertRaises(dmxp.Detached):
            high.send(b"late")
        with self.assertRaisesRegex(dmxp.InvalidArgument, "no priorities"):
            self.pair()[0].high

    def test_an_urgent_message_of_a_dead_consumer_comes_again(self):
        producer, consumer = self.small(capacity=2, priorities=True)
        producer.high.send(b"precious")
        self.killed(HOLD_MESSAGE)
        with consumer.recv(timeout=PATIENCE) as message:
            metadata = message.metadata
            self.assertEqual((message, metadata.redelivered, metadata.is_high_priority), (b"precious", 1, True))

    def test_the_end_of_a_stream_comes_after_the_job_of_a_dead_worker(self):
        ways = {
            "waiting": lambda consumer: consumer.recv(timeout=PATIENCE).release(),
            "polling": lambda consumer: self.assertIsNotNone(consumer.receive()),
            "iterating": lambda consumer: self.assertEqual([bytes(job) for job in consumer], [b"job 100"]),
            "asyncio": lambda consumer: asyncio.run(self.one_of(consumer)),
        }
        for name, way in ways.items():
            with self.subTest(name):
                producer, consumer = self.small(capacity=2)
                producer.send(b"job 100")
                self.killed(HOLD_MESSAGE)
                producer.close()
                way(consumer)
                with self.assertRaises(dmxp.Closed):
                    consumer.recv(timeout=PATIENCE)
                del producer, consumer
                self.region.remove_channel("small", force=True)

    async def one_of(self, consumer):
        jobs = [bytes(job) async for job in consumer]
        self.assertEqual(jobs, [b"job 100"])

    def test_policies_are_part_of_the_channel_and_compared_at_open(self):
        policies = {"dead_consumers": "deliver_again", "redelivery_limit": 3, "dead_letters": "graves", "expiry": 60, "priorities": True}
        self.small(**policies)
        self.small()
        others = {"dead_consumers": "drop", "redelivery_limit": 4, "dead_letters": "other", "expiry": 61, "priorities": False}
        for create in [dmxp.create_producer, dmxp.create_consumer]:
            create(name="small", region=self.region, **policies)
            for name, value in others.items():
                with self.subTest(name), self.assertRaises(dmxp.ChannelMismatch):
                    create(name="small", region=self.region, **{name: value})
            impossible = {"dead_consumers": "Drop", "redelivery_limit": 13, "dead_letters": "new"}
            for name, value in [*impossible.items(), ("expiry", 0), ("expiry", -1), ("expiry", math.nan)]:
                with self.subTest(name), self.assertRaises(dmxp.InvalidArgument) as caught:
                    create(name="new", region=self.region, **{name: value})
        with self.assertRaisesRegex(ValueError, 'dead_consumers is "Drop"; give "deliver_again" or "drop"'):
            dmxp.create_producer(name="new", dead_consumers="Drop")
        with self.assertRaises(dmxp.ChannelNotFound):
            self.region.channel("new")


class Blockages(RecoveryCase):
    def blockage(self, blocked):
        return next((found for found in self.region.blockages() if found.blocked == blocked), None)

    def test_who_waits_for_whom_is_named_with_pid_and_age(self):
        self.small(capacity=2)
        self.assertEqual(self.region.blockages(), [])
        holder = self.peer(HOLD_CLAIM)
        found = self.blockage("consumers")
        self.assertEqual((found.channel_id, found.name), (self.info().id, "small"))
        self.assertEqual((found.position, found.obstacle), (0, "writing"))
        self.assertEqual((found.holder.pid, found.holder.state), (holder.pid, "running"))
        self.assertEqual((found.age, found.waiters), (None, []))

        os.kill(holder.pid, signal.SIGSTOP)
        waiter = start(WAIT)
        self.addCleanup(waiter.stdout.close)
        self.addCleanup(self.end, waiter)

        def complete():
            found = self.blockage("consumers")
            waits = found.waiters and found.waiters[0].since > 0.2
            return found if waits and found.age and found.holder.state == "stopped" else None

        found = self.until("the wait and the stop", complete)
        self.assertTrue(0 < found.age < PATIENCE)
        [waiting] = found.waiters
        self.assertEqual((waiting.who.pid, waiting.who.state), (waiter.pid, "running"))
        self.assertLess(waiting.since, PATIENCE)
        self.assertIn(f"pid={waiter.pid}", repr(waiting))
        self.assertIn(f"for process {holder.pid} (stopped), who has claimed it and not published", str(found))
        self.end(holder)
        self.until("the end of the blockage", lambda: self.blockage("consumers") is None)

    def test_producers_wait_for_what_is_unread_or_held_or_returned(self):
        producer, consumer = self.small(capacity=2)
        self.assertEqual(producer.send_batch([b"1", b"2"], timeout=0), 1)
        # A full channel that nobody waits for is not worth a word.
        self.assertEqual(self.region.blockages(), [])
        sent = threading.Thread(target=producer.send, args=(b"3",), kwargs={"timeout": PATIENCE})
        sent.start()
        self.addCleanup(sent.join)

        def obstacle(wanted):
            found = self.blockage("producers")
            return found if found is not None and found.obstacle == wanted and found.waiters else None

        found = self.until("the wait for somebody to receive", lambda: obstacle("unread"))
        self.assertEqual((found.position, found.holder), (0, None))
        message = consumer.recv(timeout=PATIENCE)
        found = self.until("the wait for the reader", lambda: obstacle("reading"))
        self.assertEqual((found.holder.pid, found.holder.thread), (os.getpid(), threading.get_native_id()))
        self.assertEqual(found.waiters[0].who.pid, os.getpid())
        message.give_back()
        self.until("the wait for a returned message", lambda: obstacle("returned"))
        with consumer.recv(timeout=PATIENCE) as message:
            self.assertEqual((message, message.metadata.redelivered), (b"1", 1))
        sent.join(PATIENCE)
        self.assertEqual(self.region.blockages(), [])

    def test_producers_of_a_broadcast_wait_for_the_slowest_subscriber(self):
        producer = dmxp.create_producer(name="news", capacity=2, delivery="broadcast")
        slow, quick = (dmxp.create_consumer(name="news") for _ in range(2))
        with self.assertRaises(dmxp.Full):
            while True:
                producer.try_send(b"old")
                quick.receive().release()
        sent = threading.Thread(target=producer.send, args=(b"new",), kwargs={"timeout": PATIENCE})
        sent.start()
        self.addCleanup(sent.join)

        def waited_for():
            found = self.blockage("producers")
            return found if found is not None and found.waiters else None

        found = self.until("the wait for the subscriber", waited_for)
        self.assertEqual((found.name, found.position, found.obstacle), ("news", 0, "subscriber"))
        self.assertEqual((found.holder.pid, found.holder.subscription, found.holder.position), (os.getpid(), "reliable", 0))
        self.assertIn("a subscriber that still needs the message there", str(found))
        while slow.receive() is not None:
            pass
        sent.join(PATIENCE)
        self.assertEqual(self.region.blockages(), [])

    def test_looking_needs_no_more_than_a_read_only_region(self):
        producer, _ = self.small()
        claim = producer.claim(1)
        [found] = dmxp.Region.open_read_only().blockages()
        self.assertEqual((found.obstacle, found.holder.pid), ("writing", os.getpid()))
        claim.abort()


class Owners(RegionCase):
    def test_a_region_is_its_owners_alone_unless_a_group_is_asked_for(self):
        for options, mode in [({}, 0o600), ({"group_access": True}, 0o660)]:
            for make in [dmxp.Region, dmxp.Region.create, dmxp.Region.open_or_create]:
                with self.subTest(mode=mode, make=make), make(size=2 << 20, **options) as region:
                    self.assertEqual(stat.S_IMODE(os.stat(region.path).st_mode), mode)
                    [locks] = region.path.parent.glob(f".{region.path.name}.*.locks")
                    self.assertEqual(stat.S_IMODE(os.stat(locks).st_mode), mode)
                dmxp.Region.remove(force=True)

    def test_a_region_of_another_user_is_refused_unless_that_user_is_accepted(self):
        with dmxp.Region.create(size=2 << 20) as region:
            path = region.path
        try:
            os.chown(path, 12_345, -1)
        except PermissionError:
            self.skipTest("only root can give a file to another user")
        openers = [dmxp.Region, dmxp.Region.open_or_create, dmxp.Region.open]
        for opener in openers:
            for options in [{}, {"accept_owner": 54_321}, {"group_access": True}]:
                with self.subTest(opener=opener, **options):
                    with self.assertRaisesRegex(dmxp.NotARegion, "user 12345"):
                        opener(**options)
            opener(accept_owner=12_345).detach()
        os.chmod(path, 0o660)
        for opener in openers:
            opener(group_access=True).detach()
        # Root may look at any.
        dmxp.Region.open_read_only(accept_owner=12_345, group_access=True).detach()
        dmxp.Region.remove(accept_owner=12_345, group_access=True)

    def test_a_uid_is_a_number(self):
        for wrong in [-1, 1 << 32]:
            with self.assertRaises(OverflowError):
                dmxp.Region(accept_owner=wrong)
        with self.assertRaises(TypeError):
            dmxp.Region(accept_owner="root")


if __name__ == "__main__":
    unittest.main()
