//! Names and indexes that lead to a part of a message: taken apart, and found again for an error.

use std::ptr;

use super::error::Target;
use super::list::BYTE;
use super::record::Message;
use super::variant::stored;
use crate::codec::word::read_word;
use crate::model::{Struct, Type};

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'p> {
    Name(&'p str),
    Index(usize),
}

/// The text at this position is no step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoStep;

/// Names with `.` between them, `[number]` behind a name or another index, or first. There is at least one step, or an error.
pub(super) fn steps(path: &str) -> impl Iterator<Item = Result<Step<'_>, NoStep>> {
    let mut rest = Some(path);
    let mut first = true;
    std::iter::from_fn(move || {
        let text = rest.take()?;
        if text.is_empty() && !first {
            return None;
        }
        let (step, after) = match step(text, first) {
            Ok(found) => found,
            Err(error) => return Some(Err(error)),
        };
        first = false;
        rest = Some(after);
        Some(Ok(step))
    })
}

fn step(text: &str, first: bool) -> Result<(Step<'_>, &str), NoStep> {
    if let Some(inside) = text.strip_prefix('[') {
        let (digits, after) = inside.split_once(']').ok_or(NoStep)?;
        // `parse` would take a sign.
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NoStep);
        }
        return Ok((Step::Index(digits.parse().map_err(|_| NoStep)?), after));
    }
    let text = if first {
        text
    } else {
        text.strip_prefix('.').ok_or(NoStep)?
    };
    let is_mark = |byte| byte == b'.' || byte == b'[';
    let end = text.bytes().position(is_mark).unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    if name.is_empty() {
        return Err(NoStep);
    }
    Ok((Step::Name(name), after))
}

impl Message<'_> {
    /// The path to what begins at `offset`. Values do not carry their path; only an error asks for it.
    pub(super) fn path_to(&self, target: Target<'_>, offset: usize) -> String {
        let mut path = String::new();
        if let Target::Struct(s) = target
            && ptr::eq(s, self.root)
        {
            return path;
        }
        let Some((mut ty, mut at)) = enter(self.root, 0, offset, &mut path) else {
            return path;
        };
        loop {
            let found = match target {
                Target::Type(wanted) => ptr::eq(wanted, ty),
                Target::Struct(wanted) => matches!(ty, Type::Struct(s) if ptr::eq(&**s, wanted)),
            };
            if found && at == offset {
                return path;
            }
            // Each turn goes one level down, and a valid schema has few.
            let inner = match ty {
                Type::Bytes(_) => {
                    path += &format!("[{}]", offset - at);
                    Some((&BYTE, offset))
                }
                Type::Array { element, .. } => Some(enter_element(element, at, offset, &mut path)),
                Type::Vec { element, .. } => {
                    let items = at + Type::count_width(element) as usize;
                    (offset >= items).then(|| enter_element(element, items, offset, &mut path))
                }
                Type::Nullable(value) => Some((&**value, at + value.align() as usize)),
                Type::Struct(s) => enter(s, at, offset, &mut path),
                Type::Union(u) => {
                    let payload = at + u.align as usize;
                    let variant = stored(u, read_word(&self.bytes[at..payload]));
                    variant.and_then(|variant| {
                        path += &format!(".{}", variant.name);
                        Some((variant.ty.as_ref()?, payload))
                    })
                }
                _ => None,
            };
            match inner {
                Some(inner) if inner.1 <= offset => (ty, at) = inner,
                _ => return path,
            }
        }
    }
}

/// The field of `s` at `offset`, and where it begins, if `s` begins at `start`.
fn enter<'s>(s: &'s Struct, start: usize, offset: usize, path: &mut String) -> Option<(&'s Type, usize)> {
    let field = s
        .fields
        .iter()
        .rev()
        .find(|field| start + field.offset as usize <= offset)?;
    if !path.is_empty() {
        path.push('.');
    }
    *path += &field.name;
    Some((&field.ty, start + field.offset as usize))
}

fn enter_element<'s>(element: &'s Type, start: usize, offset: usize, path: &mut String) -> (&'s Type, usize) {
    let size = element.size() as usize;
    let index = (offset - start) / size;
    *path += &format!("[{index}]");
    (element, start + index * size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_names_with_dots_and_indexes_in_brackets_and_nothing_else() {
        let parse = |path| steps(path).collect::<Result<Vec<_>, _>>();
        assert_eq!(parse("a"), Ok(vec![Step::Name("a")]));
        assert_eq!(
            parse("legs[12][0].side"),
            Ok(vec![
                Step::Name("legs"),
                Step::Index(12),
                Step::Index(0),
                Step::Name("side")
            ])
        );
        assert_eq!(parse("[3].x"), Ok(vec![Step::Index(3), Step::Name("x")]));
        for wrong in [
            "",
            ".",
            ".a",
            "a.",
            "a..b",
            "a[",
            "a[]",
            "a[-1]",
            "a[+1]",
            "a[1",
            "a[1]b",
            "a.[1]",
            "a[99999999999999999999999]",
            "[",
            "]",
            "a[1].",
        ] {
            // A name takes whatever is no mark; that there is no such field is found later.
            let outcome = parse(wrong);
            assert!(outcome.is_err() || wrong == "]", "{wrong:?}: {outcome:?}");
        }
    }
}
