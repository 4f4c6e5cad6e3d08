"""Payloads and messages that every language can repeat, as README.md tells."""

import math
import struct

from every_kind import Depth, Point, Segment, Shape, Side

GAMMA = 0x9E3779B97F4A7C15
MASK = 2**64 - 1
EDGES = (0, 1, 47, 48, 63, 64, 959, 960)
CHARACTERS = ("a", "Z", "7", " ", "é", "ß", "水", "🌊")


def mix(z):
    z &= MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


def payload(seed, i):
    """The bytes of payload `i`."""
    s = mix(seed + (i + 1) * GAMMA)
    length = EDGES[i] if i < len(EDGES) else mix(s + GAMMA) % 961
    words = [mix(s + (j + 2) * GAMMA) for j in range((length + 7) // 8)]
    return struct.pack(f"<{len(words)}Q", *words)[:length]


class Draws:
    """The values of one message, drawn one after the other."""

    def __init__(self, seed, i):
        self.next = mix(seed + (i + 1) * GAMMA) + 2 * GAMMA

    def word(self):
        word = mix(self.next)
        self.next += GAMMA
        return word

    def unsigned(self, bits):
        return self.word() & (1 << bits) - 1

    def signed(self, bits):
        value = self.unsigned(bits)
        return value - (1 << bits) if value >> bits - 1 else value

    def below(self, count):
        return self.word() % count

    def boolean(self):
        return self.word() & 1 == 1

    def float(self, bits):
        form, same_size = ("<f", "<I") if bits == 32 else ("<d", "<Q")
        raw = self.unsigned(bits)
        (value,) = struct.unpack(form, struct.pack(same_size, raw))
        if math.isnan(value):
            return -math.inf if raw >> bits - 1 else math.inf
        return value

    def float32(self):
        return self.float(32)

    def float64(self):
        return self.float(64)

    def char(self):
        code = self.below(0x110000)
        return chr(code - 0x800 if 0xD800 <= code <= 0xDFFF else code)

    def text(self, size):
        room = self.below(size + 1)
        text = ""
        while True:
            character = CHARACTERS[self.below(8)]
            if len((text + character).encode()) > room:
                return text
            text += character

    def side(self):
        return (Side.Buy, Side.Sell)[self.below(2)]

    def level(self):
        return self.below(16) - 8

    def point(self):
        return Point(x=self.float32(), y=self.float32())

    def segment(self):
        segment = Segment(self.point(), self.point())
        segment.label = self.text(4)
        return segment

    def shape(self):
        """What `Shape.set` takes."""
        drawn = self.below(6)
        if drawn == 0:
            return None, None
        if drawn == 1:
            return Shape.Kind.Circle, self.float64()
        if drawn == 2:
            return Shape.Kind.Line, [self.point(), self.point()]
        if drawn == 3:
            return Shape.Kind.Note, self.text(12)
        if drawn == 4:
            return Shape.Kind.Whose, self.side()
        return Shape.Kind.Nothing, None

    def list(self, most, element):
        return [element() for _ in range(self.below(most + 1))]

    def nullable(self, value):
        return value() if self.boolean() else None

    def every_kind(self):
        """The fields by name, in the order of the declaration, with values as a program has them."""
        return {
            "unsigned64": self.word(),
            "signed64": self.signed(64),
            "float64": self.float64(),
            "time": self.signed(64),
            "depth": (Depth.Abyss, Depth.Shelf, Depth.Sky)[self.below(3)],
            "shape": self.shape(),
            "shapes": [self.shape() for _ in range(2)],
            "maybe_float64": self.nullable(self.float64),
            "maybe_times": [self.nullable(lambda: self.signed(64)) for _ in range(2)],
            "floats": self.list(3, self.float64),
            "unsigned32": self.unsigned(32),
            "signed32": self.signed(32),
            "float32": self.float32(),
            "letter": self.char(),
            "rights": self.unsigned(32),
            "corner": self.point(),
            "segment": self.segment(),
            "matrix": [[self.float32() for _ in range(3)] for _ in range(2)],
            "maybe_float32": self.nullable(self.float32),
            "maybe_point": self.nullable(self.point),
            "points": self.list(3, self.point),
            "letters": [self.char() for _ in range(2)],
            "unsigned16": self.unsigned(16),
            "signed16": self.signed(16),
            "level": self.level(),
            "maybe_unsigned16": self.nullable(lambda: self.unsigned(16)),
            "samples": self.list(14, lambda: self.unsigned(8)),
            "texts": self.list(2, lambda: self.text(7)),
            "levels": self.list(3, self.level),
            "unsigned8": self.unsigned(8),
            "signed8": self.signed(8),
            "truth": self.boolean(),
            "side": self.side(),
            "maybe_side": self.nullable(self.side),
            "maybe_text": self.nullable(lambda: self.text(5)),
            "maybe_truth": self.nullable(self.boolean),
            "raw": bytes(self.unsigned(8) for _ in range(13)),
            "venue": self.text(11),
            "names": [self.text(4) for _ in range(3)],
            "sides": [self.side() for _ in range(3)],
            "switches": [self.boolean() for _ in range(5)],
        }
