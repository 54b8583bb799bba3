//! The generic parameters of a trait.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{GenericParam, Generics, ItemTrait, TypeParam};

use crate::error::Problems;

/// Checks that a boxed form with these parameters can exist.
pub(crate) fn check(item: &ItemTrait, problems: &mut Problems) {
    for parameter in &item.generics.params {
        match parameter {
            GenericParam::Lifetime(lifetime) => problems.at(
                lifetime,
                "a remote service has no lifetime: a client lives as long as somebody has it",
            ),
            GenericParam::Type(ty) => check_type(ty, &item.generics, problems),
            GenericParam::Const(_) => {}
        }
    }
}

/// By the words of its bounds: a boxed future that has a value of the type goes to any thread, and for as long as it takes.
fn check_type(parameter: &TypeParam, generics: &Generics, problems: &mut Problems) {
    let clause = generics.where_clause.to_token_stream();
    let bounds = format!("{} {clause}", parameter.bounds.to_token_stream());
    let says = |word: &str| {
        bounds
            .split(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '\''))
            .any(|found| found == word)
    };
    if !(says("Send") && says("Sync") && says("'static")) {
        let ident = &parameter.ident;
        let message = format!(
            "`{ident}` stands behind a pointer in the boxed form, on any thread: write `{ident}: Send + Sync + 'static` \
             beside what it is sent or read by"
        );
        problems.at(parameter, message);
    }
}

/// The parameters as the expansions write them.
pub(crate) struct Parameters {
    /// `<T: Serialize = u8>`, where a type is declared.
    pub(crate) declared: TokenStream,
    /// `<T: Serialize>`, after `impl`.
    pub(crate) of_impl: TokenStream,
    /// `<T>`
    pub(crate) names: TokenStream,
    pub(crate) clause: TokenStream,
    /// `PhantomData<fn() -> (T,)>`, for a type that may name none of them; nothing where there are none.
    pub(crate) phantom: Option<TokenStream>,
    generics: Generics,
}

impl Parameters {
    pub(crate) fn of(generics: &Generics) -> Self {
        let (of_impl, names, clause) = generics.split_for_impl();
        let types = generics.type_params().map(|parameter| &parameter.ident);
        let phantom = quote!(::core::marker::PhantomData<fn() -> (#(#types,)*)>);
        Self {
            declared: generics.to_token_stream(),
            of_impl: of_impl.to_token_stream(),
            names: names.to_token_stream(),
            clause: clause.to_token_stream(),
            phantom: (!generics.params.is_empty()).then_some(phantom),
            generics: generics.clone(),
        }
    }

    /// After `impl`, with one more.
    pub(crate) fn with(&self, parameter: TypeParam) -> TokenStream {
        let mut generics = self.generics.clone();
        generics.params.push(GenericParam::Type(parameter));
        generics.split_for_impl().0.to_token_stream()
    }
}
