//! A method of the trait that has a body: it calls nobody by itself, and an implementation may have another one.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{
    Attribute, FnArg, Pat, Receiver, ReceiverKind, ReturnType, TraitItemFn, Type, parse_quote,
};

use super::signed::Signed;
use crate::error::Problems;

/// A method with a body.
pub(crate) struct LocalMethod {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) ident: Ident,
    arguments: Vec<(Ident, Type)>,
    pub(crate) output: Type,
    /// The body with its braces.
    pub(crate) body: TokenStream,
}

impl LocalMethod {
    /// Reads a method without a verb; `None` when it has no body or cannot be forwarded by the boxed form.
    pub(crate) fn read(function: &TraitItemFn, problems: &mut Problems) -> Option<Self> {
        let signature = &function.sig;
        if signature.asyncness.is_none() {
            problems.at(
                signature.fn_token,
                "a method with a body is `async` as all others are: write `async fn`",
            );
        }
        if !signature.generics.params.is_empty() || signature.generics.where_clause.is_some() {
            problems.at(
                &signature.generics,
                "a method has no generic parameters: the boxed form could not have it; put them on the trait",
            );
        }
        let takes_self = matches!(
            signature.receiver(),
            Some(Receiver {
                kind: ReceiverKind::Reference(_, None, None),
                ..
            })
        );
        if !takes_self {
            problems.at(&signature.ident, "a method takes `&self` first");
        }
        let arguments = signature.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        });
        let arguments = arguments.filter_map(|argument| {
            for attribute in &argument.attrs {
                problems.at(
                    attribute,
                    "this method has a body and sends nothing itself: its arguments go nowhere",
                );
            }
            match (&*argument.pat, &*argument.ty) {
                (_, Type::ImplTrait(ty)) => {
                    problems.at(ty, "`impl Trait` is a generic parameter, which the boxed form cannot have: name the type");
                    None
                }
                (Pat::Ident(name), ty)
                    if name.by_ref.is_none() && name.mutability.is_none() && name.subpat.is_none() =>
                {
                    Some((name.ident.clone(), ty.clone()))
                }
                (pattern, _) => {
                    problems.at(pattern, "an argument of a method is a plain name");
                    None
                }
            }
        });
        let arguments = arguments.collect();
        Some(Self {
            attributes: function.attrs.clone(),
            ident: signature.ident.clone(),
            arguments,
            output: match &signature.output {
                ReturnType::Type(_, output) => (**output).clone(),
                ReturnType::Default => parse_quote!(()),
            },
            body: function.default.as_ref()?.to_token_stream(),
        })
    }
}

impl Signed for LocalMethod {
    fn ident(&self) -> &Ident {
        &self.ident
    }

    fn arguments(&self) -> Vec<(&Ident, &Type)> {
        let arguments = self.arguments.iter();
        arguments.map(|(ident, ty)| (ident, ty)).collect()
    }

    fn output(&self) -> &Type {
        &self.output
    }
}
