//! The trait itself: what the user wrote, with futures that are `Send`.

use proc_macro2::TokenStream;
use quote::quote;

use super::names::{Names, parameters};
use crate::model::ClientModel;
use crate::model::local::LocalMethod;
use crate::model::method::MethodModel;

pub(super) fn expand(model: &ClientModel, _: &Names) -> TokenStream {
    let ClientModel {
        attributes,
        visibility,
        ident,
        parameters,
        supertraits,
        methods,
        locals,
        ..
    } = model;
    let (declared, clause) = (&parameters.declared, &parameters.clause);
    let plus = (!supertraits.is_empty()).then(|| quote!(+));
    let methods = methods.iter().map(method);
    let locals = locals.iter().map(local);
    quote! {
        #(#attributes)*
        #visibility trait #ident #declared: #supertraits #plus ::core::marker::Send + ::core::marker::Sync #clause {
            #(#methods)*
            #(#locals)*
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

fn local(method: &LocalMethod) -> TokenStream {
    let LocalMethod {
        attributes,
        ident,
        output,
        body,
        ..
    } = method;
    let parameters = parameters(method);
    quote! {
        #(#attributes)*
        #[allow(clippy::manual_async_fn, reason = "the macro says that the future is `Send`")]
        fn #ident(&self, #parameters) -> impl ::core::future::Future<Output = #output> + ::core::marker::Send {
            async move #body
        }
    }
}
