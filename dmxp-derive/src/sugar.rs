//! `#[dmxp::message]`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{Attribute, Data, DeriveInput, Fields, Path, Token};

use crate::ast::{crate_path, local};
use crate::attr::{parse_repr, parsed_crate_path};
use crate::errors::Errors;
use crate::field_type::without_self;
use crate::{foreign, source};

/// Adds what the item does not have yet.
pub(crate) fn expand(arguments: TokenStream, mut item: DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let (arguments, foreign) = foreign::split(arguments, &mut errors);
    let mut attributes = item.attrs.clone();
    if !arguments.is_empty() {
        // Checked by the derive, as if they had been written there.
        attributes.push(syn::parse_quote!(#[dmxp(#arguments)]));
    }
    let dmxp = crate_path(parsed_crate_path(&attributes).as_ref());
    let mut derived = derived(&item.attrs);
    // Derives above this attribute were taken off the item before it came here.
    let above = source::derived_above(Span::call_site());
    if above.iter().any(|name| name == "DmxpMessage") {
        // It has been expanded, and nothing below knows its attributes.
        remove_attributes(&mut item, &mut attributes);
    }
    derived.extend(above);
    let is_missing = |name: &str| derived.iter().all(|derived| derived != name);
    let derive = is_missing("DmxpMessage").then(|| quote!(#[derive(#dmxp::DmxpMessage)]));
    let traits = [
        is_missing("Clone").then(|| clone(&item)),
        is_missing("Copy").then(|| copy(&item)),
        is_missing("Debug").then(|| debug(&item)),
    ];
    let repr = needs_repr_c(&item).then(|| quote!(#[repr(C)]));
    let (foreign_attributes, foreign_items) = foreign::expand(&foreign, &dmxp, &item);
    let errors = errors.to_compile_errors();
    let item = DeriveInput {
        attrs: attributes,
        ..item
    };
    // The derive comes before the attributes of the item: `#[dmxp(…)]` is known only after it.
    quote! {
        #errors
        #derive
        #repr
        #foreign_attributes
        #item
        #(#traits)*
        #foreign_items
    }
}

/// Removes `#[dmxp(…)]` everywhere.
fn remove_attributes(item: &mut DeriveInput, attributes: &mut Vec<Attribute>) {
    let is_other = |attribute: &Attribute| !attribute.path().is_ident("dmxp");
    attributes.retain(is_other);
    let variants = match &mut item.data {
        Data::Struct(data) => {
            data.fields.iter_mut().for_each(|field| field.attrs.retain(is_other));
            return;
        }
        Data::Enum(data) => &mut data.variants,
        Data::Union(_) => return,
    };
    for variant in variants {
        variant.attrs.retain(is_other);
        variant.fields.iter_mut().for_each(|field| field.attrs.retain(is_other));
    }
}

/// The last segments of what the item derives.
fn derived(attributes: &[Attribute]) -> Vec<String> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("derive"))
        .filter_map(|attribute| {
            attribute
                .parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated)
                .ok()
        })
        .flatten()
        .filter_map(|path| {
            path.segments
                .into_iter()
                .next_back()
                .map(|segment| segment.ident.to_string())
        })
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

/// `Clone`, `Copy` and `Debug` as their derives would write them, but that a field which has none is no error here: the error that says
/// what to do about the field is the derive's. The item has the trait if all fields have it. The binder, which nothing uses, keeps the
/// compiler from looking into that here.
fn implementation(item: &DeriveInput, bound: &TokenStream, header: TokenStream, body: TokenStream) -> TokenStream {
    let ident = &item.ident;
    let (generics, arguments, clause) = item.generics.split_for_impl();
    let types = types(item);
    let bounds = clause.map(|clause| {
        let predicates = clause.predicates.iter();
        quote!(#(#predicates,)*)
    });
    quote! {
        #[automatically_derived]
        #[allow(deprecated, clippy::all, clippy::pedantic)]
        impl #generics #header for #ident #arguments
        where
            #bounds
            #(for<'__dmxp> #types: #bound,)*
        {
            #body
        }
    }
}

fn clone(item: &DeriveInput) -> TokenStream {
    // All fields are `Copy`, as they have to be for `Copy` beside it.
    implementation(
        item,
        &quote!(::core::marker::Copy),
        quote!(::core::clone::Clone),
        quote! {
            #[inline]
            fn clone(&self) -> Self {
                *self
            }
        },
    )
}

fn copy(item: &DeriveInput) -> TokenStream {
    implementation(
        item,
        &quote!(::core::marker::Copy),
        quote!(::core::marker::Copy),
        TokenStream::new(),
    )
}

fn debug(item: &DeriveInput) -> TokenStream {
    let formatter = local("formatter");
    let is_packed = item
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("repr"))
        .flat_map(parse_repr)
        .any(|repr| repr.hint == "packed");
    let body = match &item.data {
        // It is refused, and its fields cannot be borrowed.
        Data::Struct(_) if is_packed => quote!(::core::fmt::Formatter::write_str(#formatter, "")),
        Data::Struct(data) => {
            let name = item.ident.to_string();
            let fields = data.fields.members().map(|member| {
                let name = match &member {
                    syn::Member::Named(ident) => syn::ext::IdentExt::unraw(ident).to_string(),
                    syn::Member::Unnamed(index) => index.index.to_string(),
                };
                quote!(.field(#name, &self.#member))
            });
            quote!(::core::fmt::Formatter::debug_struct(#formatter, #name)#(#fields)*.finish())
        }
        Data::Enum(data) if data.variants.is_empty() => quote!(match *self {}),
        Data::Enum(data) => {
            let value = local("value");
            let arms = data.variants.iter().map(|variant| {
                let (ident, name) = (&variant.ident, variant.ident.to_string());
                match &variant.fields {
                    Fields::Unnamed(fields) if fields.unnamed.len() == 1 => quote! {
                        Self::#ident(#value) =>
                            ::core::fmt::Formatter::debug_tuple(#formatter, #name).field(#value).finish(),
                    },
                    _ => quote!(Self::#ident { .. } => ::core::fmt::Formatter::write_str(#formatter, #name),),
                }
            });
            quote!(match self { #(#arms)* })
        }
        // It is refused.
        Data::Union(_) => quote!(::core::fmt::Formatter::write_str(#formatter, "")),
    };
    implementation(
        item,
        &quote!(::core::fmt::Debug),
        quote!(::core::fmt::Debug),
        quote! {
            fn fmt(&self, #formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                #body
            }
        },
    )
}

/// The types of all fields and payloads.
pub(crate) fn types(item: &DeriveInput) -> Vec<TokenStream> {
    let fields: Vec<&syn::Field> = match &item.data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => data.variants.iter().flat_map(|variant| &variant.fields).collect(),
        Data::Union(data) => data.fields.named.iter().collect(),
    };
    fields
        .into_iter()
        .map(|field| without_self(&field.ty, &item.ident))
        .collect::<Vec<_>>()
}
