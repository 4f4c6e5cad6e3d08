//! Implementations for an input that was refused, so that its uses are no errors of their own. They are never run: the errors
//! beside them end the compilation.

use proc_macro2::TokenStream;
use quote::quote;

use crate::ast::{Data, Input};
use crate::field_type;

pub(crate) fn expand(input: &Input<'_>) -> TokenStream {
    let private = &input.private();
    let ident = &input.original.ident;
    let (generics, arguments, _) = input.original.generics.split_for_impl();
    // The bounds of our traits. On a type without parameters they would be checked here, and be an error of their own.
    let bounds = (!input.original.generics.params.is_empty())
        .then(|| quote!(where #ident #arguments: ::core::marker::Send + ::core::marker::Sync + 'static));
    let shareable = input
        .original
        .generics
        .params
        .is_empty()
        .then(|| field_type::shareable(input));
    let field = quote! {
        #[automatically_derived]
        unsafe impl #generics #private::DmxpField for #ident #arguments #bounds {
            type Word = ::core::primitive::u8;
            const TYPE: &'static #private::TypeDescriptor = &#private::TypeDescriptor::U8;
            const ALWAYS_VALID: ::core::primitive::bool = false;
            // What is wrong with the type is said once.
            const ZERO_IS_VALID: ::core::primitive::bool = true;
            fn validate(
                _: &[::core::primitive::u8],
            ) -> ::core::result::Result<(), #private::InvalidValue> {
                ::core::result::Result::Ok(())
            }
        }
    };
    let implementations = match input.data {
        Data::Message(_) | Data::Union => quote! {
            #field
            #[automatically_derived]
            unsafe impl #generics #private::DmxpMessage for #ident #arguments #bounds {
                const SCHEMA: &'static #private::StructDescriptor = #private::NO_STRUCT;
                const LAYOUT_FINGERPRINT: ::core::primitive::u64 = 0;
                const SCHEMA_FINGERPRINT: ::core::primitive::u64 = 0;
            }
        },
        Data::Enumeration(_) => {
            let flag = input.attributes.flags.map(|_| {
                quote! {
                    #[automatically_derived]
                    unsafe impl #generics #private::Flag for #ident #arguments #bounds {}
                }
            });
            quote! {
                #field
                #[automatically_derived]
                unsafe impl #generics #private::Enumeration for #ident #arguments #bounds {
                    type Raw = ::core::primitive::u8;
                    const ENUM: &'static #private::EnumDescriptor = #private::NO_ENUM;
                    const VALUES: &'static [Self] = &[];
                    fn from_raw(_: ::core::primitive::u8) -> ::core::option::Option<Self> {
                        ::core::option::Option::None
                    }
                    fn into_raw(self) -> ::core::primitive::u8 {
                        0
                    }
                }
                #flag
            }
        }
        Data::TaggedUnion(_) => quote! {
            #[automatically_derived]
            unsafe impl #generics #private::TaggedUnion for #ident #arguments #bounds {
                type Payload = [::core::primitive::u8; 1];
                const UNION: &'static #private::UnionDescriptor = #private::NO_UNION;
                const ALWAYS_VALID: ::core::primitive::bool = false;
                fn validate(
                    _: ::core::primitive::u64,
                    _: &[::core::primitive::u8],
                ) -> ::core::result::Result<(), #private::InvalidValue> {
                    ::core::result::Result::Ok(())
                }
                fn read(
                    _: ::core::primitive::u64,
                    _: &[::core::primitive::u8],
                ) -> ::core::option::Option<Self> {
                    ::core::option::Option::None
                }
                fn write(&self, _: &mut [::core::primitive::u8]) -> ::core::primitive::u8 {
                    0
                }
            }
        },
    };
    quote! {
        #[doc(hidden)]
        const _: () = {
            #shareable
            #implementations
        };
    }
}
