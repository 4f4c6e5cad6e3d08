"""Waiting in coroutines: what `recv_async`, `send_async` and `async for` do.

One thread of the process waits for all handles. It wakes an event loop through one descriptor, which the loop watches. A coroutine
that is cancelled has taken nothing: each tries without waiting, and waits only to try again.
"""

import asyncio
import itertools
import threading
import weakref

from ._dmxp import _Wakeups
from .errors import Closed, Empty, Full, TooManyClaims, WouldDeadlock


class _Hub:
    """What one event loop waits for. Keeps no reference to the loop, whose end is its own."""

    def __init__(self, loop):
        self.wakeups = _Wakeups()
        self.keys = weakref.WeakKeyDictionary()
        self.numbers = itertools.count()
        self.waiting = {}
        loop.add_reader(self.wakeups.fileno(), self.deliver)

    def deliver(self):
        for key in self.wakeups.take():
            for future in self.waiting.pop(key, ()):
                if not future.done():
                    future.set_result(None)

    async def ready(self, handle, held_up):
        """Returns when a call with the handle may find something; one that is held up, when a claim of the handle was finished."""
        key = self.keys.get(handle)
        if key is None:
            key = self.keys[handle] = next(self.numbers)
        future = asyncio.get_running_loop().create_future()
        waiting = self.waiting.setdefault(key, [])
        waiting.append(future)
        try:
            handle._wake(self.wakeups, key, held_up)
            await future
        finally:
            if not future.done() or future.cancelled():
                waiting.remove(future)


_HUBS = weakref.WeakKeyDictionary()


def _hub():
    loop = asyncio.get_running_loop()
    hub = _HUBS.get(loop)
    if hub is None:
        hub = _HUBS[loop] = _Hub(loop)
    return hub


def _is_alone():
    """Whether nothing else of the program could finish a claim: no other task of the loop, and no other thread."""
    return len(asyncio.all_tasks()) == 1 and threading.active_count() == 1


async def _until(handle, attempt, last):
    """Attempts until there is something. `last` is an attempt that is counted."""
    while True:
        try:
            return attempt()
        except (Empty, Full):
            held_up = False
        except (TooManyClaims, WouldDeadlock):
            held_up = True
        if held_up and _is_alone():
            try:
                return last()
            except (Empty, Full):
                continue
        await _hub().ready(handle, held_up)


async def recv(consumer, message):
    return await _until(consumer, lambda: consumer._attempt(message), lambda: consumer.try_recv(message))


async def following(consumer):
    try:
        return await recv(consumer, None)
    except Closed:
        raise StopAsyncIteration from None


async def send(producer, payload):
    return await _until(producer, lambda: producer._attempt(payload), lambda: producer.try_send(payload))
