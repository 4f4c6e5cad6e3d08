"""From a view of a slot back to the message."""

from ctypes import Array, Structure, Union, addressof

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
            # Parts refer to the whole.
            if seen._b_base_ is not None:
                seen = seen._b_base_
            else:
                lease = getattr(seen, "_dmxp_lease", None)
                seen = lease.message(addressof(seen)) if lease is not None else None
        else:
            seen = getattr(seen, "base", None)
        if seen is None:
            raise TypeError(f"{type(view).__name__} is no view of a message")
    return seen


def lent(message_class: type) -> type:
    """The class of instances over slots: `message_class`, for all that can be seen."""

    def __reduce__(self: object) -> tuple[object, tuple[bytes]]:
        # A copy is an instance of its own, with its own memory.
        return message_class.from_buffer_copy, (bytes(self),)

    slots = ["_dmxp_lease"]
    if message_class.__weakrefoffset__ == 0:
        slots.append("__weakref__")
    members = {
        "__slots__": slots,
        "__module__": message_class.__module__,
        "__qualname__": message_class.__qualname__,
        "__doc__": message_class.__doc__,
        "__reduce__": __reduce__,
    }
    return type(message_class)(message_class.__name__, (message_class,), members)
