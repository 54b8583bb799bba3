//! `BoxX`: any implementation of the trait behind a pointer.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Lifetime, parse_quote};

use super::names::{Names, names_of, old, parameters};
use crate::lifetimes;
use crate::model::ClientModel;
use crate::model::parameters::Parameters;
use crate::model::signed::Signed;

pub(super) fn expand(model: &ClientModel, names: &Names) -> TokenStream {
    let ClientModel {
        ident,
        parameters,
        methods,
        locals,
        ..
    } = model;
    let Parameters {
        declared: declared_parameters,
        of_impl,
        names: given,
        clause,
        ..
    } = parameters;
    let Names { boxed, erased, .. } = names;
    // A method with a body goes through the box like the others: the implementation inside may have its own.
    let declared = methods.iter().map(|method| signature(method, names));
    let declared = declared.chain(locals.iter().map(|method| signature(method, names)));
    let erased_methods = methods
        .iter()
        .map(|method| erased_method(model, method, names));
    let erased_locals = locals
        .iter()
        .map(|method| erased_method(model, method, names));
    let erased_methods = erased_methods.chain(erased_locals);
    let boxed_methods = methods.iter().map(boxed_method);
    let boxed_methods = boxed_methods.chain(locals.iter().map(boxed_method));
    let (implementation, old, item) = (implementation(), old(), item(model, names));
    let of_blanket = parameters.with(syn::parse_quote!(#implementation: #ident #given));
    quote! {
        // Dyn-compatible twin of the trait: its futures are boxed, so it can stand behind a pointer.
        #[doc(hidden)]
        trait #erased #declared_parameters: ::core::marker::Send + ::core::marker::Sync #clause {
            #(#declared;)*
        }

        #old
        impl #of_blanket #erased #given for #implementation #clause {
            #(#erased_methods)*
        }

        #item

        #old
        impl #of_impl #ident #given for #boxed #given #clause {
            #(#boxed_methods)*
        }
    }
}

/// The pointer, with what a derive would ask of the parameters and this does not.
fn item(model: &ClientModel, names: &Names) -> TokenStream {
    let ClientModel {
        visibility,
        ident,
        parameters,
        ..
    } = model;
    let Parameters {
        declared,
        of_impl,
        names: given,
        clause,
        ..
    } = parameters;
    let Names { boxed, erased, .. } = names;
    let (old, text) = (old(), boxed.to_string());
    let doc = format!(
        "Any [`{ident}`] behind one pointer: a client, a fallback or a mock. Cloning shares it."
    );
    quote! {
        #[doc = #doc]
        #visibility struct #boxed #declared(::std::sync::Arc<dyn #erased #given>) #clause;

        impl #of_impl ::core::clone::Clone for #boxed #given #clause {
            fn clone(&self) -> Self {
                Self(::std::sync::Arc::clone(&self.0))
            }
        }

        #old
        impl #of_impl #boxed #given #clause {
            /// Puts `implementation` behind a pointer.
            #visibility fn new(implementation: impl #ident #given + 'static) -> Self {
                Self(::std::sync::Arc::new(implementation))
            }
        }

        impl #of_impl ::core::fmt::Debug for #boxed #given #clause {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                formatter.debug_struct(#text).finish_non_exhaustive()
            }
        }
    }
}

/// A type parameter that no type of the user is called like.
fn implementation() -> proc_macro2::Ident {
    format_ident!("__FeignImplementation")
}

fn erased_name(method: &impl Signed) -> proc_macro2::Ident {
    use syn::ext::IdentExt;
    format_ident!("__erased_{}", method.ident().unraw())
}

fn signature(method: &impl Signed, names: &Names) -> TokenStream {
    let runtime = &names.runtime;
    let lifetime: Lifetime = parse_quote!('__feign_call);
    let name = erased_name(method);
    let output = method.output();
    let parameters = method.arguments().into_iter().map(|(ident, ty)| {
        let ty = lifetimes::named(ty, &lifetime);
        quote!(#ident: #ty)
    });
    quote! {
        fn #name<#lifetime>(&#lifetime self, #(#parameters),*)
            -> #runtime::__private::BoxFuture<#lifetime, #output>
    }
}

fn erased_method(model: &ClientModel, method: &impl Signed, names: &Names) -> TokenStream {
    let signature = signature(method, names);
    let (ident, trait_ident, arguments) = (method.ident(), &model.ident, names_of(method));
    let given = &model.parameters.names;
    let implementation = implementation();
    quote! {
        #signature {
            ::std::boxed::Box::pin(<#implementation as #trait_ident #given>::#ident(self, #arguments))
        }
    }
}

fn boxed_method(method: &impl Signed) -> TokenStream {
    let (ident, output) = (method.ident(), method.output());
    let (name, parameters, arguments) = (erased_name(method), parameters(method), names_of(method));
    quote! {
        async fn #ident(&self, #parameters) -> #output {
            self.0.#name(#arguments).await
        }
    }
}
