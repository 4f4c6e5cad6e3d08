//! `#[dmxp::message]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{Attribute, Data, DeriveInput, Ident, Path, Token};

use crate::attr::{parse_repr, parsed_crate_path};

/// Adds what the item does not have yet.
pub(crate) fn expand(arguments: TokenStream, item: DeriveInput) -> TokenStream {
    let mut attributes = item.attrs.clone();
    if !arguments.is_empty() {
        // Checked by the derive, as if they had been written there.
        attributes.push(syn::parse_quote!(#[dmxp(#arguments)]));
    }
    let dmxp = match parsed_crate_path(&attributes) {
        Some(path) => quote!(#path),
        None => quote!(::dmxp),
    };
    let core = quote!(#dmxp::__private::core);
    let derives = [
        ("Clone", quote!(#core::clone::Clone)),
        ("Copy", quote!(#core::marker::Copy)),
        ("Debug", quote!(#core::fmt::Debug)),
        ("DmxpMessage", quote!(#dmxp::DmxpMessage)),
    ];
    let derived = derived(&item.attrs);
    let missing = derives
        .iter()
        .filter(|(name, _)| derived.iter().all(|derived| derived != name))
        .map(|(_, path)| path);
    let repr = needs_repr_c(&item).then(|| quote!(#[repr(C)]));
    let item = DeriveInput {
        attrs: attributes,
        ..item
    };
    // The derive comes before the attributes of the item: `#[dmxp(…)]` is known only after it.
    quote! {
        #[derive(#(#missing),*)]
        #repr
        #item
    }
}

/// The last segments of what the item derives.
fn derived(attributes: &[Attribute]) -> Vec<Ident> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("derive"))
        .filter_map(|attribute| {
            attribute
                .parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated)
                .ok()
        })
        .flatten()
        .filter_map(|path| path.segments.into_iter().next_back().map(|segment| segment.ident))
        .collect()
}

/// Structs without a representation of their own. `align` says nothing about the order of fields.
fn needs_repr_c(item: &DeriveInput) -> bool {
    let mut hints = item
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("repr"))
        .flat_map(parse_repr);
    matches!(item.data, Data::Struct(_)) && hints.all(|repr| repr.hint == "align" || repr.hint == "packed")
}
