//! From the syntax tree to the implementations and the checks that only the compiler can make.

mod enumeration;
mod message;
mod tagged_union;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{DeriveInput, Type};

use crate::ast::{Data, Input, field_constant};
use crate::errors::Errors;
use crate::{fallback, field_type, valid};

pub(crate) fn derive(original: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let input = Input::parse(original, &mut errors);
    valid::check(&input, &mut errors);
    let expanded = match errors.to_compile_errors() {
        Some(errors) => {
            let fallback = fallback::expand(&input);
            return quote!(#errors #fallback);
        }
        None => match &input.data {
            Data::Message(fields) => message::expand(&input, fields),
            Data::Enumeration(variants) => enumeration::expand(&input, variants),
            Data::TaggedUnion(variants) => tagged_union::expand(&input, variants),
            Data::Union => TokenStream::new(),
        },
    };
    let shareable = field_type::shareable(&input);
    // A block of its own, so that the constants in it have no names outside.
    quote! {
        #[doc(hidden)]
        #[allow(deprecated, clippy::all, clippy::pedantic)]
        const _: () = {
            #shareable
            #expanded
        };
    }
}

/// A check that the compiler makes when it knows the layout. It is reported at `span`.
fn check(span: Span, call: TokenStream) -> TokenStream {
    let span = located(span);
    quote_spanned!(span=> const _: () = #call;)
}

/// Reported at `span`, but resolved, and linted, as what it is: written by a macro.
fn located(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// What is known of a field or payload: its constant, and the checks of its type alone.
fn describe_field(input: &Input<'_>, index: usize, ty: &Type, owner: &str, part: &str) -> TokenStream {
    let private = input.private();
    let constant = field_constant(index);
    let tokens = field_type::without_self(ty, &input.original.ident);
    let description = field_type::describe(&tokens, ty, &private);
    let refusal = check(
        syn::spanned::Spanned::span(ty),
        quote!(#private::check_refusal(#owner, #part, #constant)),
    );
    quote! {
        const #constant: #private::Field = #description;
        #refusal
    }
}
