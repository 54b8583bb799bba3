//! `gateway.forwarded`: what upstreams are told of the caller's connection.

use http::HeaderName;

use super::network::TrustedProxies;

/// `forwarded`: what upstreams are told of the caller's connection, and whose word about it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedSettings {
    /// `trust`: proxies in front, whose word about their own callers counts; nobody's by default.
    pub trust: TrustedProxies,
    /// `write`: which headers say it.
    pub write: ForwardedForm,
    /// `keep-headers`: headers of other proxies that are let through nevertheless, in lower case.
    pub keep: Vec<HeaderName>,
}

/// Which headers tell upstreams of the caller's connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedForm {
    /// `x-forwarded`: `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `-Prefix`.
    #[default]
    XForwarded,
    /// `forwarded`: `Forwarded` (RFC 7239).
    Forwarded,
    /// `both`.
    Both,
    /// `none`.
    None,
}

impl Default for ForwardedSettings {
    fn default() -> Self {
        Self {
            trust: TrustedProxies::new(Vec::new()),
            write: ForwardedForm::default(),
            keep: Vec::new(),
        }
    }
}
