//! What `#[derive(DmxpMessage)]` expands to refers to this module, as `dmxp::__private`. Nothing here is public interface: it
//! changes together with the macro.
//!
//! The macro writes each check as one `const` of its own, located on the field or name it is about, so that one compile shows
//! all that is wrong. The functions that check are `track_caller`: the compiler then reports the `const` and not this file.
//!
//! A program may tell the macro where this crate is, with `crate = path`. What lies there may be another module, with functions that
//! check nothing. So all functions are those of one type, `Expansion`, and the traits that are implemented have a constant of that
//! type: a path that leads elsewhere does not compile. Sizes and offsets come from `::core`, and from the types themselves.

#[cfg(feature = "bytemuck")]
pub use bytemuck;
#[cfg(feature = "zerocopy")]
pub use zerocopy;

pub use dmxp_schema::descriptor::{
    EnumDescriptor, EnumValueDescriptor, FieldDescriptor, IntegerType, StructDescriptor, TypeDescriptor,
    UnionDescriptor, VariantDescriptor,
};
use dmxp_schema::fingerprint::{layout_of, schema_of};
use dmxp_schema::validate::limit_exceeded;

use super::const_text::ConstText;
pub use super::enumeration::Raw;
use super::field::{MAX_MESSAGE_ALIGN, MAX_MESSAGE_SIZE};
use super::scalar::expect_length;
pub use super::{DmxpField, DmxpMessage, Enumeration, Flag, InvalidValue, Tagged, TaggedUnion};
use super::{NoWord, bytes_of, copy_from_bytes};

/// The schema of a message that was refused.
pub const NO_STRUCT: &StructDescriptor = &StructDescriptor {
    name: "",
    version: 1,
    size: 0,
    align: 1,
    fields: &[],
    doc: "",
};

/// The descriptor of an enum that was refused.
pub const NO_ENUM: &EnumDescriptor = &EnumDescriptor {
    name: "",
    repr: IntegerType::U8,
    values: &[],
    doc: "",
};

/// The descriptor of an enum with data that was refused.
pub const NO_UNION: &UnionDescriptor = &UnionDescriptor {
    name: "",
    size: 0,
    align: 1,
    variants: &[],
    doc: "",
};

/// What the macro needs of the type of a field or payload. Made in one place per field, so that a type that cannot be a field
/// is one error and not one for each use.
#[derive(Clone, Copy)]
pub struct Field {
    /// The descriptor.
    pub ty: &'static TypeDescriptor,
    /// See [`DmxpField::ALWAYS_VALID`].
    pub always_valid: bool,
    /// See [`DmxpField::ZERO_IS_VALID`].
    pub zero_is_valid: bool,
    /// See [`DmxpField::REFUSAL`].
    pub refusal: Option<&'static str>,
    /// Size in bytes.
    pub size: usize,
    /// Alignment in bytes.
    pub align: usize,
    validate: fn(&[u8]) -> Result<(), InvalidValue>,
}

/// [`Field`] with its type, for payloads of enums with data.
pub struct FieldOf<T> {
    field: Field,
    read: fn(&[u8]) -> Option<T>,
    write: fn(&T, &mut [u8]),
}

impl<T: DmxpField> FieldOf<T> {
    const NEW: Self = Self {
        field: Field::of::<T>(),
        read: |bytes| copy_from_bytes(bytes.get(..size_of::<T>())?).ok(),
        write: |value, bytes| bytes[..size_of::<T>()].copy_from_slice(bytes_of(value)),
    };
}

impl<T> FieldOf<T> {
    /// What does not depend on the type.
    #[must_use]
    pub const fn field(self) -> Field {
        self.field
    }

    /// The payload at the start of the bytes, if it is valid.
    #[must_use]
    #[inline]
    pub fn read(self, bytes: &[u8]) -> Option<T> {
        (self.read)(bytes)
    }

    /// Writes the payload to the start of the bytes, which have room for it.
    #[inline]
    pub fn write(self, value: &T, bytes: &mut [u8]) {
        (self.write)(value, bytes);
    }
}

impl<T> std::fmt::Debug for FieldOf<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.field.ty.fmt(f)
    }
}

impl Field {
    const fn of<T: DmxpField>() -> Self {
        Self {
            ty: T::TYPE,
            always_valid: T::ALWAYS_VALID,
            zero_is_valid: T::ZERO_IS_VALID,
            refusal: T::REFUSAL,
            size: size_of::<T>(),
            align: align_of::<T>(),
            validate: T::validate,
        }
    }

    /// Validates the field `name`, which starts at `offset` of the bytes of a struct.
    #[inline]
    pub fn validate_at(self, offset: usize, name: &str, bytes: &[u8]) -> Result<(), InvalidValue> {
        if self.always_valid {
            return Ok(());
        }
        match bytes.get(offset..offset + self.size) {
            Some(bytes) => (self.validate)(bytes).map_err(|error| error.in_field(name)),
            None => Err(InvalidValue::wrong_length(bytes.len(), offset + self.size)),
        }
    }
}

/// All that the expansion calls. The traits it implements ask for this type by name.
#[derive(Clone, Copy, Debug)]
pub struct Expansion;

/// A trait for each way to say what to use instead of a type that cannot be a field. Which one the macro asks depends on what the type
/// looks like in the source; a user's own type that happens to be called `String` passes like any other. Everything goes through one
/// trait, so that such a type is one error and not one for each use.
macro_rules! cures {
    ($($(#[$diagnostic:meta])* $cure:ident;)*) => {$(
        $(#[$diagnostic])*
        pub trait $cure: Sized {
            /// What the macro needs to know.
            const FIELD: FieldOf<Self>;
        }

        #[diagnostic::do_not_recommend]
        impl<T: DmxpField> $cure for T {
            const FIELD: FieldOf<Self> = FieldOf::NEW;
        }
    )*};
}

cures! {
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be stored in a message",
        label = "does not implement `DmxpField`",
        note = "use `FixedStr<N>` for text, `FixedVec<T, N>` for lists, `Nullable<T>` for optional values, `Timestamp` for times, \
                `Tagged<E>` for enums with data",
        note = "derive `DmxpMessage` for your own structs (with `#[repr(C)]`) and enums (with `#[repr(u8)]` or wider)"
    )]
    Described;

    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be stored in a message: use `FixedStr<N>`",
        label = "this text lives on the heap of one process"
    )]
    Text;

    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be stored in a message: use `FixedVec<T, N>`",
        label = "these elements live on the heap of one process"
    )]
    List;

    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be stored in a message: use `FixedVec<T, N>` of a struct with key and value",
        label = "these entries live on the heap of one process"
    )]
    Map;

    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be stored in a message: use `Nullable<T>`",
        label = "its layout is not fixed"
    )]
    Optional;

    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be stored in a message: store the value itself",
        label = "a pointer means something in one process only"
    )]
    Pointed;

    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be stored in a message: use the plain value",
        label = "a published message does not change"
    )]
    Shared;

    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be stored in a message: use the plain integer",
        label = "its layout is not described"
    )]
    Number;

    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be stored in a message: use `Timestamp`",
        label = "its layout is not fixed"
    )]
    Time;

    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be stored in a message: use `u64` nanoseconds, with `#[dmxp(unit = \"ns\")]`",
        label = "its layout is not fixed"
    )]
    Span;

    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be stored in a message: remove the field",
        label = "stores nothing"
    )]
    Marker;
}

/// An alignment, as a type.
#[derive(Clone, Copy, Debug)]
pub struct Align<const N: usize>;

/// The word of an alignment.
pub trait AlignedWord {
    /// See [`DmxpField::Word`].
    type Word;
}

macro_rules! aligned_words {
    ($($align:literal: $word:ty),*) => {$(
        impl AlignedWord for Align<$align> {
            type Word = $word;
        }
    )*};
}

aligned_words!(1: u8, 2: u16, 4: u32, 8: u64, 16: NoWord, 32: NoWord, 64: NoWord);

// Refused, by an error that says so.
aligned_words!(128: NoWord, 256: NoWord, 512: NoWord, 1024: NoWord, 2048: NoWord, 4096: NoWord, 8192: NoWord, 16384: NoWord);
aligned_words!(32768: NoWord, 65536: NoWord, 131_072: NoWord, 262_144: NoWord, 524_288: NoWord, 1_048_576: NoWord);
aligned_words!(2_097_152: NoWord, 4_194_304: NoWord, 8_388_608: NoWord, 16_777_216: NoWord, 33_554_432: NoWord);
aligned_words!(67_108_864: NoWord, 134_217_728: NoWord, 268_435_456: NoWord, 536_870_912: NoWord);

impl Expansion {
    /// What a trait said of a type. It is this crate's: nothing else can make one.
    #[must_use]
    pub const fn known<T>(field: FieldOf<T>) -> FieldOf<T> {
        field
    }

    /// Says at compile time that the type of a binding is the type the macro saw.
    pub const fn same_type<T: ?Sized>(_: &T, _: std::marker::PhantomData<T>) {}

    /// The alignment of a tagged union: that of its strictest payload. More than 8 is refused by a check of its own.
    #[must_use]
    pub const fn union_align(payloads: &[Field]) -> usize {
        let mut align = 1;
        let mut index = 0;
        while index < payloads.len() {
            if payloads[index].align > align {
                align = payloads[index].align;
            }
            index += 1;
        }
        if align > 8 { 8 } else { align }
    }

    /// Words in the room for the payload of a tagged union.
    #[must_use]
    pub const fn union_words(payloads: &[Field]) -> usize {
        let mut size = 0;
        let mut index = 0;
        while index < payloads.len() {
            if payloads[index].size > size {
                size = payloads[index].size;
            }
            index += 1;
        }
        size.div_ceil(Self::union_align(payloads))
    }

    /// Why one of the payloads must not be stored.
    #[must_use]
    pub const fn union_refusal(payloads: &[Field]) -> Option<&'static str> {
        let mut index = 0;
        while index < payloads.len() {
            if payloads[index].refusal.is_some() {
                return payloads[index].refusal;
            }
            index += 1;
        }
        None
    }

    /// Validates a closed enum.
    #[inline]
    pub fn validate_enumeration<E: Enumeration>(bytes: &[u8]) -> Result<(), InvalidValue> {
        let raw = copy_from_bytes::<E::Raw>(bytes)?;
        match E::from_raw(raw) {
            Some(_) => Ok(()),
            None => Err(InvalidValue::new(format!("{raw} is not a value of {}", E::ENUM.name))),
        }
    }

    /// Validates the payload of a variant.
    pub fn validate_payload(payload: Field, variant: &str, bytes: &[u8]) -> Result<(), InvalidValue> {
        payload.validate_at(0, variant, bytes)
    }

    /// Refuses a message that is larger than a slot.
    #[track_caller]
    pub const fn check_size<T>(message: &str) {
        let size = size_of::<T>();
        if size > MAX_MESSAGE_SIZE {
            refuse(
                ConstText::new()
                    .text("message `")
                    .text(message)
                    .text("` is ")
                    .bytes(size)
                    .text("; the inline payload limit is ")
                    .bytes(MAX_MESSAGE_SIZE),
            );
        }
    }

    /// Refuses a message that is aligned to more than a slot is.
    #[track_caller]
    pub const fn check_align<T>(message: &str) {
        let align = align_of::<T>();
        if align > MAX_MESSAGE_ALIGN {
            refuse(
                ConstText::new()
                    .text("message `")
                    .text(message)
                    .text("` is aligned to ")
                    .bytes(align)
                    .text("; the limit is ")
                    .bytes(MAX_MESSAGE_ALIGN),
            );
        }
    }

    /// Refuses bytes between the end of a field and the one after it, or the end of the struct `T`.
    #[track_caller]
    pub const fn check_padding<T>(
        message: &str,
        name: &str,
        pad: &str,
        field: Field,
        offset: usize,
        next: Option<usize>,
    ) {
        let end = offset + field.size;
        let next = match next {
            Some(next) => next,
            None => size_of::<T>(),
        };
        if next < end {
            refuse(
                ConstText::new()
                    .text("field `")
                    .text(name)
                    .text("` of message `")
                    .text(message)
                    .text("` does not lie before the field that is declared after it; is `#[repr(C)]` there?"),
            );
        }
        if next > end {
            refuse(
                ConstText::new()
                    .text("message `")
                    .text(message)
                    .text("` has ")
                    .bytes(next - end)
                    .text(" of padding after field `")
                    .text(name)
                    .text("`; add `")
                    .text(pad)
                    .text(": [u8; ")
                    .number(next - end)
                    .text("]` there or reorder the fields"),
            );
        }
    }

    /// Refuses a field or payload whose type says so itself, or that has no size.
    #[track_caller]
    pub const fn check_refusal(owner: &str, part: &str, field: Field) {
        let reason = match field.refusal {
            Some(reason) => reason,
            None if field.size == 0 => "its type stores nothing; remove it",
            None => return,
        };
        refuse(
            ConstText::new()
                .text("`")
                .text(part)
                .text("` of `")
                .text(owner)
                .text("` cannot be stored: ")
                .text(reason),
        );
    }

    /// Refuses a message that implements `Drop` (as opposed to its fields, which have their own errors).
    #[track_caller]
    pub const fn check_drop<T>(message: &str, fields: bool) {
        if std::mem::needs_drop::<T>() && !fields {
            refuse(ConstText::new().text("`").text(message).text(
                "` implements `Drop`, which would run in every process that sees the message; remove the implementation",
            ));
        }
    }

    /// Refuses an enum that is not represented by the integer that its attributes name.
    #[track_caller]
    pub const fn check_enum_size<E, R: Raw>(name: &str) {
        let (size, integer) = (size_of::<E>(), size_of::<R>());
        if size != integer {
            refuse(
                ConstText::new()
                    .text("enum `")
                    .text(name)
                    .text("` is ")
                    .bytes(size)
                    .text(", but its `repr` says ")
                    .bytes(integer),
            );
        }
    }

    /// Refuses a flag that is not a single bit.
    #[track_caller]
    pub const fn check_flag(flags: &str, flag: &str, value: u64) {
        if !value.is_power_of_two() {
            refuse(
                ConstText::new()
                    .text("flag `")
                    .text(flag)
                    .text("` of `")
                    .text(flags)
                    .text("` is ")
                    .signed(value as i128)
                    .text("; a flag is a single bit: 1, 2, 4, ..."),
            );
        }
    }

    /// Refuses a payload that is aligned to more than the widest tag.
    #[track_caller]
    pub const fn check_payload_align(union: &str, variant: &str, payload: Field) {
        let align = payload.align;
        if align > 8 {
            refuse(
                ConstText::new()
                    .text("variant `")
                    .text(variant)
                    .text("` of `")
                    .text(union)
                    .text("` is aligned to ")
                    .bytes(align)
                    .text("; payloads of a tagged union are aligned to at most 8 bytes"),
            );
        }
    }

    /// The layout fingerprint.
    #[must_use]
    pub const fn layout_of(message: &StructDescriptor) -> u64 {
        layout_of(message)
    }

    /// The schema fingerprint.
    #[must_use]
    pub const fn schema_of(message: &StructDescriptor) -> u64 {
        schema_of(message)
    }

    /// Refuses bytes that are not as many as the value has.
    #[inline]
    pub fn expect_length(bytes: &[u8], size: usize) -> Result<(), InvalidValue> {
        expect_length(bytes, size)
    }

    /// Whether any bytes are valid for all of them.
    #[must_use]
    pub const fn always_valid(fields: &[Field]) -> bool {
        let mut index = 0;
        while index < fields.len() {
            if !fields[index].always_valid {
                return false;
            }
            index += 1;
        }
        true
    }

    /// Whether zeros are valid for all of them.
    #[must_use]
    pub const fn zero_is_valid(fields: &[Field]) -> bool {
        let mut index = 0;
        while index < fields.len() {
            if !fields[index].zero_is_valid {
                return false;
            }
            index += 1;
        }
        true
    }

    /// Refuses a message that opening a channel would refuse, for a reason that only all of its types together tell.
    #[track_caller]
    pub const fn check_schema(message: &'static StructDescriptor) {
        let exceeded = match limit_exceeded(message) {
            Some(exceeded) => exceeded,
            None => return,
        };
        refuse(
            ConstText::new()
                .text("message `")
                .text(message.name)
                .text("` has ")
                .number(exceeded.found as usize)
                .text(" ")
                .text(exceeded.what)
                .text("; the limit is ")
                .number(exceeded.limit as usize),
        );
    }
}

#[track_caller]
const fn refuse(text: ConstText) -> ! {
    panic!("{}", text.as_str());
}
