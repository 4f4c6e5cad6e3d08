"""Waiting in coroutines: what `recv_async`, `send_async` and `async for` do.

One thread of the process waits for all handles. It wakes an event loop through one descriptor, which the loop watches. A coroutine
that is cancelled has taken nothing: each tries without waiting, and waits only to try again.
"""

import asyncio
import itertools
import weakref

from ._dmxp import _Wakeups
from .errors import Closed, Empty, Full


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

    async def ready(self, handle):
        """Returns when a call with the handle may find something."""
        key = self.keys.get(handle)
        if key is None:
            key = self.keys[handle] = next(self.numbers)
        future = asyncio.get_running_loop().create_future()
        waiting = self.waiting.setdefault(key, [])
        waiting.append(future)
        try:
            handle._wake(self.wakeups, key)
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


async def recv(consumer, message):
    while True:
        try:
            return consumer.try_recv(message)
        except Empty:
            pass
        await _hub().ready(consumer)


async def following(consumer):
    try:
        return await recv(consumer, None)
    except Closed:
        raise StopAsyncIteration from None


async def send(producer, payload):
    while True:
        try:
            return producer.try_send(payload)
        except Full:
            pass
        await _hub().ready(producer)
