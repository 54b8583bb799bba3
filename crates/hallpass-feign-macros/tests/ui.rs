//! What the compiler says about traits that `#[feign_client]` refuses: each message at the argument or attribute that
//! is to blame.
//!
//! The tests are here and not beside the runtime, because here they need three crates and there the whole tree would
//! be built for them a second time. Traits that are accepted are in `hallpass-feign/tests/ui/pass`. The expected
//! messages belong to the pinned toolchain (`rust-toolchain.toml`); `TRYBUILD=overwrite` writes them anew.

#[test]
fn a_trait_that_cannot_be_a_client_is_refused_where_it_is_wrong() {
    trybuild::TestCases::new().compile_fail("tests/ui/fail/*.rs");
}
