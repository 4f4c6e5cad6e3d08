//! An enum without data.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;

use super::check;
use crate::ast::{Input, Variant, local};
use crate::valid::INTEGERS;

pub(crate) fn expand(input: &Input<'_>, variants: &[Variant<'_>]) -> TokenStream {
    let (private, expansion, genuine) = (&input.private(), &input.expansion(), input.genuine());
    let (bytes, raw_value) = (local("bytes"), local("raw"));
    let ident = &input.original.ident;
    let name = input.name();
    let doc = input.docs().text();
    let repr = integer(input);
    let raw = quote!(::core::primitive::#repr);
    let kind = format_ident!("{}", repr.to_string().to_uppercase());

    let idents: Vec<_> = variants.iter().map(|variant| variant.ident).collect();
    let constants: Vec<_> = (0..variants.len())
        .map(|index| format_ident!("__DMXP_VALUE_{index}"))
        .collect();
    let names = variants.iter().map(Variant::name);
    let docs = variants.iter().map(|variant| variant.attributes.docs.text());

    let flag = input.attributes.flags.map(|_| {
        let checks = variants.iter().zip(&constants).map(|(variant, constant)| {
            let (title, flag) = (ident.to_string(), variant.ident.to_string());
            check(
                variant.ident.span(),
                quote!(#expansion::check_flag(#title, #flag, #constant as ::core::primitive::u64)),
            )
        });
        quote! {
            #(#checks)*
            #[automatically_derived]
            unsafe impl #private::Flag for #ident {}
        }
    });
    let title = ident.to_string();
    let drop_check = check(ident.span(), quote!(#expansion::check_drop::<#ident>(#title, false)));
    // An attribute macro below the derive may have changed the representation.
    let size_check = check(
        ident.span(),
        quote!(#expansion::check_enum_size::<#ident, #raw>(#title)),
    );
    quote! {
        #(const #constants: #raw = #ident::#idents as #raw;)*

        #[automatically_derived]
        unsafe impl #private::DmxpField for #ident {
            type Word = <#raw as #private::DmxpField>::Word;

            const TYPE: &'static #private::TypeDescriptor =
                &#private::TypeDescriptor::Enum(<Self as #private::Enumeration>::ENUM);
            #genuine
            const ALWAYS_VALID: ::core::primitive::bool = false;
            const ZERO_IS_VALID: ::core::primitive::bool = false #(|| #constants == 0)*;

            fn validate(
                #bytes: &[::core::primitive::u8],
            ) -> ::core::result::Result<(), #private::InvalidValue> {
                #expansion::validate_enumeration::<Self>(#bytes)
            }
        }

        #[automatically_derived]
        unsafe impl #private::Enumeration for #ident {
            type Raw = #raw;

            const ENUM: &'static #private::EnumDescriptor = &#private::EnumDescriptor {
                name: #name,
                repr: #private::IntegerType::#kind,
                values: &[#(
                    #private::EnumValueDescriptor {
                        name: #names,
                        value: #constants as ::core::primitive::i128,
                        doc: #docs,
                    }
                ),*],
                doc: #doc,
            };
            const VALUES: &'static [Self] = &[#(#ident::#idents),*];

            fn from_raw(#raw_value: #raw) -> ::core::option::Option<Self> {
                match #raw_value {
                    #(#constants => ::core::option::Option::Some(#ident::#idents),)*
                    _ => ::core::option::Option::None,
                }
            }

            fn into_raw(self) -> #raw {
                self as #raw
            }
        }

        #flag
        #drop_check
        #size_check
    }
}

/// The integer of the representation; there is one, or the input would have been refused.
fn integer(input: &Input<'_>) -> Ident {
    INTEGERS
        .iter()
        .find_map(|integer| input.attributes.repr(integer))
        .map_or_else(
            || format_ident!("u8"),
            |repr| format_ident!("{}", repr.hint.to_string()),
        )
}
