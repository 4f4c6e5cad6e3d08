//! An enum with data.

use proc_macro2::TokenStream;
use quote::quote;

use super::{check, describe_field};
use crate::ast::{Input, Shape, Variant, field_constant, local};
use crate::field_type::described as described_type;
use crate::valid::tags_of;

pub(crate) fn expand(input: &Input<'_>, variants: &[Variant<'_>]) -> TokenStream {
    let (private, expansion, genuine) = (&input.private(), &input.expansion(), input.genuine());
    let (tag_name, payload, value) = (&local("tag"), &local("payload"), &local("value"));
    let ident = &input.original.ident;
    let title = ident.to_string();
    let name = input.name();
    let doc = input.docs().text();

    let mut payloads = TokenStream::new();
    let mut constants = Vec::new();
    let mut descriptors = Vec::new();
    let mut validations = Vec::new();
    let mut reads = Vec::new();
    let mut writes = Vec::new();
    for (index, (variant, tag)) in variants.iter().zip(tags_of(variants)).enumerate() {
        let (variant_ident, variant_name) = (variant.ident, variant.name());
        let variant_doc = variant.attributes.docs.text();
        let tag_of_variant = tag as u64;
        let tag_byte = tag as u8;
        let ty = match variant.shape {
            Shape::Payload(original) => {
                let constant = field_constant(index);
                payloads.extend(describe_field(
                    input,
                    index,
                    original,
                    &title,
                    &variant_ident.to_string(),
                ));
                payloads.extend(check(
                    variant_ident.span(),
                    quote!(#expansion::check_payload_align(#title, #variant_name, #constant)),
                ));
                let described = described_type(original, input);
                validations.push(quote! {
                    #tag_of_variant => #expansion::validate_payload(#constant, #variant_name, #payload),
                });
                reads.push(quote! {
                    #tag_of_variant => ::core::option::Option::map(
                        #described.read(#payload),
                        #ident::#variant_ident,
                    ),
                });
                writes.push(quote! {
                    #ident::#variant_ident(#value) => {
                        #described.write(#value, #payload);
                        #tag_byte
                    }
                });
                let ty = quote!(::core::option::Option::Some(#constant.ty));
                constants.push(constant);
                ty
            }
            Shape::Unit | Shape::Other(_) => {
                reads.push(quote! {
                    #tag_of_variant => ::core::option::Option::Some(#ident::#variant_ident),
                });
                writes.push(quote!(#ident::#variant_ident => #tag_byte,));
                quote!(::core::option::Option::None)
            }
        };
        descriptors.push(quote! {
            #private::VariantDescriptor { name: #variant_name, tag: #tag, ty: #ty, doc: #variant_doc }
        });
    }
    quote! {
        #payloads

        const __DMXP_PAYLOADS: &[#private::Field] = &[#(#constants),*];

        #[automatically_derived]
        unsafe impl #private::TaggedUnion for #ident {
            type Payload = [
                <#private::Align<{ #expansion::union_align(__DMXP_PAYLOADS) }> as #private::AlignedWord>::Word;
                #expansion::union_words(__DMXP_PAYLOADS)
            ];

            const UNION: &'static #private::UnionDescriptor = &#private::UnionDescriptor {
                name: #name,
                size: ::core::mem::size_of::<#private::Tagged<Self>>() as ::core::primitive::u32,
                align: ::core::mem::align_of::<#private::Tagged<Self>>() as ::core::primitive::u32,
                variants: &[#(#descriptors),*],
                doc: #doc,
            };
            #genuine
            const ALWAYS_VALID: ::core::primitive::bool = #expansion::always_valid(__DMXP_PAYLOADS);
            const REFUSAL: ::core::option::Option<&'static ::core::primitive::str> =
                #expansion::union_refusal(__DMXP_PAYLOADS);

            fn validate(
                #tag_name: ::core::primitive::u64,
                #payload: &[::core::primitive::u8],
            ) -> ::core::result::Result<(), #private::InvalidValue> {
                match #tag_name {
                    #(#validations)*
                    _ => ::core::result::Result::Ok(()),
                }
            }

            fn read(
                #tag_name: ::core::primitive::u64,
                #payload: &[::core::primitive::u8],
            ) -> ::core::option::Option<Self> {
                match #tag_name {
                    #(#reads)*
                    _ => ::core::option::Option::None,
                }
            }

            fn write(&self, #payload: &mut [::core::primitive::u8]) -> ::core::primitive::u8 {
                match self {
                    #(#writes)*
                }
            }
        }
    }
}
