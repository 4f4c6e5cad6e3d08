"""From a view of a slot back to the message."""

from ctypes import Array, Structure, Union

from ._dmxp import Message


def message_of(view: object) -> Message:
    """The `Message` that a view leads to: an instance of a message class, a part of one, a memoryview or a numpy array.

    >>> producer = dmxp.create_producer(channel_id=100)
    >>> consumer = dmxp.create_consumer(channel_id=100)
    >>> producer.send(b"hello")
    1
    >>> view = memoryview(consumer.recv())
    >>> dmxp.message_of(view).metadata.message_id
    1

    Raises `TypeError` when the object is no view of a message.
    """
    seen: object = view
    while not isinstance(seen, Message):
        if isinstance(seen, memoryview):
            seen = seen.obj
        elif isinstance(seen, (Structure, Union, Array)):
            # Parts refer to the whole; the whole keeps the memoryview that it was made over.
            seen = seen._b_base_ if seen._b_base_ is not None else _owner(seen._objects)
        else:
            seen = getattr(seen, "base", None)
        if seen is None:
            raise TypeError(f"{type(view).__name__} is no view of a message")
    return seen


def _owner(kept: object) -> memoryview | None:
    values = kept.values() if isinstance(kept, dict) else [kept]
    return next((value for value in values if isinstance(value, memoryview)), None)
