"""From a view of a slot back to the message."""

from ctypes import Array, Structure, Union, addressof

from ._dmxp import Message, _Slot, _target


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
        if type(seen) is _Slot:
            seen = _target(seen)
        elif isinstance(seen, memoryview):
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


def class_of(message: object) -> type:
    """The message class of an instance, also of one over a slot."""
    return getattr(type(message), "_dmxp_class", type(message))


def layout(ctype: type) -> object:
    """What a ctypes class is in memory: a code, `(length, layout)` of an array, or a list of `(name, offset, size, layout)`."""
    if issubclass(ctype, Array):
        return ctype._length_, layout(ctype._type_)
    if issubclass(ctype, (Structure, Union)):
        members = []
        for base in reversed(ctype.__mro__):
            for name, member, *bits in vars(base).get("_fields_", ()):
                field = vars(base)[name]
                members.append((name, field.offset, field.size, "a part of a word" if bits else layout(member)))
        return members
    # Those of the other byte order have the same code.
    return ctype._type_ if getattr(ctype, "__ctype_le__", ctype) is ctype else f">{ctype._type_}"


def lent(message_class: type) -> type:
    """The class of instances over slots: `message_class`, for all that can be seen."""

    def __reduce__(self: object) -> tuple[object, tuple[bytes]]:
        # A copy is an instance of its own, with its own memory.
        return message_class.from_buffer_copy, (bytes(self),)

    def __enter__(self: object) -> object:
        lease = self._dmxp_lease
        return lease.enter(self)

    def __exit__(self: object, kind: type | None, value: object, traceback: object) -> None:
        self._dmxp_lease.leave(kind is not None)

    slots = ["_dmxp_lease"]
    if message_class.__weakrefoffset__ == 0:
        slots.append("__weakref__")
    members = {
        "__slots__": slots,
        "__module__": message_class.__module__,
        "__qualname__": message_class.__qualname__,
        "__doc__": message_class.__doc__,
        "__reduce__": __reduce__,
        "__enter__": __enter__,
        "__exit__": __exit__,
        "_dmxp_class": message_class,
    }
    return type(message_class)(message_class.__name__, (message_class,), members)
