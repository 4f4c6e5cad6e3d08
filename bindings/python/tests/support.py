"""A region of its own for each test, message classes, and Python processes beside this one."""

import faulthandler
import itertools
import os
import pathlib
import resource
import signal
import subprocess
import sys
import unittest

import dmxp

# The generator's golden files: what a user gets for the messages of its tests.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "dmxp-schema" / "tests" / "golden"))
from every_kind import EveryKind  # noqa: E402
from orders import Order, Side, Tick  # noqa: E402

__all__ = ["EveryKind", "Order", "PATIENCE", "RegionCase", "Side", "Tick", "run", "sleeps_of", "start"]

NUMBERS = itertools.count()
# Long enough for a loaded machine; nothing that passes waits so long.
PATIENCE = 30
# A test that is stuck says where, and ends.
faulthandler.dump_traceback_later(10 * PATIENCE, exit=True)
# A process that a shell starts in the background ignores it, and so would the tests of Ctrl-C and their children.
signal.signal(signal.SIGINT, signal.default_int_handler)


def sleeps_of(call):
    """How often this thread goes to sleep in a call. Who spins does not; processor time would say more of the machine's other work."""
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    call()
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before


class RegionCase(unittest.TestCase):
    """Makes the default region a new one, and removes it afterwards."""

    def setUp(self):
        name = f"dmxp-python-test-{os.getpid()}-{next(NUMBERS)}"
        before = os.environ.get("DMXP_REGION")
        os.environ["DMXP_REGION"] = name
        self.region_name = name

        def restore():
            try:
                dmxp.Region.remove(name, force=True)
            except dmxp.RegionNotFound:
                pass
            # Of regions that a test has unlinked by hand.
            for path in pathlib.Path("/dev/shm").glob(f".{name}.*"):
                path.unlink()
            if before is None:
                del os.environ["DMXP_REGION"]
            else:
                os.environ["DMXP_REGION"] = before

        self.addCleanup(restore)

    def pair(self, capacity=2, **options):
        producer = dmxp.create_producer(channel_id=1, capacity=capacity, **options)
        return producer, dmxp.create_consumer(channel_id=1, **options)

    def assertFull(self, producer, payload=b"x"):
        with self.assertRaises(dmxp.Full):
            producer.try_send(payload)


def start(code, *arguments, **options):
    """A Python process that runs `code`, with `dmxp` and `sys` imported."""
    options = {"stdout": subprocess.PIPE, "text": True} | options
    return subprocess.Popen([sys.executable, "-c", "import dmxp, sys\n" + code, *map(str, arguments)], **options)


def run(code, *arguments):
    """What such a process prints; it must succeed."""
    process = start(code, *arguments, stderr=subprocess.PIPE)
    output, errors = process.communicate(timeout=PATIENCE)
    if process.returncode != 0:
        raise AssertionError(f"exit status {process.returncode}:\n{errors}")
    return output
