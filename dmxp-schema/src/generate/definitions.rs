//! The definitions behind some schemas, each once, in an order in which each uses only earlier ones, with a name that no other
//! has.

use std::collections::{HashMap, HashSet};

use crate::model::{Enum, Schema, Struct, Type, Union};

/// A type that needs a definition of its own in the generated file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Definition<'a> {
    Struct(&'a Struct),
    /// An enum of which each value stands alone, closed or open.
    Enum(&'a Enum),
    Flags(&'a Enum),
    Union(&'a Union),
    Nullable(&'a Type),
    Vec(&'a Type, u32),
}

pub(super) struct Definitions<'a> {
    pub(super) list: Vec<(Definition<'a>, String)>,
    /// The name of the payload's type, by the name of the union.
    payloads: HashMap<String, String>,
    /// Every name given so far, in `list` or by [`Definitions::unique`].
    taken: HashSet<String>,
    permitted: fn(&str) -> bool,
}

impl<'a> Definitions<'a> {
    /// `permitted` tells whether the language takes a name for a type.
    pub(super) fn of(schemas: &'a [Schema], permitted: fn(&str) -> bool) -> Self {
        let mut all = Self {
            list: Vec::new(),
            payloads: HashMap::new(),
            taken: HashSet::new(),
            permitted,
        };
        for schema in schemas {
            all.add(Definition::Struct(schema.root()));
        }
        // Messages choose their names first: they are what the user asked for.
        let is_message = |definition: &Definition<'_>| matches!(definition, Definition::Struct(s) if schemas.iter().any(|schema| schema.root() == *s));
        for messages in [true, false] {
            for index in 0..all.list.len() {
                let definition = all.list[index].0;
                if is_message(&definition) != messages {
                    continue;
                }
                if let Definition::Struct(Struct { name, .. })
                | Definition::Enum(Enum { name, .. })
                | Definition::Flags(Enum { name, .. })
                | Definition::Union(Union { name, .. }) = definition
                {
                    all.list[index].1 = all.unique(name);
                }
            }
        }
        // The names of the others are made of the names of what they hold, which come earlier.
        for index in 0..all.list.len() {
            let name = match all.list[index].0 {
                Definition::Nullable(value) => format!("dmxp_nullable_{}", all.mangled(value)),
                Definition::Vec(element, capacity) => format!("dmxp_vec_{}_{capacity}", all.mangled(element)),
                Definition::Union(_) => {
                    let name = all.list[index].1.clone();
                    let payload = all.unique(&format!("{name}_payload"));
                    all.payloads.insert(name, payload);
                    continue;
                }
                _ => continue,
            };
            all.list[index].1 = all.unique(&name);
        }
        all
    }

    /// `name`, or if that is taken or not permitted, the first of `name_2`, `name_3`, … that is free.
    pub(super) fn unique(&mut self, name: &str) -> String {
        let mut candidate = name.to_owned();
        // A name that no number makes right is one that begins wrongly.
        let prefix = if (self.permitted)(&format!("{name}_2")) {
            ""
        } else {
            "x"
        };
        let mut number = 2;
        while !(self.permitted)(&candidate) || self.taken.contains(&candidate) {
            candidate = format!("{prefix}{name}_{number}");
            number += 1;
        }
        self.taken.insert(candidate.clone());
        candidate
    }

    /// The name of the type of a union's payload.
    pub(super) fn payload(&self, union: &str) -> String {
        self.payloads.get(union).cloned().unwrap_or_default()
    }

    pub(super) fn is_taken(&self, name: &str) -> bool {
        self.taken.contains(name)
    }

    pub(super) fn name(&self, definition: Definition<'_>) -> &str {
        let found = self.list.iter().find(|(known, _)| *known == definition);
        found.map_or("", |(_, name)| name)
    }

    fn add(&mut self, definition: Definition<'a>) {
        if self.list.iter().any(|(known, _)| *known == definition) {
            return;
        }
        match definition {
            Definition::Struct(s) => s.fields.iter().for_each(|field| self.add_type(&field.ty)),
            Definition::Union(u) => u
                .variants
                .iter()
                .filter_map(|v| v.ty.as_ref())
                .for_each(|ty| self.add_type(ty)),
            Definition::Nullable(ty) | Definition::Vec(ty, _) => self.add_type(ty),
            Definition::Enum(_) | Definition::Flags(_) => {}
        }
        self.list.push((definition, String::new()));
    }

    fn add_type(&mut self, ty: &'a Type) {
        match ty {
            Type::Array { element, .. } => self.add_type(element),
            Type::Vec { element, capacity } => self.add(Definition::Vec(element, *capacity)),
            Type::Nullable(value) => self.add(Definition::Nullable(value)),
            Type::Struct(s) => self.add(Definition::Struct(s)),
            Type::Enum(e) | Type::OpenEnum(e) => self.add(Definition::Enum(e)),
            Type::Flags(e) => self.add(Definition::Flags(e)),
            Type::Union(u) => self.add(Definition::Union(u)),
            _ => {}
        }
    }

    /// A type as part of a name.
    pub(super) fn mangled(&self, ty: &Type) -> String {
        match ty {
            Type::Bytes(len) => format!("bytes{len}"),
            Type::Str(len) => format!("str{len}"),
            Type::Reserved(len) => format!("reserved{len}"),
            Type::Array { element, len } => format!("array_{}_{len}", self.mangled(element)),
            Type::Vec { element, capacity } => format!("vec_{}_{capacity}", self.mangled(element)),
            Type::Nullable(value) => format!("nullable_{}", self.mangled(value)),
            Type::Struct(s) => self.name(Definition::Struct(s)).to_owned(),
            // Open and closed enums are read differently, though they may share a definition.
            Type::Enum(e) => self.name(Definition::Enum(e)).to_owned(),
            Type::OpenEnum(e) => format!("open_{}", self.name(Definition::Enum(e))),
            Type::Flags(e) => self.name(Definition::Flags(e)).to_owned(),
            Type::Union(u) => self.name(Definition::Union(u)).to_owned(),
            scalar => crate::text::type_name(scalar),
        }
    }
}

/// Names for the members of one struct or union: their own, with `_` added to those that `refused` turns down. No two are
/// the same, and none is taken from a member that could keep its own.
pub(super) fn member_names<'a>(names: impl Iterator<Item = &'a str>, refused: impl Fn(&str) -> bool) -> Vec<String> {
    let own: Vec<&str> = names.collect();
    let mut given = HashSet::new();
    own.iter()
        .map(|&name| {
            let mut candidate = name.to_owned();
            while refused(&candidate)
                || (candidate != name && own.contains(&candidate.as_str()))
                || given.contains(&candidate)
            {
                candidate.push('_');
            }
            given.insert(candidate.clone());
            candidate
        })
        .collect()
}

/// `MarketTick` and `market_tick` as `MARKET_TICK`.
pub(super) fn screaming(name: &str) -> String {
    let mut out = String::new();
    let chars: Vec<char> = name.chars().collect();
    for (index, &c) in chars.iter().enumerate() {
        let after_lower = index > 0 && (chars[index - 1].is_ascii_lowercase() || chars[index - 1].is_ascii_digit());
        let word_starts = index > 0
            && chars[index - 1].is_ascii_uppercase()
            && chars.get(index + 1).is_some_and(char::is_ascii_lowercase);
        if c.is_ascii_uppercase() && (after_lower || word_starts) {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

/// A comment's text: no control characters, and none of those that reorder text.
pub(super) fn comment_lines(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().map(|line| {
        let clean = |c: char| match c {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}' => ' ',
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => ' ',
            c => c,
        };
        line.chars().map(clean).collect::<String>().trim_end().to_owned()
    })
}

/// The notes of a field as lines of a comment.
pub(super) fn field_notes(field: &crate::model::Field) -> Vec<String> {
    let mut lines: Vec<String> = comment_lines(&field.doc).collect();
    if !field.unit.is_empty() {
        lines.extend(comment_lines(&field.unit).take(1).map(|unit| format!("Unit: {unit}.")));
    }
    if field.since != 1 {
        lines.push(format!("Since version {}.", field.since));
    }
    if !field.aliases.is_empty() {
        lines.push(format!("Earlier names: {}.", field.aliases.join(", ")));
    }
    lines
}
