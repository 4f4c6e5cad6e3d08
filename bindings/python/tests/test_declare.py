"""Message types without Rust: from annotations and from schema text, the same as those that Rust declares."""

import copy
import enum
import pathlib
import pickle
import typing
import unittest

import dmxp
from support import EveryKind, Order, RegionCase, Tick, run

# The text form of `Declared` in dmxp/tests/declared.rs, which compares it with what Rust makes of its own declaration.
DECLARED = (pathlib.Path(__file__).parent / "declared.dmxp").read_text()


class Side(enum.IntEnum):
    Buy = 1
    Sell = 2


class Level(enum.IntEnum):
    Low = -5
    High = 9


class Rights(enum.IntFlag):
    Read = 1
    Write = 2


@dmxp.message(version=2)
class Point:
    x: dmxp.f32
    y: dmxp.f32

    def length(self):
        return (self.x**2 + self.y**2) ** 0.5


@dmxp.message(version=2)
class Declared:
    """All kinds of fields
    that Python can declare.
    """

    price: typing.Annotated[dmxp.f64, dmxp.field(unit="EUR", since=2, aliases=("cost",), doc='The "last" one.')]
    at: dmxp.timestamp
    count: dmxp.u64
    change: dmxp.i64
    small: dmxp.u32
    negative: dmxp.i32
    letter: dmxp.char
    point: Point
    points: dmxp.List[Point, 2]
    maybe: "dmxp.f32 | None"
    maybe_point: typing.Optional[Point]  # noqa: UP045
    matrix: dmxp.Array[dmxp.Array[dmxp.f32, 3], 2]
    word: dmxp.u16
    short: dmxp.i16
    level: dmxp.Open[Level, dmxp.i32]
    rights: dmxp.Flags[Rights, dmxp.u16]
    sides: dmxp.Array[dmxp.Enum[Side, dmxp.u8], 3]
    side: dmxp.Enum[Side, dmxp.u8]
    byte: dmxp.u8
    signed: dmxp.i8
    yes: bool
    name: dmxp.Text[7]
    raw: dmxp.Bytes[5]
    rest: dmxp.Reserved[7]


class Declaring(RegionCase):
    def test_a_declaration_is_the_same_as_in_rust(self):
        schema = "".join(line for line in DECLARED.splitlines(keepends=True) if not line.startswith("#")).strip()
        self.assertEqual(Declared.SCHEMA, schema)
        from_text = dmxp.message_class(schema)
        for made in (Declared, from_text):
            facts = [line.removeprefix("# ") for line in DECLARED.splitlines() if line.startswith("# ")]
            self.assertEqual(
                facts[:2], [f"layout {made.LAYOUT_FINGERPRINT:#018x}", f"schema {made.SCHEMA_FINGERPRINT:#018x}"]
            )

    def test_the_text_of_a_schema_gives_the_class_that_is_generated(self):
        for generated in (EveryKind, Order, Tick):
            made = dmxp.message_class(generated.SCHEMA)
            self.assertIs(made, dmxp.message_class(generated.SCHEMA))
            self.assertEqual(
                (made.SCHEMA, made.LAYOUT_FINGERPRINT, made.SCHEMA_FINGERPRINT, made.SIZE),
                (generated.SCHEMA, generated.LAYOUT_FINGERPRINT, generated.SCHEMA_FINGERPRINT, generated.SIZE),
            )
            self.assertEqual([name for name, _ in made._fields_], [name for name, _ in generated._fields_])
        with self.assertRaisesRegex(ValueError, "no schema"):
            dmxp.message_class("struct")

    def test_declared_messages_are_sent_and_received(self):
        producer, consumer = self.pair(message=Declared)
        sent = Declared(
            price=1.5,
            letter="\u00e9",
            point=(3, 4),
            points=[Point(1, 2)],
            maybe=0.5,
            matrix=[[1, 2, 3], [4, 5, 6]],
            level=7,
            rights=Rights.Read | Rights.Write,
            sides=[Side.Buy, Side.Sell, 1],
            side=Side.Sell,
            name="SAP",
            raw=b"12345",
        )
        producer.send(sent)
        received = consumer.recv()
        self.assertEqual(received, sent)
        # The enum and the class are the program's own.
        self.assertIs(received.side, Side.Sell)
        self.assertEqual(received.rights, Rights.Read | Rights.Write)
        self.assertIsInstance(received.point, Point)
        self.assertEqual(received.point.length(), 5)
        self.assertEqual(dmxp.create_consumer(channel_id=1, message=dmxp.message_class(Declared.SCHEMA)).capacity, 2)
        with self.assertRaises(dmxp.InvalidArgument):
            producer.send(Declared())
        for name, value in [("byte", 256), ("side", 3), ("yes", "no"), ("point", (1, "2"))]:
            with self.assertRaises((OverflowError, ValueError, TypeError)):
                setattr(sent, name, value)

    def test_declared_messages_copy_and_pickle(self):
        from_text = dmxp.message_class(EveryKind.SCHEMA)
        one = Declared(side=1, sides=[1, 1, 1], points=[Point(1, 2)])
        two = from_text(side=1, sides=[1, 2, 1])
        two.shape.set(from_text._dmxp_module.Shape.Kind.Line, [(1, 2), (3, 4)])
        for message in (one, one.point, one.points[0], one.matrix, one.matrix[0], two, two.shape, two.matrix, two.corner):
            for other in (copy.copy(message), copy.deepcopy(message), pickle.loads(pickle.dumps(message))):
                self.assertEqual(other, message)
                self.assertIs(type(other), type(message))
        # In another process, which has not made the class.
        code = "import pickle\nother = pickle.loads(bytes.fromhex(sys.argv[1]))\nprint(other[0].matrix, other[1].x)"
        two.matrix[0][1] = 5
        printed = run(code, pickle.dumps([two, two.corner]).hex())
        self.assertEqual(printed.strip(), "[[0.0, 5.0, 0.0], [0.0, 0.0, 0.0]] 0.0")

    def test_defaults(self):
        @dmxp.message
        class Job:
            number: dmxp.u32
            side: dmxp.Enum[Side, dmxp.u8] = Side.Buy
            name: dmxp.Text[3] = "job"

        self.assertEqual(repr(Job(number=5)), "Job(number=5, side=<Side.Buy: 1>, name='job')")
        self.assertEqual((Job(1, 2).side, Job(1, 2).name, Job(side=2).side), (Side.Sell, "job", Side.Sell))
        with self.assertRaises(ValueError):

            @dmxp.message
            class Wrong:
                side: dmxp.Enum[Side, dmxp.u8] = 3

    def test_what_rust_refuses_is_refused(self):
        cases = {
            "3 bytes of padding before field `b`": {"a": dmxp.u8, "b": dmxp.u32},
            "3 bytes of padding at its end": {"a": dmxp.u32, "b": dmxp.u8},
            "int: say how wide": {"a": int},
            "str: say how many bytes": {"a": str},
            "say what it is stored in: dmxp.Enum": {"a": Side},
            "say what it is stored in: dmxp.Flags": {"a": Rights},
            "no type of a field": {"a": list[int]},
        }
        for text, annotations in cases.items():
            with self.assertRaisesRegex(TypeError, text):
                dmxp.message(type("Wrong", (), {"__annotations__": annotations}))
        for wrong in [lambda: dmxp.Text[0], lambda: dmxp.Array[int, 3], lambda: dmxp.Enum[Side, dmxp.f32], lambda: dmxp.Enum[int, dmxp.u8]]:
            with self.assertRaises(TypeError):
                wrong()
        with self.assertRaises(ValueError):
            # Values that do not fit are the schema's to refuse.
            dmxp.message(type("Wrong", (), {"__annotations__": {"a": dmxp.Enum[Level, dmxp.u32]}}))


if __name__ == "__main__":
    unittest.main()
