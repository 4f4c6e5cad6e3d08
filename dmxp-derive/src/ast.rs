//! What the macro understands of its input.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{DeriveInput, Expr, Ident, Type};

use crate::attr::{Docs, FieldAttributes, TypeAttributes, VariantAttributes};
use crate::errors::Errors;
use crate::manifest;

pub(crate) struct Input<'a> {
    pub(crate) original: &'a DeriveInput,
    pub(crate) attributes: TypeAttributes,
    pub(crate) data: Data<'a>,
}

pub(crate) enum Data<'a> {
    /// A struct: a message.
    Message(Vec<Field<'a>>),
    /// An enum without data.
    Enumeration(Vec<Variant<'a>>),
    /// An enum with data.
    TaggedUnion(Vec<Variant<'a>>),
    /// A `union`, which is always refused.
    Union,
}

pub(crate) struct Field<'a> {
    /// `None` in a tuple struct.
    pub(crate) ident: Option<&'a Ident>,
    pub(crate) span: Span,
    pub(crate) ty: &'a Type,
    pub(crate) attributes: FieldAttributes,
}

pub(crate) struct Variant<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) shape: Shape<'a>,
    pub(crate) discriminant: Option<&'a Expr>,
    pub(crate) attributes: VariantAttributes,
}

pub(crate) enum Shape<'a> {
    /// `A`
    Unit,
    /// `A(T)`
    Payload(&'a Type),
    /// Anything else, at this place.
    Other(Span),
}

impl<'a> Input<'a> {
    pub(crate) fn parse(original: &'a DeriveInput, errors: &mut Errors) -> Self {
        let attributes = TypeAttributes::parse(&original.attrs, &original.data, errors);
        let data = match &original.data {
            syn::Data::Struct(data) => {
                Data::Message(data.fields.iter().map(|field| Field::parse(field, errors)).collect())
            }
            syn::Data::Enum(data) => {
                let tagged = data.variants.iter().any(|variant| !variant.fields.is_empty());
                let variants = data
                    .variants
                    .iter()
                    .map(|variant| Variant::parse(variant, tagged, errors))
                    .collect();
                if tagged {
                    Data::TaggedUnion(variants)
                } else {
                    Data::Enumeration(variants)
                }
            }
            syn::Data::Union(_) => Data::Union,
        };
        Self {
            original,
            attributes,
            data,
        }
    }

    /// The stable name.
    pub(crate) fn name(&self) -> String {
        stable_name(self.attributes.name.as_ref(), &self.original.ident)
    }

    pub(crate) fn docs(&self) -> &Docs {
        &self.attributes.docs
    }

    /// The path of what the crate `dmxp` has for the macro.
    pub(crate) fn private(&self) -> TokenStream {
        let dmxp = crate_path(self.attributes.dmxp.as_ref());
        quote!(#dmxp::__private)
    }

    /// The type whose functions the expansion calls. That it is the crate's own is what the `EXPANSION` of each implementation says.
    pub(crate) fn expansion(&self) -> TokenStream {
        let private = self.private();
        quote!(#private::Expansion)
    }

    /// The item of an implementation that says so.
    pub(crate) fn genuine(&self) -> TokenStream {
        let expansion = self.expansion();
        quote!(const EXPANSION: #expansion = #expansion;)
    }
}

impl<'a> Field<'a> {
    fn parse(field: &'a syn::Field, errors: &mut Errors) -> Self {
        Self {
            ident: field.ident.as_ref(),
            span: field.ident.as_ref().map_or_else(|| field.ty.span(), Ident::span),
            ty: &field.ty,
            attributes: FieldAttributes::parse(&field.attrs, errors),
        }
    }

    /// The stable name; empty in a tuple struct.
    pub(crate) fn name(&self) -> String {
        self.ident
            .map(|ident| stable_name(self.attributes.name.as_ref(), ident))
            .unwrap_or_default()
    }
}

impl<'a> Variant<'a> {
    fn parse(variant: &'a syn::Variant, tagged: bool, errors: &mut Errors) -> Self {
        let shape = match &variant.fields {
            syn::Fields::Unit => Shape::Unit,
            syn::Fields::Unnamed(fields) => match (fields.unnamed.first(), fields.unnamed.len()) {
                (Some(field), 1) => Shape::Payload(&field.ty),
                _ => Shape::Other(fields.span()),
            },
            syn::Fields::Named(fields) => Shape::Other(fields.span()),
        };
        Self {
            ident: &variant.ident,
            shape,
            discriminant: variant.discriminant.as_ref().map(|(_, value)| value),
            attributes: VariantAttributes::parse(&variant.attrs, tagged, errors),
        }
    }

    /// The stable name.
    pub(crate) fn name(&self) -> String {
        stable_name(self.attributes.name.as_ref(), self.ident)
    }
}

/// The name given, or the identifier without `r#`.
fn stable_name(given: Option<&syn::LitStr>, ident: &Ident) -> String {
    given.map_or_else(|| ident.unraw().to_string(), syn::LitStr::value)
}

/// The path of the crate `dmxp`: as given, as the manifest calls it, or its own name.
pub(crate) fn crate_path(given: Option<&syn::Path>) -> TokenStream {
    match (given, manifest::renamed()) {
        (Some(path), _) => quote!(#path),
        (None, Some(name)) => {
            let name = Ident::new(&name, Span::call_site());
            quote!(::#name)
        }
        (None, None) => quote!(::dmxp),
    }
}

/// A name for a parameter or binding of the expansion. Hygiene is not enough: a constant, static or unit struct of the same name that is
/// in scope would be taken for the pattern.
pub(crate) fn local(name: &str) -> Ident {
    format_ident!("__dmxp_{name}", span = Span::mixed_site())
}

/// The constant that holds what the expansion knows of a field or payload.
pub(crate) fn field_constant(index: usize) -> Ident {
    format_ident!("__DMXP_FIELD_{index}", span = Span::mixed_site())
}
