//! What the macro knows about a trait, as constants in the user's crate.

use std::time::Duration;

use hallpass_client::{Identity, WhenAbsent};
use http::Method;

/// A trait under `#[feign_client]`.
#[derive(Debug)]
pub struct ClientSpec {
    /// Name of the trait.
    pub trait_name: &'static str,
    /// Service name.
    pub name: &'static str,
    /// Where the service is, when not `lb://name`.
    pub url: Option<&'static str>,
    /// For all methods.
    pub shared: SharedSpec,
    /// Run each attempt on a task of its own.
    pub isolate: bool,
    /// In the order of the trait.
    pub methods: &'static [MethodSpec],
}

/// Where a [`ClientSpec`] is: in the code of a trait, or made while the program runs.
#[derive(Debug)]
pub(crate) enum SpecOf {
    Trait(&'static ClientSpec),
    Caller(Box<ClientSpec>),
}

impl std::ops::Deref for SpecOf {
    type Target = ClientSpec;

    fn deref(&self) -> &ClientSpec {
        match self {
            Self::Trait(spec) => spec,
            Self::Caller(spec) => spec,
        }
    }
}

impl From<&'static ClientSpec> for SpecOf {
    fn from(spec: &'static ClientSpec) -> Self {
        Self::Trait(spec)
    }
}

impl From<ClientSpec> for SpecOf {
    fn from(spec: ClientSpec) -> Self {
        Self::Caller(Box::new(spec))
    }
}

/// A method of the trait.
#[derive(Debug)]
pub struct MethodSpec {
    /// Name of the method.
    pub name: &'static str,
    /// HTTP verb.
    pub verb: Verb,
    /// Path with its placeholders; the `path` of the metrics.
    pub template: &'static str,
    /// Overrides of this method.
    pub shared: SharedSpec,
    /// Whether the call may be sent twice.
    pub idempotent: bool,
    /// Whether each call gets an `Idempotency-Key` of its own.
    pub idempotency_key: bool,
}

/// What can be said on the trait and on a method.
#[derive(Debug)]
pub struct SharedSpec {
    /// Whose identity the call carries.
    pub identity: Option<Identity>,
    /// What happens without a caller.
    pub when_absent: Option<WhenAbsent>,
    /// Audience of the token.
    pub audience: Option<&'static str>,
    /// Scope of the token.
    pub scope: Option<&'static str>,
    /// Deadline of the call.
    pub deadline_ms: Option<u64>,
    /// Headers of each call: names in lower case, and values.
    pub headers: &'static [(&'static str, &'static str)],
}

impl SharedSpec {
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.deadline_ms.map(Duration::from_millis)
    }
}

/// The verbs that methods can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
    /// HEAD
    Head,
    /// OPTIONS
    Options,
}

impl Verb {
    pub(crate) fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
            Self::Head => Method::HEAD,
            Self::Options => Method::OPTIONS,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
        }
    }
}
