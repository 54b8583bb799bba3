//! The arguments of a method and where each goes.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::{Attribute, LitStr, Meta, Pat, PatType, Type};

use super::headers;
use super::success::last_segment;
use crate::error::Problems;
use crate::suggest;

const KNOWN: &[&str] = &[
    "query",
    "header",
    "json",
    "form",
    "text",
    "bytes",
    "stream",
    "multipart",
];
/// What a body is that says nothing about itself.
const UNKNOWN_MEDIA_TYPE: &str = "application/octet-stream";
/// Text in Rust is UTF-8, and servers take text for something else that does not say so.
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// An argument of a remote method.
pub(crate) struct ArgumentModel {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) binding: Binding,
}

/// Where an argument goes.
pub(crate) enum Binding {
    Path,
    Query(String),
    Header {
        name: String,
        optional: bool,
    },
    Json,
    Form,
    /// Text of this media type.
    Text(String),
    /// Bytes of this media type.
    Bytes(String),
    /// A stream of this media type, which is sent once.
    Stream(String),
    /// A form of several parts.
    Multipart,
}

impl Binding {
    /// Whether the argument is the body.
    pub(crate) fn is_body(&self) -> bool {
        match self {
            Self::Path | Self::Query(_) | Self::Header { .. } => false,
            Self::Json
            | Self::Form
            | Self::Text(_)
            | Self::Bytes(_)
            | Self::Stream(_)
            | Self::Multipart => true,
        }
    }
}

impl ArgumentModel {
    /// Reads one argument; `in_path` are the placeholders of the path.
    pub(crate) fn read(
        argument: &PatType,
        in_path: &[&str],
        problems: &mut Problems,
    ) -> Option<Self> {
        let Pat::Ident(pattern) = &*argument.pat else {
            problems.at(
                &argument.pat,
                "an argument of a remote method is a plain name",
            );
            return None;
        };
        if pattern.by_ref.is_some() || pattern.mutability.is_some() || pattern.subpat.is_some() {
            problems.at(
                &argument.pat,
                "an argument of a remote method is a plain name",
            );
            return None;
        }
        if let Type::ImplTrait(ty) = &*argument.ty {
            problems.at(ty, "`impl Trait` is a generic parameter, which the boxed form cannot have: name the type");
            return None;
        }
        let ident = pattern.ident.clone();
        let placeholder = in_path.contains(&ident.unraw().to_string().as_str());
        let binding = binding(argument, &ident, placeholder, problems)?;
        Some(Self {
            ident,
            ty: (*argument.ty).clone(),
            binding,
        })
    }
}

fn binding(
    argument: &PatType,
    ident: &Ident,
    placeholder: bool,
    problems: &mut Problems,
) -> Option<Binding> {
    let mut bindings = argument.attrs.iter().filter_map(|attribute| {
        let binding = problems.keep(one_binding(attribute, ident, &argument.ty));
        binding.map(|binding| (attribute, binding))
    });
    let first = bindings.next();
    let second = bindings.next();
    drop(bindings);
    if let Some((attribute, _)) = second {
        problems.at(
            attribute,
            format!("`{ident}` is bound twice: an argument goes to one place"),
        );
        return None;
    }
    match first {
        Some((attribute, _)) if placeholder => {
            problems.at(
                attribute,
                format!("`{ident}` is bound twice: it already stands in the path as `{{{ident}}}`"),
            );
            None
        }
        Some((_, binding)) => Some(binding),
        None if placeholder => Some(Binding::Path),
        None if !argument.attrs.is_empty() => None,
        None => {
            let message = format!(
                "`{ident}` goes nowhere: put `{{{ident}}}` into the path, or mark it #[query], #[header(\"X-Name\")], \
                 or as the body with #[json], #[form], #[text], #[bytes], #[stream] or #[multipart]"
            );
            problems.at(argument, message);
            None
        }
    }
}

fn one_binding(attribute: &Attribute, ident: &Ident, ty: &Type) -> syn::Result<Binding> {
    let name = attribute
        .path()
        .get_ident()
        .map(Ident::to_string)
        .unwrap_or_default();
    match name.as_str() {
        "query" => Ok(Binding::Query(match &attribute.meta {
            Meta::Path(_) => ident.unraw().to_string(),
            _ => query_name(attribute)?,
        })),
        "header" => Ok(Binding::Header {
            name: header_name(attribute)?,
            optional: last_segment(ty).is_some_and(|segment| segment.ident == "Option"),
        }),
        "json" => attribute.meta.require_path_only().map(|_| Binding::Json),
        "form" => attribute.meta.require_path_only().map(|_| Binding::Form),
        "multipart" => attribute
            .meta
            .require_path_only()
            .map(|_| Binding::Multipart),
        "text" => {
            let media_type = media_type(attribute, PLAIN_TEXT)?;
            headers::check_charset(attribute, &media_type)?;
            Ok(Binding::Text(media_type))
        }
        "bytes" => media_type(attribute, UNKNOWN_MEDIA_TYPE).map(Binding::Bytes),
        "stream" => media_type(attribute, UNKNOWN_MEDIA_TYPE).map(Binding::Stream),
        other => {
            let hint = match other {
                "body" => "; did you mean `json`?".to_owned(),
                "param" => "; did you mean `query`?".to_owned(),
                "path" => {
                    "; a path argument is known by its name and needs no attribute".to_owned()
                }
                other => suggest::did_you_mean(other, KNOWN),
            };
            let known = suggest::listed(KNOWN);
            let message = format!("unknown argument attribute `{other}`{hint} (one of {known})");
            Err(syn::Error::new_spanned(attribute, message))
        }
    }
}

fn query_name(attribute: &Attribute) -> syn::Result<String> {
    let literal: LitStr = attribute
        .parse_args()
        .map_err(|error| syn::Error::new(error.span(), "write #[query] or #[query(\"name\")]"))?;
    if literal.value().is_empty() {
        return Err(syn::Error::new(
            literal.span(),
            "a query parameter has a name",
        ));
    }
    Ok(literal.value())
}

fn header_name(attribute: &Attribute) -> syn::Result<String> {
    const USAGE: &str = "write the name of the header: #[header(\"X-Name\")]";
    attribute
        .meta
        .require_list()
        .map_err(|_| syn::Error::new_spanned(attribute, USAGE))?;
    let literal: LitStr = attribute
        .parse_args()
        .map_err(|error| syn::Error::new(error.span(), USAGE))?;
    headers::name(&literal, &literal.value(), "an argument")
}

fn media_type(attribute: &Attribute, otherwise: &str) -> syn::Result<String> {
    let Meta::List(list) = &attribute.meta else {
        let plain = attribute.meta.require_path_only();
        return plain.map(|_| otherwise.to_owned());
    };
    let literal: LitStr = list.parse_args().map_err(|error| {
        syn::Error::new(
            error.span(),
            "write the media type of the body: #[bytes(\"image/png\")]",
        )
    })?;
    headers::media_type(&literal)
}
