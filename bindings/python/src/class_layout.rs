//! Whether the fields of a message class are what its SCHEMA says.

use dmxp_schema::model::{Field, Schema, Struct, Type};
use dmxp_schema::text::type_name;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple, PyType};

/// Fails if the ctypes fields of the class lie elsewhere, or are others, than its schema says.
pub(crate) fn check(class: &Bound<'_, PyType>, schema: &Schema) -> PyResult<()> {
    let py = class.py();
    let layout = py.import("dmxp.views")?.call_method1("layout", (class,))?;
    structure(schema.root(), &layout, "")
}

fn contradiction(path: &str, says: &str, found: &str) -> PyErr {
    let path = if path.is_empty() { "the message" } else { path };
    PyTypeError::new_err(format!("{path}: SCHEMA says {says}, the class has {found}"))
}

/// A member as `dmxp.views.layout` gives it: name, offset, and what it is.
type Member<'py> = (String, u32, u32, Bound<'py, PyAny>);

fn members<'py>(layout: &Bound<'py, PyAny>, ty: &str, path: &str) -> PyResult<Vec<Member<'py>>> {
    match layout.cast::<PyList>() {
        Ok(list) => list.extract(),
        Err(_) => Err(contradiction(path, ty, &shown(layout))),
    }
}

fn structure(s: &Struct, layout: &Bound<'_, PyAny>, path: &str) -> PyResult<()> {
    let members = members(layout, &s.name, path)?;
    let count = |count: usize| format!("{count} fields");
    if members.len() != s.fields.len() {
        return Err(contradiction(path, &count(s.fields.len()), &count(members.len())));
    }
    for (field, (name, offset, _, layout)) in s.fields.iter().zip(&members) {
        let path = match path {
            "" => field.name.clone(),
            path => format!("{path}.{}", field.name),
        };
        // Generated names are those of the schema, with something before or after them where Python asks for it.
        if !name.contains(&field.name) {
            return Err(contradiction(&path, &said(field), &format!("a field `{name}`")));
        }
        if *offset != field.offset {
            return Err(contradiction(&path, &said(field), &format!("it at {offset}")));
        }
        matches(&field.ty, layout, &path)?;
    }
    Ok(())
}

fn said(field: &Field) -> String {
    format!("`{}`, {} at {}", field.name, type_name(&field.ty), field.offset)
}

/// What ctypes has, for an error.
fn shown(layout: &Bound<'_, PyAny>) -> String {
    match layout.cast::<PyList>() {
        Ok(list) => format!("a structure of {} fields", list.len()),
        Err(_) => layout.repr().map_or_else(|_| "another".into(), |repr| repr.to_string()),
    }
}

/// The codes of ctypes for a number in so many bytes.
fn codes(signed: bool, size: u32) -> &'static str {
    match (signed, size) {
        (false, 1) => "B",
        (true, 1) => "b",
        (false, 2) => "H",
        (true, 2) => "h",
        (false, 4) => "I",
        (true, 4) => "i",
        (false, _) => "LQ",
        (true, _) => "lq",
    }
}

fn matches(ty: &Type, layout: &Bound<'_, PyAny>, path: &str) -> PyResult<()> {
    let codes = match ty {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::Char | Type::Flags(_) => codes(false, ty.size()),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Timestamp => codes(true, ty.size()),
        Type::Enum(e) | Type::OpenEnum(e) => codes(e.repr.is_signed(), ty.size()),
        Type::F32 => "f",
        Type::F64 => "d",
        Type::Bool => "B?",
        Type::Bytes(len) | Type::Str(len) | Type::Reserved(len) => return array(*len, ty, layout, path, None),
        Type::Array { element, len } => return array(*len, ty, layout, path, Some(element)),
        Type::Struct(s) => return structure(s, layout, path),
        Type::Nullable(value) => return counted(ty, value.align(), Some(value), layout, path),
        Type::Vec { element, capacity } => {
            let items = Type::Array {
                element: element.clone(),
                len: *capacity,
            };
            return counted(ty, Type::count_width(element), Some(&items), layout, path);
        }
        Type::Union(u) => {
            // Where a payload lies and how large it is; what it is, is the union's own.
            counted(ty, u.align, None, layout, path)?;
            let members = members(layout, &type_name(ty), path)?;
            let Some((_, _, _, payload)) = members.get(1) else {
                return Ok(());
            };
            let variants = u.variants.iter().filter(|variant| variant.ty.is_some());
            let payloads: Vec<Member<'_>> = payload.extract()?;
            for (variant, (name, offset, _, layout)) in variants.zip(&payloads) {
                let path = format!("{path}.{}", variant.name);
                if !name.contains(&variant.name) || *offset != 0 {
                    return Err(contradiction(&path, "that variant", &format!("`{name}` at {offset}")));
                }
                if let Some(ty) = &variant.ty {
                    matches(ty, layout, &path)?;
                }
            }
            return Ok(());
        }
    };
    match layout.cast::<PyString>() {
        Ok(code) if codes.contains(code.to_str()?) => Ok(()),
        _ => Err(contradiction(path, &type_name(ty), &shown(layout))),
    }
}

fn array(len: u32, ty: &Type, layout: &Bound<'_, PyAny>, path: &str, element: Option<&Type>) -> PyResult<()> {
    let other = || contradiction(path, &type_name(ty), &shown(layout));
    let Ok(tuple) = layout.cast::<PyTuple>() else {
        return Err(other());
    };
    let (found, each): (u32, Bound<'_, PyAny>) = tuple.extract()?;
    if found != len {
        return Err(other());
    }
    match (element, each.cast::<PyString>()) {
        (Some(element), _) => matches(element, &each, &format!("{path}[0]")),
        (None, Ok(code)) if matches!(code.to_str()?, "B" | "b" | "c") => Ok(()),
        (None, _) => Err(other()),
    }
}

/// A word of `width` bytes, and what follows.
fn counted(ty: &Type, width: u32, value: Option<&Type>, layout: &Bound<'_, PyAny>, path: &str) -> PyResult<()> {
    let members = members(layout, &type_name(ty), path)?;
    let other = || contradiction(path, &type_name(ty), &shown(layout));
    let [(_, 0, _, word), rest @ ..] = &members[..] else {
        return Err(other());
    };
    match word.cast::<PyString>() {
        Ok(code) if codes(false, width).contains(code.to_str()?) => {}
        _ => return Err(other()),
    }
    match (value, rest.first()) {
        (Some(value), Some((_, offset, _, layout))) if *offset == width => matches(value, layout, path),
        (Some(_), _) => Err(other()),
        (None, Some((_, offset, size, _))) if *offset != width || *size + width != ty.size() => Err(other()),
        (None, _) => Ok(()),
    }
}
