//! The macros of dmxp: `#[derive(DmxpMessage)]` and `#[dmxp::message]`.
//!
//! An input is parsed into a small syntax tree of our own (`ast`, `attr`), checked in one place (`valid`, `field_type`),
//! and expanded in another (`expand`). Every mistake that the tokens show is collected and reported at once, together with an
//! implementation that satisfies the compiler (`fallback`), so that one mistake gives one error. What only the compiler
//! knows, sizes and padding, is expanded to checks.

mod ast;
mod attr;
mod errors;
mod expand;
mod fallback;
mod field_type;
mod foreign;
mod manifest;
mod source;
mod sugar;
mod valid;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct a message, or an enum a field of one.
///
/// On a `repr(C)` struct with named fields: implements `dmxp::DmxpField` and `dmxp::DmxpMessage`.
/// On an enum without data, with `repr(u8)` or another fixed integer: implements `DmxpField` and `Enumeration`, and with
/// `#[dmxp(flags)]` also `Flag`.
/// On an enum with data, at most one value a variant: implements `TaggedUnion`, for `Tagged<E>`.
///
/// # Attributes
/// `#[dmxp(…)]` takes, on the type: `name = "…"`, `version = N` (structs), `flags` (enums), `crate = path::to::dmxp`; on a
/// field: `name = "…"`, `since = N`, `alias = "…"` (any number), `unit = "…"`; on a variant: `name = "…"`, `tag = N` (with data).
/// Doc comments become part of the descriptor.
///
/// # Errors
/// Anything whose bytes would not mean the same in another process or language: references, pointers, `usize`, types on the
/// heap, generics, missing `repr`, padding, more than 960 bytes, alignment above 64. Each error names the cure.
#[proc_macro_derive(DmxpMessage, attributes(dmxp))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::derive(&input).into()
}

/// Shorthand for `#[derive(Clone, Copy, Debug, DmxpMessage)]` and, on a struct, `#[repr(C)]`.
///
/// What the item already derives, above this attribute or below, is left out. It has a trait if all its fields do. Arguments are those of
/// `#[dmxp(…)]`: `#[dmxp::message(version = 2)]`, and with the features of those names `zerocopy` and `bytemuck`, which add the traits of
/// these crates; see `dmxp::interop`.
#[proc_macro_attribute]
pub fn message(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as DeriveInput);
    sugar::expand(arguments.into(), item).into()
}
