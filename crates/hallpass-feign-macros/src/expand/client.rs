//! `FeignX`: the client that sends the calls.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::LitStr;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::names::{Names, names_of, old, parameters};
use crate::model::ClientModel;
use crate::model::argument::{ArgumentModel, Binding};
use crate::model::headers::ConstantHeader;
use crate::model::method::MethodModel;
use crate::model::parameters::Parameters;
use crate::model::settings::{Fallback, SharedSettings};
use crate::model::template::Piece;

pub(super) fn expand(model: &ClientModel, names: &Names) -> TokenStream {
    let (item, spec, calls) = (
        item(model, names),
        generated(model, names),
        calls(model, names),
    );
    quote!(#item #spec #calls)
}

fn item(model: &ClientModel, names: &Names) -> TokenStream {
    let ClientModel {
        visibility,
        ident,
        parameters,
        settings,
        ..
    } = model;
    let Parameters {
        declared,
        of_impl,
        names: given,
        clause,
        ..
    } = parameters;
    let Names {
        runtime,
        client,
        boxed,
        ..
    } = names;
    let text = client.to_string();
    let doc = format!(
        "Calls `{}` over HTTP as [`{ident}`] describes it; cheap to clone.",
        settings.name.value()
    );
    let builder_doc =
        format!("Begins a client with settings of its own; a fallback goes in as [`{boxed}`].");
    quote! {
        #[doc = #doc]
        #visibility struct #client #declared #clause {
            client: #runtime::__private::Client,
            fallback: ::core::option::Option<#runtime::__private::Fallback<#boxed #given>>,
        }

        impl #of_impl ::core::clone::Clone for #client #given #clause {
            fn clone(&self) -> Self {
                Self {
                    client: ::core::clone::Clone::clone(&self.client),
                    fallback: ::core::clone::Clone::clone(&self.fallback),
                }
            }
        }

        impl #of_impl ::core::fmt::Debug for #client #given #clause {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                formatter
                    .debug_struct(#text)
                    .field("client", &self.client)
                    .field("fallback", &self.fallback)
                    .finish()
            }
        }

        impl #of_impl #client #given #clause {
            /// A client on the shared runtime `feign`, with what the configuration says about this service.
            ///
            /// # Errors
            /// When the configured settings of this service cannot be used: see `ClientBuilder::build`.
            #visibility fn new(feign: &#runtime::Feign) -> ::core::result::Result<Self, #runtime::BuildError> {
                Self::builder(feign).build()
            }

            #[doc = #builder_doc]
            #visibility fn builder(feign: &#runtime::Feign) -> #runtime::ClientBuilder<Self> {
                #runtime::ClientBuilder::new(feign)
            }
        }
    }
}

fn generated(model: &ClientModel, names: &Names) -> TokenStream {
    let Names {
        runtime,
        client,
        boxed,
        ..
    } = names;
    let settings = &model.settings;
    let trait_name = model.ident.to_string();
    let (name, url, isolate) = (
        &settings.name,
        option(settings.url.as_ref()),
        settings.isolate,
    );
    let shared = shared(&settings.shared, runtime);
    let methods = model
        .methods
        .iter()
        .map(|method| method_spec(method, runtime));
    let fallback = settings
        .fallback
        .as_ref()
        .map(|fallback| default_fallback(fallback, names));
    let fallback = option(fallback);
    let old = old();
    let Parameters {
        of_impl,
        names: given,
        clause,
        ..
    } = &model.parameters;
    quote! {
        #old
        impl #of_impl #runtime::GeneratedClient for #client #given #clause {
            type Fallback = #boxed #given;

            const SPEC: &'static #runtime::__private::ClientSpec = &#runtime::__private::ClientSpec {
                trait_name: #trait_name,
                name: #name,
                url: #url,
                shared: #shared,
                isolate: #isolate,
                methods: &[#(#methods),*],
            };

            fn assemble(
                client: #runtime::__private::Client,
                fallback: ::core::option::Option<#runtime::__private::Fallback<#boxed #given>>,
            ) -> Self {
                Self { client, fallback }
            }

            fn default_fallback() -> ::core::option::Option<#runtime::__private::Fallback<#boxed #given>> {
                #fallback
            }
        }
    }
}

/// At the type or the function, so that a missing `Default` or a missing implementation shows there.
fn default_fallback(fallback: &Fallback, names: &Names) -> TokenStream {
    let Names { runtime, boxed, .. } = names;
    match fallback {
        Fallback::Type(ty) => quote_spanned! {ty.span()=>
            #runtime::__private::Fallback::Shared(#boxed::new(<#ty as ::core::default::Default>::default()))
        },
        Fallback::Factory(path) => quote_spanned! {path.span()=>
            #runtime::__private::Fallback::made_by(|cause: &#runtime::FeignError| #boxed::new(#path(cause)))
        },
    }
}

fn method_spec(method: &MethodModel, runtime: &TokenStream) -> TokenStream {
    let name = method.ident.unraw().to_string();
    let verb = method.verb;
    let template = method.template.text();
    let shared = shared(&method.settings.shared, runtime);
    let idempotency_key = method.settings.idempotency_key;
    let idempotent = method.settings.idempotent;
    let idempotent = idempotent.unwrap_or(verb.is_idempotent() || idempotency_key);
    quote! {
        #runtime::__private::MethodSpec {
            name: #name,
            verb: #runtime::__private::Verb::#verb,
            template: #template,
            shared: #shared,
            idempotent: #idempotent,
            idempotency_key: #idempotency_key,
        }
    }
}

fn shared(settings: &SharedSettings, runtime: &TokenStream) -> TokenStream {
    let identity = option(
        settings
            .identity
            .map(|identity| quote!(#runtime::Identity::#identity)),
    );
    let when_absent = option(
        settings
            .when_absent
            .map(|absent| quote!(#runtime::WhenAbsent::#absent)),
    );
    let audience = option(settings.audience.as_ref());
    let scope = option(settings.scope.as_ref());
    let deadline_ms = option(settings.deadline_ms);
    let headers = settings.headers.iter().map(|header| {
        let ConstantHeader { name, value } = header;
        quote!((#name, #value))
    });
    quote! {
        #runtime::__private::SharedSpec {
            identity: #identity,
            when_absent: #when_absent,
            audience: #audience,
            scope: #scope,
            deadline_ms: #deadline_ms,
            headers: &[#(#headers),*],
        }
    }
}

fn option(value: Option<impl ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

fn calls(model: &ClientModel, names: &Names) -> TokenStream {
    let (ident, client, old) = (&model.ident, &names.client, old());
    let methods = model
        .methods
        .iter()
        .enumerate()
        .map(|(index, method)| call(index, method, model, names));
    let Parameters {
        of_impl,
        names: given,
        clause,
        ..
    } = &model.parameters;
    quote! {
        #old
        impl #of_impl #ident #given for #client #given #clause {
            #(#methods)*
        }
    }
}

fn call(index: usize, method: &MethodModel, model: &ClientModel, names: &Names) -> TokenStream {
    let runtime = &names.runtime;
    let private = quote!(#runtime::__private);
    let MethodModel { ident, output, .. } = method;
    let (parameters, arguments) = (parameters(method), names_of(method));
    // Hygienic: an argument of the same name is not shadowed.
    let call = format_ident!("call", span = proc_macro2::Span::mixed_site());
    let fallback = format_ident!("fallback", span = proc_macro2::Span::mixed_site());
    let cause = format_ident!("cause", span = proc_macro2::Span::mixed_site());
    let path = method
        .template
        .pieces()
        .iter()
        .map(|piece| path_step(piece, method, &call));
    let rest = method
        .arguments
        .iter()
        .filter_map(|argument| argument_step(argument, &call));
    let marker = method.success.marker(&private);
    // At the return type: what it lacks, or an error type that is not ours, shows there.
    // By the trait's name: what stands in may have a method of this name by another trait, such as `clone`.
    let (boxed, trait_ident) = (&names.boxed, &model.ident);
    let given = &model.parameters.names;
    let answer = quote!(<#boxed #given as #trait_ident #given>::#ident(&#fallback, #arguments));
    let send = quote_spanned!(output.span()=> #call.send::<#marker, _, _, _>(#fallback).await);
    quote! {
        async fn #ident(&self, #parameters) -> #output {
            let mut #call = #private::Call::begin(&self.client, #index);
            #(#path)*
            #(#rest)*
            let #fallback = self.fallback.as_ref().map(|#fallback| move |#cause: &#runtime::FeignError| {
                let #fallback = #fallback.because_of(#cause);
                async move { #answer.await }
            });
            #send
        }
    }
}

fn path_step(piece: &Piece, method: &MethodModel, call: &proc_macro2::Ident) -> TokenStream {
    match piece {
        Piece::Fixed(text) => quote!(#call.fixed(#text);),
        Piece::Placeholder(name) => {
            let argument = method
                .arguments
                .iter()
                .find(|argument| argument.ident.unraw() == *name);
            let step = argument.map(|argument| step(argument, call, "path", name, false));
            step.unwrap_or_default()
        }
    }
}

fn argument_step(argument: &ArgumentModel, call: &proc_macro2::Ident) -> Option<TokenStream> {
    let own_name = argument.ident.unraw().to_string();
    Some(match &argument.binding {
        Binding::Path => return None,
        Binding::Query(name) => step(argument, call, "query", name, false),
        Binding::Header { name, optional } => step(argument, call, "header", name, *optional),
        Binding::Json => step(argument, call, "json", &own_name, false),
        Binding::Form => step(argument, call, "form", &own_name, false),
        Binding::Text(media_type) => step(argument, call, "text", media_type, false),
        Binding::Bytes(media_type) => step(argument, call, "bytes", media_type, false),
        Binding::Stream(media_type) => taking_step(argument, call, "stream", media_type),
        Binding::Multipart => taking_step(argument, call, "multipart", &own_name),
    })
}

/// `call.method("name", argument)` of one that is gone by it. What stays behind is empty, for a fallback.
fn taking_step(
    argument: &ArgumentModel,
    call: &proc_macro2::Ident,
    method: &str,
    name: &str,
) -> TokenStream {
    let span = argument.ty.span();
    let name = LitStr::new(name, span);
    let ident = &argument.ident;
    let method = format_ident!("{method}", span = span);
    quote_spanned! {span=>
        let mut #ident = #ident;
        #call.#method(#name, ::core::mem::take(&mut #ident));
    }
}

/// `call.method("name", &argument)`, shown at the argument's type: a missing `Display` or `Serialize` is its fault.
fn step(
    argument: &ArgumentModel,
    call: &proc_macro2::Ident,
    method: &str,
    name: &str,
    optional: bool,
) -> TokenStream {
    let span = argument.ty.span();
    let name = LitStr::new(name, span);
    let ident = &argument.ident;
    let method = format_ident!("{method}", span = span);
    if optional {
        return quote_spanned! {span=>
            if let ::core::option::Option::Some(value) = &#ident {
                #call.#method(#name, value);
            }
        };
    }
    quote_spanned!(span=> #call.#method(#name, &#ident);)
}
