//! A schema as one line of text.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use crate::model::{Enum, Schema, Struct, Type, Union};

/// Writes a schema as one line of text. The same schema gives the same text, always.
///
/// ```
/// use dmxp_schema::text;
///
/// let line = "struct Ping v1 size 4 align 4 { sequence: u32 @0 }";
/// assert_eq!(text::write(&text::parse(line)?), line);
/// # Ok::<(), text::TextError>(())
/// ```
#[must_use]
pub fn write(schema: &Schema) -> String {
    let mut writer = Writer::default();
    if schema.is_large() {
        writer.out.push_str("large ");
    }
    writer.write_struct(schema.root());
    writer.out
}

/// The type as it stands in a text form, with names in place of definitions: `vec<struct Leg; 4>`. For messages.
#[must_use]
pub fn type_name(ty: &Type) -> String {
    let mut writer = Writer {
        names_only: true,
        ..Writer::default()
    };
    writer.write_type(ty);
    writer.out
}

/// Definitions seen so far, by name: a later mention of the same one is its name alone.
#[derive(Default)]
struct Definitions {
    structs: HashMap<String, Arc<Struct>>,
    enums: HashMap<String, Arc<Enum>>,
    unions: HashMap<String, Arc<Union>>,
}

#[derive(Default)]
struct Writer {
    out: String,
    names_only: bool,
    known: Definitions,
}

impl Writer {
    fn put(&mut self, text: fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("writing into a String does not fail");
    }

    fn quoted(&mut self, word: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        self.put(format_args!(" {word} \""));
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                // The line and paragraph separators end a line for some readers; this form is one line.
                c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                    self.put(format_args!("\\u{{{:x}}}", u32::from(c)));
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        if items.is_empty() {
            self.out.push_str(" {}");
            return;
        }
        self.out.push_str(" { ");
        for (index, each) in items.iter().enumerate() {
            if index > 0 {
                self.out.push_str(", ");
            }
            item(self, each);
        }
        self.out.push_str(" }");
    }

    fn write_struct(&mut self, s: &Struct) {
        self.put(format_args!(
            "struct {} v{} size {} align {}",
            s.name, s.version, s.size, s.align
        ));
        self.quoted("doc", &s.doc);
        self.list(&s.fields, |w, field| {
            w.put(format_args!("{}: ", field.name));
            w.write_type(&field.ty);
            w.put(format_args!(" @{}", field.offset));
            if field.since != 1 {
                w.put(format_args!(" since {}", field.since));
            }
            w.quoted("unit", &field.unit);
            for alias in &field.aliases {
                w.put(format_args!(" alias {alias}"));
            }
            w.quoted("doc", &field.doc);
        });
    }

    fn write_type(&mut self, ty: &Type) {
        match ty {
            Type::U8 => self.out.push_str("u8"),
            Type::U16 => self.out.push_str("u16"),
            Type::U32 => self.out.push_str("u32"),
            Type::U64 => self.out.push_str("u64"),
            Type::I8 => self.out.push_str("i8"),
            Type::I16 => self.out.push_str("i16"),
            Type::I32 => self.out.push_str("i32"),
            Type::I64 => self.out.push_str("i64"),
            Type::F32 => self.out.push_str("f32"),
            Type::F64 => self.out.push_str("f64"),
            Type::Bool => self.out.push_str("bool"),
            Type::Char => self.out.push_str("char"),
            Type::Timestamp => self.out.push_str("timestamp"),
            Type::Bytes(len) => self.put(format_args!("[u8; {len}]")),
            Type::Str(len) => self.put(format_args!("str[{len}]")),
            Type::Reserved(len) => self.put(format_args!("reserved[{len}]")),
            Type::Array { element, len } => {
                self.out.push('[');
                self.write_type(element);
                self.put(format_args!("; {len}]"));
            }
            Type::Vec { element, capacity } => {
                self.out.push_str("vec<");
                self.write_type(element);
                self.put(format_args!("; {capacity}>"));
            }
            Type::Nullable(value) => {
                self.write_type(value);
                self.out.push('?');
            }
            Type::Struct(s) => {
                if self.names_only || self.known.structs.get(&s.name).is_some_and(|known| known == s) {
                    self.put(format_args!("struct {}", s.name));
                } else {
                    self.write_struct(s);
                    self.known.structs.insert(s.name.clone(), Arc::clone(s));
                }
            }
            Type::Enum(e) => self.write_enum("enum", e),
            Type::OpenEnum(e) => self.write_enum("open enum", e),
            Type::Flags(e) => self.write_enum("flags", e),
            Type::Union(u) => {
                self.put(format_args!("union {}", u.name));
                if self.names_only || self.known.unions.get(&u.name).is_some_and(|known| known == u) {
                    return;
                }
                self.put(format_args!(" size {} align {}", u.size, u.align));
                self.quoted("doc", &u.doc);
                self.list(&u.variants, |w, variant| {
                    w.out.push_str(&variant.name);
                    if let Some(ty) = &variant.ty {
                        w.out.push('(');
                        w.write_type(ty);
                        w.out.push(')');
                    }
                    w.put(format_args!(" = {}", variant.tag));
                    w.quoted("doc", &variant.doc);
                });
                self.known.unions.insert(u.name.clone(), Arc::clone(u));
            }
        }
    }

    fn write_enum(&mut self, keyword: &str, e: &Arc<Enum>) {
        self.put(format_args!("{keyword} {}", e.name));
        if self.names_only || self.known.enums.get(&e.name).is_some_and(|known| known == e) {
            return;
        }
        self.put(format_args!(": {}", e.repr.name()));
        self.quoted("doc", &e.doc);
        self.list(&e.values, |w, value| {
            w.put(format_args!("{} = {}", value.name, value.value));
            w.quoted("doc", &value.doc);
        });
        self.known.enums.insert(e.name.clone(), Arc::clone(e));
    }
}
