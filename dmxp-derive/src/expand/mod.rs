//! From the syntax tree to the implementations and the checks that only the compiler can make.

mod enumeration;
mod message;
mod tagged_union;

use proc_macro2::{Group, Span, TokenStream, TokenTree};
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
        #[allow(deprecated, long_running_const_eval, clippy::all, clippy::pedantic)]
        const _: () = {
            #shareable
            #expanded
        };
    }
}

/// A check that the compiler makes when it knows the layout. It is reported at `span`.
fn check(span: Span, call: TokenStream) -> TokenStream {
    // Located there, but resolved and linted as what it is: written by a macro.
    let span = Span::call_site().located_at(span);
    let call = respanned(call, span);
    quote_spanned!(span=> const _: () = #call;)
}

fn respanned(tokens: TokenStream, span: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|mut tree| {
            if let TokenTree::Group(group) = &mut tree {
                *group = Group::new(group.delimiter(), respanned(group.stream(), span));
            }
            // Constants of the expansion keep their hygiene.
            tree.set_span(tree.span().located_at(span));
            tree
        })
        .collect()
}

/// What is known of a field or payload: its constant, and the checks of its type alone.
fn describe_field(input: &Input<'_>, index: usize, ty: &Type, owner: &str, part: &str) -> TokenStream {
    let (private, expansion) = (input.private(), input.expansion());
    let constant = field_constant(index);
    let described = field_type::described(ty, input);
    let refusal = check(
        syn::spanned::Spanned::span(ty),
        quote!(#expansion::check_refusal(#owner, #part, #constant)),
    );
    quote! {
        const #constant: #private::Field = #described.field();
        #refusal
    }
}
