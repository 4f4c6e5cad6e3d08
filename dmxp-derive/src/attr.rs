//! Attributes: `#[dmxp(…)]`, `#[repr(…)]` and doc comments.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, ExprPath, Ident, Lit, LitInt, LitStr, Meta, Path, Token};

use crate::errors::Errors;
use crate::valid::MAX_NAME;

/// Attributes of a struct or enum.
#[derive(Default)]
pub(crate) struct TypeAttributes {
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<Number>,
    pub(crate) flags: Option<Span>,
    pub(crate) dmxp: Option<Path>,
    pub(crate) repr: Vec<Repr>,
    /// Whether `#[dmxp::message]`, which comes later, says `repr(C)` if nothing else is said.
    pub(crate) is_sugared: bool,
    pub(crate) docs: Docs,
}

/// Attributes of a field.
#[derive(Default)]
pub(crate) struct FieldAttributes {
    pub(crate) name: Option<LitStr>,
    pub(crate) since: Option<Number>,
    pub(crate) unit: Option<LitStr>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) docs: Docs,
}

/// Attributes of a variant.
#[derive(Default)]
pub(crate) struct VariantAttributes {
    pub(crate) name: Option<LitStr>,
    pub(crate) tag: Option<Number>,
    pub(crate) docs: Docs,
}

/// A number and where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Number {
    pub(crate) value: u32,
    pub(crate) span: Span,
}

/// One representation hint: `C`, `u8`, `align(64)`.
pub(crate) struct Repr {
    pub(crate) hint: Ident,
    pub(crate) argument: Option<LitInt>,
}

/// The doc comment, lines joined.
#[derive(Default)]
pub(crate) struct Docs {
    lines: Vec<String>,
}

impl Docs {
    pub(crate) fn text(&self) -> String {
        self.lines.join("\n").trim().to_owned()
    }

    fn parse(&mut self, attribute: &Attribute) {
        // Not a literal in `#[doc = include_str!(…)]`, nor in `#[doc(hidden)]`: no note.
        if let Meta::NameValue(meta) = &attribute.meta
            && let Expr::Lit(ExprLit {
                lit: Lit::Str(text), ..
            }) = &meta.value
        {
            self.lines.extend(
                text.value()
                    .lines()
                    .map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned()),
            );
            if text.value().is_empty() {
                self.lines.push(String::new());
            }
        }
    }
}

impl TypeAttributes {
    pub(crate) fn parse(attributes: &[Attribute], data: &syn::Data, errors: &mut Errors) -> Self {
        let place = match data {
            syn::Data::Enum(_) => Place {
                what: "an enum",
                keys: &["name", "flags", "crate"],
            },
            _ => Place {
                what: "a message",
                keys: &["name", "version", "crate"],
            },
        };
        let mut parsed = Self::default();
        for attribute in attributes {
            if attribute.path().is_ident("repr") {
                parsed.repr.extend(parse_repr(attribute));
            } else if attribute.path().is_ident("doc") {
                parsed.docs.parse(attribute);
            }
            parsed.is_sugared |= is_message_attribute(attribute);
        }
        for entry in entries(attributes, &place, errors) {
            match entry.key.to_string().as_str() {
                "name" => parsed.name = entry.identifier(errors),
                "version" => parsed.version = entry.number(1, u32::MAX, errors),
                "flags" => {
                    entry.no_value(errors);
                    parsed.flags = Some(entry.key.span());
                }
                _ => parsed.dmxp = entry.path(errors),
            }
        }
        parsed
    }

    pub(crate) fn repr(&self, hint: &str) -> Option<&Repr> {
        self.repr.iter().find(|repr| repr.hint == hint)
    }
}

impl FieldAttributes {
    pub(crate) fn parse(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let place = Place {
            what: "a field",
            keys: &["name", "since", "alias", "unit"],
        };
        let mut parsed = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
            parsed.docs.parse(attribute);
        }
        for entry in entries(attributes, &place, errors) {
            match entry.key.to_string().as_str() {
                "name" => parsed.name = entry.identifier(errors),
                "since" => parsed.since = entry.number(1, u32::MAX, errors),
                "unit" => parsed.unit = entry.text(errors),
                _ => parsed.aliases.extend(entry.identifier(errors)),
            }
        }
        parsed
    }
}

impl VariantAttributes {
    pub(crate) fn parse(attributes: &[Attribute], tagged: bool, errors: &mut Errors) -> Self {
        let place = match tagged {
            true => Place {
                what: "a variant of an enum with data",
                keys: &["name", "tag"],
            },
            false => Place {
                what: "a variant of an enum without data",
                keys: &["name"],
            },
        };
        let mut parsed = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
            parsed.docs.parse(attribute);
        }
        for entry in entries(attributes, &place, errors) {
            match entry.key.to_string().as_str() {
                "name" => parsed.name = entry.identifier(errors),
                _ => parsed.tag = entry.number(1, 255, errors),
            }
        }
        parsed
    }
}

/// Where an attribute stands, and what may be said there.
struct Place {
    what: &'static str,
    keys: &'static [&'static str],
}

/// `key` or `key = value`.
struct Entry {
    key: Ident,
    value: Option<Expr>,
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        // `crate` is a keyword.
        let key = input.call(Ident::parse_any)?;
        let value = match input.parse::<Option<Token![=]>>()? {
            Some(_) => Some(input.parse()?),
            None => None,
        };
        Ok(Self { key, value })
    }
}

/// The entries of all `#[dmxp(…)]` that belong to the place. Others, and repeated ones, are errors.
fn entries(attributes: &[Attribute], place: &Place, errors: &mut Errors) -> Vec<Entry> {
    let mut entries = Vec::<Entry>::new();
    let with_entries = attributes.iter().filter(|attribute| {
        let is_sugar = matches!(attribute.meta, Meta::List(_)) && is_message_attribute(attribute);
        attribute.path().is_ident("dmxp") || is_sugar
    });
    for attribute in with_entries {
        let parsed = match attribute.parse_args_with(Punctuated::<Entry, Token![,]>::parse_terminated) {
            Ok(parsed) => parsed,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        for entry in parsed {
            let key = entry.key.to_string();
            if !place.keys.contains(&key.as_str()) {
                let keys = place
                    .keys
                    .iter()
                    .map(|key| format!("`{key}`"))
                    .collect::<Vec<_>>()
                    .join(", ");
                errors.on(
                    &entry.key,
                    format!("unknown attribute `{key}`; {} takes {keys}", place.what),
                );
            } else if key != "alias" && entries.iter().any(|other| other.key == entry.key) {
                errors.on(&entry.key, format!("`{key}` is given twice"));
            } else {
                entries.push(entry);
            }
        }
    }
    entries
}

impl Entry {
    fn text(&self, errors: &mut Errors) -> Option<LitStr> {
        if let Some(Expr::Lit(ExprLit {
            lit: Lit::Str(text), ..
        })) = &self.value
        {
            return Some(text.clone());
        }
        errors.at(self.span(), format!("`{0}` takes a text: `{0} = \"…\"`", self.key));
        None
    }

    /// A text that can name something in every language.
    fn identifier(&self, errors: &mut Errors) -> Option<LitStr> {
        let text = self.text(errors)?;
        let value = text.value();
        let starts_well = value
            .chars()
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
        if starts_well && value.chars().all(|rest| rest.is_ascii_alphanumeric() || rest == '_') {
            if value.len() > MAX_NAME {
                errors.on(
                    &text,
                    format!("the name has {} bytes; the limit is {MAX_NAME}", value.len()),
                );
            }
            return Some(text);
        }
        errors.on(
            &text,
            format!("\"{value}\" is not a name; use ASCII letters, digits and `_`, and no digit first"),
        );
        // What is wrong with it is said once.
        Some(text)
    }

    fn number(&self, min: u32, max: u32, errors: &mut Errors) -> Option<Number> {
        if let Some(Expr::Lit(ExprLit {
            lit: Lit::Int(number), ..
        })) = &self.value
            && let Some(value) = number.base10_parse().ok().filter(|value| (min..=max).contains(value))
        {
            return Some(Number {
                value,
                span: number.span(),
            });
        }
        errors.at(
            self.span(),
            format!("`{0}` takes a number from {min} to {max}: `{0} = {min}`", self.key),
        );
        None
    }

    fn path(&self, errors: &mut Errors) -> Option<Path> {
        match &self.value {
            Some(Expr::Path(ExprPath {
                attrs,
                qself: None,
                path,
            })) if attrs.is_empty() => return Some(path.clone()),
            Some(Expr::Lit(ExprLit {
                lit: Lit::Str(text), ..
            })) => match text.parse() {
                Ok(path) => return Some(path),
                Err(error) => errors.push(error),
            },
            _ => errors.at(
                self.span(),
                "`crate` takes the path of the crate `dmxp`: `crate = path::to::dmxp`",
            ),
        }
        None
    }

    fn no_value(&self, errors: &mut Errors) {
        if let Some(value) = &self.value {
            errors.on(value, format!("`{}` takes no value", self.key));
        }
    }

    fn span(&self) -> Span {
        self.value.as_ref().map_or_else(|| self.key.span(), Spanned::span)
    }
}

/// Whether an attribute is `#[dmxp::message]`. The derive sees it where it is derived above.
pub(crate) fn is_message_attribute(attribute: &Attribute) -> bool {
    let last = attribute.path().segments.last();
    last.is_some_and(|last| last.ident == "message")
}

/// The path that `#[dmxp(crate = …)]` gives, for `#[dmxp::message]`, which leaves errors to the derive.
pub(crate) fn parsed_crate_path(attributes: &[Attribute]) -> Option<Path> {
    let place = Place {
        what: "a message",
        keys: &["crate"],
    };
    let entries = entries(attributes, &place, &mut Errors::default());
    entries.first()?.path(&mut Errors::default())
}

/// The hints of a `#[repr(…)]`. What is malformed is left to the compiler, which says so itself.
pub(crate) fn parse_repr(attribute: &Attribute) -> Vec<Repr> {
    let mut hints = Vec::new();
    let _ = attribute.parse_nested_meta(|meta| {
        let Some(hint) = meta.path.get_ident().cloned() else {
            return Ok(());
        };
        let mut argument = None;
        if meta.input.peek(syn::token::Paren) {
            let content;
            syn::parenthesized!(content in meta.input);
            argument = content.parse().ok();
        }
        hints.push(Repr { hint, argument });
        Ok(())
    });
    hints
}
