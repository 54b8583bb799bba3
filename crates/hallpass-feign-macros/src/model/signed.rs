//! What all methods have in common, so that the boxed form forwards them alike.

use proc_macro2::Ident;
use syn::Type;

/// A method as its caller sees it.
pub(crate) trait Signed {
    fn ident(&self) -> &Ident;
    /// Without `&self`.
    fn arguments(&self) -> Vec<(&Ident, &Type)>;
    fn output(&self) -> &Type;
}
