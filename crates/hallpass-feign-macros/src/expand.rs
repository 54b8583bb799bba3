//! From the checked model to code: the trait, its client, its boxed form and its mock.

mod boxed;
mod client;
mod mock;
mod names;
mod trait_item;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, ItemTrait, TraitItem};

use crate::error::Problems;
use crate::model::ClientModel;

use names::Names;

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

#[cfg(test)]
mod tests;
