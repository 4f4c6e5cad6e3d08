//! What the tokens of a field's type say.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericArgument, Ident, PathArguments, Type, TypePath};

use crate::ast::{Data, Input, Shape};
use crate::errors::Errors;

/// Refuses what cannot be a field, whatever the names in it stand for.
pub(crate) fn check(ty: &Type, errors: &mut Errors) {
    let mut refuse = |cure: &str| {
        errors.on(
            ty,
            format!("`{}` cannot be stored in a message: {cure}", source_text(ty)),
        );
    };
    match ty {
        Type::Reference(reference) => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => refuse("use `FixedStr<N>`"),
            Type::Slice(_) => refuse("use `FixedVec<T, N>`"),
            _ => refuse("a reference means something in one process only; store the value itself"),
        },
        Type::Ptr(_) => refuse("a pointer means something in one process only; store the value itself"),
        Type::FnPtr(_) => refuse("a function pointer means something in one process only"),
        Type::Tuple(tuple) if tuple.elems.is_empty() => refuse("it stores nothing; remove the field"),
        Type::Tuple(_) => refuse("its layout is not fixed; use a struct with `#[repr(C)]` that derives `DmxpMessage`"),
        Type::Slice(_) => refuse("its length is not fixed; use `[T; N]` or `FixedVec<T, N>`"),
        Type::TraitObject(_) | Type::ImplTrait(_) => refuse("its layout is not fixed; use `Tagged<E>`"),
        Type::Never(_) => refuse("it has no values"),
        Type::Infer(_) => refuse("name the type"),
        Type::Array(array) => check(&array.elem, errors),
        Type::Group(group) => check(&group.elem, errors),
        Type::Paren(paren) => check(&paren.elem, errors),
        Type::Path(TypePath { qself: None, path, .. }) => {
            let Some(last) = path.segments.last() else {
                return;
            };
            if path.segments.len() == 1 && last.arguments.is_none() {
                match last.ident.to_string().as_str() {
                    "usize" => return refuse("its size differs between machines; use `u64`"),
                    "isize" => return refuse("its size differs between machines; use `i64`"),
                    "u128" => return refuse("not every language has it; use `[u64; 2]` or `[u8; 16]`"),
                    "i128" => return refuse("not every language has it; use `[i64; 2]` or `[u8; 16]`"),
                    "str" => return refuse("use `FixedStr<N>`"),
                    _ => {}
                }
            }
            if (last.ident == "FixedVec" || last.ident == "Nullable")
                && let PathArguments::AngleBracketed(arguments) = &last.arguments
            {
                for argument in &arguments.args {
                    if let GenericArgument::Type(element) = argument {
                        check(element, errors);
                    }
                }
            }
        }
        _ => {}
    }
}

/// The type as something the expansion can ask for its layout: `<T as dmxp::__private::Described>`. If the compiler finds that
/// the type cannot be a field, its name decides which cure the error tells. The name decides no more than that: a user's own
/// `String` may well be a field.
pub(crate) fn described(original: &Type, input: &Input<'_>) -> TokenStream {
    let (private, expansion) = (input.private(), input.expansion());
    let ty = without_self(original, &input.original.ident);
    let span = Span::call_site().located_at(original.span());
    let described = Ident::new(cure(original).unwrap_or("Described"), span);
    quote_spanned!(span=> #expansion::known::<#ty>(<#ty as #private::#described>::FIELD))
}

fn cure(ty: &Type) -> Option<&'static str> {
    if let Type::Array(array) = ty {
        return cure(&array.elem);
    }
    let Type::Path(TypePath { qself: None, path, .. }) = ty else {
        return None;
    };
    let name = path.segments.last()?.ident.to_string();
    Some(match name.as_str() {
        "String" | "CString" | "OsString" | "PathBuf" => "Text",
        "Vec" | "VecDeque" | "LinkedList" | "BinaryHeap" | "SmallVec" | "ArrayVec" => "List",
        "HashMap" | "BTreeMap" | "HashSet" | "BTreeSet" | "IndexMap" => "Map",
        "Option" => "Optional",
        "Box" | "Rc" | "Arc" | "Weak" | "Cow" | "Pin" | "NonNull" => "Pointed",
        "Cell" | "RefCell" | "UnsafeCell" | "OnceCell" | "Mutex" | "RwLock" | "OnceLock" => "Shared",
        "SystemTime" | "Instant" => "Time",
        "Duration" => "Span",
        "PhantomData" => "Marker",
        name if name.starts_with("Atomic") => "Shared",
        name if name.starts_with("NonZero") => "Number",
        _ => return None,
    })
}

/// The tokens of a type with `Self` replaced by the name of the type it stands for: they are repeated outside its definition.
pub(crate) fn without_self(tokens: impl ToTokens, name: &Ident) -> TokenStream {
    tokens
        .into_token_stream()
        .into_iter()
        .map(|tree| match tree {
            TokenTree::Ident(ident) if ident == "Self" => {
                let mut name = name.clone();
                name.set_span(name.span().located_at(ident.span()));
                TokenTree::Ident(name)
            }
            TokenTree::Group(group) => {
                let mut replaced = Group::new(group.delimiter(), without_self(group.stream(), name));
                replaced.set_span(group.span());
                TokenTree::Group(replaced)
            }
            other => other,
        })
        .collect()
}

/// The type as one would write it: without the spaces that tokens are printed with, except where they separate.
fn source_text(ty: &Type) -> String {
    let printed = ty.to_token_stream().to_string();
    let mut text = String::new();
    let mut rest = printed.chars().peekable();
    while let Some(next) = rest.next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let starts_word = |c: char| is_word(c) || matches!(c, '\'' | '&' | '*');
        let after_word = text.ends_with(is_word);
        let separates = match rest.peek() {
            // A lifetime or `const` before a slice or array.
            Some('[') => after_word,
            // The arrow of a function.
            Some('-') => true,
            Some(c) if starts_word(*c) => after_word || text.ends_with([',', ';']) || text.ends_with("->"),
            _ => text.ends_with([',', ';']),
        };
        if next != ' ' || separates {
            text.push(next);
        }
    }
    text
}

/// `Send` and `Sync` for a type with fields that look as if they took that away.
///
/// Such a field is an error, and this keeps the error from being told three times. If the field turns out to be fine, all
/// fields are, which the expansion asks the compiler to prove, and then the type is `Send` and `Sync` anyway.
pub(crate) fn shareable(input: &Input<'_>) -> TokenStream {
    let doubtful = match &input.data {
        Data::Message(fields) => fields.iter().any(|field| may_not_be_shared(field.ty.to_token_stream())),
        Data::TaggedUnion(variants) => variants.iter().any(|variant| match variant.shape {
            Shape::Payload(ty) => may_not_be_shared(ty.to_token_stream()),
            _ => false,
        }),
        Data::Enumeration(_) => false,
        Data::Union => true,
    };
    if !doubtful {
        return TokenStream::new();
    }
    let ident = &input.original.ident;
    quote! {
        #[automatically_derived]
        unsafe impl ::core::marker::Send for #ident {}
        #[automatically_derived]
        unsafe impl ::core::marker::Sync for #ident {}
    }
}

fn may_not_be_shared(tokens: TokenStream) -> bool {
    const DOUBTFUL: [&str; 10] = [
        "Rc",
        "Weak",
        "Cell",
        "RefCell",
        "UnsafeCell",
        "OnceCell",
        "NonNull",
        "PhantomData",
        "Cow",
        "dyn",
    ];
    tokens.into_iter().any(|tree| match tree {
        TokenTree::Ident(ident) => DOUBTFUL.iter().any(|doubtful| ident == doubtful),
        TokenTree::Punct(punct) => punct.as_char() == '*',
        TokenTree::Group(group) => may_not_be_shared(group.stream()),
        TokenTree::Literal(_) => false,
    })
}
