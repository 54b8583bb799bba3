//! `gateway.rates`: how many requests one caller may send.

use std::time::Duration;

use hallpass_config::{Key, Kind, Section};
use http::HeaderName;

use super::header;

/// In place of Spring's `X-RateLimit-Remaining` and the like.
const SAYS_IT: &str =
    "responses always bear `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`";

/// An entry of `rates`: how many requests each of those may send that it tells apart, over all routes that name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitSettings {
    /// `name`: what routes call it.
    pub name: String,
    /// `by`: whose requests are counted together.
    pub by: RateBy,
    /// `count`: so many requests in `per`.
    pub count: u32,
    /// `per-seconds`.
    pub per: Duration,
    /// `burst`: so many at once after a quiet time; `count` unless it is said.
    pub burst: u32,
    /// `across`: whether instances of the gateway count together.
    pub across: RateAcross,
    /// `when-away`: what holds while the store that they share is away.
    pub when_away: RateWhenAway,
}

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateBy {
    /// `caller`: those of one subject of one issuer; of one address where nobody is named.
    Caller,
    /// `client`: those of one client of one issuer; of one address where nobody is named.
    Client,
    /// `address`: those of one address, or of one network of 64 bits with IPv6. Counted before the token is looked at.
    Address,
    /// `route`: all of the route.
    Route,
    /// `header:NAME`: those of one caller with one value of a header, for sixteen values at a time; all with others of that caller together. Of one
    /// address where it is missing.
    Header(HeaderName),
}

/// Whether instances of the gateway count together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateAcross {
    /// `process`: each counts by itself.
    #[default]
    Process,
    /// `redis`: all count together that share a Redis.
    Redis,
}

/// What holds while Redis is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateWhenAway {
    /// `local`: each instance holds the whole quota by itself.
    #[default]
    Local,
    /// `refuse`: requests are refused.
    Refuse,
}

impl RateLimitSettings {
    /// The keys of an entry.
    pub const KEYS: &'static [Key] = &[
        Key::new(
            "name",
            Kind::Text {
                what: "letters, digits, `-`, `_`, `.`",
            },
            "What routes call it; unique in the list.",
        )
        .required(),
        Key::new(
            "by",
            Kind::Text {
                what: "`caller`, `client`, `address`, `route` or `header:NAME`",
            },
            "Whose requests are counted together: those of one user (issuer and `sub`), of one client, of one address, all of a route, \
            or those of a caller that have one value of a header (16 values of a caller at a time; all of that caller with other values count together). Where nobody is verified, and where the header is missing, the address counts. \
            By `address` it is counted before the token is looked at; an address of IPv6 is its network of 64 bits.",
        )
        .required(),
        Key::new(
            "count",
            Kind::count(1, 10_000_000),
            "So many requests in `per-seconds`.",
        )
        .required(),
        Key::new("per-seconds", Kind::seconds(1, 86_400), "The time that `count` is for.").or("1"),
        Key::new(
            "burst",
            Kind::count(1, 10_000_000),
            "So many may come at once after a quiet time.",
        )
        .otherwise("`count`"),
        Key::new(
            "across",
            Kind::Choice(&["process", "redis"]),
            "Whether each instance of the gateway counts by itself, or all together that share the section `redis`.",
        )
        .or("process"),
        Key::new(
            "when-away",
            Kind::Choice(&["local", "refuse"]),
            "With `redis`, what holds while it is away: each instance counts the whole quota by itself, or requests get 503.",
        )
        .or("local"),
        Key::not_ours("replenish-rate", "here it is `count`, with `per-seconds`"),
        Key::not_ours("burst-capacity", "here it is `burst`"),
        Key::not_ours("requested-tokens", "each request counts once here: divide `count` and `burst` by it"),
        Key::not_ours("key-resolver", "here it is `by`"),
        Key::not_ours("deny-empty-key", "leave it out: who has no key counts by the address"),
        Key::not_ours("empty-key-status", "leave it out: who has no key counts by the address"),
        Key::not_ours("status-code", "leave it out: it is 429"),
        Key::not_ours("include-headers", SAYS_IT),
        Key::not_ours("remaining-header", SAYS_IT),
        Key::not_ours("replenish-rate-header", SAYS_IT),
        Key::not_ours("burst-capacity-header", SAYS_IT),
        Key::not_ours("requested-tokens-header", SAYS_IT),
        Key::not_ours("per-second", "here it is `count`, with `per-seconds: 1`"),
    ];

    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let name = section.required("name", Section::service_name);
        let by = section.required("by", |section, key| section.checked(key, RateBy::named));
        let count = section.required("count", Section::count);
        let per = section.seconds("per-seconds");
        let burst = match section.has("burst") {
            true => section.count("burst").map(Some),
            false => Some(None),
        };
        let across = section.choice("across", |name| match name {
            "process" => Some(RateAcross::Process),
            "redis" => Some(RateAcross::Redis),
            _ => None,
        });
        let when_away = section.choice("when-away", |name| match name {
            "local" => Some(RateWhenAway::Local),
            "refuse" => Some(RateWhenAway::Refuse),
            _ => None,
        });
        if across == Some(RateAcross::Process) && section.has("when-away") {
            section.problem("when-away", "means nothing without `across: redis`");
        }
        let count = count?;
        Some(Self {
            name: name?,
            by: by?,
            count,
            per: per?,
            burst: burst?.unwrap_or(count),
            across: across?,
            when_away: when_away?,
        })
    }
}

impl RateBy {
    fn named(text: &str) -> Result<Self, &'static str> {
        match text {
            "caller" => Ok(Self::Caller),
            "client" => Ok(Self::Client),
            "address" => Ok(Self::Address),
            "route" => Ok(Self::Route),
            _ => {
                let name = text.strip_prefix("header:").map(str::trim);
                let name = name.ok_or("must be caller, client, address, route or header:NAME")?;
                header::name(name).map(Self::Header)
            }
        }
    }
}
