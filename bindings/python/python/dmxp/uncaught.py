"""Messages that are held when an exception ends the program or a thread were not dealt with: they go back to their channels.

What the thread received is known to the extension; what it got from other threads is found in the frames that the exception passed.
"""

import atexit
import sys
import threading

from ._dmxp import Message, _uncaught
from .views import message_of


def _fail_what_frames_hold(traceback):
    while traceback is not None:
        # A copy of the frame's names: looking at it changes nothing.
        for value in list(traceback.tb_frame.f_locals.values()):
            for held in value if type(value) in (list, tuple, set) else (value,):
                if hasattr(type(held), "_dmxp_class"):
                    lease = getattr(held, "_dmxp_lease", None)
                    if lease is not None:
                        lease.fail()
                elif type(held) in (Message, memoryview):
                    try:
                        message_of(held)._fail()
                    except TypeError:
                        pass  # A view of something else.
        traceback = traceback.tb_next


def _ended_by(kind, traceback):
    if kind is not None and not issubclass(kind, SystemExit):
        _fail_what_frames_hold(traceback)
        _uncaught()


def _at_exit():
    # Where another hook was put in the place of this one: what ended the main thread is remembered.
    if not _is_interactive():
        value = getattr(sys, "last_value", None)
        if value is not None:
            _ended_by(type(value), value.__traceback__)


def _is_interactive():
    # There an exception ends a line, and no program.
    return hasattr(sys, "ps1")


def _install():
    before, before_in_threads = sys.excepthook, threading.excepthook

    def excepthook(kind, value, traceback):
        if not _is_interactive():
            _ended_by(kind, traceback)
        before(kind, value, traceback)

    def in_threads(arguments, /):
        _ended_by(arguments.exc_type, arguments.exc_traceback)
        before_in_threads(arguments)

    sys.excepthook = excepthook
    threading.excepthook = in_threads
    atexit.register(_at_exit)


_install()
