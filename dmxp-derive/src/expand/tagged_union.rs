//! An enum with data.

use proc_macro2::TokenStream;
use quote::quote;

use super::{check, describe_field};
use crate::ast::{Input, Shape, Variant, field_constant};
use crate::field_type::described as described_type;
use crate::valid::tags_of;

pub(crate) fn expand(input: &Input<'_>, variants: &[Variant<'_>]) -> TokenStream {
    let private = &input.private();
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
                    quote!(#private::check_payload_align(#title, #variant_name, #constant.align)),
                ));
                let described = described_type(original, input);
                validations.push(quote! {
                    #tag_of_variant => #private::validate_payload(#constant, #variant_name, payload),
                });
                reads.push(quote! {
                    #tag_of_variant => #private::core::option::Option::map(
                        #described::read(payload),
                        #ident::#variant_ident,
                    ),
                });
                writes.push(quote! {
                    #ident::#variant_ident(value) => {
                        #described::write(value, payload);
                        #tag_byte
                    }
                });
                let ty = quote!(#private::core::option::Option::Some(#constant.ty));
                constants.push(constant);
                ty
            }
            Shape::Unit | Shape::Other(_) => {
                reads.push(quote! {
                    #tag_of_variant => #private::core::option::Option::Some(#ident::#variant_ident),
                });
                writes.push(quote!(#ident::#variant_ident => #tag_byte,));
                quote!(#private::core::option::Option::None)
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
                <#private::Align<{ #private::union_align(__DMXP_PAYLOADS) }> as #private::AlignedWord>::Word;
                #private::union_words(__DMXP_PAYLOADS)
            ];

            const UNION: &'static #private::UnionDescriptor = &#private::UnionDescriptor {
                name: #name,
                size: #private::core::mem::size_of::<#private::Tagged<Self>>() as #private::core::primitive::u32,
                align: #private::core::mem::align_of::<#private::Tagged<Self>>() as #private::core::primitive::u32,
                variants: &[#(#descriptors),*],
                doc: #doc,
            };
            const ALWAYS_VALID: #private::core::primitive::bool = true #(&& #constants.always_valid)*;
            const REFUSAL: #private::core::option::Option<&'static #private::core::primitive::str> =
                #private::union_refusal(__DMXP_PAYLOADS);

            fn validate(
                tag: #private::core::primitive::u64,
                payload: &[#private::core::primitive::u8],
            ) -> #private::core::result::Result<(), #private::InvalidValue> {
                match tag {
                    #(#validations)*
                    _ => #private::core::result::Result::Ok(()),
                }
            }

            fn read(
                tag: #private::core::primitive::u64,
                payload: &[#private::core::primitive::u8],
            ) -> #private::core::option::Option<Self> {
                match tag {
                    #(#reads)*
                    _ => #private::core::option::Option::None,
                }
            }

            fn write(&self, payload: &mut [#private::core::primitive::u8]) -> #private::core::primitive::u8 {
                match self {
                    #(#writes)*
                }
            }
        }
    }
}
