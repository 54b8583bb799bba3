//! `context` and `trace`: what travels beside the identity.

use hallpass_config::{Configuration, Key, Kind, Percent, Section, check_name};
use hallpass_token::TokenClaims;
use hallpass_upstream::TrustSampled;
use http::HeaderName;

use crate::context::AllowList;

const KEYS: &[Key] = &[
    Key::new(
        "headers",
        Kind::Texts {
            what: "names of headers",
        },
        "The headers of a request that go on with every call made for it, to clients that carry an identity: such as `X-Tenant-Id`, `Accept-Language`, `TX_XID`, `dubbo.tag`. At most 16. \
        No other header ever does. What bears a secret or an identity, and what belongs to one hop, cannot stand here. See [context.md](context.md).",
    )
    .or(""),
    Key::new(
        "max-value-bytes",
        Kind::Whole {
            unit: "bytes",
            min: 1,
            max: 4_096,
        },
        "The longest value. A request with a longer one gets a 431 `context_too_large`.",
    )
    .or("256"),
    Key::new(
        "max-bytes",
        Kind::Whole {
            unit: "bytes",
            min: 1,
            max: 16_384,
        },
        "The longest that all values of a request may be together, likewise.",
    )
    .or("2048"),
    Key::new(
        "tenant",
        Kind::Section(TENANT_KEYS),
        "For whom of several customers a request is, where the token says so too. Without this section nothing is compared.",
    ),
    Key::new(
        "gray-header",
        Kind::Text {
            what: "one of `context.headers`",
        },
        "The header whose value is the tag of the instances that the calls of a request are for (gray release), where there are any: those whose \
        `discovery.gray-metadata` has this value.",
    ),
];

const TENANT_KEYS: &[Key] = &[
    Key::new(
        "header",
        Kind::Text {
            what: "one of `context.headers`",
        },
        "The header that names the tenant. A request whose token names another one gets a 403 `tenant_mismatch`.",
    )
    .required(),
    Key::new(
        "claim",
        Kind::Text { what: "" },
        "The claim of the token that names it: a text, a whole number, or a list of which one must be it.",
    )
    .or("tenant"),
    Key::new(
        "demand-claim",
        Kind::Choice(&["users", "all", "none"]),
        "Whose token must have the claim for the header to count. `users`: of everybody but services that the estate's own issuer vouches for, which have no \
        tenant of their own and are taken at their word; what a request without a token says there passes and is not carried on. `all` (or `true`): of \
        services too, and nobody without a token may send the header. `none` (or `false`): whoever has no such claim is taken at his word.",
    )
    .or("users"),
];

const TRACE_KEYS: &[Key] = &[
    Key::new(
        "sample-percent",
        Kind::percent(0),
        "How many of the traces that begin here are marked as sampled (W3C Trace Context). One that began elsewhere keeps its mark, where that is trusted.",
    )
    .or("100"),
    Key::new(
        "trust-sampled",
        Kind::Choice(&["authenticated", "all", "none"]),
        "Whose mark \"sampled\" in `traceparent` counts as it came. `authenticated`: that of requests that pass with a verified identity; of the marks of others so many \
        count as `sample-percent` says, by lot. `all`: everybody's, also a stranger's, who so decides what is exported. `none`: nobody's; for the outermost service.",
    )
    .or("authenticated"),
];

/// `context` and `trace`: what travels beside the identity, from a request to the calls that are made for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextSettings {
    /// `context.headers`, `max-value-bytes` and `max-bytes`.
    pub headers: AllowList,
    /// `context.tenant`.
    pub tenant: Option<TenantSettings>,
    /// `context.gray-header`: which header names the tag of the instances that calls are for.
    pub gray_header: Option<HeaderName>,
    /// `trace.sample-percent`: how many of the traces that begin here are sampled.
    pub sampled: Percent,
    /// `trace.trust-sampled`: whose mark "sampled" counts as it came.
    pub trust_sampled: TrustSampled,
}

/// Which header and which claim name the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantSettings {
    /// `header`.
    pub header: HeaderName,
    /// `claim`.
    pub claim: String,
    /// `demand-claim`: whose header alone is not enough.
    pub demand: ClaimDemand,
}

/// Whose token must have the claim that names the tenant, for the header to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClaimDemand {
    /// Of everybody but services in their own name. What a request without a token says is not carried on.
    #[default]
    Users,
    /// Of services too; without a token the header is refused.
    All,
    /// Nobody's: the header counts where the token says nothing else.
    None,
}

impl ClaimDemand {
    fn named(text: &str) -> Option<Self> {
        match text {
            "users" => Some(Self::Users),
            "all" | "true" => Some(Self::All),
            "none" | "false" => Some(Self::None),
            _ => None,
        }
    }
}

impl Default for ContextSettings {
    fn default() -> Self {
        Self {
            headers: AllowList::default(),
            tenant: None,
            gray_header: None,
            sampled: Percent::ALL,
            trust_sampled: TrustSampled::default(),
        }
    }
}

impl Configuration for ContextSettings {
    fn keys() -> Vec<Key> {
        vec![
            Key::new(
                "context",
                Kind::Section(KEYS),
                "What of a request travels beside its identity, into all calls that are made for it.",
            )
            .shared(),
            Key::new(
                "trace",
                Kind::Section(TRACE_KEYS),
                "Traces of requests through services (W3C Trace Context).",
            )
            .shared(),
        ]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let context = root.section("context").read_all(Self::read_context);
        let trace = root.section("trace");
        let sampled = trace.percent("sample-percent");
        let trust_sampled = trace.choice("trust-sampled", trust_named);
        Some(Self {
            sampled: sampled?,
            trust_sampled: trust_sampled?,
            ..context?
        })
    }
}

impl ContextSettings {
    fn read_context(section: &Section<'_>) -> Option<Self> {
        let names = section.texts("headers", AllowList::check);
        let max_value_bytes = section.count("max-value-bytes");
        let max_bytes = section.count("max-bytes");
        let headers = names.and_then(|names| {
            let list = AllowList::new(names.iter().map(HeaderName::as_str));
            list.map_err(|error| section.problem("headers", error.to_string()))
                .ok()
        });
        let tenant = section.section("tenant");
        let tenant = read_given(&tenant, |it| TenantSettings::read(it, headers.as_ref()));
        let gray_header = match section.has("gray-header") {
            true => read_header(section, "gray-header", headers.as_ref()).map(Some),
            false => Some(None),
        };
        let in_memory = |bytes: u32| usize::try_from(bytes).ok();
        Some(Self {
            headers: headers?.limits(in_memory(max_value_bytes?)?, in_memory(max_bytes?)?),
            tenant: tenant?,
            gray_header: gray_header?,
            ..Self::default()
        })
    }
}

fn trust_named(text: &str) -> Option<TrustSampled> {
    match text {
        "authenticated" => Some(TrustSampled::Authenticated),
        "all" => Some(TrustSampled::All),
        "none" => Some(TrustSampled::None),
        _ => None,
    }
}

/// `Some(None)` for a section that is not there, `None` for one with a problem.
fn read_given<T>(
    section: &Section<'_>,
    read: impl FnOnce(&Section<'_>) -> Option<T>,
) -> Option<Option<T>> {
    match section.is_given() {
        true => read(section).map(Some),
        false => Some(None),
    }
}

impl TenantSettings {
    fn read(section: &Section<'_>, listed: Option<&AllowList>) -> Option<Self> {
        if !section.has("header") {
            section.missing("header", "is required");
        }
        let header = read_header(section, "header", listed);
        let claim = section.checked("claim", claim_name);
        let demand = section.choice("demand-claim", ClaimDemand::named);
        Some(Self {
            header: header?,
            claim: claim?,
            demand: demand?,
        })
    }
}

/// What every token has says nothing of a tenant, and is not among the claims that are looked at.
fn claim_name(text: &str) -> Result<String, String> {
    let name = check_name(text).map_err(str::to_owned)?;
    match TokenClaims::is_reserved(&name) {
        true => Err(
            "has a meaning of its own in every token, and names no tenant: write the claim that does".to_owned(),
        ),
        false => Ok(name),
    }
}

/// A header that is carried. Without the list nothing more is said of it: that has a problem already.
fn read_header(section: &Section<'_>, key: &str, listed: Option<&AllowList>) -> Option<HeaderName> {
    let header = section.checked(key, AllowList::check)?;
    if listed.is_some_and(|list| !list.allows(&header)) {
        section.problem(
            key,
            "must stand in context.headers: else it is not carried on",
        );
        return None;
    }
    Some(header)
}
