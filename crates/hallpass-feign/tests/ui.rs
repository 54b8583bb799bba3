//! Traits that `#[feign_client]` accepts, compiled without a warning; those that it refuses are in
//! `hallpass-feign-macros/tests/ui/fail`.

#[path = "ui/pass/every_binding_and_answer.rs"]
pub mod every_binding_and_answer;
#[path = "ui/pass/everyday_names_are_free.rs"]
pub mod everyday_names_are_free;
#[path = "ui/pass/names_of_the_macro_are_free.rs"]
pub mod names_of_the_macro_are_free;

#[test]
fn traits_with_every_binding_and_answer_compile_and_run() {
    every_binding_and_answer::main().unwrap();
    names_of_the_macro_are_free::main();
}

#[tokio::test]
async fn methods_and_types_may_have_everyday_names_and_be_deprecated() {
    everyday_names_are_free::main().await.unwrap();
}
