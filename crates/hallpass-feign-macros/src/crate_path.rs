//! Where the generated code finds the runtime.

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};

/// The path of the `hallpass_feign` crate as seen from the user's crate: `hallpass::feign` when it depends on
/// `hallpass`, else `hallpass_feign` under whatever name it has there.
pub(crate) fn runtime(overridden: Option<&syn::Path>) -> TokenStream {
    if let Some(path) = overridden {
        return quote!(#path);
    }
    for (package, library, module) in [
        ("hallpass", "hallpass", Some("feign")),
        ("hallpass-feign", "hallpass_feign", None),
    ] {
        let Ok(found) = crate_name(package) else {
            continue;
        };
        let name = match found {
            FoundCrate::Itself => library.to_owned(),
            FoundCrate::Name(name) => name,
        };
        let name = format_ident!("{name}", span = Span::call_site());
        let module = module.map(|module| format_ident!("{module}", span = Span::call_site()));
        let module = module.iter();
        return quote!(::#name #(::#module)*);
    }
    // Neither is a direct dependency: the compiler's own message about this path says what is missing.
    quote!(::hallpass_feign)
}
