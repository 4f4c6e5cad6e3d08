//! A struct.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use super::{check, describe_field};
use crate::ast::{Field, Input, field_constant, local};
use crate::field_type::without_self;

pub(crate) fn expand(input: &Input<'_>, fields: &[Field<'_>]) -> TokenStream {
    let (private, expansion, genuine) = (&input.private(), &input.expansion(), input.genuine());
    let bytes = &local("bytes");
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
            #constant.validate_at(::core::mem::offset_of!(#ident, #field_ident), #name, #bytes)?;
        }
    });
    let checks = checks(input, fields);
    quote! {
        #(#described)*

        #[automatically_derived]
        unsafe impl #private::DmxpField for #ident {
            type Word = <#private::Align<{ ::core::mem::align_of::<#ident>() }> as #private::AlignedWord>::Word;

            const TYPE: &'static #private::TypeDescriptor =
                &#private::TypeDescriptor::Struct(<Self as #private::DmxpMessage>::SCHEMA);
            #genuine
            const ALWAYS_VALID: ::core::primitive::bool = #expansion::always_valid(&[#(#constants),*]);
            const ZERO_IS_VALID: ::core::primitive::bool = #expansion::zero_is_valid(&[#(#constants),*]);

            fn validate(
                #bytes: &[::core::primitive::u8],
            ) -> ::core::result::Result<(), #private::InvalidValue> {
                #expansion::expect_length(#bytes, ::core::mem::size_of::<Self>())?;
                #(#validations)*
                ::core::result::Result::Ok(())
            }
        }

        #[automatically_derived]
        unsafe impl #private::DmxpMessage for #ident {
            const SCHEMA: &'static #private::StructDescriptor = &#private::StructDescriptor {
                name: #name,
                version: #version,
                size: ::core::mem::size_of::<Self>() as ::core::primitive::u32,
                align: ::core::mem::align_of::<Self>() as ::core::primitive::u32,
                fields: &[#(#descriptors),*],
                doc: #doc,
            };
            const LAYOUT_FINGERPRINT: ::core::primitive::u64 =
                #expansion::layout_of(<Self as #private::DmxpMessage>::SCHEMA);
            const SCHEMA_FINGERPRINT: ::core::primitive::u64 =
                #expansion::schema_of(<Self as #private::DmxpMessage>::SCHEMA);
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
            offset: ::core::mem::offset_of!(#ident, #field_ident) as ::core::primitive::u32,
            ty: #constant.ty,
            since: #since,
            doc: #doc,
            unit: #unit,
            aliases: &[#(#aliases),*],
        }
    }
}

fn checks(input: &Input<'_>, fields: &[Field<'_>]) -> TokenStream {
    let (private, expansion) = (&input.private(), &input.expansion());
    let ident = &input.original.ident;
    let title = ident.to_string();
    let types: Vec<_> = fields.iter().map(|field| without_self(field.ty, ident)).collect();

    let pad = pad_name(fields);
    let padding = fields.iter().enumerate().map(|(index, field)| {
        let (field_ident, constant) = (field.ident, field_constant(index));
        let title_of_field = field_ident.map_or_else(String::new, Ident::to_string);
        let next = match fields.get(index + 1).map(|next| next.ident) {
            Some(next) => quote!(::core::option::Option::Some(::core::mem::offset_of!(#ident, #next))),
            None => quote!(::core::option::Option::None),
        };
        check(
            field.span,
            quote!(#expansion::check_padding::<#ident>(
                #title,
                #title_of_field,
                #pad,
                #constant,
                ::core::mem::offset_of!(#ident, #field_ident),
                #next,
            )),
        )
    });
    let size_check = check(ident.span(), quote!(#expansion::check_size::<#ident>(#title)));
    let align_check = check(ident.span(), quote!(#expansion::check_align::<#ident>(#title)));
    let drop_check = check(
        ident.span(),
        quote!(#expansion::check_drop::<#ident>(#title, false #(|| ::core::mem::needs_drop::<#types>())*)),
    );
    let schema_check = check(
        ident.span(),
        quote!(#expansion::check_schema(<#ident as #private::DmxpMessage>::SCHEMA)),
    );

    // An attribute macro below the derive may still change the struct: it has to have exactly the fields seen here, of exactly
    // these types. This also counts as a use of each field, which other processes may well be the only ones to read.
    let idents = fields.iter().map(|field| field.ident);
    let message = local("message");
    let bindings: Vec<_> = (0..fields.len())
        .map(|index| local(&format!("field_{index}")))
        .collect();
    let same_fields = quote! {
        const _: fn(&#ident) = |#message| {
            let #ident { #(#idents: #bindings),* } = #message;
            #(#expansion::same_type(#bindings, ::core::marker::PhantomData::<#types>);)*
        };
    };
    quote!(#(#padding)* #size_check #align_check #drop_check #schema_check #same_fields)
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
