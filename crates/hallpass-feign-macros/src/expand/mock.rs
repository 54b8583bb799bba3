//! `MockX`: a closure per method, for the tests of code that calls the service.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;

use super::names::{Names, names_of, parameters};
use crate::model::ClientModel;
use crate::model::method::MethodModel;

pub(super) fn expand(model: &ClientModel, names: &Names) -> TokenStream {
    let ClientModel {
        visibility,
        ident,
        methods,
        ..
    } = model;
    let Names { mock, runtime, .. } = names;
    let doc = format!(
        "Stands in for [`{ident}`] in tests: answers by closures, counts the calls, and is shared by its clones.\n\n\
         A method without a closure returns `FeignError::MockUnset`."
    );
    let fields = methods.iter().map(|method| field(method, names));
    let setters = methods.iter().map(|method| setters(model, method));
    let implementations = methods
        .iter()
        .map(|method| implementation(model, method, runtime));
    quote! {
        #[doc = #doc]
        #[derive(Clone, Debug, Default)]
        #visibility struct #mock {
            #(#fields),*
        }

        impl #mock {
            /// A mock whose methods all return `FeignError::MockUnset` until they get a closure.
            #[must_use]
            #visibility fn new() -> Self {
                ::core::default::Default::default()
            }

            #(#setters)*
        }

        impl #ident for #mock {
            #(#implementations)*
        }
    }
}

/// `Fn(A, B) -> Output + Send + Sync`
fn closure(method: &MethodModel) -> TokenStream {
    let types = method.arguments.iter().map(|argument| &argument.ty);
    let output = &method.output;
    quote!(::core::ops::Fn(#(#types),*) -> #output + ::core::marker::Send + ::core::marker::Sync)
}

fn field(method: &MethodModel, names: &Names) -> TokenStream {
    let (ident, runtime, closure) = (&method.ident, &names.runtime, closure(method));
    quote!(#ident: #runtime::__private::MockMethod<dyn #closure>)
}

fn setters(model: &ClientModel, method: &MethodModel) -> TokenStream {
    let (ident, visibility, closure) = (&method.ident, &model.visibility, closure(method));
    let plain = ident.unraw();
    let (setter, counter) = (format_ident!("on_{plain}"), format_ident!("{plain}_calls"));
    let setter_doc =
        format!("Answers `{plain}` by `answer`, which gets the arguments of the call.");
    let counter_doc = format!("How often `{plain}` was called, with or without a closure.");
    quote! {
        #[doc = #setter_doc]
        #[must_use]
        #visibility fn #setter(mut self, answer: impl #closure + 'static) -> Self {
            self.#ident.answer_by(::std::sync::Arc::new(answer));
            self
        }

        #[doc = #counter_doc]
        #[must_use]
        #visibility fn #counter(&self) -> usize {
            self.#ident.calls()
        }
    }
}

fn implementation(model: &ClientModel, method: &MethodModel, runtime: &TokenStream) -> TokenStream {
    let MethodModel { ident, output, .. } = method;
    let (parameters, arguments) = (parameters(method), names_of(method));
    let name = format!("{}::{}", model.ident, ident.unraw());
    let answer = format_ident!("answer", span = proc_macro2::Span::mixed_site());
    quote! {
        async fn #ident(&self, #parameters) -> #output {
            match self.#ident.call() {
                ::core::option::Option::Some(#answer) => #answer(#arguments),
                ::core::option::Option::None => {
                    ::core::result::Result::Err(#runtime::FeignError::MockUnset { method: #name })
                }
            }
        }
    }
}
