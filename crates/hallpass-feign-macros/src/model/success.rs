//! What a method returns when the call went well.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{GenericArgument, PathArguments, PathSegment, ReturnType, Signature, Type};

use crate::error::Problems;

/// How the answer becomes the value in `Result<T, E>`, known by the name of `T`.
pub(crate) enum Success {
    /// `()`: thrown away.
    Unit,
    /// `Bytes`: as it came.
    Bytes,
    /// `Body`: streamed.
    Stream,
    /// `String`: text, or a text in JSON.
    Text,
    /// `Option<T>`: `None` for 404, 204 and an empty body, else `T` as it is read by itself.
    Optional(Box<Self>),
    /// `Events<T>`: server-sent events, of data in JSON or, without a type, of text.
    Events(Option<Box<Type>>),
    /// `Response<T>`: one of the others, with status and headers.
    Response(Box<Self>),
    /// Everything else: JSON.
    Json(Box<Type>),
}

impl Success {
    /// Reads the return type; `None` (and a problem) when it is no `Result`.
    pub(crate) fn read(signature: &Signature, problems: &mut Problems) -> Option<Self> {
        const EXPECTED: &str =
            "a remote method returns `Result<T, FeignError>`: the network can always fail";
        let ReturnType::Type(_, ty) = &signature.output else {
            problems.at(&signature.ident, EXPECTED);
            return None;
        };
        let Some(success) = last_segment(ty)
            .filter(|segment| segment.ident == "Result")
            .and_then(first_type)
        else {
            problems.at(ty, EXPECTED);
            return None;
        };
        Some(Self::of(success, problems))
    }

    fn of(ty: &Type, problems: &mut Problems) -> Self {
        if let Type::Tuple(tuple) = ty
            && tuple.elems.is_empty()
        {
            return Self::Unit;
        }
        let Some(segment) = last_segment(ty) else {
            return Self::Json(Box::new(ty.clone()));
        };
        match (segment.ident.to_string().as_str(), first_type(segment)) {
            ("Bytes", None) => Self::Bytes,
            ("String", None) => Self::Text,
            ("Body", None) => Self::Stream,
            ("Events", data) => Self::Events(data.map(|data| Box::new(data.clone()))),
            ("Option", Some(inner)) => {
                if is_response(inner) {
                    problems.at(
                        inner,
                        "status and headers are there without a value too: write `Response<Option<T>>`",
                    );
                }
                Self::Optional(Box::new(Self::of_optional(inner)))
            }
            ("Response", Some(inner)) => {
                if is_response(inner) {
                    problems.at(inner, "a response has its status and headers once");
                }
                Self::Response(Box::new(Self::of(inner, problems)))
            }
            _ => Self::Json(Box::new(ty.clone())),
        }
    }

    /// How what is inside an `Option` is read, once its body is there and is not empty.
    fn of_optional(ty: &Type) -> Self {
        let plain = last_segment(ty).filter(|segment| first_type(segment).is_none());
        match plain.map(|segment| segment.ident.to_string()).as_deref() {
            Some("Bytes") => Self::Bytes,
            Some("String") => Self::Text,
            _ => Self::Json(Box::new(ty.clone())),
        }
    }

    /// Whether nothing of the body is looked at.
    pub(crate) fn has_no_body(&self) -> bool {
        match self {
            Self::Unit => true,
            Self::Response(inner) => inner.has_no_body(),
            Self::Text
            | Self::Bytes
            | Self::Stream
            | Self::Events(_)
            | Self::Optional(_)
            | Self::Json(_) => false,
        }
    }

    /// The runtime's marker type for this kind of answer, inside `private`.
    pub(crate) fn marker(&self, private: &TokenStream) -> TokenStream {
        match self {
            Self::Unit => quote!(#private::Nothing),
            Self::Bytes => quote!(#private::Whole),
            Self::Stream => quote!(#private::Streamed),
            Self::Text => quote!(#private::Text),
            Self::Optional(inner) => {
                let inner = inner.marker(private);
                quote!(#private::Optional::<#inner>)
            }
            Self::Json(ty) => quote!(#private::Json::<#ty>),
            Self::Events(Some(data)) => quote!(#private::JsonEvents::<#data>),
            Self::Events(None) => quote!(#private::TextEvents),
            Self::Response(inner) => {
                let inner = inner.marker(private);
                quote!(#private::WithHead::<#inner>)
            }
        }
    }
}

fn is_response(ty: &Type) -> bool {
    last_segment(ty)
        .is_some_and(|segment| segment.ident == "Response" && first_type(segment).is_some())
}

/// The last segment of a plain path type.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        _ => None,
    }
}

/// The first type argument of a path segment.
pub(crate) fn first_type(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}
