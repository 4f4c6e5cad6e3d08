import ctypes
import datetime
import enum
import operator
import sys

if sys.byteorder != "little":
    raise ImportError("dmxp messages are little-endian")


def _check(cls, size, alignment, fields, schema_alignment=None):
    # Not `assert`: that is gone under `python -O`.
    def differ(what, found, expected):
        if found != expected:
            raise ImportError(f"{cls.__name__}: {what} is {found}, not {expected}; generate this file again")

    differ("the size", ctypes.sizeof(cls), size)
    differ("the alignment", ctypes.alignment(cls), alignment)
    if hasattr(cls, "SIZE"):
        differ("SIZE", cls.SIZE, size)
        differ("ALIGNMENT", cls.ALIGNMENT, schema_alignment or alignment)
    differ("the list of fields", [name for name, _ in cls._fields_], [name for name, _, _, _ in fields])
    for (name, offset, size, ctype), (_, actual) in zip(fields, cls._fields_):
        field = getattr(cls, name)
        differ(f"the offset of {name}", field.offset, offset)
        differ(f"the size of {name}", field.size, size)
        differ(f"the type of {name}", _plain(actual), ctype)


def _plain(ctype):
    # The arrays of this module are classes of their own.
    if issubclass(ctype, ctypes.Array):
        return _plain(ctype._type_) * ctype._length_
    return ctype


def _dtype(cls, columns):
    import numpy

    names, formats, offsets = [], [], []
    for name, column, dtype in columns:
        dtype = numpy.dtype(dtype)
        field = getattr(cls, name)
        if dtype.itemsize != field.size:
            raise TypeError(f"{cls.__name__}.{name}: {dtype.itemsize} bytes in the dtype, not {field.size}")
        names.append(column)
        formats.append(dtype)
        offsets.append(field.offset)
    return numpy.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": ctypes.sizeof(cls)})


def _bool(value):
    if value > 1:
        raise ValueError(f"{value} is not a bool")
    return value == 1


def _str(raw):
    return bytes(raw).split(b"\0", 1)[0].decode("utf-8")


def _open(cls, value):
    try:
        return cls(value)
    except ValueError:
        return value


def _datetime(nanoseconds):
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return epoch + datetime.timedelta(microseconds=nanoseconds // 1000)


# Past the checks of `__setattr__`.
_put = object.__setattr__

_INFINITE = float("inf")
# From here on the nearest f32 is infinite.
_F32_END = 3.4028235677973366e38


def _integer(name, low, high):
    def convert(value, index=operator.index):
        value = index(value)
        if low <= value <= high:
            return value
        raise OverflowError(f"{value} does not fit {name}, {low} to {high}")

    return convert


_u8 = _integer("u8", 0, 2**8 - 1)
_u16 = _integer("u16", 0, 2**16 - 1)
_u32 = _integer("u32", 0, 2**32 - 1)
_u64 = _integer("u64", 0, 2**64 - 1)
_i8 = _integer("i8", -(2**7), 2**7 - 1)
_i16 = _integer("i16", -(2**15), 2**15 - 1)
_i32 = _integer("i32", -(2**31), 2**31 - 1)
_i64 = _integer("i64", -(2**63), 2**63 - 1)
_timestamp = _integer("timestamp", -(2**63), 2**63 - 1)


def _f64(value):
    return ctypes.c_double(value).value


def _f32(value):
    value = ctypes.c_double(value).value
    if _F32_END <= abs(value) < _INFINITE:
        raise OverflowError(f"{value} does not fit f32")
    return value


def _to_bool(value):
    if value is True or value is False:
        return value
    if type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    value = operator.index(value)
    if value not in (0, 1):
        raise ValueError(f"{value} is not a bool")
    return value


def _to_char(value):
    if not isinstance(value, str) or len(value) != 1:
        raise TypeError(f"expected one character, not {value!r}")
    if "\ud800" <= value <= "\udfff":
        raise ValueError(f"{value!r} is half of a character")
    return ord(value)


def _to_str(size):
    ctype = ctypes.c_uint8 * size

    def convert(value):
        if not isinstance(value, str):
            raise TypeError(f"expected a str, not {type(value).__name__}")
        data = value.encode("utf-8")
        if len(data) > size:
            raise ValueError(f"the text has {len(data)} bytes, there is room for {size}")
        if b"\0" in data:
            raise ValueError("the text contains NUL, which would end it")
        return ctype.from_buffer_copy(data.ljust(size, b"\0"))

    return convert


def _to_bytes(size):
    ctype = ctypes.c_uint8 * size

    def convert(value):
        try:
            view = memoryview(value)
        except TypeError:
            data = bytes(_items(value))
        else:
            if view.ndim == 0:
                raise TypeError(f"expected bytes, not {type(value).__name__}")
            data = view.tobytes()
        if len(data) != size:
            raise ValueError(f"{len(data)} bytes, not {size}")
        return ctype.from_buffer_copy(data)

    return convert


def _items(values):
    if isinstance(values, str):
        raise TypeError("expected a list, not a str")
    return list(values)


def _exactly(values, count):
    values = _items(values)
    if len(values) != count:
        raise ValueError(f"{len(values)} elements, not {count}")
    return values


def _member(cls):
    def convert(value):
        return cls(operator.index(value))

    return convert


def _instance(cls):
    def convert(value):
        if isinstance(value, cls):
            # Also one that lies where this is going to be stored.
            return cls.from_buffer_copy(value)
        if isinstance(value, (tuple, list)):
            return cls(*value)
        if isinstance(value, dict):
            return cls(**value)
        raise TypeError(f"expected a {cls.__name__}, not {type(value).__name__}")

    return convert


def _list(ctype, convert):
    def of(values):
        return ctype(*[convert(value) for value in _exactly(values, ctype._length_)])

    return of


class _Items:
    """What an array in a message adds to one of ctypes."""

    __slots__ = ()

    def tolist(self):
        return [item.tolist() if isinstance(item, _Items) else item for item in self]

    def __setitem__(self, index, value):
        if isinstance(index, slice):
            value = [self._convert(item) for item in _items(value)]
        else:
            value = self._convert(value)
        super().__setitem__(index, value)

    def __eq__(self, other):
        if not isinstance(other, (ctypes.Array, list, tuple)):
            return NotImplemented
        return len(self) == len(other) and all(map(operator.eq, self, other))

    __hash__ = None

    def __repr__(self):
        return repr(self.tolist())

    def __reduce__(self):
        return type(self).from_buffer_copy, (bytes(self),)


def _array(name, element, length, convert):
    members = {"__slots__": (), "__module__": __name__, "_type_": element, "_length_": length}
    cls = type(ctypes.Array)(name, (_Items, ctypes.Array), members)

    def of(values):
        if isinstance(values, cls):
            return cls.from_buffer_copy(values)
        values = [convert(value) for value in _exactly(values, length)]
        new = cls()
        ctypes.Array.__setitem__(new, slice(0, length), values)
        return new

    cls.of = staticmethod(of)
    cls._convert = staticmethod(convert)
    return cls


def _overwrite(place, value):
    ctypes.memmove(ctypes.byref(place), ctypes.byref(value), ctypes.sizeof(value))


_REFUSALS = (OverflowError, TypeError, ValueError)


def _named(error, name):
    kind = next(kind for kind in _REFUSALS if isinstance(error, kind))
    return kind(f"{name}: {error}")


class _Payload:
    """What the payload of a union adds to a union of ctypes, whose methods cannot be set later."""

    __slots__ = ()

    def __setattr__(self, name, value):
        member, convert = type(self).__setters__.get(name, (name, None))
        try:
            value = value if convert is None else convert(value)
        except _REFUSALS as error:
            raise _named(error, f"{type(self).__name__}.{name}") from None
        super().__setattr__(member, value)

    def __eq__(self, other):
        return bytes(self) == bytes(other) if isinstance(other, type(self)) else NotImplemented

    __hash__ = None

    def __repr__(self):
        return f"{type(self).__name__}({bytes(self)})"

    def __reduce__(self):
        return type(self).from_buffer_copy, (bytes(self),)


def _finish(cls, same, show, setters):
    # `setters`: by each name of a field, the ctypes field and what makes a value of that.
    setter = setters.get

    def __setattr__(self, name, value):
        known = setter(name)
        if known is not None:
            member, convert = known
            try:
                value = convert(value)
            except _REFUSALS as error:
                raise _named(error, f"{cls.__name__}.{name}") from None
            _put(self, member, value)
        else:
            _put(self, name, value)

    def __eq__(self, other):
        if not isinstance(other, cls):
            return NotImplemented
        try:
            return same(self, other)
        except ValueError:
            # One of them has a value that cannot be read.
            return bytes(self) == bytes(other)

    def __repr__(self):
        return show(self)

    def __reduce__(self):
        return type(self).from_buffer_copy, (bytes(self),)

    cls.__setattr__ = __setattr__
    cls.__eq__ = __eq__
    cls.__hash__ = None
    cls.__repr__ = __repr__
    cls.__reduce__ = __reduce__


def _message(cls, names, setters):
    def same(one, other):
        return all(getattr(one, name) == getattr(other, name) for name in names)

    def show(message):
        def value(name):
            try:
                return repr(getattr(message, name))
            except ValueError as error:
                return f"<{error}>"

        return f"{cls.__name__}({', '.join(f'{name}={value(name)}' for name in names)})"

    _finish(cls, same, show, setters)


def _nullable(cls, convert):
    def of(value):
        new = cls()
        if value is not None:
            _put(new, "value", convert(value))
            _put(new, "present", 1)
        return new

    cls.of = staticmethod(of)
    cls.set = lambda self, value: _overwrite(self, of(value))
    same = lambda one, other: one.get() == other.get()  # noqa: E731
    _finish(cls, same, lambda self: repr(self.get()), {"value": ("value", convert)})


def _vector(cls, capacity, convert):
    def of(values):
        values = [convert(value) for value in _items(values)]
        if len(values) > capacity:
            raise ValueError(f"{len(values)} elements, the capacity is {capacity}")
        new = cls()
        new.items[: len(values)] = values
        _put(new, "count", len(values))
        return new

    cls.of = staticmethod(of)
    cls.set = lambda self, values: _overwrite(self, of(values))
    same = lambda one, other: one.get() == other.get()  # noqa: E731
    _finish(cls, same, lambda self: repr(self.get()), {})


def _union(cls, tag, variants):
    def __init__(self, kind=None, value=None):
        if kind is not None or value is not None:
            self.set(kind, value)

    def set(self, kind, value=None):
        """Stores a variant: `set(Kind.Variant, value)`; `set(None)` stores nothing."""
        new = cls()
        if kind is not None:
            kind = cls.Kind(operator.index(kind))
            if kind in variants:
                member, convert = variants[kind]
                _put(new.payload, member, convert(value))
                value = None
            _put(new, "tag", kind)
        if value is not None:
            raise ValueError(f"{'nothing' if kind is None else kind.name} has no value")
        _overwrite(self, new)

    def same(one, other):
        return one.tag == other.tag and one.value == other.value

    def show(union):
        if not union.tag:
            return f"{cls.__name__}()"
        kind = union.kind
        kind = f"{cls.__name__}.Kind.{kind.name}" if isinstance(kind, cls.Kind) else repr(kind)
        try:
            value = union.value
        except ValueError as error:
            return f"{cls.__name__}({kind}, <{error}>)"
        return f"{cls.__name__}({kind})" if value is None else f"{cls.__name__}({kind}, {value!r})"

    cls.__init__ = __init__
    cls.set = set
    _finish(cls, same, show, {"tag": ("tag", tag)})

