//! A struct.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;

use super::{check, describe_field};
use crate::ast::{Field, Input, field_constant};
use crate::field_type::without_self;

pub(crate) fn expand(input: &Input<'_>, fields: &[Field<'_>]) -> TokenStream {
    let private = &input.private();
    let ident = &input.original.ident;
    let name = input.name();
    let version = input.attributes.version.map_or(1, |version| version.value);
    let doc = input.docs().text();
    let constants: Vec<_> = (0..fields.len()).map(field_constant).collect();
    let described = fields.iter().enumerate().map(|(index, field)| {
        describe_field(
            input,
            index,
            field.ty,
            &ident.to_string(),
            &field.ident.map_or_else(String::new, Ident::to_string),
        )
    });
    let descriptors = fields
        .iter()
        .zip(&constants)
        .map(|(field, constant)| descriptor(input, field, constant));
    let validations = fields.iter().zip(&constants).map(|(field, constant)| {
        let (field_ident, name) = (field.ident, field.name());
        quote! {
            #constant.validate_at(#private::core::mem::offset_of!(#ident, #field_ident), #name, bytes)?;
        }
    });
    let checks = checks(input, fields);
    quote! {
        #(#described)*

        #[automatically_derived]
        unsafe impl #private::DmxpField for #ident {
            type Word = <#private::Align<{ #private::core::mem::align_of::<#ident>() }> as #private::AlignedWord>::Word;

            const TYPE: &'static #private::TypeDescriptor =
                &#private::TypeDescriptor::Struct(<Self as #private::DmxpMessage>::SCHEMA);
            const ALWAYS_VALID: #private::core::primitive::bool = true #(&& #constants.always_valid)*;
            const ZERO_IS_VALID: #private::core::primitive::bool = true #(&& #constants.zero_is_valid)*;

            fn validate(
                bytes: &[#private::core::primitive::u8],
            ) -> #private::core::result::Result<(), #private::InvalidValue> {
                #private::expect_length(bytes, #private::core::mem::size_of::<Self>())?;
                #(#validations)*
                #private::core::result::Result::Ok(())
            }
        }

        #[automatically_derived]
        unsafe impl #private::DmxpMessage for #ident {
            const SCHEMA: &'static #private::StructDescriptor = &#private::StructDescriptor {
                name: #name,
                version: #version,
                size: #private::core::mem::size_of::<Self>() as #private::core::primitive::u32,
                align: #private::core::mem::align_of::<Self>() as #private::core::primitive::u32,
                fields: &[#(#descriptors),*],
                doc: #doc,
            };
            const LAYOUT_FINGERPRINT: #private::core::primitive::u64 =
                #private::layout_of(<Self as #private::DmxpMessage>::SCHEMA);
            const SCHEMA_FINGERPRINT: #private::core::primitive::u64 =
                #private::schema_of(<Self as #private::DmxpMessage>::SCHEMA);
        }

        #checks
    }
}

fn descriptor(input: &Input<'_>, field: &Field<'_>, constant: &Ident) -> TokenStream {
    let private = input.private();
    let ident = &input.original.ident;
    let (field_ident, name) = (field.ident, field.name());
    let since = field.attributes.since.map_or(1, |since| since.value);
    let doc = field.attributes.docs.text();
    let unit = field
        .attributes
        .unit
        .as_ref()
        .map(syn::LitStr::value)
        .unwrap_or_default();
    let aliases = &field.attributes.aliases;
    quote! {
        #private::FieldDescriptor {
            name: #name,
            offset: #private::core::mem::offset_of!(#ident, #field_ident) as #private::core::primitive::u32,
            ty: #constant.ty,
            since: #since,
            doc: #doc,
            unit: #unit,
            aliases: &[#(#aliases),*],
        }
    }
}

fn checks(input: &Input<'_>, fields: &[Field<'_>]) -> TokenStream {
    let private = &input.private();
    let ident = &input.original.ident;
    let title = ident.to_string();
    let size = quote!(#private::core::mem::size_of::<#ident>());
    let types: Vec<_> = fields.iter().map(|field| without_self(field.ty, ident)).collect();

    let pad = pad_name(fields);
    let padding = fields.iter().enumerate().map(|(index, field)| {
        let (field_ident, constant) = (field.ident, field_constant(index));
        let title_of_field = field_ident.map_or_else(String::new, Ident::to_string);
        let next = match fields.get(index + 1).map(|next| next.ident) {
            Some(next) => quote!(#private::core::mem::offset_of!(#ident, #next)),
            None => size.clone(),
        };
        check(
            field.span,
            quote!(#private::check_padding(
                #title,
                #title_of_field,
                #pad,
                #private::core::mem::offset_of!(#ident, #field_ident) + #constant.size,
                #next
            )),
        )
    });
    let size_check = check(ident.span(), quote!(#private::check_size(#title, #size)));
    let align_check = check(
        ident.span(),
        quote!(#private::check_align(#title, #private::core::mem::align_of::<#ident>())),
    );
    let drop_check = check(
        ident.span(),
        quote!(#private::check_drop(
            #title,
            #private::core::mem::needs_drop::<#ident>(),
            false #(|| #private::core::mem::needs_drop::<#types>())*
        )),
    );

    // An attribute macro below the derive may still change the struct: it has to have exactly the fields seen here, of exactly
    // these types. This also counts as a use of each field, which other processes may well be the only ones to read.
    let idents = fields.iter().map(|field| field.ident);
    let bindings: Vec<_> = (0..fields.len()).map(|index| format_ident!("field_{index}")).collect();
    let same_fields = quote! {
        const _: fn(&#ident) = |message| {
            let #ident { #(#idents: #bindings),* } = message;
            #(#private::same_type(#bindings, #private::core::marker::PhantomData::<#types>);)*
        };
    };
    quote!(#(#padding)* #size_check #align_check #drop_check #same_fields)
}

/// The name to propose for padding.
fn pad_name(fields: &[Field<'_>]) -> String {
    let taken = |name: &str| {
        fields
            .iter()
            .any(|field| field.ident.is_some_and(|ident| ident == name))
    };
    let mut name = "_pad".to_owned();
    let mut number = 2;
    while taken(&name) {
        name = format!("_pad{number}");
        number += 1;
    }
    name
}
