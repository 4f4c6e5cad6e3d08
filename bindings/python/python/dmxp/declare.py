"""Message types without Rust: from a class with annotations, or from the text of a schema.

>>> import enum
>>> class Side(enum.IntEnum):
...     Buy = 1
...     Sell = 2
>>> @dmxp.message
... class Quote:
...     price: dmxp.f64
...     symbol: dmxp.Text[7]
...     side: dmxp.Enum[Side, dmxp.u8] = Side.Buy
>>> Quote(price=99.5, symbol="SAP")
Quote(price=99.5, symbol='SAP', side=<Side.Buy: 1>)
>>> print(Quote.SCHEMA)
struct Quote v1 size 16 align 8 { price: f64 @0, symbol: str[7] @8, side: enum Side: u8 { Buy = 1, Sell = 2 } @15 }

The same declaration in Rust has the same fingerprints, and programs of both share channels. Fields lie one after the other; where one would
leave padding, the declaration is refused, as in Rust.
"""

import ctypes
import enum
import functools
import types
import typing

from ._dmxp import _generate

__all__ = [
    "Array",
    "Bytes",
    "Enum",
    "Flags",
    "List",
    "Open",
    "Reserved",
    "Text",
    "boolean",
    "char",
    "f32",
    "f64",
    "field",
    "i8",
    "i16",
    "i32",
    "i64",
    "message",
    "message_class",
    "timestamp",
    "u8",
    "u16",
    "u32",
    "u64",
]


class _Kind:
    """What a field is: its size and alignment, and how a schema calls it."""

    def __init__(self, write, size, align, classes=()):
        # `write` is given the names of what was defined before, which is named only from then on.
        self.write, self.size, self.align, self.classes = write, size, align, classes

    def __or__(self, other):
        if other is not None and other is not type(None):
            return NotImplemented
        return _nullable(self)

    __ror__ = __or__

    def __call__(self, *arguments):
        # `typing` takes for types what can be called.
        raise TypeError("the type of a field is for annotations")

    def __repr__(self):
        return f"<dmxp field type {self.write(set())}>"


def _scalar(name, size):
    return _Kind(lambda known: name, size, size)


u8, u16, u32, u64 = (_scalar(f"u{8 * size}", size) for size in (1, 2, 4, 8))
i8, i16, i32, i64 = (_scalar(f"i{8 * size}", size) for size in (1, 2, 4, 8))
f32, f64 = _scalar("f32", 4), _scalar("f64", 8)
boolean, char, timestamp = _scalar("bool", 1), _scalar("char", 4), _scalar("timestamp", 8)
_INTEGERS = {kind: kind.write(set()) for kind in (u8, u16, u32, u64, i8, i16, i32, i64)}


def _positive(value, what):
    if not isinstance(value, int) or value < 1:
        raise TypeError(f"{what}: give a number of 1 or more, not {value!r}")
    return value


class _OfLength:
    def __init__(self, name, what, doc):
        self.name, self.what, self.__doc__ = name, what, doc

    def __getitem__(self, length):
        text = self.name.format(_positive(length, self.what))
        return _Kind(lambda known: text, length, 1)


Text = _OfLength("str[{}]", "Text", "`Text[16]`: a text of at most 16 bytes of UTF-8.")
Bytes = _OfLength("[u8; {}]", "Bytes", "`Bytes[16]`: 16 bytes.")
Reserved = _OfLength("reserved[{}]", "Reserved", "`Reserved[4]`: 4 bytes that mean nothing yet, or fill a gap.")


def _nullable(value):
    if value.align > 8:
        raise TypeError("a value that may be absent is aligned to 8 at most")
    return _Kind(lambda known: f"{value.write(known)}?", value.align + value.size, value.align, value.classes)


class _Array:
    """`Array[f32, 3]`: three in a row."""

    def __getitem__(self, what):
        element, length = _kind(what[0]), _positive(what[1], "Array")
        if element is u8:
            return Bytes[length]
        return _Kind(
            lambda known: f"[{element.write(known)}; {length}]", element.size * length, element.align, element.classes
        )


class _List:
    """`List[f32, 16]`: up to 16, and how many there are."""

    def __getitem__(self, what):
        element, capacity = _kind(what[0]), _positive(what[1], "List")
        width = max(element.align, 2)
        size = -(-(width + element.size * capacity) // width) * width
        return _Kind(lambda known: f"vec<{element.write(known)}; {capacity}>", size, width, element.classes)


class _Enumeration:
    def __init__(self, word, base, doc):
        self.word, self.base, self.__doc__ = word, base, doc

    def __getitem__(self, what):
        cls, width = what
        if not (isinstance(cls, type) and issubclass(cls, self.base)):
            raise TypeError(f"{cls!r} is no {self.base.__name__}")
        if width not in _INTEGERS:
            raise TypeError(f"{cls.__name__}: give the integer that it is stored in, such as dmxp.u8, not {width!r}")

        def write(known):
            if cls.__name__ in known:
                return f"{self.word} {cls.__name__}"
            known.add(cls.__name__)
            values = ", ".join(f"{name} = {int(value)}" for name, value in cls.__members__.items())
            return f"{self.word} {cls.__name__}: {_INTEGERS[width]}{_doc(cls)} {{ {values} }}"

        return _Kind(write, width.size, width.align, (cls,))


Array, List = _Array(), _List()
Enum = _Enumeration("enum", enum.IntEnum, "`Enum[Side, u8]`: one of the values of an `enum.IntEnum`, in so many bits; no others are valid.")
Open = _Enumeration("open enum", enum.IntEnum, "`Open[Level, i64]`: the same, and numbers that have no name yet.")
Flags = _Enumeration("flags", enum.IntFlag, "`Flags[Rights, u32]`: any of the values of an `enum.IntFlag` together.")


class field:  # noqa: N801
    """What else a declaration says of a field: `price: Annotated[dmxp.f64, dmxp.field(unit="EUR")]`."""

    def __init__(self, *, doc="", unit="", since=1, aliases=()):
        self.doc, self.unit, self.since, self.aliases = doc, unit, since, aliases

    def _write(self):
        text = f" since {self.since}" if self.since != 1 else ""
        text += f" unit {_quoted(self.unit)}" if self.unit else ""
        text += "".join(f" alias {alias}" for alias in self.aliases)
        return text + (f" doc {_quoted(self.doc)}" if self.doc else "")


def _quoted(text):
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return f'"{"".join(escapes.get(char, char) for char in text)}"'


# What `enum` gives classes that have no docstring.
_NO_DOCS = {enum.IntEnum.__doc__, enum.IntFlag.__doc__, enum.Enum.__doc__, "An enumeration.", None}


def _doc(cls):
    doc = cls.__doc__
    if doc in _NO_DOCS:
        return ""
    lines = [line.strip() for line in doc.strip().splitlines()]
    return f" doc {_quoted(chr(10).join(lines))}"


def _kind(annotation):
    """The field type that an annotation means."""
    if isinstance(annotation, _Kind):
        return annotation
    if typing.get_origin(annotation) is typing.Annotated:
        kinds = [note for note in annotation.__metadata__ if isinstance(note, _Kind)]
        return kinds[-1] if kinds else _kind(annotation.__origin__)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        values = [value for value in typing.get_args(annotation) if value is not type(None)]
        if len(values) == 1:
            return _nullable(_kind(values[0]))
    if annotation is float:
        return f64
    if annotation is bool:
        return boolean
    if isinstance(annotation, type) and isinstance(getattr(annotation, "_dmxp_kind", None), _Kind):
        return annotation._dmxp_kind
    if isinstance(annotation, type) and issubclass(annotation, enum.IntFlag):
        raise TypeError(f"{annotation.__name__}: say what it is stored in: dmxp.Flags[{annotation.__name__}, dmxp.u32]")
    if isinstance(annotation, type) and issubclass(annotation, enum.IntEnum):
        raise TypeError(f"{annotation.__name__}: say what it is stored in: dmxp.Enum[{annotation.__name__}, dmxp.u8]")
    if annotation is int:
        raise TypeError("int: say how wide it is: dmxp.i64, dmxp.u32 or another")
    if annotation is str:
        raise TypeError("str: say how many bytes it has at most: dmxp.Text[16]")
    raise TypeError(f"{annotation!r} is no type of a field")


def message(cls=None, /, *, version=1, align=1):
    """Makes a message class of a class with annotations: see the module. `align` asks for more than the fields need."""
    if cls is None:
        return functools.partial(message, version=version, align=align)
    fields, offset, classes, named, defaults = [], 0, {}, [], {}
    known = set()
    for name, annotation in typing.get_type_hints(cls, include_extras=True).items():
        try:
            kind = _kind(annotation)
        except TypeError as error:
            raise TypeError(f"{cls.__name__}.{name}: {error}") from None
        gap = -offset % kind.align
        if gap:
            raise TypeError(
                f"{cls.__name__} has {gap} bytes of padding before field `{name}`; "
                f"add `_pad: dmxp.Reserved[{gap}]` there or reorder the fields"
            )
        notes = getattr(annotation, "__metadata__", ())
        notes = "".join(note._write() for note in notes if isinstance(note, field))
        fields.append(f"{name}: {kind.write(known)} @{offset}{notes}")
        offset += kind.size
        align = max(align, kind.align)
        classes.update((each.__name__, each) for each in kind.classes)
        named.append(name)
        if name in vars(cls):
            defaults[name] = vars(cls)[name]
    gap = -offset % align
    if gap:
        raise TypeError(
            f"{cls.__name__} has {gap} bytes of padding at its end; add `_pad: dmxp.Reserved[{gap}]` there or reorder the fields"
        )
    text = f"struct {cls.__name__} v{version} size {offset} align {align}{_doc(cls)} {{ {', '.join(fields)} }}"
    made = _made(text, cls.__name__, classes, lambda made: made)
    made.__module__, made.__qualname__ = cls.__module__, cls.__qualname__

    def write(known):
        if cls.__name__ in known:
            return f"struct {cls.__name__}"
        known.add(cls.__name__)
        return text

    own = {cls.__name__: made, **classes}
    made._dmxp_kind = _Kind(write, offset, align, tuple(own.values()))
    if defaults:
        _set_defaults(made, named, defaults)
    ordinary = {"__dict__", "__weakref__", "__module__", "__qualname__", "__doc__", "__annotations__", "__slots__"}
    for name, value in vars(cls).items():
        if name not in ordinary and name not in named and not name.startswith(("__annot", "__static", "__firstlineno")):
            setattr(made, name, value)
    return made


def _set_defaults(made, names, defaults):
    # Checked now, and not when the first message is made.
    base = made.__init__
    base(made(), **defaults)

    def __init__(self, *arguments, **given):
        for name, value in defaults.items():
            if name not in given and names.index(name) >= len(arguments):
                given[name] = value
        base(self, *arguments, **given)

    made.__init__ = __init__


@functools.cache
def message_class(schema):
    """The message class of a schema, from its text form: what a `.dmxp` file, `ChannelInfo.schema` and `SCHEMA` of other classes have.

    >>> Point = dmxp.message_class("struct Point v1 size 8 align 4 { x: f32 @0, y: f32 @4 }")
    >>> Point(1, y=2)
    Point(x=1.0, y=2.0)

    Raises `ValueError` for a text that is no schema.
    """
    return _made(schema, None, {}, lambda made: schema)


def _made(text, name, classes, key):
    """The class of a schema; `classes` are those that its fields have already, by name."""
    name, source = _generate(text, sorted(classes))
    module = types.ModuleType(f"dmxp.declared.{name}")
    vars(module).update(classes)
    exec(compile(source, f"<dmxp schema {name}>", "exec"), vars(module))
    made = vars(module)[name]

    def reduced(self):
        own = type(self)
        return _restored, (key(made), getattr(own, "_dmxp_class", own).__name__, bytes(self))

    # Such a module cannot be imported: what lies in it is found by its message.
    found_by_name = made if key(made) is made else None
    for each in vars(module).values():
        if isinstance(each, type) and issubclass(each, (ctypes.Structure, ctypes.Union, ctypes.Array)):
            if each.__module__ == module.__name__ and each is not found_by_name:
                each.__reduce__ = reduced
    made._dmxp_module = module
    return made


def _restored(key, name, data):
    made = message_class(key) if isinstance(key, str) else key
    return vars(made._dmxp_module)[name].from_buffer_copy(data)

