//! From the checked model to code: the trait, its client, its boxed form and its mock.

mod boxed;
mod client;
mod mock;
mod trait_item;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::{FnArg, ItemTrait, TraitItem};

use crate::crate_path;
use crate::error::Problems;
use crate::model::ClientModel;
use crate::model::method::MethodModel;

/// Expands `#[feign_client(attribute)] item`.
pub(crate) fn feign_client(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let trait_item: ItemTrait = match syn::parse2(item.clone()) {
        Ok(trait_item) => trait_item,
        Err(error) => {
            let error = error.to_compile_error();
            return quote!(#error #item);
        }
    };
    let mut problems = Problems::default();
    let model = ClientModel::read(attribute, &trait_item, &mut problems);
    if let Some(errors) = problems.into_compile_errors() {
        // The trait stays, without our attributes, so that its users add no errors of their own.
        let bare = bare(trait_item);
        return quote!(#errors #bare);
    }
    model.map(|model| expand(&model)).unwrap_or_default()
}

fn expand(model: &ClientModel) -> TokenStream {
    let names = Names::new(model);
    let trait_item = trait_item::expand(model, &names);
    let client = client::expand(model, &names);
    let boxed = boxed::expand(model, &names);
    let mock = mock::expand(model, &names);
    quote!(#trait_item #client #boxed #mock)
}

fn bare(mut item: ItemTrait) -> TokenStream {
    for item in &mut item.items {
        let TraitItem::Fn(function) = item else {
            continue;
        };
        function
            .attrs
            .retain(|attribute| attribute.path().is_ident("doc"));
        for input in &mut function.sig.inputs {
            if let FnArg::Typed(argument) = input {
                argument.attrs.clear();
            }
        }
    }
    quote!(#[allow(async_fn_in_trait, reason = "the macro has failed")] #item)
}

/// The names that the made items have and use.
struct Names {
    /// Where the runtime is.
    runtime: TokenStream,
    /// `FeignX`
    client: Ident,
    /// `BoxX`
    boxed: Ident,
    /// `MockX`
    mock: Ident,
    /// The dyn-compatible twin of the trait, which nobody else names.
    erased: Ident,
}

impl Names {
    fn new(model: &ClientModel) -> Self {
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
fn parameters(method: &MethodModel) -> TokenStream {
    let arguments = method.arguments.iter().map(|argument| {
        let (ident, ty) = (&argument.ident, &argument.ty);
        quote!(#ident: #ty)
    });
    quote!(#(#arguments),*)
}

/// `name, ...` of a method's arguments.
fn names_of(method: &MethodModel) -> TokenStream {
    let names = method.arguments.iter().map(|argument| &argument.ident);
    quote!(#(#names),*)
}

#[cfg(test)]
mod tests;
