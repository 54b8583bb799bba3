//! What no compiler run shows better: that one trait reports all of its problems, and where the runtime is found.

use quote::quote;

fn messages(attribute: proc_macro2::TokenStream, item: &proc_macro2::TokenStream) -> Vec<String> {
    let expanded = super::feign_client(attribute, item).to_string();
    expanded
        .split("compile_error ! {")
        .skip(1)
        .map(|part| part.split('}').next().unwrap().trim().to_owned())
        .collect()
}

#[test]
fn all_problems_of_a_trait_are_reported_at_once() {
    let messages = messages(
        quote!(
            nmae = "x",
            identity = "realy",
            name = "logistics-service",
            deadline_ms = 0
        ),
        &quote! {
            trait Logistics {
                #[get("orders")]
                async fn orders(&self) -> Result<(), FeignError>;
                #[get("/orders/{id}")]
                fn order(&self) -> u8;
            }
        },
    );
    assert_eq!(messages.len(), 7, "{messages:#?}");
}

#[test]
fn the_runtime_can_be_named_by_the_crate_key() {
    for attribute in [
        quote!(name = "a", crate = other::feign),
        quote!(name = "a", crate = "other::feign"),
    ] {
        let expanded = super::feign_client(
            attribute,
            &quote! {
                trait Empty { #[get("/")] async fn get(&self) -> Result<(), FeignError>; }
            },
        );
        let expanded = expanded.to_string();
        assert!(
            expanded.contains("other :: feign :: __private :: Client"),
            "{expanded}"
        );
        assert!(!expanded.contains("hallpass"), "{expanded}");
    }
}

#[test]
fn an_item_that_is_no_trait_is_kept_and_refused() {
    let expanded = super::feign_client(
        quote!(name = "a"),
        &quote!(
            struct NotATrait;
        ),
    )
    .to_string();
    assert!(
        expanded.contains("compile_error") && expanded.contains("struct NotATrait"),
        "{expanded}"
    );
}
