//! `gateway.rates`: how many requests one caller may send.

use std::time::Duration;

use http::HeaderName;

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
    /// `header:NAME`: those with one value of a header; of one address where it is missing.
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
