//! Schemas to test with: descriptors that use every kind, and random ones, which `fuzz/src/draw` takes too.
#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::Arc;

use dmxp_schema::descriptor::{
    EnumDescriptor, EnumValueDescriptor, FieldDescriptor, IntegerType, StructDescriptor, TypeDescriptor,
    UnionDescriptor, VariantDescriptor,
};
use dmxp_schema::model::{Enum, EnumValue, Field, Schema, Struct, Type, Union, Variant};

const fn field(name: &'static str, offset: u32, ty: &'static TypeDescriptor) -> FieldDescriptor {
    FieldDescriptor {
        name,
        offset,
        ty,
        since: 1,
        doc: "",
        unit: "",
        aliases: &[],
    }
}

const fn value(name: &'static str, value: i128) -> EnumValueDescriptor {
    EnumValueDescriptor { name, value, doc: "" }
}

pub(crate) const SIDE: EnumDescriptor = EnumDescriptor {
    name: "Side",
    repr: IntegerType::U8,
    values: &[
        EnumValueDescriptor {
            name: "Buy",
            value: 1,
            doc: "Takes the */ offer.",
        },
        value("Sell", 2),
    ],
    doc: "Who asks.",
};

pub(crate) const LEVEL: EnumDescriptor = EnumDescriptor {
    name: "Level",
    repr: IntegerType::I64,
    values: &[
        value("Lowest", i64::MIN as i128),
        value("below", -1),
        value("None", 0),
        value("Top", i64::MAX as i128),
    ],
    doc: "",
};

pub(crate) const RIGHTS: EnumDescriptor = EnumDescriptor {
    name: "Rights",
    repr: IntegerType::U64,
    values: &[
        value("Read", 1),
        value("Write", 2),
        value("ReadWrite", 3),
        value("Highest", 1 << 63),
    ],
    doc: "",
};

pub(crate) const POINT: StructDescriptor = StructDescriptor {
    name: "Point",
    version: 1,
    size: 8,
    align: 4,
    fields: &[field("x", 0, &TypeDescriptor::F32), field("y", 4, &TypeDescriptor::F32)],
    doc: "",
};

pub(crate) const SHAPE: UnionDescriptor = UnionDescriptor {
    name: "Shape",
    size: 24,
    align: 8,
    variants: &[
        VariantDescriptor {
            name: "Circle",
            tag: 1,
            ty: Some(&TypeDescriptor::F64),
            doc: "Its radius.",
        },
        VariantDescriptor {
            name: "Line",
            tag: 2,
            ty: Some(&TypeDescriptor::Array {
                element: &TypeDescriptor::Struct(&POINT),
                len: 2,
            }),
            doc: "",
        },
        VariantDescriptor {
            name: "Unknown",
            tag: 3,
            ty: None,
            doc: "Nothing more is known.",
        },
        VariantDescriptor {
            name: "Side",
            tag: 200,
            ty: Some(&TypeDescriptor::Enum(&SIDE)),
            doc: "",
        },
    ],
    doc: "",
};

/// Every kind there is, names that are hard for some language, and notes that are hard for a comment.
pub(crate) const EVERYTHING: StructDescriptor = StructDescriptor {
    name: "EveryKind",
    version: 3,
    size: 448,
    align: 64,
    fields: &[
        field("class", 0, &TypeDescriptor::U8),
        field("register", 1, &TypeDescriptor::I8),
        field("lambda", 2, &TypeDescriptor::U16),
        field("Side", 4, &TypeDescriptor::I16),
        field("class_", 6, &TypeDescriptor::Bool),
        field("side", 7, &TypeDescriptor::Enum(&SIDE)),
        field("count", 8, &TypeDescriptor::U32),
        field("SIZE", 12, &TypeDescriptor::I32),
        field("u64_value", 16, &TypeDescriptor::U64),
        field("i64_value", 24, &TypeDescriptor::I64),
        FieldDescriptor {
            name: "temperature",
            offset: 32,
            ty: &TypeDescriptor::F32,
            since: 2,
            doc: "Air, 2 m above ground. \"Dry\" bulb?? /* not wet */\n\n\tlast line \\",
            unit: "°C",
            aliases: &["temp", "t"],
        },
        field("letter", 36, &TypeDescriptor::Char),
        field("price", 40, &TypeDescriptor::F64),
        FieldDescriptor {
            name: "at",
            offset: 48,
            ty: &TypeDescriptor::Timestamp,
            since: 1,
            doc: "When.",
            unit: "ns",
            aliases: &[],
        },
        field("raw", 56, &TypeDescriptor::Bytes(5)),
        field("venue", 61, &TypeDescriptor::Str(11)),
        field(
            "matrix",
            72,
            &TypeDescriptor::Array {
                element: &TypeDescriptor::Array {
                    element: &TypeDescriptor::F32,
                    len: 3,
                },
                len: 2,
            },
        ),
        field(
            "names",
            96,
            &TypeDescriptor::Array {
                element: &TypeDescriptor::Str(4),
                len: 4,
            },
        ),
        field(
            "samples",
            112,
            &TypeDescriptor::Vec {
                element: &TypeDescriptor::U8,
                capacity: 13,
            },
        ),
        field(
            "points",
            128,
            &TypeDescriptor::Vec {
                element: &TypeDescriptor::Struct(&POINT),
                capacity: 3,
            },
        ),
        field("corner", 156, &TypeDescriptor::Struct(&POINT)),
        field("maybe", 164, &TypeDescriptor::Nullable(&TypeDescriptor::F32)),
        field(
            "maybe_point",
            172,
            &TypeDescriptor::Nullable(&TypeDescriptor::Struct(&POINT)),
        ),
        field(
            "maybe_side",
            184,
            &TypeDescriptor::Nullable(&TypeDescriptor::Enum(&SIDE)),
        ),
        field("maybe_text", 186, &TypeDescriptor::Nullable(&TypeDescriptor::Str(5))),
        field("level", 192, &TypeDescriptor::OpenEnum(&LEVEL)),
        field("rights", 200, &TypeDescriptor::Flags(&RIGHTS)),
        field("shape", 208, &TypeDescriptor::Union(&SHAPE)),
        field(
            "shapes",
            232,
            &TypeDescriptor::Array {
                element: &TypeDescriptor::Union(&SHAPE),
                len: 2,
            },
        ),
        field(
            "levels",
            280,
            &TypeDescriptor::Vec {
                element: &TypeDescriptor::OpenEnum(&LEVEL),
                capacity: 2,
            },
        ),
        field(
            "times",
            304,
            &TypeDescriptor::Array {
                element: &TypeDescriptor::Nullable(&TypeDescriptor::Timestamp),
                len: 2,
            },
        ),
        field(
            "sides",
            336,
            &TypeDescriptor::Array {
                element: &TypeDescriptor::Enum(&SIDE),
                len: 3,
            },
        ),
        field(
            "switches",
            339,
            &TypeDescriptor::Array {
                element: &TypeDescriptor::Bool,
                len: 5,
            },
        ),
        field(
            "texts",
            344,
            &TypeDescriptor::Vec {
                element: &TypeDescriptor::Str(7),
                capacity: 2,
            },
        ),
        field(
            "deep",
            360,
            &TypeDescriptor::Nullable(&TypeDescriptor::Nullable(&TypeDescriptor::U16)),
        ),
        field("_pad", 366, &TypeDescriptor::Reserved(2)),
        field("__later", 368, &TypeDescriptor::Reserved(80)),
    ],
    doc: "Every kind of field.\nOne after the other.",
};

pub(crate) const TICK: StructDescriptor = StructDescriptor {
    name: "Tick",
    version: 1,
    size: 32,
    align: 8,
    fields: &[
        FieldDescriptor {
            name: "price",
            offset: 0,
            ty: &TypeDescriptor::F64,
            since: 1,
            doc: "The last price.",
            unit: "EUR",
            aliases: &[],
        },
        field("at", 8, &TypeDescriptor::Timestamp),
        field("symbol", 16, &TypeDescriptor::Str(11)),
        field("side", 27, &TypeDescriptor::Enum(&SIDE)),
        field("quantity", 28, &TypeDescriptor::U32),
    ],
    doc: "A trade.",
};

pub(crate) const ORDER: StructDescriptor = StructDescriptor {
    name: "Order",
    version: 1,
    size: 48,
    align: 8,
    fields: &[
        field("last", 0, &TypeDescriptor::Struct(&TICK)),
        field("limit", 32, &TypeDescriptor::Nullable(&TypeDescriptor::F64)),
    ],
    doc: "",
};

/// A nested definition with the name of another one.
pub(crate) const OTHER_POINT: StructDescriptor = StructDescriptor {
    name: "Point",
    version: 1,
    size: 4,
    align: 2,
    fields: &[
        field("x", 0, &TypeDescriptor::I16),
        field("int", 2, &TypeDescriptor::I16),
    ],
    doc: "",
};

pub(crate) const COLLIDING: StructDescriptor = StructDescriptor {
    name: "PATH_",
    version: 1,
    size: 12,
    align: 4,
    fields: &[
        field("start", 0, &TypeDescriptor::Struct(&POINT)),
        field("step", 8, &TypeDescriptor::Struct(&OTHER_POINT)),
    ],
    doc: "",
};

/// So long that its text is no C literal any more.
pub(crate) const WORDY: StructDescriptor = StructDescriptor {
    name: "Wordy",
    version: 1,
    size: 1,
    align: 1,
    fields: &[field("x", 0, &TypeDescriptor::I8)],
    doc: {
        const TEXT: [u8; 5000] = {
            let mut text = [b'x'; 5000];
            let mut i = 0;
            while i < text.len() {
                if i % 60 == 59 {
                    text[i] = b'\n';
                }
                i += 1;
            }
            text
        };
        match std::str::from_utf8(&TEXT) {
            Ok(text) => text,
            Err(_) => "",
        }
    },
};

pub(crate) const ALL: [&StructDescriptor; 6] = [&EVERYTHING, &TICK, &ORDER, &COLLIDING, &WORDY, &OTHER_POINT];

pub(crate) fn schema(descriptor: &StructDescriptor) -> Schema {
    Schema::try_from(descriptor).unwrap_or_else(|error| panic!("{}: {error}", descriptor.name))
}

/// SplitMix64: random enough, and the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        // Zeros and ones are what most special cases begin with.
        (0..len)
            .map(|_| {
                if self.below(3) == 0 {
                    self.below(3) as u8
                } else {
                    self.next() as u8
                }
            })
            .collect()
    }

    fn text(&mut self) -> String {
        if self.below(2) == 0 {
            return String::new();
        }
        let chars = [
            'a', 'B', ' ', '"', '\\', '\n', '\t', '\r', '\u{1}', 'é', '🦀', '\u{2028}', '?', '*', '/', '{', '}',
        ];
        (0..1 + self.below(12))
            .map(|_| chars[self.below(chars.len() as u64) as usize])
            .collect()
    }

    fn name(&mut self, index: usize) -> String {
        const WORDS: [&str; 16] = [
            "price", "int", "class", "lambda", "Side", "_x", "__y", "None", "value", "NULL", "uint8_t", "size", "doc",
            "at", "v1", "_z_",
        ];
        format!(
            "{}{}",
            WORDS[self.below(16) as usize],
            if self.below(2) == 0 {
                format!("_{index}")
            } else {
                format!("{index}_")
            }
        )
    }

    fn word(&mut self) -> String {
        ["int", "Leg", "Side", "_Hidden", "__Deep__", "Part", "struct", "Kind"][self.below(8) as usize].to_owned()
    }

    fn repr(&mut self) -> IntegerType {
        use IntegerType::*;
        [U8, U16, U32, U64, I8, I16, I32, I64][self.below(8) as usize]
    }

    fn enumeration(&mut self) -> Arc<Enum> {
        let repr = self.repr();
        let (min, max) = repr.range();
        let mut values: Vec<EnumValue> = Vec::new();
        for index in 0..1 + self.below(5) as usize {
            let value = match self.below(4) {
                0 => min,
                1 => max,
                _ => i128::from(self.below(100)),
            };
            if values.iter().all(|known| known.value != value) {
                values.push(EnumValue {
                    name: self.name(index),
                    value,
                    doc: self.text(),
                });
            }
        }
        Arc::new(Enum {
            name: self.word(),
            repr,
            doc: self.text(),
            values,
        })
    }

    fn union(&mut self, depth: u32) -> Arc<Union> {
        let mut variants = Vec::new();
        for index in 0..1 + self.below(4) as usize {
            let ty = (self.below(4) != 0).then(|| self.ty(depth + 1, 8));
            variants.push(Variant {
                name: self.name(index),
                tag: 1 + index as u32 * 60,
                ty,
                doc: self.text(),
            });
        }
        let align = variants
            .iter()
            .filter_map(|v| v.ty.as_ref())
            .map(Type::align)
            .max()
            .unwrap_or(1);
        let room = variants
            .iter()
            .filter_map(|v| v.ty.as_ref())
            .map(Type::size)
            .max()
            .unwrap_or(0);
        let size = (align + room).next_multiple_of(align);
        Arc::new(Union {
            name: self.word(),
            size,
            align,
            doc: self.text(),
            variants,
        })
    }

    pub(crate) fn ty(&mut self, depth: u32, max_align: u32) -> Type {
        let kinds = if depth > 4 { 19 } else { 26 };
        let ty = match self.below(kinds) {
            0 => Type::U8,
            1 => Type::U16,
            2 => Type::U32,
            3 => Type::U64,
            4 => Type::I8,
            5 => Type::I16,
            6 => Type::I32,
            7 => Type::I64,
            8 => Type::F32,
            9 => Type::F64,
            10 => Type::Bool,
            11 => Type::Char,
            12 => Type::Timestamp,
            13 => Type::Bytes(1 + self.below(9) as u32),
            14 => Type::Str(1 + self.below(9) as u32),
            15 => Type::Reserved(1 + self.below(9) as u32),
            16 => Type::Enum(self.enumeration()),
            17 => Type::OpenEnum(self.enumeration()),
            18 => Type::Flags(self.enumeration()),
            19 | 20 => match self.ty(depth + 1, max_align) {
                Type::U8 => Type::Bytes(3),
                element => Type::Array {
                    element: Box::new(element),
                    len: 1 + self.below(3) as u32,
                },
            },
            21 => Type::Vec {
                element: Box::new(self.ty(depth + 1, 8)),
                capacity: 1 + self.below(3) as u32,
            },
            22 | 23 => Type::Nullable(Box::new(self.ty(depth + 1, 8))),
            24 => Type::Union(self.union(depth)),
            _ => Type::Struct(Arc::new(self.structure(depth, max_align))),
        };
        if ty.align() > max_align { Type::U64 } else { ty }
    }

    pub(crate) fn structure(&mut self, depth: u32, max_align: u32) -> Struct {
        let mut fields: Vec<Field> = Vec::new();
        let mut end = 0;
        let mut align = 1;
        let pad = |fields: &mut Vec<Field>, end: &mut u32, align: u32| {
            let gap = end.next_multiple_of(align) - *end;
            if gap > 0 {
                let name = format!("_pad{}", fields.len());
                fields.push(Field::new(&name, *end, Type::Reserved(gap)));
                *end += gap;
            }
        };
        for index in 0..1 + self.below(7) as usize {
            // What an earlier field has defined is used again now and then.
            let ty = match fields.last() {
                Some(field) if self.below(4) == 0 => field.ty.clone(),
                _ => self.ty(depth + 1, max_align),
            };
            align = align.max(ty.align());
            pad(&mut fields, &mut end, ty.align());
            let size = ty.size();
            let mut field = Field::new(&self.name(index), end, ty);
            field.since = 1 + self.below(3) as u32;
            field.doc = self.text();
            field.unit = self.text();
            if self.below(3) == 0 {
                field.aliases = vec![format!("old_{index}"), format!("older_{index}")];
            }
            fields.push(field);
            end += size;
        }
        if self.below(6) == 0 {
            align = align.max(16).min(max_align.max(align));
        }
        pad(&mut fields, &mut end, align);
        Struct {
            name: self.word(),
            version: self.below(5) as u32,
            size: end,
            align,
            doc: self.text(),
            fields,
        }
    }

    /// Any valid schema. Names of nested definitions repeat, with the same and with other contents.
    pub(crate) fn schema(&mut self) -> Schema {
        Schema::new(self.structure(1, 64)).expect("the generator makes valid schemas")
    }
}
