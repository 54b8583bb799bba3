//! What the compiler says about handlers whose extractors cannot be: the message names what is wrong, at the argument that is to
//! blame, and not where a route takes the handler.
//!
//! The expected messages belong to the pinned toolchain (`rust-toolchain.toml`); `TRYBUILD=overwrite` writes them anew.

#[test]
fn a_handler_that_cannot_be_is_refused_where_it_is_wrong() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
