//! The attribute macro behind `hallpass-feign`: `#[feign_client]` on a trait.
//!
//! **Promise**: a trait that compiles under this macro has every `{placeholder}` bound to exactly one argument,
//! a body only where the verb allows one, no header that identity or framing owns, and futures that are `Send`.
//! All problems are reported at once, each at the argument or the attribute that has it.
//!
//! **What it does not do**: it looks at names, not at types. `Option`, `Bytes`, `Body` and `Result` are known by
//! their last path segment, so an alias for one of them is taken for a JSON type.
//!
//! Nobody depends on this crate directly: the macro is re-exported by `hallpass-feign` (and by `hallpass`).

mod crate_path;
mod error;
mod expand;
mod lifetimes;
mod model;
mod suggest;

use proc_macro::TokenStream;

/// Makes a trait the remote service that it describes.
///
/// # On the trait
/// | key | value | meaning |
/// |---|---|---|
/// | `name` | service name | required; the name in `lb://name`, in configuration (`clients.NAME`) and in metrics |
/// | `path` | `"/prefix"` | goes before the path of each method |
/// | `url` | `"lb://x"`, `"https://host:port"`, `"http://host:port"` | where the service is, when not `lb://name`; a configured `url` wins |
/// | `identity` | `"service"` (default), `"relay"`, `"exchange"`, `"none"` | whose identity the call carries |
/// | `when_absent` | `"fail"` (default), `"service"`, `"none"` | what relay and exchange do when no caller is known |
/// | `audience`, `scope` | text | of the token asked for; without them the configured ones |
/// | `fallback` | a type | implements the trait and `Default`; answers when the service cannot |
/// | `deadline_ms` | whole number | for the whole call with its retries |
/// | `isolate` | `true`, `false` (default) | run each attempt on a task of its own |
/// | `crate` | path | where `hallpass_feign` is, when the macro cannot find it in `Cargo.toml` |
///
/// # On a method
/// One of `#[get("/path/{x}")]`, `#[post]`, `#[put]`, `#[patch]`, `#[delete]`, after whose path the keys `identity`,
/// `when_absent`, `audience`, `scope`, `deadline_ms` override the trait's, and `idempotent = true | false` says
/// whether the call may be sent twice (default: `true` for all verbs but POST and PATCH).
///
/// The configuration of the client (`feign.clients.NAME`) goes over both where it says something.
///
/// # On an argument
/// | argument | goes into | needs |
/// |---|---|---|
/// | named like a `{placeholder}` | the path, percent-encoded; empty values and dot segments are refused | `Display` |
/// | `#[query]`, `#[query("name")]` | the query; `None` is left out, a sequence repeats the name, a struct gives a parameter a field | `Serialize` |
/// | `#[header("X-Name")]` | a header; an `Option` that is `None` is left out | `Display` |
/// | `#[json]`, `#[form]` | the body (POST, PUT, PATCH) | `Serialize` |
///
/// An argument that is none of these is an error: a body is always marked.
///
/// # The return type
/// `Result<T, FeignError>`. `T` is read from JSON, except: `()` (the body of the response is not read), `Bytes` (as it came),
/// `Body` (streamed as it comes), `Option<U>` (404 and 204 are `None`, everything else as `U` in JSON).
///
/// # What is made
/// For a trait `X`: the trait itself, `Send + Sync` and with `Send` futures, `FeignX` (the client), `BoxX` (any implementation behind a
/// pointer, `Clone`) and `MockX` (for tests: `on_method(closure)` answers a method, `method_calls()` counts; where that name is taken,
/// by a method of the trait or otherwise, they are `when_method` and `method_call_count`).
#[proc_macro_attribute]
pub fn feign_client(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::feign_client(attribute.into(), &item.into()).into()
}
