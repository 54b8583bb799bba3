//! `gateway.forwarded`: what upstreams are told of the caller's connection.

use hallpass_config::{Key, Kind, Section};
use http::HeaderName;

use super::header;

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

impl ForwardedSettings {
    /// The keys of the section.
    pub const KEYS: &'static [Key] = &[
        Key::new(
            "trust",
            Kind::Texts {
                what: "IP addresses, and networks such as `10.0.0.0/8`",
            },
            "Proxies in front of the gateway: what they say of their own callers counts, and is passed on. What others send is removed.",
        )
        .otherwise("nobody"),
        Key::new(
            "write",
            Kind::Choice(&["x-forwarded", "forwarded", "both", "none"]),
            "Which headers tell upstreams of the caller's connection: `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `-Prefix`, or \
            `Forwarded` (RFC 7239).",
        )
        .or("x-forwarded"),
        Key::new(
            "keep-headers",
            Kind::Texts {
                what: "names of headers",
            },
            "Of the headers that only proxies write and that are removed from requests (`X-Real-IP`, `X-Original-URL`, \
            `X-HTTP-Method-Override` and others; see [gateway.md](gateway.md)), those that callers may send nevertheless.",
        )
        .or(""),
    ];

    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let trust = match section.has("trust") {
            true => section.texts("trust", TrustedProxies::check),
            false => Some(Vec::new()),
        };
        let write = section.choice("write", |name| match name {
            "x-forwarded" => Some(ForwardedForm::XForwarded),
            "forwarded" => Some(ForwardedForm::Forwarded),
            "both" => Some(ForwardedForm::Both),
            "none" => Some(ForwardedForm::None),
            _ => None,
        });
        let keep = section.texts("keep-headers", header::name);
        Some(Self {
            trust: TrustedProxies::new(trust?),
            write: write?,
            keep: keep?,
        })
    }
}
