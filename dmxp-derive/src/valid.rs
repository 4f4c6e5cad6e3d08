//! Everything that is refused by what the tokens show, except attributes ([`crate::attr`]) and types ([`crate::field_type`]).

use std::collections::{HashMap, HashSet};

use proc_macro2::Span;
use syn::GenericParam;
use syn::spanned::Spanned;

use crate::ast::{Data, Field, Input, Shape, Variant};
use crate::attr::Repr;
use crate::errors::Errors;
use crate::field_type;

/// The largest alignment of a slot's payload.
const MAX_ALIGN: u32 = 64;

/// The largest tag of an enum with data: it has to fit the narrowest word.
const MAX_TAG: usize = 255;

/// The limits of `dmxp_schema::validate::limits`; a test of `dmxp` compares what both refuse.
pub(crate) const MAX_NAME: usize = 128;
const MAX_FIELDS: usize = 512;
const MAX_ALIASES: usize = 16;
const MAX_VALUES: usize = 4096;
const MAX_VARIANTS: usize = 255;

/// The integers that can represent an enum.
pub(crate) const INTEGERS: [&str; 8] = ["u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"];

pub(crate) fn check(input: &Input<'_>, errors: &mut Errors) {
    check_generics(input, errors);
    check_name(input.attributes.name.as_ref(), &input.original.ident, errors);
    match &input.data {
        Data::Message(fields) => check_message(input, fields, errors),
        Data::Enumeration(variants) => check_enumeration(input, variants, errors),
        Data::TaggedUnion(variants) => check_tagged_union(input, variants, errors),
        Data::Union => errors.at(
            input.original.ident.span(),
            "a `union` does not say which of its fields is stored; use `Tagged<E>` of an enum with data",
        ),
    }
}

/// Names are those of every language, so that an identifier with other letters needs another name. Names given are checked where they
/// are parsed.
fn check_name(given: Option<&syn::LitStr>, ident: &syn::Ident, errors: &mut Errors) {
    if given.is_some() {
        return;
    }
    let name = syn::ext::IdentExt::unraw(ident).to_string();
    if !name.is_ascii() {
        errors.at(
            ident.span(),
            format!("`{name}` cannot be a name in every language; give it another one there, of ASCII letters, digits and `_`: `#[dmxp(name = \"…\")]`"),
        );
    } else if name.len() > MAX_NAME {
        errors.at(
            ident.span(),
            format!("the name has {} bytes; the limit is {MAX_NAME}; give it a shorter one for other languages: `#[dmxp(name = \"…\")]`", name.len()),
        );
    }
}

/// Refuses more than the limit, at the first that is too much.
fn check_count<T>(
    all: &[T],
    limit: usize,
    of: &str,
    what: &str,
    cure: &str,
    span: impl Fn(&T) -> Span,
    errors: &mut Errors,
) {
    if let Some(first) = all.get(limit) {
        errors.at(
            span(first),
            format!("{of} has {} {what}; the limit is {limit}; {cure}", all.len()),
        );
    }
}

fn check_generics(input: &Input<'_>, errors: &mut Errors) {
    for parameter in &input.original.generics.params {
        match parameter {
            GenericParam::Lifetime(lifetime) => errors.on(
                lifetime,
                "a message cannot have lifetime parameters: it holds no references, they mean something in one process only",
            ),
            GenericParam::Type(ty) => errors
                .on(&ty.ident, "a message cannot have type parameters: other languages need one layout; write the type out"),
            GenericParam::Const(constant) => errors
                .on(&constant.ident, "a message cannot have const parameters: other languages need one layout; write the number out"),
        }
    }
}

fn check_message(input: &Input<'_>, fields: &[Field<'_>], errors: &mut Errors) {
    let ident = &input.original.ident;
    let syn::Data::Struct(data) = &input.original.data else {
        return;
    };
    check_message_repr(input, errors);
    match &data.fields {
        syn::Fields::Unnamed(unnamed) if !fields.is_empty() => {
            errors.on(
                unnamed,
                "the fields of a message need names, by which other languages read them: `struct Name { field: Type }`",
            );
        }
        _ if fields.is_empty() => errors.at(
            ident.span(),
            format!("message `{ident}` has no fields; it needs at least one"),
        ),
        _ => {}
    }
    check_count(
        fields,
        MAX_FIELDS,
        &format!("message `{ident}`"),
        "fields",
        "put some into a struct of their own, or into an array",
        |field| field.span,
        errors,
    );
    let version = input.attributes.version.map_or(1, |version| version.value);
    let mut names = Names::default();
    for field in fields {
        field_type::check(field.ty, errors);
        if let Some(since) = field.attributes.since.filter(|since| since.value > version) {
            let since_version = since.value;
            errors.at(
                since.span,
                format!(
                    "field `{}` says `since = {since_version}`, but the message is version {version}; \
                     add `#[dmxp(version = {since_version})]` to `{ident}`",
                    field.name(),
                ),
            );
        }
        check_count(
            &field.attributes.aliases,
            MAX_ALIASES,
            &format!("field `{}`", field.name()),
            "aliases",
            "remove the oldest",
            Spanned::span,
            errors,
        );
        if let Some(ident) = field.ident {
            check_name(field.attributes.name.as_ref(), ident, errors);
            names.add(
                field.name(),
                field.attributes.name.as_ref().map_or(field.span, Spanned::span),
                "field",
                errors,
            );
        }
    }
    // After all names, so that the alias is what gets marked.
    for alias in fields.iter().flat_map(|field| &field.attributes.aliases) {
        names.add(alias.value(), alias.span(), "field", errors);
    }
}

fn check_message_repr(input: &Input<'_>, errors: &mut Errors) {
    let ident = &input.original.ident;
    let attributes = &input.attributes;
    for Repr { hint, argument } in &attributes.repr {
        match (hint.to_string().as_str(), argument) {
            ("packed", _) => errors.at(
                hint.span(),
                "a packed message cannot be borrowed in place: its fields are not aligned; remove `packed` and order the fields by size",
            ),
            ("transparent" | "Rust" | "simd", _) => {
                errors.at(hint.span(), format!("`repr({hint})` does not fix the layout of a message; use `#[repr(C)]`"));
            }
            ("align", Some(argument)) if argument.base10_parse::<u32>().is_ok_and(|align| align > MAX_ALIGN) => errors
                .on(argument, format!("message `{ident}` is aligned to {argument} bytes; the limit is {MAX_ALIGN} bytes")),
            _ => {}
        }
    }
    let other = ["transparent", "Rust", "simd"]
        .iter()
        .any(|hint| attributes.repr(hint).is_some());
    if attributes.repr("C").is_none() && !other && !attributes.is_sugared {
        errors.at(
            ident.span(),
            format!("message `{ident}` needs `#[repr(C)]`: without it the order of its fields is up to the compiler"),
        );
    }
}

fn check_enumeration(input: &Input<'_>, variants: &[Variant<'_>], errors: &mut Errors) {
    let ident = &input.original.ident;
    if variants.is_empty() {
        errors.at(
            ident.span(),
            format!("enum `{ident}` has no values; it needs at least one"),
        );
    }
    let mut integer = false;
    for Repr { hint, argument } in &input.attributes.repr {
        match hint.to_string().as_str() {
            name if INTEGERS.contains(&name) => {
                integer = true;
                if input.attributes.flags.is_some() && name.starts_with('i') {
                    errors.at(hint.span(), format!("flags are bits; use `#[repr(u{})]`", &name[1..]));
                }
            }
            name @ ("usize" | "isize") => {
                integer = true;
                errors.at(
                    hint.span(),
                    format!("`repr({name})` differs between machines; use one of `u8`, `u16`, `u32`, `u64`, `i8`, `i16`, `i32`, `i64`"),
                );
            }
            name @ ("u128" | "i128") => {
                integer = true;
                errors.at(
                    hint.span(),
                    format!(
                        "`repr({name})` is wider than an enum of a message can be; use `{}64`",
                        &name[..1]
                    ),
                );
            }
            "C" => {
                integer = true;
                errors.at(
                    hint.span(),
                    "`repr(C)` leaves the size of an enum to the platform; use `#[repr(u8)]` or a wider integer",
                );
            }
            "align" => errors.on(
                argument,
                "an enum of a message is aligned like its integer; remove `align`",
            ),
            _ => {}
        }
    }
    if !integer {
        errors.at(
            ident.span(),
            format!("enum `{ident}` needs `#[repr(u8)]` or a wider integer: without it its size is up to the compiler"),
        );
    }
    check_count(
        variants,
        MAX_VALUES,
        &format!("enum `{ident}`"),
        "values",
        "store the number itself",
        |variant| variant.ident.span(),
        errors,
    );
    check_variant_names(variants, errors);
    for variant in variants {
        if let Shape::Other(span) = variant.shape {
            errors.at(span, format!("write the variant without brackets: `{}`", variant.ident));
        }
    }
}

fn check_tagged_union(input: &Input<'_>, variants: &[Variant<'_>], errors: &mut Errors) {
    if let Some(flags) = input.attributes.flags {
        errors.at(flags, "an enum with data is not a set of flags; remove `flags`");
    }
    let name = format!("enum `{}`", input.original.ident);
    check_count(
        variants,
        MAX_VARIANTS,
        &name,
        "variants",
        "divide it into two",
        |variant| variant.ident.span(),
        errors,
    );
    check_variant_names(variants, errors);
    let mut tags = HashMap::new();
    for (variant, tag) in variants.iter().zip(tags_of(variants)) {
        match variant.shape {
            Shape::Unit => {}
            Shape::Payload(ty) => field_type::check(ty, errors),
            Shape::Other(span) => errors.at(
                span,
                format!(
                    "variant `{}` may hold one value without a name, `{0}(Type)`, or none; put several into a struct that derives `DmxpMessage`",
                    variant.ident
                ),
            ),
        }
        if let Some(value) = variant.discriminant {
            errors.on(
                value,
                "the tag of a variant is stored, not its discriminant; use `#[dmxp(tag = N)]`",
            );
        }
        if tag as usize > MAX_TAG && variants.len() <= MAX_VARIANTS {
            errors.at(
                variant.ident.span(),
                format!(
                    "variant `{}` would have tag {tag}; tags are 1 to {MAX_TAG}",
                    variant.ident
                ),
            );
        }
        if let Some(other) = tags.insert(tag, variant.ident) {
            let span = variant
                .attributes
                .tag
                .map_or_else(|| variant.ident.span(), |tag| tag.span);
            errors.at(span, format!("tag {tag} is taken by variant `{other}`"));
        }
    }
}

/// The tags: as given, else one more than the one before, the first being 1.
pub(crate) fn tags_of(variants: &[Variant<'_>]) -> Vec<u32> {
    let mut next = 1;
    variants
        .iter()
        .map(|variant| {
            let tag = variant.attributes.tag.map_or(next, |tag| tag.value);
            next = tag + 1;
            tag
        })
        .collect()
}

fn check_variant_names(variants: &[Variant<'_>], errors: &mut Errors) {
    let mut names = Names::default();
    for variant in variants {
        let span = variant
            .attributes
            .name
            .as_ref()
            .map_or_else(|| variant.ident.span(), Spanned::span);
        check_name(variant.attributes.name.as_ref(), variant.ident, errors);
        names.add(variant.name(), span, "variant", errors);
    }
}

/// Names that must differ.
#[derive(Default)]
struct Names {
    seen: HashSet<String>,
}

impl Names {
    fn add(&mut self, name: String, span: Span, what: &str, errors: &mut Errors) {
        if let Some(name) = self.seen.replace(name) {
            errors.at(span, format!("another {what} is called `{name}` already"));
        }
    }
}
