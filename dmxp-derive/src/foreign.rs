//! `#[dmxp::message(zerocopy)]` and `#[dmxp::message(bytemuck)]`: the traits of those crates for a message or a closed enum.

use proc_macro2::{TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, LitStr};

use crate::errors::Errors;
use crate::sugar::types;

/// What was asked for.
#[derive(Default)]
pub(crate) struct Foreign {
    zerocopy: Option<Any>,
    bytemuck: Option<Any>,
}

/// Whether any bytes are to be a value.
#[derive(Clone, Copy, PartialEq)]
enum Any {
    Bytes,
    ValidBytes,
}

/// Takes what this module deals with out of the arguments.
pub(crate) fn split(arguments: TokenStream, errors: &mut Errors) -> (TokenStream, Foreign) {
    let (mut rest, mut foreign) = (TokenStream::new(), Foreign::default());
    let mut entries = vec![Vec::new()];
    for tree in arguments {
        match &tree {
            TokenTree::Punct(punct) if punct.as_char() == ',' => entries.push(Vec::new()),
            _ => entries.last_mut().expect("there is one").push(tree),
        }
    }
    for entry in entries.into_iter().filter(|entry| !entry.is_empty()) {
        let name = entry[0].to_string();
        let (place, word) = match name.as_str() {
            "zerocopy" => (&mut foreign.zerocopy, "try"),
            "bytemuck" => (&mut foreign.bytemuck, "no_uninit"),
            _ => {
                let entry = entry.into_iter().collect::<TokenStream>();
                rest.extend(quote!(#entry,));
                continue;
            }
        };
        let value = entry
            .get(2..)
            .unwrap_or_default()
            .iter()
            .cloned()
            .collect::<TokenStream>();
        match syn::parse2::<LitStr>(value.clone()) {
            _ if entry.len() == 1 => *place = Some(Any::Bytes),
            Ok(text) if text.value() == word => *place = Some(Any::ValidBytes),
            _ => errors.at(
                entry[0].span(),
                format!("`{name}` takes no value, or `{name} = \"{word}\"`"),
            ),
        }
    }
    (rest, foreign)
}

/// Attributes for the item, and items beside it.
pub(crate) fn expand(foreign: &Foreign, dmxp: &TokenStream, item: &DeriveInput) -> (TokenStream, TokenStream) {
    let is_enum = matches!(item.data, Data::Enum(_));
    let attributes = foreign.zerocopy.map(|any| {
        let zerocopy = quote!(#dmxp::__private::zerocopy);
        // As the crate's attribute wants it: without the colons before it.
        let path = zerocopy.to_string().replace(' ', "");
        let path = path.trim_start_matches(':');
        let from = match any {
            Any::Bytes if !is_enum => quote!(#zerocopy::FromBytes),
            _ => quote!(#zerocopy::TryFromBytes),
        };
        quote! {
            #[derive(#from, #zerocopy::IntoBytes, #zerocopy::Immutable, #zerocopy::KnownLayout)]
            #[zerocopy(crate = #path)]
        }
    });
    let items = foreign.bytemuck.map(|any| {
        let bytemuck = quote!(#dmxp::__private::bytemuck);
        if is_enum {
            checked(dmxp, &bytemuck, item)
        } else {
            plain(any, &bytemuck, item)
        }
    });
    (attributes.unwrap_or_default(), items.unwrap_or_default())
}

/// A message has no padding, or its derive refuses it; so what holds for all its fields holds for it.
fn plain(any: Any, bytemuck: &TokenStream, item: &DeriveInput) -> TokenStream {
    let ident = &item.ident;
    let types = types(item);
    let asked = match any {
        Any::Bytes => quote!(Pod),
        Any::ValidBytes => quote!(NoUninit),
    };
    // Where a field has it not, this says so, on its type.
    let checks = types.iter().map(|ty| quote_spanned!(ty.span()=> has::<#ty>();));
    let zeroable = (any == Any::Bytes).then(|| {
        quote! {
            #[automatically_derived]
            unsafe impl #bytemuck::Zeroable for #ident where #(for<'__dmxp> #types: #bytemuck::Zeroable,)* {}
        }
    });
    quote! {
        #zeroable
        #[automatically_derived]
        unsafe impl #bytemuck::#asked for #ident where #(for<'__dmxp> #types: #bytemuck::#asked,)* {}
        // Whatever the derive was: no byte belongs to nothing.
        const _: () = ::core::assert!(
            ::core::mem::size_of::<#ident>() == 0 #(+ ::core::mem::size_of::<#types>())*,
            "a message with padding has bytes that nobody may look at"
        );
        const _: fn() = || {
            fn has<T: #bytemuck::#asked>() {}
            #(#checks)*
        };
    }
}

/// A closed enum: its integer, of which some are values.
fn checked(dmxp: &TokenStream, bytemuck: &TokenStream, item: &DeriveInput) -> TokenStream {
    let ident = &item.ident;
    if !types(item).is_empty() {
        let text = "`bytemuck` has no traits for an enum with data; `Tagged<E>` of it is `Pod`";
        return quote_spanned!(ident.span()=> ::core::compile_error!(#text););
    }
    let enumeration = quote!(#dmxp::message::Enumeration);
    quote! {
        #[automatically_derived]
        unsafe impl #bytemuck::NoUninit for #ident where #ident: #enumeration {}
        #[automatically_derived]
        unsafe impl #bytemuck::CheckedBitPattern for #ident where #ident: #enumeration {
            type Bits = <#ident as #enumeration>::Raw;
            fn is_valid_bit_pattern(bits: &Self::Bits) -> bool {
                ::core::option::Option::is_some(&<#ident as #enumeration>::from_raw(*bits))
            }
        }
    }
}
