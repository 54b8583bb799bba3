//! What the expansions share: names of the made items, and the lists of a method's arguments.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};

use crate::crate_path;
use crate::model::ClientModel;
use crate::model::signed::Signed;

/// The names that the made items have and use.
pub(super) struct Names {
    /// Where the runtime is.
    pub(super) runtime: TokenStream,
    /// `FeignX`
    pub(super) client: Ident,
    /// `BoxX`
    pub(super) boxed: Ident,
    /// `MockX`
    pub(super) mock: Ident,
    /// The dyn-compatible twin of the trait, which nobody else names.
    pub(super) erased: Ident,
}

impl Names {
    pub(super) fn new(model: &ClientModel) -> Self {
        // Shown at the trait, but resolved as ours: lints on the user's code do not look at what the macro made.
        let span = Span::call_site().located_at(model.ident.span());
        Self {
            runtime: crate_path::runtime(model.settings.runtime.as_ref()),
            client: format_ident!("Feign{}", model.ident, span = span),
            boxed: format_ident!("Box{}", model.ident, span = span),
            mock: format_ident!("Mock{}", model.ident, span = span),
            erased: format_ident!("__Erased{}", model.ident, span = span),
        }
    }
}

/// `name: Type, ...` of a method's arguments.
pub(super) fn parameters(method: &impl Signed) -> TokenStream {
    let arguments = method.arguments().into_iter();
    let arguments = arguments.map(|(ident, ty)| quote!(#ident: #ty));
    quote!(#(#arguments),*)
}

/// `name, ...` of a method's arguments.
pub(super) fn names_of(method: &impl Signed) -> TokenStream {
    let names = method.arguments().into_iter().map(|(ident, _)| ident);
    quote!(#(#names),*)
}

/// For code that names a trait or a method which its user may have deprecated: only the user's own uses are reported.
pub(super) fn old() -> TokenStream {
    quote!(#[allow(deprecated, reason = "the macro names what it was given")])
}
