//! The trait itself: what the user wrote, with futures that are `Send`.

use proc_macro2::TokenStream;
use quote::quote;

use super::names::{Names, parameters};
use crate::model::ClientModel;
use crate::model::method::MethodModel;

pub(super) fn expand(model: &ClientModel, _: &Names) -> TokenStream {
    let ClientModel {
        attributes,
        visibility,
        ident,
        supertraits,
        methods,
        ..
    } = model;
    let plus = (!supertraits.is_empty()).then(|| quote!(+));
    let methods = methods.iter().map(method);
    quote! {
        #(#attributes)*
        #visibility trait #ident: #supertraits #plus ::core::marker::Send + ::core::marker::Sync {
            #(#methods)*
        }
    }
}

fn method(method: &MethodModel) -> TokenStream {
    let MethodModel {
        attributes,
        ident,
        output,
        ..
    } = method;
    let parameters = parameters(method);
    let endpoint = format!("\n\n`{} {}`", method.verb.text(), method.template.text());
    quote! {
        #(#attributes)*
        #[doc = #endpoint]
        fn #ident(&self, #parameters) -> impl ::core::future::Future<Output = #output> + ::core::marker::Send;
    }
}
