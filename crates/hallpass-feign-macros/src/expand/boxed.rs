//! `BoxX`: any implementation of the trait behind a pointer.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Lifetime, parse_quote};

use super::names::{Names, names_of, old, parameters};
use crate::lifetimes;
use crate::model::ClientModel;
use crate::model::method::MethodModel;

pub(super) fn expand(model: &ClientModel, names: &Names) -> TokenStream {
    let ClientModel {
        visibility,
        ident,
        methods,
        ..
    } = model;
    let Names { boxed, erased, .. } = names;
    let doc = format!(
        "Any [`{ident}`] behind one pointer: a client, a fallback or a mock. Cloning shares it."
    );
    let text = boxed.to_string();
    let declared = methods.iter().map(|method| signature(method, names));
    let erased_methods = methods
        .iter()
        .map(|method| erased_method(model, method, names));
    let boxed_methods = methods.iter().map(boxed_method);
    let (implementation, old) = (implementation(), old());
    quote! {
        // Dyn-compatible twin of the trait: its futures are boxed, so it can stand behind a pointer.
        #[doc(hidden)]
        trait #erased: ::core::marker::Send + ::core::marker::Sync {
            #(#declared;)*
        }

        #old
        impl<#implementation: #ident> #erased for #implementation {
            #(#erased_methods)*
        }

        #[doc = #doc]
        #[derive(::core::clone::Clone)]
        #visibility struct #boxed(::std::sync::Arc<dyn #erased>);

        #old
        impl #boxed {
            /// Puts `implementation` behind a pointer.
            #visibility fn new(implementation: impl #ident + 'static) -> Self {
                Self(::std::sync::Arc::new(implementation))
            }
        }

        impl ::core::fmt::Debug for #boxed {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                formatter.debug_struct(#text).finish_non_exhaustive()
            }
        }

        #old
        impl #ident for #boxed {
            #(#boxed_methods)*
        }
    }
}

/// A type parameter that no type of the user is called like.
fn implementation() -> proc_macro2::Ident {
    format_ident!("__FeignImplementation")
}

fn erased_name(method: &MethodModel) -> proc_macro2::Ident {
    use syn::ext::IdentExt;
    format_ident!("__erased_{}", method.ident.unraw())
}

fn signature(method: &MethodModel, names: &Names) -> TokenStream {
    let runtime = &names.runtime;
    let lifetime: Lifetime = parse_quote!('__feign_call);
    let name = erased_name(method);
    let output = &method.output;
    let parameters = method.arguments.iter().map(|argument| {
        let ident = &argument.ident;
        let ty = lifetimes::named(&argument.ty, &lifetime);
        quote!(#ident: #ty)
    });
    quote! {
        fn #name<#lifetime>(&#lifetime self, #(#parameters),*)
            -> #runtime::__private::BoxFuture<#lifetime, #output>
    }
}

fn erased_method(model: &ClientModel, method: &MethodModel, names: &Names) -> TokenStream {
    let signature = signature(method, names);
    let (ident, trait_ident, arguments) = (&method.ident, &model.ident, names_of(method));
    let implementation = implementation();
    quote! {
        #signature {
            ::std::boxed::Box::pin(<#implementation as #trait_ident>::#ident(self, #arguments))
        }
    }
}

fn boxed_method(method: &MethodModel) -> TokenStream {
    let MethodModel { ident, output, .. } = method;
    let (name, parameters, arguments) = (erased_name(method), parameters(method), names_of(method));
    quote! {
        async fn #ident(&self, #parameters) -> #output {
            self.0.#name(#arguments).await
        }
    }
}
