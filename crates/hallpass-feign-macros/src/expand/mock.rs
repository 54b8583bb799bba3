//! `MockX`: a closure per method, for the tests of code that calls the service.

use std::collections::HashSet;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::names::{Names, names_of, old, parameters};
use crate::model::ClientModel;
use crate::model::local::LocalMethod;
use crate::model::method::MethodModel;
use crate::model::parameters::Parameters;

pub(super) fn expand(model: &ClientModel, names: &Names) -> TokenStream {
    let ClientModel {
        visibility,
        ident,
        parameters,
        methods,
        locals,
        ..
    } = model;
    let Parameters {
        of_impl,
        names: given,
        clause,
        ..
    } = parameters;
    let Names { mock, runtime, .. } = names;
    let item = item(model, names);
    let names_of_mock = MockNames::of(methods, locals);
    let setters = methods
        .iter()
        .zip(names_of_mock)
        .map(|(method, names)| setters(model, method, &names));
    let old = old();
    let implementations = methods
        .iter()
        .map(|method| implementation(model, method, runtime));
    quote! {
        #item

        impl #of_impl #mock #given #clause {
            /// A mock whose methods all return `FeignError::MockUnset` until they get a closure.
            #[must_use]
            #visibility fn new() -> Self {
                ::core::default::Default::default()
            }

            #(#setters)*
        }

        #old
        impl #of_impl #ident #given for #mock #given #clause {
            #(#implementations)*
        }
    }
}

/// The type, with what a derive would ask of the parameters and this does not.
fn item(model: &ClientModel, names: &Names) -> TokenStream {
    let ClientModel {
        visibility,
        ident,
        parameters,
        methods,
        ..
    } = model;
    let Parameters {
        declared,
        of_impl,
        names: given,
        clause,
        phantom,
        ..
    } = parameters;
    let mock = &names.mock;
    let doc = format!(
        "Stands in for [`{ident}`] in tests: answers by closures, counts the calls, and is shared by its clones.\n\n\
         A method without a closure returns `FeignError::MockUnset`."
    );
    let fields = methods.iter().map(|method| field(method, names));
    let idents: Vec<&Ident> = methods.iter().map(|method| &method.ident).collect();
    let text = mock.to_string();
    // For parameters that no method names.
    let phantom = phantom.as_ref().map(|ty| quote!(__feign_parameters: #ty,));
    let unit = phantom
        .as_ref()
        .map(|_| quote!(__feign_parameters: ::core::marker::PhantomData,));
    quote! {
        #[doc = #doc]
        #visibility struct #mock #declared #clause {
            #(#fields,)*
            #phantom
        }

        impl #of_impl ::core::clone::Clone for #mock #given #clause {
            fn clone(&self) -> Self {
                Self {
                    #(#idents: ::core::clone::Clone::clone(&self.#idents),)*
                    #unit
                }
            }
        }

        impl #of_impl ::core::default::Default for #mock #given #clause {
            fn default() -> Self {
                Self {
                    #(#idents: ::core::default::Default::default(),)*
                    #unit
                }
            }
        }

        impl #of_impl ::core::fmt::Debug for #mock #given #clause {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                formatter
                    .debug_struct(#text)
                    #(.field(::core::stringify!(#idents), &self.#idents))*
                    .finish()
            }
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

/// What the two methods of a mock are called that belong to one of the trait.
struct MockNames {
    setter: Ident,
    counter: Ident,
}

impl MockNames {
    /// `on_x` and `x_calls`, unless the trait has a method of that name: then `when_x` and `x_call_count`, in the end with
    /// underscores.
    fn of(methods: &[MethodModel], locals: &[LocalMethod]) -> Vec<Self> {
        let plain = |method: &MethodModel| method.ident.unraw().to_string();
        let mut taken: HashSet<String> = methods.iter().map(plain).collect();
        taken.extend(locals.iter().map(|method| method.ident.unraw().to_string()));
        taken.insert("new".to_owned());
        let mut free = |first: String, mut then: String| {
            if taken.insert(first.clone()) {
                return format_ident!("{first}");
            }
            while !taken.insert(then.clone()) {
                then.push('_');
            }
            format_ident!("{then}")
        };
        let names = methods.iter().map(plain).map(|name| Self {
            setter: free(format!("on_{name}"), format!("when_{name}")),
            counter: free(format!("{name}_calls"), format!("{name}_call_count")),
        });
        names.collect()
    }
}

fn setters(model: &ClientModel, method: &MethodModel, names: &MockNames) -> TokenStream {
    let (ident, visibility, closure) = (&method.ident, &model.visibility, closure(method));
    let plain = ident.unraw();
    let MockNames { setter, counter } = names;
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
    // At the return type, as the client's own send: an error that is not made of ours shows there.
    let unset = quote_spanned! {output.span()=>
        ::core::result::Result::Err(#runtime::__private::mock_unset(#name))
    };
    quote! {
        async fn #ident(&self, #parameters) -> #output {
            match self.#ident.call() {
                ::core::option::Option::Some(#answer) => #answer(#arguments),
                ::core::option::Option::None => #unset,
            }
        }
    }
}
