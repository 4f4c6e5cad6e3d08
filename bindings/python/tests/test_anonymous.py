"""Regions without a name, their hand-over from process to process, and secrets."""

import gc
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import dmxp
from support import PATIENCE, RegionCase, start

SIZE = 4 << 20


def descriptors():
    return sorted(os.listdir("/proc/self/fd"))


class AnonymousCase(RegionCase):
    def setUp(self):
        super().setUp()
        self.region = dmxp.Region.create_anonymous(size=SIZE)

    def child(self, code, *passed):
        """A process that runs code with a descriptor of each of these, the first of which is `first`."""
        for descriptor in passed:
            os.set_inheritable(descriptor, True)
        peer = start(f"import os, socket\nfirst = {passed[0]}\n" + code, pass_fds=passed, stdin=subprocess.PIPE)
        self.addCleanup(peer.stdout.close)
        self.addCleanup(peer.stdin.close)
        self.addCleanup(peer.wait, PATIENCE)
        self.addCleanup(peer.kill)
        return peer

    def sockets(self):
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        return ours, theirs


    def hand_over(self, ours, policy=None, timeout=PATIENCE):
        """Hands over in a thread; what is returned waits for it and says which exception it met."""
        met = []

        def give():
            try:
                self.region.hand_over(ours, timeout, policy)
            except Exception as error:
                met.append(error)

        thread = threading.Thread(target=give)
        thread.start()
        self.addCleanup(thread.join)

        def outcome():
            thread.join(PATIENCE)
            self.assertFalse(thread.is_alive())
            return met[0] if met else None

        outcome.thread = thread
        return outcome


class Descriptors(AnonymousCase):
    def test_a_region_without_a_name_lies_nowhere_and_cannot_be_shortened(self):
        self.assertTrue(self.region.is_anonymous)
        self.assertFalse(dmxp.Region().is_anonymous)
        self.assertEqual(str(self.region.path), "memfd:dmxp")
        self.assertEqual(self.region.info.size, SIZE)
        descriptor = self.region.descriptor()
        self.addCleanup(os.close, descriptor)
        for size in [0, 2 * SIZE]:
            with self.assertRaises(PermissionError):
                os.ftruncate(descriptor, size)
        self.assertFalse(os.get_inheritable(descriptor))
        labelled = dmxp.Region.create_anonymous("prices", size=SIZE)
        self.assertIn("memfd:prices", repr(labelled))

    def test_a_child_attaches_by_an_inherited_descriptor(self):
        consumer = dmxp.create_consumer(name="answers", region=self.region)
        descriptor = self.region.descriptor()
        peer = self.child(
            """
region = dmxp.Region.attach(first)
os.close(first)
dmxp.create_producer(name="answers", region=region, open_only=True).send(b"attached")
""",
            descriptor,
        )
        os.close(descriptor)
        with consumer.recv(timeout=PATIENCE) as message:
            self.assertEqual((message, message.metadata.sender_pid), (b"attached", peer.pid))
        self.assertEqual(peer.wait(PATIENCE), 0)

    def test_looking_changes_nothing(self):
        dmxp.create_producer(name="ticks", region=self.region)
        descriptor = self.region.descriptor()
        looker = dmxp.Region.attach_read_only(descriptor)
        os.close(descriptor)
        self.assertEqual((looker.read_only, looker.is_anonymous), (True, True))
        self.assertEqual([channel.name for channel in looker.channels()], ["ticks"])
        with self.assertRaises(dmxp.ReadOnly):
            looker.descriptor()

    def test_only_sealed_memory_is_attached_to(self):
        with tempfile.TemporaryFile() as file:
            with self.assertRaises(dmxp.NotARegion):
                dmxp.Region.attach(file)
        unsealed = os.memfd_create("unsealed", os.MFD_ALLOW_SEALING)
        try:
            with self.assertRaisesRegex(dmxp.NotARegion, "not sealed against shrinking"):
                dmxp.Region.attach(unsealed)
        finally:
            os.close(unsealed)
        with self.assertRaises(OSError):
            dmxp.Region.attach(unsealed)
        with self.assertRaises(OSError):
            dmxp.Region.attach(-1)
        for wrong in ["3", None]:
            with self.assertRaises(TypeError):
                dmxp.Region.attach(wrong)

    def test_a_region_with_a_name_is_not_passed_on(self):
        ours, _ = self.sockets()
        named = dmxp.Region(size=SIZE)
        for call in [named.descriptor, lambda: named.hand_over(ours, 1)]:
            with self.assertRaisesRegex(dmxp.InvalidArgument, "only anonymous regions are passed on"):
                call()


class HandOver(AnonymousCase):
    def test_a_region_goes_to_a_process_that_may_then_be_killed_without_harm(self):
        producer = dmxp.create_producer(name="small", capacity=4, region=self.region)
        consumer = dmxp.create_consumer(name="small", region=self.region)
        producer.send(b"precious")
        ours, theirs = self.sockets()
        # Python makes such a socket's descriptor non-blocking; the hand-over waits all the same.
        ours.settimeout(0.001)
        peer = self.child(
            """
with socket.socket(fileno=first) as ours:
    region = dmxp.Region.receive(ours, 30)
held = dmxp.create_consumer(name="small", region=region).recv(timeout=30)
claim = dmxp.create_producer(name="small", region=region).claim(8)
print(bytes(held), flush=True)
sys.stdin.read()
""",
            theirs.fileno(),
        )
        theirs.close()
        self.region.hand_over(ours, PATIENCE)
        self.assertEqual(peer.stdout.readline(), "b'precious'\n")
        self.assertEqual(ours.gettimeout(), 0.001)
        os.kill(peer.pid, signal.SIGKILL)
        peer.wait(PATIENCE)
        started = time.monotonic()
        with consumer.recv(timeout=PATIENCE) as message:
            self.assertEqual((message, message.metadata.redelivered), (b"precious", 1))
        # 0.1 is the promise.
        self.assertLess(time.monotonic() - started, 20)
        self.assertIsNone(consumer.receive())
        self.assertEqual(producer.send_up_to([b"x"] * 5, timeout=0), 4)

    def test_a_policy_is_asked_about_the_peer_at_each_end(self):
        asked = []

        def accept(peer):
            asked.append(peer)
            return True

        ours, theirs = self.sockets()
        outcome = self.hand_over(ours, accept)
        received = dmxp.Region.receive(theirs, PATIENCE, accept)
        self.assertIsNone(outcome())
        self.assertEqual(received.info.id, self.region.info.id)
        this = dmxp.PeerCredentials.of(ours)
        self.assertEqual(asked, [this, this])
        self.assertEqual((this.pid, this.uid, this.gid), (os.getpid(), os.geteuid(), os.getegid()))
        self.assertTrue(this.is_same_user)
        self.assertEqual(repr(this), f"PeerCredentials(pid={this.pid}, uid={this.uid}, gid={this.gid})")

    def test_who_is_not_accepted_gets_nothing(self):
        ours, theirs = self.sockets()
        with self.assertRaisesRegex(dmxp.PeerRefused, f"process {os.getpid()} of user {os.geteuid()}"):
            self.region.hand_over(ours, PATIENCE, lambda peer: peer.uid == 12_345)
        theirs.setblocking(False)
        with self.assertRaises(BlockingIOError):
            theirs.recv(1)

    def test_who_is_not_accepted_cannot_foist_a_region_on_somebody(self):
        ours, theirs = self.sockets()
        outcome = self.hand_over(ours)
        with self.assertRaises(dmxp.PeerRefused):
            dmxp.Region.receive(theirs, PATIENCE, lambda peer: False)
        self.assertIsInstance(outcome(), dmxp.HandOver)

    def test_a_policy_that_raises_refuses(self):
        ours, theirs = self.sockets()
        outcome = self.hand_over(ours)

        def fail(_):
            raise KeyError("nobody")

        with self.assertRaises(KeyError):
            dmxp.Region.receive(theirs, PATIENCE, fail)
        self.assertIsInstance(outcome(), dmxp.HandOver)
        with self.assertRaises(KeyError):
            self.region.hand_over(self.sockets()[0], PATIENCE, fail)

    def test_a_peer_that_says_nothing_is_waited_for_as_long_as_was_said(self):
        ours, theirs = self.sockets()
        for call in [lambda: self.region.hand_over(ours, 0.1), lambda: dmxp.Region.receive(ours, 0.1)]:
            started = time.monotonic()
            with self.assertRaises(dmxp.Timeout):
                call()
            self.assertTrue(0.1 <= time.monotonic() - started < PATIENCE)
        for wrong in [-1, float("nan")]:
            with self.assertRaises(ValueError):
                self.region.hand_over(ours, wrong)
        theirs.close()
        with self.assertRaises(dmxp.HandOver):
            dmxp.Region.receive(ours, PATIENCE)

    def test_other_threads_go_on_meanwhile(self):
        ours, _ = self.sockets()
        outcome = self.hand_over(ours, timeout=0.3)
        turns = 0
        while outcome.thread.is_alive():
            time.sleep(0.001)
            turns += 1
        self.assertIsInstance(outcome(), dmxp.Timeout)
        self.assertGreater(turns, 20)

    def test_what_is_no_socket_is_refused(self):
        with open("/dev/null") as file:
            with self.assertRaises(dmxp.IoError):
                self.region.hand_over(file, 1)
        closed, _ = self.sockets()
        closed.close()
        with self.assertRaises(OSError):
            self.region.hand_over(closed, 1)
        with self.assertRaises(TypeError):
            self.region.hand_over("socket", 1)

    def test_no_descriptor_is_left_behind(self):
        ours, theirs = self.sockets()
        with open("/dev/null") as file:
            # What earlier tests left to the collector may go meanwhile.
            gc.collect()
            before = descriptors()
            outcome = self.hand_over(ours)
            dmxp.Region.receive(theirs, PATIENCE).detach()
            self.assertIsNone(outcome())
            os.close(self.region.descriptor())
            with self.assertRaises(dmxp.NotARegion):
                dmxp.Region.attach(file)
            with self.assertRaises(dmxp.Timeout):
                dmxp.Region.receive(ours, 0)
            self.assertLessEqual(set(descriptors()), set(before))


class Secrets(AnonymousCase):
    SECRET = bytes(range(1, 17))

    def test_who_does_not_give_the_secret_is_refused(self):
        region = dmxp.Region.create(size=SIZE, secret=self.SECRET)
        other = bytes(range(2, 18))
        for opener in [dmxp.Region, dmxp.Region.open_or_create, dmxp.Region.open, dmxp.Region.open_read_only]:
            with self.subTest(opener):
                opener(secret=self.SECRET).detach()
                with self.assertRaisesRegex(dmxp.SecretMismatch, "it has a secret, and none was given"):
                    opener()
                with self.assertRaisesRegex(dmxp.SecretMismatch, "its secret is another one"):
                    opener(secret=other)
        region.detach()
        with self.assertRaises(dmxp.SecretMismatch):
            dmxp.Region.remove()
        dmxp.Region.remove(secret=self.SECRET)
        with dmxp.Region(size=SIZE):
            with self.assertRaisesRegex(dmxp.SecretMismatch, "it has no secret, and one was given"):
                dmxp.Region.open(secret=self.SECRET)

    def test_a_region_without_a_name_may_have_one_too(self):
        self.region = dmxp.Region.create_anonymous(size=SIZE, secret=self.SECRET)
        descriptor = self.region.descriptor()
        self.addCleanup(os.close, descriptor)
        for attach in [dmxp.Region.attach, dmxp.Region.attach_read_only]:
            attach(descriptor, secret=self.SECRET).detach()
            with self.assertRaises(dmxp.SecretMismatch):
                attach(descriptor)
        ours, theirs = self.sockets()
        outcome = self.hand_over(ours)
        with self.assertRaises(dmxp.SecretMismatch):
            dmxp.Region.receive(theirs, PATIENCE)
        self.assertIsInstance(outcome(), dmxp.HandOver)
        outcome = self.hand_over(ours)
        self.assertTrue(dmxp.Region.receive(theirs, PATIENCE, secret=self.SECRET).is_anonymous)
        self.assertIsNone(outcome())

    def test_a_secret_is_16_bytes_and_not_zeros(self):
        for wrong in [b"", bytes(15), bytes(17)]:
            with self.assertRaises(ValueError):
                dmxp.Region(secret=wrong)
        with self.assertRaises(TypeError):
            dmxp.Region(secret="sixteen letters.")
        with self.assertRaisesRegex(dmxp.InvalidArgument, "a secret of zeros is none"):
            dmxp.Region(secret=bytes(16))


class Interrupted(RegionCase):
    def test_ctrl_c_ends_a_hand_over_on_either_side(self):
        setting = """
import signal, socket
signal.signal(signal.SIGINT, signal.default_int_handler)
ours, theirs = socket.socketpair()
region = dmxp.Region.create_anonymous(size=4 << 20)
try:
    print("waiting", flush=True)
    CALL
except KeyboardInterrupt:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The peer is told, and does not wait on.
    print(theirs.recv(1000) is not None, flush=True)
"""
        for call in [
            "region.hand_over(ours, 600)",
            "region.hand_over(ours, 600, lambda peer: True)",
            "dmxp.Region.receive(ours, 600)",
            "dmxp.Region.receive(ours, 600, lambda peer: True)",
        ]:
            with self.subTest(call), start(setting.replace("CALL", call)) as program:
                self.assertEqual(program.stdout.readline(), "waiting\n")
                # One that comes before the call is not the one that is meant.
                deadline = time.monotonic() + PATIENCE
                while program.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.3)
                    program.send_signal(signal.SIGINT)
                self.assertIsNotNone(program.poll())
                self.assertIn("True", program.stdout.read())


if __name__ == "__main__":
    unittest.main()
