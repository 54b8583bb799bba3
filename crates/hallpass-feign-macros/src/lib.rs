//! The attribute macro behind `hallpass-feign`: `#[feign_client]` on a trait.
//!
//! **Promise**: a trait that compiles under this macro has every `{placeholder}` bound to exactly one argument,
//! a body only where the verb allows one, no header that identity or framing owns, and futures that are `Send`.
//! All problems are reported at once, each at the argument or the attribute that has it.
//!
//! **What it does not do**: it looks at names, not at types. `Option`, `String`, `Bytes`, `Body`, `Events`, `Response<T>` and `Result` are known by
//! their last path segment, so an alias for one of them is taken for a JSON type, and a type of the user's own that is called
//! `Response<T>` is taken for `http::Response<T>`: give it an alias without parameters.
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
/// | `headers` | `["X-Api-Version: 2"]` | headers of each call; a `#[header]` argument of the same name goes over them |
/// | `fallback` | a type | implements the trait and `Default`; answers when the service cannot |
/// | `fallback_factory` | a function | makes the fallback of the cause, for each call that fails: `fn(&FeignError) -> impl X + 'static` |
/// | `deadline_ms` | whole number | for the whole call with its retries |
/// | `isolate` | `true`, `false` (default) | run each attempt on a task of its own |
/// | `crate` | path | where `hallpass_feign` is, when the macro cannot find it in `Cargo.toml` |
///
/// # On a method
/// One of `#[get("/path/{x}")]`, `#[post]`, `#[put]`, `#[patch]`, `#[delete]`, `#[head]`, `#[options]`. Behind the `path` of the trait
/// the method's may be left out, or be `/`: both call that path itself, without a slash behind it. After the path the keys
/// `identity`, `when_absent`, `audience`, `scope`, `deadline_ms` override the trait's, `headers` go over and beside the trait's, and
/// `idempotent = true | false` says whether the call may be sent twice (default: `true` for all verbs but POST and PATCH).
/// `idempotency_key = true` gives each call an `Idempotency-Key` of its own, which all its attempts carry: it may then be sent twice.
///
/// The configuration of the client (`feign.clients.NAME`) goes over both where it says something.
///
/// # On an argument
/// | argument | goes into | needs |
/// |---|---|---|
/// | named like a `{placeholder}` | the path, percent-encoded; empty values and dot segments are refused | `Display` |
/// | `#[query]`, `#[query("name")]` | the query; `None` is left out, a sequence repeats the name, a struct gives a parameter a field, a map an entry | `Serialize` |
/// | `#[header("X-Name")]` | a header; an `Option` that is `None` is left out | `Display` |
/// | `#[json]`, `#[form]` | the body (POST, PUT, PATCH, DELETE) | `Serialize` |
/// | `#[text]`, `#[text("text/csv")]` | the body, as text | `&str`, `String`, `Cow<str>` |
/// | `#[bytes]`, `#[bytes("image/png")]` | the body, as it is | `Bytes`, `Vec<u8>`, `&[u8]`, `String`, `&str`, `Cow` of these |
/// | `#[stream]`, `#[stream("image/png")]` | the body as it comes, sent once; a fallback gets an empty one | `Body` |
/// | `#[multipart]` | the body, a form of several parts; a fallback gets an empty one | `Multipart` |
///
/// An argument that is none of these is an error: a body is always marked.
///
/// # The return type
/// `Result<T, FeignError>`, or another error that is made `From<FeignError>`, such as `TypedError<P>`. `T` is read from JSON, except:
/// `()` (the body of the response is not read), `Bytes` (as it came), `Body` (streamed as it comes), `Events<U>` (server-sent events of `U` in JSON; `Events`: of text), `String` (text; a text in JSON where
/// the media type says so), `Option<U>` (404, 204, an empty body and `null` are `None`, everything else as `U` in JSON, `String` or `Bytes`), and `Response<U>` (any of these with status and headers). HEAD has no body: `()` or `Response<()>`.
///
/// # Methods of one's own, and parameters
/// An `async` method with a body and without a verb is left as it is, but that its future is `Send`; an implementation may have a better
/// one, and a `MockX` runs the one of the trait. Types and constants may be parameters of the trait, not of a method: there is then a
/// `FeignX<T>`, a `BoxX<T>` and a `MockX<T>` for each. A type says `Send + Sync + 'static` beside what it is sent or read by.
///
/// # What is made
/// For a trait `X`: the trait itself, `Send + Sync` and with `Send` futures, `FeignX` (the client), `BoxX` (any implementation behind a
/// pointer, `Clone`) and `MockX` (for tests: `on_method(closure)` answers a method, `method_calls()` counts; where that name is taken,
/// by a method of the trait or otherwise, they are `when_method` and `method_call_count`).
#[proc_macro_attribute]
pub fn feign_client(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::feign_client(attribute.into(), &item.into()).into()
}
