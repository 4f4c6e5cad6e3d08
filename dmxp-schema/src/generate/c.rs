//! A C header that is C11 and C++17 at once.
//!
//! Structs are laid out by their members alone, reserved bytes included; size, alignment, and the offset, size and type of
//! every member are asserted. `bool` is `uint8_t`, a char is `uint32_t`, a timestamp `int64_t`. An enum is an integer type and
//! constants, because no C enum has a fixed size. Headers may be included together even if they share definitions.

use std::fmt::Write as _;

use super::definitions::{Definition, Definitions, comment_lines, field_notes, member_names, screaming};
use crate::fingerprint::{self, fnv1a_64};
use crate::model::{Enum, IntegerType, Schema, Struct, Type, Union};
use crate::text::{self, type_name};

/// Writes one header for some messages.
///
/// Per message `Tick`: the type `Tick`, and the macros `TICK_LAYOUT_FINGERPRINT`, `TICK_SCHEMA_FINGERPRINT` and
/// `TICK_SCHEMA`, the text form of the schema, to be given to dmxp when a channel is opened.
///
/// ```
/// use dmxp_schema::{generate::c, model::Schema};
///
/// let tick: Schema = "struct Tick v1 size 8 align 8 { price: f64 @0 }".parse()?;
/// let header = c::header(&[tick]);
/// assert!(header.contains("    double price;\n"));
/// assert!(header.contains("DMXP_ASSERT(offsetof(Tick, price) == 0,"));
/// # Ok::<(), dmxp_schema::text::TextError>(())
/// ```
#[must_use]
pub fn header(schemas: &[Schema]) -> String {
    let mut definitions = Definitions::of(schemas, is_free);
    let messages: Vec<Message<'_>> = name_macros(schemas, &mut definitions);
    let mut constants = Vec::new();
    let mut lookups = Vec::new();
    for index in 0..definitions.list.len() {
        let (definition, name) = definitions.list[index].clone();
        lookups.push(match definition {
            Definition::Enum(_) => definitions.unique(&format!("{name}_name")),
            _ => String::new(),
        });
        let prefix = if matches!(definition, Definition::Union(_)) {
            format!("{name}_tag")
        } else {
            name
        };
        let names: Vec<&str> = match definition {
            Definition::Enum(e) | Definition::Flags(e) => e.values.iter().map(|value| value.name.as_str()).collect(),
            Definition::Union(u) => u.variants.iter().map(|variant| variant.name.as_str()).collect(),
            _ => Vec::new(),
        };
        constants.push(
            names
                .iter()
                .map(|name| definitions.unique(&format!("{prefix}_{name}")))
                .collect::<Vec<_>>(),
        );
    }
    let mut out = Header {
        out: String::new(),
        definitions: &definitions,
    };
    out.opening(schemas);
    for (index, (definition, name)) in definitions.list.iter().enumerate() {
        out.guarded(*definition, name, |out| match definition {
            Definition::Struct(s) => out.structure(name, s),
            Definition::Enum(e) => out.enumeration(name, e, &constants[index], Some(&lookups[index])),
            Definition::Flags(e) => out.enumeration(name, e, &constants[index], None),
            Definition::Union(u) => out.union(name, u, &constants[index]),
            Definition::Nullable(value) => out.nullable(name, value),
            Definition::Vec(element, capacity) => out.vector(name, element, *capacity),
        });
    }
    for message in &messages {
        out.message(message);
    }
    out.line("#endif");
    out.out
}

/// A message and the prefix of its macros.
struct Message<'a> {
    schema: &'a Schema,
    prefix: String,
}

fn name_macros<'a>(schemas: &'a [Schema], definitions: &mut Definitions<'a>) -> Vec<Message<'a>> {
    let mut messages: Vec<Message<'_>> = Vec::new();
    for schema in schemas {
        if messages.iter().any(|message| message.schema == schema) {
            continue;
        }
        let base = screaming(definitions.name(Definition::Struct(schema.root())));
        let all = |prefix: &str| MESSAGE_MACROS.map(|suffix| format!("{prefix}_{suffix}"));
        let mut prefix = base.clone();
        let mut number = 2;
        while all(&prefix).iter().any(|name| definitions.is_taken(name)) {
            prefix = format!("{base}_{number}");
            number += 1;
        }
        all(&prefix).iter().for_each(|name| drop(definitions.unique(name)));
        messages.push(Message { schema, prefix });
    }
    messages
}

const MESSAGE_MACROS: [&str; 3] = ["LAYOUT_FINGERPRINT", "SCHEMA_FINGERPRINT", "SCHEMA"];

struct Header<'a> {
    out: String,
    definitions: &'a Definitions<'a>,
}

/// A member of a struct as it is declared and asserted.
struct Member<'a> {
    name: String,
    ty: Declared<'a>,
    offset: u32,
    notes: Vec<String>,
}

enum Declared<'a> {
    Type(&'a Type),
    /// An unsigned integer of so many bytes.
    Word(u32),
    Bytes(u32),
    /// The payload of a union, by the name of its type.
    Payload(String, u32),
}

impl Header<'_> {
    fn line(&mut self, text: impl AsRef<str>) {
        self.out.push_str(text.as_ref());
        self.out.push('\n');
    }

    fn opening(&mut self, schemas: &[Schema]) {
        let names: Vec<&str> = schemas.iter().map(Schema::name).collect();
        let texts: String = schemas.iter().map(text::write).collect();
        let first = names.first().map_or("EMPTY".to_owned(), |name| screaming(name));
        let guard = format!("DMXP_GENERATED_{first}_{:016X}_H", fnv1a_64(texts.as_bytes()));
        self.line(format!(
            "/* Generated by dmxp for {}. Do not edit: generate it again. */",
            names.join(", ")
        ));
        self.line(format!("#ifndef {guard}"));
        self.line(format!("#define {guard}"));
        self.line(OPENING);
    }

    /// Another header may have the same definition; another definition of the same name is an error of the compiler.
    fn guarded(&mut self, definition: Definition<'_>, name: &str, write: impl FnOnce(&mut Self)) {
        let guard = format!("DMXP_DEFINED_{name}_{:016X}", fingerprint::of_definition(&definition));
        self.line(format!("#ifndef {guard}"));
        self.line(format!("#define {guard}"));
        write(self);
        self.line("#endif");
        self.line("");
    }

    fn comment(&mut self, indent: &str, lines: impl IntoIterator<Item = String>) {
        let lines: Vec<String> = lines
            .into_iter()
            // What would end the comment, open another, or be a trigraph.
            .map(|line| line.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?"))
            .map(|line| {
                if line.ends_with('\\') {
                    format!("{line} .")
                } else {
                    line
                }
            })
            .collect();
        match lines.as_slice() {
            [] => {}
            [line] => self.line(format!("{indent}/* {line} */")),
            [first, rest @ ..] => {
                self.line(format!("{indent}/* {first}"));
                for line in rest {
                    self.line(format!("{indent} * {line}").trim_end());
                }
                self.line(format!("{indent} */"));
            }
        }
    }

    fn structure(&mut self, name: &str, s: &Struct) {
        let names = self.members(s.fields.iter().map(|field| field.name.as_str()), &[]);
        let members: Vec<Member<'_>> = s
            .fields
            .iter()
            .zip(names)
            .map(|(field, name)| Member {
                name,
                ty: Declared::Type(&field.ty),
                offset: field.offset,
                notes: field_notes(field)
                    .into_iter()
                    .chain(type_note(&field.ty).map(str::to_owned))
                    .collect(),
            })
            .collect();
        let natural = s.fields.iter().map(|field| field.ty.align()).max().unwrap_or(1);
        let mut doc: Vec<String> = comment_lines(&s.doc).collect();
        if s.version != 1 {
            doc.push(format!("Version {}.", s.version));
        }
        self.comment("", doc);
        self.members_and_assertions(name, "struct", &members, s.size, s.align, s.align > natural);
    }

    fn nullable(&mut self, name: &str, value: &Type) {
        let width = value.align();
        let members = [
            member("present", Declared::Word(width), 0, ""),
            member("value", Declared::Type(value), width, ""),
        ];
        self.comment(
            "",
            [format!(
                "{} or nothing: the value counts if `present` is not 0, else it is all zeros.",
                type_name(value)
            )],
        );
        self.members_and_assertions(name, "struct", &members, width + value.size(), width, false);
    }

    fn vector(&mut self, name: &str, element: &Type, capacity: u32) {
        let width = Type::count_width(element);
        let items = Type::Array {
            element: Box::new(element.clone()),
            len: capacity,
        };
        let end = width + items.size();
        let size = end.next_multiple_of(width);
        let mut members = vec![
            member("count", Declared::Word(width), 0, ""),
            member("items", Declared::Type(&items), width, ""),
        ];
        if size > end {
            members.push(member("rest", Declared::Bytes(size - end), end, ""));
        }
        self.comment(
            "",
            [format!(
                "Up to {capacity} of {}: the first `count` of `items` count.",
                type_name(element)
            )],
        );
        self.members_and_assertions(name, "struct", &members, size, width, false);
    }

    fn union(&mut self, name: &str, u: &Union, constants: &[String]) {
        let room = u.size - u.align;
        let names = self.members(u.variants.iter().map(|variant| variant.name.as_str()), &["bytes"]);
        let mut payload: Vec<Member<'_>> = u
            .variants
            .iter()
            .zip(names)
            .filter_map(|(variant, name)| {
                let notes = comment_lines(&variant.doc).collect();
                Some(Member {
                    name,
                    ty: Declared::Type(variant.ty.as_ref()?),
                    offset: 0,
                    notes,
                })
            })
            .collect();
        let payload_name = self.definitions.payload(name);
        if room > 0 {
            let align = payload.iter().map(|member| member.ty.align()).max().unwrap_or(1);
            payload.push(member("bytes", Declared::Bytes(room), 0, "All of it."));
            self.members_and_assertions(
                &payload_name,
                "union",
                &payload,
                room.next_multiple_of(align),
                align,
                false,
            );
        }
        let mut members = vec![member("tag", Declared::Word(u.align), 0, "0 when nothing is stored.")];
        if room > 0 {
            members.push(member(
                "payload",
                Declared::Payload(payload_name, room),
                u.align,
                "Zero after the variant.",
            ));
        }
        self.comment("", comment_lines(&u.doc));
        self.members_and_assertions(name, "struct", &members, u.size, u.align, false);
        let word = word_type(u.align);
        for (variant, constant) in u.variants.iter().zip(constants) {
            if variant.ty.is_none() {
                self.comment("", comment_lines(&variant.doc));
            }
            self.line(format!("#define {constant} (({word}){})", variant.tag));
        }
    }

    fn enumeration(&mut self, name: &str, e: &Enum, constants: &[String], lookup: Option<&str>) {
        self.comment("", comment_lines(&e.doc));
        self.line(format!("typedef {} {name};", integer_type(e.repr)));
        for (value, constant) in e.values.iter().zip(constants) {
            self.comment("", comment_lines(&value.doc));
            self.line(format!("#define {constant} (({name}){})", literal(value.value, e.repr)));
        }
        self.line(format!(
            "DMXP_ASSERT(sizeof({name}) == {}, \"{name}: size\");",
            e.repr.size()
        ));
        let Some(lookup) = lookup.filter(|_| !e.values.is_empty()) else {
            return;
        };
        self.line(format!(
            "/* The name of a value, NULL for one that {name} does not have. */"
        ));
        self.line(format!("static inline const char *{lookup}({name} value)"));
        self.line("{");
        self.line("    switch (value) {");
        for (value, constant) in e.values.iter().zip(constants) {
            self.line(format!("    case {constant}: return \"{}\";", value.name));
        }
        self.line("    default: return NULL;");
        self.line("    }");
        self.line("}");
    }

    fn members_and_assertions(
        &mut self,
        name: &str,
        keyword: &str,
        members: &[Member<'_>],
        size: u32,
        align: u32,
        over_aligned: bool,
    ) {
        self.line(format!("typedef {keyword} {name} {{"));
        for (index, member) in members.iter().enumerate() {
            self.comment("    ", member.notes.iter().cloned());
            let align = if over_aligned && index == 0 {
                format!("DMXP_ALIGNAS({align}) ")
            } else {
                String::new()
            };
            self.line(format!("    {align}{};", self.declare(&member.ty, &member.name)));
        }
        self.line(format!("}} {name};"));
        self.line(format!("DMXP_ASSERT(sizeof({name}) == {size}, \"{name}: size\");"));
        self.line(format!(
            "DMXP_ASSERT(DMXP_ALIGNOF({name}) == {align}, \"{name}: alignment\");"
        ));
        for Member {
            name: field,
            ty,
            offset,
            ..
        } in members
        {
            let pointer = self.declare(ty, "(*)");
            let size = ty.size();
            self.line(format!(
                "DMXP_ASSERT(offsetof({name}, {field}) == {offset}, \"{name}.{field}: offset\");"
            ));
            self.line(format!(
                "DMXP_ASSERT(sizeof((({name} *)0)->{field}) == {size}, \"{name}.{field}: size\");"
            ));
            self.line(format!("DMXP_ASSERT_TYPE({name}, {field}, {pointer});"));
        }
    }

    fn message(&mut self, message: &Message<'_>) {
        let Message { schema, prefix } = message;
        let text = text::write(schema);
        self.line(format!(
            "/* {}: what dmxp compares when a channel is opened. */",
            schema.name()
        ));
        self.line(format!(
            "#define {prefix}_LAYOUT_FINGERPRINT UINT64_C({:#018x})",
            schema.layout_fingerprint()
        ));
        self.line(format!(
            "#define {prefix}_SCHEMA_FINGERPRINT UINT64_C({:#018x})",
            schema.schema_fingerprint()
        ));
        if text.len() <= LONGEST_LITERAL {
            self.line(format!("#define {prefix}_SCHEMA \\"));
            self.line(string_literal(&text));
        } else {
            self.line(format!("static const char {prefix}_SCHEMA[] = {{"));
            for bytes in text.as_bytes().chunks(16) {
                // A char may be signed: bytes above 127 are written as the negative number they are then, and cast.
                let bytes: String = bytes.iter().map(|byte| format!("(char){byte:#04x}, ")).collect();
                self.line(format!("    {}", bytes.trim_end()));
            }
            self.line("    (char)0");
            self.line("};");
        }
        self.line("");
    }

    fn members<'n>(&self, names: impl Iterator<Item = &'n str>, taken: &[&str]) -> Vec<String> {
        // In C++ a member must not have the name of a type it uses or of its class; a macro would replace it.
        member_names(names, |name| {
            is_keyword(name) || self.definitions.is_taken(name) || taken.contains(&name)
        })
    }

    fn declare(&self, ty: &Declared<'_>, name: &str) -> String {
        match ty {
            Declared::Type(ty) => self.declare_type(ty, name),
            Declared::Word(width) => format!("{} {name}", word_type(*width)),
            Declared::Bytes(len) => format!("uint8_t {name}[{len}]"),
            Declared::Payload(payload, _) => format!("{payload} {name}"),
        }
    }

    fn declare_type(&self, ty: &Type, name: &str) -> String {
        let named = |definition| format!("{} {name}", self.definitions.name(definition));
        match ty {
            Type::U8 | Type::Bool => format!("uint8_t {name}"),
            Type::U16 => format!("uint16_t {name}"),
            Type::U32 | Type::Char => format!("uint32_t {name}"),
            Type::U64 => format!("uint64_t {name}"),
            Type::I8 => format!("int8_t {name}"),
            Type::I16 => format!("int16_t {name}"),
            Type::I32 => format!("int32_t {name}"),
            Type::I64 | Type::Timestamp => format!("int64_t {name}"),
            Type::F32 => format!("float {name}"),
            Type::F64 => format!("double {name}"),
            Type::Bytes(len) | Type::Reserved(len) => format!("uint8_t {name}[{len}]"),
            Type::Str(len) => format!("char {name}[{len}]"),
            Type::Array { element, len } => self.declare_type(element, &format!("{name}[{len}]")),
            Type::Vec { element, capacity } => named(Definition::Vec(element, *capacity)),
            Type::Nullable(value) => named(Definition::Nullable(value)),
            Type::Struct(s) => named(Definition::Struct(s)),
            Type::Enum(e) | Type::OpenEnum(e) => named(Definition::Enum(e)),
            Type::Flags(e) => named(Definition::Flags(e)),
            Type::Union(u) => named(Definition::Union(u)),
        }
    }
}

impl Declared<'_> {
    fn size(&self) -> u32 {
        match self {
            Self::Type(ty) => ty.size(),
            Self::Word(size) | Self::Bytes(size) | Self::Payload(_, size) => *size,
        }
    }

    fn align(&self) -> u32 {
        match self {
            Self::Type(ty) => ty.align(),
            Self::Word(size) => *size,
            Self::Bytes(_) | Self::Payload(..) => 1,
        }
    }
}

/// What the C type does not say.
fn type_note(ty: &Type) -> Option<&'static str> {
    match ty {
        Type::Bool => Some("0 or 1."),
        Type::Char => Some("A Unicode scalar value."),
        Type::Timestamp => Some("Nanoseconds since the Unix epoch, UTC."),
        Type::Str(_) => Some("UTF-8, filled with NUL; not terminated when full."),
        Type::Reserved(_) => Some("Zero; for later versions."),
        _ => None,
    }
}

fn member<'a>(name: &str, ty: Declared<'a>, offset: u32, note: &str) -> Member<'a> {
    let notes = if note.is_empty() {
        Vec::new()
    } else {
        vec![note.to_owned()]
    };
    Member {
        name: name.to_owned(),
        ty,
        offset,
        notes,
    }
}

fn word_type(width: u32) -> &'static str {
    match width {
        1 => "uint8_t",
        2 => "uint16_t",
        4 => "uint32_t",
        _ => "uint64_t",
    }
}

fn integer_type(repr: IntegerType) -> &'static str {
    match repr {
        IntegerType::I8 => "int8_t",
        IntegerType::I16 => "int16_t",
        IntegerType::I32 => "int32_t",
        IntegerType::I64 => "int64_t",
        unsigned => word_type(unsigned.size()),
    }
}

fn literal(value: i128, repr: IntegerType) -> String {
    if i32::try_from(value).is_ok() {
        value.to_string()
    } else if value == i128::from(i64::MIN) {
        // There are no negative literals, and 2^63 fits no signed type.
        format!("(-INT64_C({}) - 1)", i64::MAX)
    } else if value < 0 {
        format!("(-INT64_C({}))", -value)
    } else if repr.is_signed() {
        format!("INT64_C({value})")
    } else {
        format!("UINT64_C({value})")
    }
}

/// C compilers must take this many characters in a literal, and warn about more.
const LONGEST_LITERAL: usize = 4095;

/// One literal in several lines of a macro.
fn string_literal(text: &str) -> String {
    let mut lines = vec![String::new()];
    let mut questioned = false;
    for byte in text.bytes() {
        if lines.last().is_some_and(|line| line.len() >= 100) {
            lines.push(String::new());
        }
        let line = lines.last_mut().expect("there is always a line");
        match byte {
            b'"' => line.push_str("\\\""),
            b'\\' => line.push_str("\\\\"),
            // Two in a row could begin a trigraph.
            b'?' if questioned => line.push_str("\\?"),
            0x20..=0x7e => line.push(char::from(byte)),
            // Octal escapes end after three digits, hexadecimal ones do not.
            other => write!(line, "\\{other:03o}").expect("writing into a String does not fail"),
        }
        questioned = byte == b'?';
    }
    let lines: Vec<String> = lines.iter().map(|line| format!("    \"{line}\"")).collect();
    lines.join(" \\\n")
}

const OPENING: &str = r#"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#include <type_traits>
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "dmxp messages are little-endian"
#endif

#ifndef DMXP_ASSERT
#ifdef __cplusplus
#define DMXP_ASSERT(condition, text) static_assert(condition, text)
#define DMXP_ASSERT_TYPE(type, member, ...) \
    static_assert(std::is_same<decltype(&((type *)0)->member), __VA_ARGS__>::value, #type "." #member ": type")
#define DMXP_ALIGNOF(type) alignof(type)
#define DMXP_ALIGNAS(bytes) alignas(bytes)
#else
#define DMXP_ASSERT(condition, text) _Static_assert(condition, text)
#define DMXP_ASSERT_TYPE(type, member, ...) \
    _Static_assert(_Generic(&((type *)0)->member, __VA_ARGS__: 1, default: 0), #type "." #member ": type")
#define DMXP_ALIGNOF(type) _Alignof(type)
#define DMXP_ALIGNAS(bytes) _Alignas(bytes)
#endif

/* Length of the text in a string field: up to the first NUL, or all of it. Use as dmxp_str_len(m->name, sizeof m->name). */
static inline size_t dmxp_str_len(const char *text, size_t room)
{
    size_t length = 0;
    while (length < room && text[length] != '\0') {
        length++;
    }
    return length;
}

/* Puts a NUL-terminated text into a string field and fills it with NUL; returns 1, or 0 if it is too long: then nothing is
 * changed. */
static inline int dmxp_str_set(char *text, size_t room, const char *value)
{
    size_t length = 0;
    while (value[length] != '\0') {
        length++;
        if (length > room) {
            return 0;
        }
    }
    for (size_t i = 0; i < room; i++) {
        text[i] = i < length ? value[i] : '\0';
    }
    return 1;
}
#endif
"#;

/// Whether a type, macro or function may have the name.
fn is_free(name: &str) -> bool {
    !is_keyword(name)
}

fn is_keyword(name: &str) -> bool {
    let words = KEYWORDS.split_ascii_whitespace().chain(MACROS.split_ascii_whitespace());
    words.into_iter().any(|keyword| keyword == name)
}

/// What the headers of C and POSIX define as macros without arguments, and would replace: `errno`, `EOF`, `st_mtime`. A program includes
/// them before a generated header or after it. Those of glibc 2.36 on x86-64, whatever machine generates, so that the output is the same.
const MACROS: &str = include_str!("c_macros.txt");

/// Keywords of C up to C23 and of C++ up to C++20, alternative spellings of operators, and what the included headers or
/// compilers define in lower case or as macros.
const KEYWORDS: &str = "
    auto break case char const continue default do double else enum extern float for goto if inline int long register
    restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
    _Alignas _Alignof _Atomic _Bool _Complex _Decimal128 _Decimal32 _Decimal64 _Generic _Imaginary _Noreturn
    _Static_assert _Thread_local _BitInt _Float16 _Float32 _Float64 _Float128 _Pragma _Nullable _Nonnull
    alignas alignof bool constexpr false nullptr static_assert thread_local true typeof typeof_unqual asm
    and and_eq bitand bitor catch char16_t char32_t char8_t class co_await co_return co_yield compl concept
    const_cast consteval constinit decltype delete dynamic_cast explicit export friend mutable namespace new noexcept
    not not_eq operator or or_eq private protected public reinterpret_cast requires static_cast template this throw
    try typeid typename using virtual wchar_t xor xor_eq
    linux unix i386 near far pascal cdecl huge
    NULL INT8_C INT16_C INT32_C INT64_C UINT8_C UINT16_C UINT32_C UINT64_C INTMAX_C UINTMAX_C offsetof
    int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t intptr_t uintptr_t intmax_t uintmax_t
    DMXP_ASSERT DMXP_ASSERT_TYPE DMXP_ALIGNOF DMXP_ALIGNAS
    size_t ptrdiff_t max_align_t nullptr_t std main dmxp_str_len dmxp_str_set
    INT8_MIN INT16_MIN INT32_MIN INT64_MIN INT8_MAX INT16_MAX INT32_MAX INT64_MAX UINT8_MAX UINT16_MAX UINT32_MAX
    UINT64_MAX INTPTR_MIN INTPTR_MAX UINTPTR_MAX INTMAX_MIN INTMAX_MAX UINTMAX_MAX PTRDIFF_MIN PTRDIFF_MAX SIZE_MAX
    WCHAR_MIN WCHAR_MAX WINT_MIN WINT_MAX SIG_ATOMIC_MIN SIG_ATOMIC_MAX
";
