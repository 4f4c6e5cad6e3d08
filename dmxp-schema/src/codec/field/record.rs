//! A struct over its bytes: the message, or one in it.

use std::fmt;
use std::slice;

use super::error::{FieldError, FieldProblem, Target, no_field};
use super::path::{Step, steps};
use super::value::FieldValue;
use crate::model::{Field, Schema, Struct};

/// A whole message. `bytes` are as many as `root.size`, so that whatever lies in the valid `root` lies in them.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) root: &'a Struct,
    pub(super) bytes: &'a [u8],
}

/// A struct over its bytes; see the [module](super).
#[derive(Clone, Copy)]
pub struct Record<'a> {
    message: Message<'a>,
    definition: &'a Struct,
    /// Where it begins in the message.
    offset: usize,
}

impl<'a> Record<'a> {
    /// The message of that schema in `bytes`, which are exactly its bytes. They need no alignment.
    ///
    /// # Errors
    /// [`FieldProblem::Length`] if there are more or fewer bytes than the message has.
    pub fn new(schema: &'a Schema, bytes: &'a [u8]) -> Result<Self, FieldError> {
        let expected = schema.size() as usize;
        let root = schema.root();
        if bytes.len() != expected {
            let found = bytes.len();
            return Err(FieldError::new(String::new(), FieldProblem::Length { expected, found }));
        }
        Ok(Self::within(Message { root, bytes }, root, 0))
    }

    pub(super) fn within(message: Message<'a>, definition: &'a Struct, offset: usize) -> Self {
        Self {
            message,
            definition,
            offset,
        }
    }

    /// The struct's name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        &self.definition.name
    }

    /// The struct, with names, types and notes of its fields.
    #[must_use]
    pub fn definition(&self) -> &'a Struct {
        self.definition
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        &self.message.bytes[self.offset..self.offset + self.definition.size as usize]
    }

    /// A field by its name, or by an earlier one of its aliases; or what lies deeper, by a path such as `leg.side`, `legs[1].side`
    /// or, where a union stores that variant, `event.Price`.
    ///
    /// A path looks through what is nullable.
    ///
    /// # Errors
    /// [`FieldError`] when there is no such field or element, with the names that there are; when something nullable on the way is
    /// absent, or a union stores another variant.
    #[inline]
    pub fn field(&self, path: &str) -> Result<FieldValue<'a>, FieldError> {
        // No name has a mark of a path in it, so what is a name needs no taking apart.
        match self.definition.fields.iter().find(|field| field.name == path) {
            Some(field) => Ok(self.value_of(field)),
            None => self.follow(path),
        }
    }

    fn follow(&self, path: &str) -> Result<FieldValue<'a>, FieldError> {
        let mut steps = steps(path);
        let first = match steps.next() {
            Some(Ok(Step::Name(name))) => self.named(name)?,
            _ => return Err(self.error(FieldProblem::path(path))),
        };
        first.walk(steps, path)
    }

    /// All fields in their order, reserved ones too, each with its definition.
    #[must_use]
    pub fn fields(&self) -> Fields<'a> {
        Fields {
            record: *self,
            fields: self.definition.fields.iter(),
        }
    }

    /// The path that leads to it in the message, for example `legs[1]`; empty for the message itself.
    #[must_use]
    pub fn path(&self) -> String {
        self.message.path_to(Target::Struct(self.definition), self.offset)
    }

    pub(super) fn named(&self, name: &str) -> Result<FieldValue<'a>, FieldError> {
        let fields = &self.definition.fields;
        let found = fields.iter().find(|field| field.name == name).or_else(|| {
            fields
                .iter()
                .find(|field| field.aliases.iter().any(|alias| alias == name))
        });
        match found {
            Some(field) => Ok(self.value_of(field)),
            None => {
                let names = fields.iter().map(|field| field.name.as_str());
                Err(self.error(no_field(format!("struct {}", self.name()), "field", name, names)))
            }
        }
    }

    #[inline]
    fn value_of(&self, field: &'a Field) -> FieldValue<'a> {
        FieldValue::within(self.message, &field.ty, self.offset + field.offset as usize)
    }

    fn error(&self, problem: FieldProblem) -> FieldError {
        FieldError::new(self.path(), problem)
    }
}

impl<'a> IntoIterator for Record<'a> {
    type Item = (&'a Field, FieldValue<'a>);
    type IntoIter = Fields<'a>;

    fn into_iter(self) -> Fields<'a> {
        self.fields()
    }
}

/// The fields of a [`Record`], each with its definition.
#[derive(Clone)]
pub struct Fields<'a> {
    record: Record<'a>,
    fields: slice::Iter<'a, Field>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a Field, FieldValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.fields.next()?;
        Some((field, self.record.value_of(field)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.fields.size_hint()
    }
}

impl DoubleEndedIterator for Fields<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let field = self.fields.next_back()?;
        Some((field, self.record.value_of(field)))
    }
}

impl ExactSizeIterator for Fields<'_> {}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.clone().map(|(field, value)| (&field.name, value)))
            .finish()
    }
}
