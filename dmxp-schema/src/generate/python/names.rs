//! Names that Python takes: for classes, their members and the values of enums.

use std::collections::HashSet;

use crate::generate::definitions::member_names;

/// `enum` gives names that begin with `_` a meaning of its own.
pub(super) fn value_names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let own: Vec<String> = names
        .map(|name| {
            if name.starts_with('_') {
                format!("v{name}")
            } else {
                name.to_owned()
            }
        })
        .collect();
    member_names(own.iter().map(String::as_str), is_refused_value)
}

/// Python changes names that begin with two underscores inside classes, ctypes uses names like `_fields_`.
pub(super) fn field_names<'a>(names: impl Iterator<Item = &'a str>, taken: impl Fn(&str) -> bool) -> Vec<String> {
    let special = |name: &str| name.starts_with("__") || (name.starts_with('_') && name.ends_with('_'));
    let own: Vec<String> = names
        .map(|name| {
            if special(name) {
                format!("f{name}")
            } else {
                name.to_owned()
            }
        })
        .collect();
    member_names(own.iter().map(String::as_str), |name| {
        is_refused_member(name) || taken(name)
    })
}

/// The name of the ctypes field behind a property.
pub(super) fn raw_name(member: &str, taken: &mut HashSet<String>) -> String {
    let mut raw = if member.starts_with('_') {
        format!("_raw{member}")
    } else {
        format!("_{member}")
    };
    let mut number = 2;
    while taken.contains(&raw) || raw.ends_with('_') || is_special_member(&raw) {
        raw = format!("_raw{number}_{member}_raw");
        number += 1;
    }
    taken.insert(raw.clone());
    raw
}

pub(super) fn datetime_name(member: &str, members: &[String]) -> String {
    let mut name = format!("{member}_datetime");
    while members.contains(&name) {
        name.push('_');
    }
    name
}

fn is_keyword(name: &str) -> bool {
    KEYWORDS.split_ascii_whitespace().any(|keyword| keyword == name)
}

/// Whether a class may have the name.
pub(super) fn is_free(name: &str) -> bool {
    !is_keyword(name) && !TAKEN.split_ascii_whitespace().any(|taken| taken == name) && !name.starts_with("__")
}

fn is_refused_member(name: &str) -> bool {
    is_keyword(name) || is_special_member(name)
}

fn is_special_member(name: &str) -> bool {
    MEMBERS.split_ascii_whitespace().any(|member| member == name)
}

fn is_refused_value(name: &str) -> bool {
    is_keyword(name) || VALUES.split_ascii_whitespace().any(|value| value == name)
}

const KEYWORDS: &str = "
    False None True and as assert async await break class continue def del elif else except finally for from global if
    import in is lambda nonlocal not or pass raise return try while with yield print exec
";

/// Names of the module that classes must not take.
const TAKEN: &str = "
    ctypes datetime enum sys numpy bool bytes chr ord int str list tuple len map type getattr hasattr isinstance zip
    enumerate property classmethod range self cls float Any ClassVar Iterable dict bytearray
    ImportError TypeError ValueError
    operator abs all bytes iter memoryview next object range repr slice staticmethod super OverflowError NotImplemented
    _check _plain _dtype _bool _str _open _datetime _put _INFINITE _F32_END
    _integer _u8 _u16 _u32 _u64 _i8 _i16 _i32 _i64 _timestamp _f32 _f64 _to_bool _to_char _to_bytes _to_str _items _exactly
    _member _instance _list _Items _array _overwrite _REFUSALS _named _Payload _finish _message _nullable _vector _union
";

/// Names of a class that fields must not take.
const MEMBERS: &str = "
    SCHEMA LAYOUT_FINGERPRINT SCHEMA_FINGERPRINT SIZE ALIGNMENT dtype from_buffer from_buffer_copy from_address from_param
    in_dll mro property classmethod ctypes datetime Any ClassVar Iterable
    _b_base_ _b_needsfree_ _objects _bytes
";

/// Names of an enum that values must not take.
const VALUES: &str =
    "name value names values mro real imag numerator denominator conjugate bit_length bit_count to_bytes
    from_bytes as_integer_ratio is_integer";
