//! What is read of one field.

use super::error::{FieldError, FieldProblem, Target, methods, no_field};
use super::flags::FlagSet;
use super::list::{BYTE, Elements};
use super::path::{NoStep, Step, steps};
use super::record::{Message, Record};
use super::variant::{StoredVariant, stored};
use crate::codec::word::{read_signed, read_word};
use crate::model::{Enum, Type, Union};
use crate::text::type_name;

/// The value of a field, or of an element, a payload or a nullable in it.
///
/// Each method reads some types and is an error for the others; the error says which method to use. All but
/// [`as_option`](Self::as_option) look through what is nullable, and are an error if it is absent.
#[derive(Clone, Copy)]
pub struct FieldValue<'a> {
    message: Message<'a>,
    /// Of the message's schema, or [`BYTE`].
    ty: &'a Type,
    /// Where it begins in the message.
    offset: usize,
}

/// The value of an enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enumerant<'a> {
    /// The number that is stored.
    pub number: i128,
    /// Its name; `None` for a number that an open enum has no name for.
    pub name: Option<&'a str>,
}

type Read<T> = Result<T, FieldError>;

impl<'a> FieldValue<'a> {
    /// `ty` lies at `offset` of the message.
    #[inline]
    pub(super) fn within(message: Message<'a>, ty: &'a Type, offset: usize) -> Self {
        Self { message, ty, offset }
    }

    /// Its type.
    #[must_use]
    pub fn ty(&self) -> &'a Type {
        self.ty
    }

    /// All its bytes, whatever it is; of a vector, the count and the unused room too.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        &self.message.bytes[self.offset..self.offset + self.ty.size() as usize]
    }

    /// Where it begins, in bytes from the start of the message.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The path that leads to it in the message, for example `legs[1].side`.
    #[must_use]
    pub fn path(&self) -> String {
        self.message.path_to(Target::Type(self.ty), self.offset)
    }

    /// An integer, the number of an enum, the bits of flags, or the nanoseconds of a timestamp, if it is not negative. The number of
    /// a closed enum is read even if it is none of its values.
    ///
    /// # Errors
    /// [`FieldError`] for other types, and for negative numbers.
    #[inline]
    pub fn as_u64(&self) -> Read<u64> {
        let value = self.present("as_u64")?;
        let number = value.integer("as_u64")?;
        u64::try_from(number).map_err(|_| value.out_of_range("as_u64", number))
    }

    /// As [`as_u64`](Self::as_u64), up to 2^63 - 1, and negative numbers too.
    ///
    /// # Errors
    /// [`FieldError`] for other types, and for larger numbers.
    #[inline]
    pub fn as_i64(&self) -> Read<i64> {
        let value = self.present("as_i64")?;
        let number = value.integer("as_i64")?;
        i64::try_from(number).map_err(|_| value.out_of_range("as_i64", number))
    }

    /// A float, or a number that [`as_u64`](Self::as_u64) or [`as_i64`](Self::as_i64) reads, if it has this exact value as a float:
    /// all do up to 2^53.
    ///
    /// # Errors
    /// [`FieldError`] for other types, and for numbers that would be rounded.
    #[inline]
    pub fn as_f64(&self) -> Read<f64> {
        let value = self.present("as_f64")?;
        match value.ty {
            Type::F32 => Ok(f32::from_bits(read_word(value.bytes()) as u32).into()),
            Type::F64 => Ok(f64::from_bits(read_word(value.bytes()))),
            _ => {
                let number = value.integer("as_f64")?;
                let float = number as f64;
                if float as i128 == number {
                    Ok(float)
                } else {
                    Err(value.out_of_range("as_f64", number))
                }
            }
        }
    }

    /// A bool.
    ///
    /// # Errors
    /// [`FieldError`] for other types, and for a byte that is neither 0 nor 1.
    #[inline]
    pub fn as_bool(&self) -> Read<bool> {
        let value = self.present("as_bool")?;
        match (value.ty, read_word(value.first_word())) {
            (Type::Bool, 0) => Ok(false),
            (Type::Bool, 1) => Ok(true),
            (Type::Bool, other) => Err(value.invalid("0 or 1, a bool", other)),
            _ => Err(value.wrong_type("as_bool")),
        }
    }

    /// A character.
    ///
    /// # Errors
    /// [`FieldError`] for other types, and for what is no Unicode scalar value.
    pub fn as_char(&self) -> Read<char> {
        let value = self.present("as_char")?;
        if *value.ty != Type::Char {
            return Err(value.wrong_type("as_char"));
        }
        let number = read_word(value.bytes()) as u32;
        char::from_u32(number).ok_or_else(|| value.invalid("a Unicode scalar value", format_args!("{number:#x}")))
    }

    /// A timestamp, in nanoseconds since the Unix epoch, UTC.
    ///
    /// # Errors
    /// [`FieldError`] for other types.
    #[inline]
    pub fn as_timestamp(&self) -> Read<i64> {
        let value = self.present("as_timestamp")?;
        match value.ty {
            Type::Timestamp => Ok(read_signed(value.bytes())),
            _ => Err(value.wrong_type("as_timestamp")),
        }
    }

    /// The text of a string up to the first NUL; the name of an enum's value.
    ///
    /// # Errors
    /// [`FieldError`] for other types, for text that is not UTF-8 and for a number without a name.
    pub fn as_str(&self) -> Read<&'a str> {
        let value = self.present("as_str")?;
        match value.ty {
            Type::Str(_) => value.text(),
            Type::Enum(e) | Type::OpenEnum(e) => {
                let enumerant = value.enumerant(e);
                enumerant
                    .name
                    .ok_or_else(|| value.invalid(format_args!("a value of enum {}", e.name), enumerant.number))
            }
            _ => Err(value.wrong_type("as_str")),
        }
    }

    /// Raw bytes, reserved bytes, or all bytes of a string.
    ///
    /// # Errors
    /// [`FieldError`] for other types; [`bytes`](Self::bytes) is for them.
    pub fn as_bytes(&self) -> Read<&'a [u8]> {
        let value = self.present("as_bytes")?;
        match value.ty {
            Type::Bytes(_) | Type::Str(_) | Type::Reserved(_) => Ok(value.bytes()),
            _ => Err(value.wrong_type("as_bytes")),
        }
    }

    /// A struct in the message.
    ///
    /// # Errors
    /// [`FieldError`] for other types.
    pub fn as_record(&self) -> Read<Record<'a>> {
        let value = self.present("as_record")?;
        match value.ty {
            Type::Struct(s) => Ok(Record::within(value.message, s, value.offset)),
            _ => Err(value.wrong_type("as_record")),
        }
    }

    /// The value of an enum, open or closed.
    ///
    /// # Errors
    /// [`FieldError`] for other types, and for a number that is no value of a closed enum.
    pub fn as_enum(&self) -> Read<Enumerant<'a>> {
        let value = self.present("as_enum")?;
        match value.ty {
            Type::OpenEnum(e) => Ok(value.enumerant(e)),
            Type::Enum(e) => {
                let enumerant = value.enumerant(e);
                if enumerant.name.is_none() {
                    return Err(value.invalid(format_args!("a value of enum {}", e.name), enumerant.number));
                }
                Ok(enumerant)
            }
            _ => Err(value.wrong_type("as_enum")),
        }
    }

    /// A set of flags.
    ///
    /// # Errors
    /// [`FieldError`] for other types.
    pub fn as_flags(&self) -> Read<FlagSet<'a>> {
        let value = self.present("as_flags")?;
        match value.ty {
            Type::Flags(e) => Ok(FlagSet::new(e, read_word(value.bytes()))),
            _ => Err(value.wrong_type("as_flags")),
        }
    }

    /// What a tagged union stores; `None` for nothing. A tag that the schema does not have is no error.
    ///
    /// # Errors
    /// [`FieldError`] for other types.
    pub fn as_union(&self) -> Read<Option<StoredVariant<'a>>> {
        let value = self.present("as_union")?;
        match value.ty {
            Type::Union(u) => Ok(value.variant(u)),
            _ => Err(value.wrong_type("as_union")),
        }
    }

    /// The value of something nullable; `None` if it is absent.
    ///
    /// # Errors
    /// [`FieldError`] for other types.
    pub fn as_option(&self) -> Read<Option<Self>> {
        match self.ty {
            Type::Nullable(value) => Ok(self.nullable(value)),
            _ => Err(self.wrong_type("as_option")),
        }
    }

    /// Whether it is nullable and absent, or nullable in something nullable and absent there.
    #[must_use]
    pub fn is_null(&self) -> bool {
        match self.ty {
            Type::Nullable(value) => self.nullable(value).is_none_or(|value| value.is_null()),
            _ => false,
        }
    }

    /// The elements of an array, of a vector (those that count) or of raw bytes.
    ///
    /// # Errors
    /// [`FieldError`] for other types, and for a vector whose count is above its capacity.
    pub fn elements(&self) -> Read<Elements<'a>> {
        self.list("elements")
    }

    /// The element at `index`, counted from 0, of an array, a vector or raw bytes.
    ///
    /// # Errors
    /// As [`elements`](Self::elements), and when there are not so many.
    pub fn element(&self, index: usize) -> Read<Self> {
        let elements = self.list("element")?;
        elements.get(index).ok_or_else(|| {
            let len = elements.len();
            self.error(FieldProblem::NoElement { index, len })
        })
    }

    /// A field of a struct, or the payload of the variant that a union stores; or what lies deeper, by a path as
    /// [`Record::field`] takes it. For an array, a vector or raw bytes the path begins with an index: `[1].side`.
    ///
    /// # Errors
    /// As [`Record::field`], and [`FieldError`] for types without fields.
    pub fn field(&self, path: &str) -> Read<Self> {
        self.walk(steps(path), path)
    }

    /// `path` is the whole of which `steps` are left.
    pub(super) fn walk<'p>(self, steps: impl Iterator<Item = Result<Step<'p>, NoStep>>, path: &str) -> Read<Self> {
        let mut value = self;
        for step in steps {
            value = match step {
                Ok(Step::Name(name)) => value.named(name)?,
                Ok(Step::Index(index)) => value.element(index)?,
                Err(NoStep) => return Err(value.error(FieldProblem::path(path))),
            };
        }
        Ok(value)
    }

    fn named(&self, name: &str) -> Read<Self> {
        let value = self.present("field")?;
        match value.ty {
            Type::Struct(s) => Record::within(value.message, s, value.offset).named(name),
            Type::Union(u) => value.payload(u, name),
            _ => Err(value.wrong_type("field")),
        }
    }

    fn payload(&self, u: &'a Union, name: &str) -> Read<Self> {
        let Some(asked) = u.variants.iter().find(|variant| variant.name == name) else {
            let names = u.variants.iter().map(|variant| variant.name.as_str());
            return Err(self.error(no_field(format!("union {}", u.name), "variant", name, names)));
        };
        let found = self.variant(u);
        match found {
            Some(found) if found.tag == u64::from(asked.tag) => found.value.ok_or_else(|| {
                let variant = name.to_owned();
                self.error(FieldProblem::NoPayload { variant })
            }),
            _ => {
                let stored = match found {
                    None => "nothing".to_owned(),
                    Some(found) => match found.name() {
                        Some(name) => format!("`{name}`"),
                        None => format!("the unknown tag {}", found.tag),
                    },
                };
                let asked = name.to_owned();
                Err(self.error(FieldProblem::OtherVariant { asked, stored }))
            }
        }
    }

    /// The value that is left when everything nullable around it is taken away.
    #[inline]
    fn present(&self, asked: &'static str) -> Read<Self> {
        let mut value = *self;
        while let Type::Nullable(inner) = value.ty {
            value = match value.nullable(inner) {
                Some(inner) => inner,
                None => return Err(self.error(FieldProblem::Absent { asked })),
            };
        }
        Ok(value)
    }

    /// Any word but 0 says "present".
    pub(super) fn nullable(&self, inner: &'a Type) -> Option<Self> {
        let width = inner.align() as usize;
        let word = &self.bytes()[..width];
        (read_word(word) != 0).then(|| Self::within(self.message, inner, self.offset + width))
    }

    /// Of an integer, an enum, flags or a timestamp.
    #[inline]
    pub(super) fn integer(&self, asked: &'static str) -> Read<i128> {
        Ok(match self.ty {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::Flags(_) => read_word(self.bytes()).into(),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Timestamp => read_signed(self.bytes()).into(),
            Type::Enum(e) | Type::OpenEnum(e) => self.enumerant(e).number,
            _ => return Err(self.wrong_type(asked)),
        })
    }

    /// Of a string.
    pub(super) fn text(&self) -> Read<&'a str> {
        let bytes = self.bytes();
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        std::str::from_utf8(&bytes[..end]).map_err(|error| {
            let found = format_args!("{:#04x} at byte {}", bytes[error.valid_up_to()], error.valid_up_to()).to_string();
            self.invalid("UTF-8 text", found)
        })
    }

    pub(super) fn enumerant(&self, e: &'a Enum) -> Enumerant<'a> {
        Enumerant::of(e, self.bytes())
    }

    pub(super) fn variant(&self, u: &'a Union) -> Option<StoredVariant<'a>> {
        let width = u.align as usize;
        let (word, payload) = self.bytes().split_at(width);
        let tag = read_word(word);
        if tag == 0 {
            return None;
        }
        let variant = stored(u, tag);
        let ty = variant.and_then(|variant| variant.ty.as_ref());
        Some(StoredVariant {
            tag,
            variant,
            value: ty.map(|ty| Self::within(self.message, ty, self.offset + width)),
            payload,
        })
    }

    fn list(&self, asked: &'static str) -> Read<Elements<'a>> {
        let value = self.present(asked)?;
        let elements = |element, start, len| Elements::within(value.message, element, value.offset + start, len);
        match value.ty {
            Type::Bytes(len) => Ok(elements(&BYTE, 0, *len as usize)),
            Type::Array { element, len } => Ok(elements(element, 0, *len as usize)),
            Type::Vec { element, capacity } => {
                let width = Type::count_width(element) as usize;
                let count = read_word(&value.bytes()[..width]);
                if count > u64::from(*capacity) {
                    let found = format_args!("a count of {count}").to_string();
                    return Err(value.invalid(format_args!("at most {capacity} elements"), found));
                }
                Ok(elements(element, width, count as usize))
            }
            _ => Err(value.wrong_type(asked)),
        }
    }

    /// As many bytes as a word may have.
    fn first_word(&self) -> &'a [u8] {
        let bytes = self.bytes();
        &bytes[..bytes.len().min(8)]
    }

    fn error(&self, problem: FieldProblem) -> FieldError {
        FieldError::new(self.path(), problem)
    }

    #[cold]
    fn wrong_type(&self, asked: &'static str) -> FieldError {
        self.error(FieldProblem::Type {
            is: type_name(self.ty),
            asked,
            works: methods(self.ty),
        })
    }

    #[cold]
    fn out_of_range(&self, asked: &'static str, value: i128) -> FieldError {
        let works = if i64::try_from(value).is_ok() {
            "as_i64"
        } else {
            "as_u64"
        };
        self.error(FieldProblem::OutOfRange { value, asked, works })
    }

    fn invalid(&self, expected: impl ToString, found: impl ToString) -> FieldError {
        self.error(FieldProblem::Invalid {
            expected: expected.to_string(),
            found: found.to_string(),
        })
    }
}

impl<'a> Enumerant<'a> {
    /// What `bytes`, all of the enum's, mean.
    pub(crate) fn of(e: &'a Enum, bytes: &[u8]) -> Self {
        let number = if e.repr.is_signed() {
            read_signed(bytes).into()
        } else {
            read_word(bytes).into()
        };
        let known = e.values.iter().find(|known| known.value == number);
        Self {
            number,
            name: known.map(|known| known.name.as_str()),
        }
    }
}
