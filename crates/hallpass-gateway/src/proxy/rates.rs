//! How many requests each caller may send.

mod told;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use hallpass_upstream::{
    Grant, KeyedRates, KeyedValues, Left, Network, Quota, RateAsked, RateRefusal, RateStore,
    RateStoreError, RatesAway, SharedRates,
};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

pub(crate) use self::told::RateTold;
use super::who::{CallerName, Who};
use crate::settings::rate::{RateAcross, RateBy, RateLimitSettings, RateWhenAway};

/// Quotas of `gateway.rates`. Those whose settings stay the same go on over a change of settings, with all that was counted.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    limits: Vec<Arc<Limit>>,
}

/// One of them.
pub(crate) struct Limit {
    settings: RateLimitSettings,
    /// Quotas of verified callers.
    callers: Counted,
    /// Those of addresses stand apart: whoever has a network has as many as he likes, and there is room for so many names only.
    addresses: Counted,
    /// By a header: which of the values that a caller chooses count for themselves.
    values: Option<Box<KeyedValues>>,
    refused: Counter,
    metrics: RateMetrics,
}

enum Counted {
    Here(Box<KeyedRates>),
    Together(Box<SharedRates>),
}

/// Whom a quota is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Of a verified caller, or of all of a route.
    Callers,
    Address,
}

/// Those that count for a route.
#[derive(Debug, Default)]
pub(crate) struct RouteRates {
    /// Before anything is known of the caller.
    by_address: Box<[Arc<Limit>]>,
    /// After it was decided that the request may pass.
    of_callers: Box<[Arc<Limit>]>,
}

impl Rates {
    /// What `settings` say; those of `before` go on where they are the same.
    pub(crate) fn new(
        settings: &[RateLimitSettings],
        network: &Network,
        metrics: &RateMetrics,
        before: &Self,
    ) -> Self {
        let limit = |settings: &RateLimitSettings| {
            let mut known = before.limits.iter();
            let same = known.find(|it| it.settings == *settings);
            same.map_or_else(
                || Arc::new(Limit::new(settings, network, metrics)),
                Arc::clone,
            )
        };
        Self {
            limits: settings.iter().map(limit).collect(),
        }
    }

    /// Those of these names.
    pub(crate) fn of_route(&self, names: &[String]) -> RouteRates {
        let named = names.iter().filter_map(|name| {
            let mut limits = self.limits.iter();
            limits.find(|it| it.settings.name == *name).cloned()
        });
        let (by_address, of_callers): (Vec<_>, Vec<_>) =
            named.partition(|it| it.settings.by == RateBy::Address);
        RouteRates {
            by_address: by_address.into(),
            of_callers: of_callers.into(),
        }
    }

    /// All of them, for people.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Limit> {
        self.limits.iter().map(|it| &**it)
    }
}

impl RouteRates {
    /// Counts a request of which only the address is known, and says in `told` what is left.
    ///
    /// # Errors
    /// [`RateRefusal`].
    pub(crate) async fn before_decision(
        &self,
        who: Who<'_>,
        now: Duration,
        told: &mut Option<RateTold>,
    ) -> Result<(), RateRefusal> {
        take(&self.by_address, who, now, told).await
    }

    /// Counts a request that may pass, and says in `told` what is left.
    ///
    /// # Errors
    /// [`RateRefusal`].
    pub(crate) async fn after_decision(
        &self,
        who: Who<'_>,
        now: Duration,
        told: &mut Option<RateTold>,
    ) -> Result<(), RateRefusal> {
        take(&self.of_callers, who, now, told).await
    }

    /// Whether nothing is counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_address.is_empty() && self.of_callers.is_empty()
    }
}

async fn take(
    limits: &[Arc<Limit>],
    who: Who<'_>,
    now: Duration,
    told: &mut Option<RateTold>,
) -> Result<(), RateRefusal> {
    for limit in limits {
        let taken = limit.take(who, now).await;
        if let Some(says) = RateTold::of(limit.quota(), &taken) {
            // Nothing that another one has left helps a request that is refused.
            let before = told.filter(|_| taken.is_ok());
            *told = Some(says.nearer(before));
        }
        taken?;
    }
    Ok(())
}

impl Limit {
    fn new(settings: &RateLimitSettings, network: &Network, metrics: &RateMetrics) -> Self {
        let quota = Quota {
            count: settings.count,
            per: settings.per,
            burst: settings.burst,
        };
        let away = match settings.when_away {
            RateWhenAway::Local => RatesAway::CountAlone,
            RateWhenAway::Refuse => RatesAway::Refuse,
        };
        let counted = || match settings.across {
            RateAcross::Process => Counted::Here(Box::new(KeyedRates::new(quota))),
            RateAcross::Redis => {
                let store = network.rate_store().unwrap_or_else(|| Arc::new(NoStore));
                Counted::Together(Box::new(SharedRates::new(quota, store, away)))
            }
        };
        Self {
            refused: metrics.of_rate(&settings.name),
            metrics: metrics.clone(),
            settings: settings.clone(),
            callers: counted(),
            addresses: counted(),
            values: matches!(settings.by, RateBy::Header(_))
                .then(|| Box::new(KeyedValues::new(quota))),
        }
    }

    async fn take(&self, who: Who<'_>, now: Duration) -> Result<Left, RateRefusal> {
        let (name, whose) = self.name_of(who, now);
        let counted = match whose {
            Whose::Callers => &self.callers,
            Whose::Address => &self.addresses,
        };
        let taken = match counted {
            Counted::Here(rates) => rates.take(&name, now).map_err(RateRefusal::UsedUp),
            Counted::Together(rates) => {
                let (taken, asked) = rates.take(&name, now).await;
                self.metrics.asked(asked);
                taken
            }
        };
        if taken.is_err() {
            self.refused.inc();
        }
        taken
    }

    const fn quota(&self) -> Quota {
        match &self.callers {
            Counted::Here(rates) => rates.quota(),
            Counted::Together(rates) => rates.quota(),
        }
    }

    /// Whose quota it is: each part with its length before it, so that no two are one. It begins with the name of the rate, for processes that share
    /// several.
    fn name_of(&self, who: Who<'_>, now: Duration) -> (Vec<u8>, Whose) {
        let mut name = Vec::with_capacity(96);
        part(&mut name, self.settings.name.as_bytes());
        match (&self.settings.by, who.context) {
            (RateBy::Route, _) => part(&mut name, who.route.as_bytes()),
            (RateBy::Caller, Some(context)) => name_caller(&mut name, CallerName::of(context)),
            (RateBy::Client, Some(context)) => {
                name_caller(&mut name, CallerName::of_client(context));
            }
            (RateBy::Header(header), Some(context)) if who.headers.contains_key(header) => {
                name_caller(&mut name, CallerName::of(context));
                let length = name.len();
                for value in who.headers.get_all(header) {
                    part(&mut name, value.as_bytes());
                }
                let (of_caller, value) = name.split_at(length);
                let values = self.values.as_ref();
                if !values.is_some_and(|it| it.has_its_own(of_caller, value, now)) {
                    // All further values of the caller are one.
                    name.truncate(length);
                }
            }
            (RateBy::Address, _)
            | (RateBy::Caller | RateBy::Client | RateBy::Header(_), None | Some(_)) => {
                name_caller(&mut name, CallerName::of_address(who.address));
                return (name, Whose::Address);
            }
        }
        (name, Whose::Callers)
    }

    pub(crate) const fn settings(&self) -> &RateLimitSettings {
        &self.settings
    }

    /// How many names are known, for people.
    pub(crate) fn known(&self) -> usize {
        self.callers.len() + self.addresses.len()
    }
}

impl Counted {
    fn len(&self) -> usize {
        match self {
            Self::Here(rates) => rates.len(),
            Self::Together(rates) => rates.len(),
        }
    }
}

fn name_caller(name: &mut Vec<u8>, caller: CallerName<'_>) {
    caller.with_parts(|parts| parts.iter().for_each(|bytes| part(name, bytes)));
}

fn part(name: &mut Vec<u8>, bytes: &[u8]) {
    name.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    name.extend_from_slice(bytes);
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Where there is no section `redis`: as one that is away.
#[derive(Debug)]
struct NoStore;

#[derive(Debug, thiserror::Error)]
#[error("there is no section `redis`")]
struct NoRedis;

impl RateStore for NoStore {
    fn take<'a>(
        &'a self,
        _: &'a [u8],
        _: Quota,
        _: u32,
    ) -> BoxFuture<'a, Result<Grant, RateStoreError>> {
        Box::pin(std::future::ready(Err(RateStoreError::new(NoRedis))))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RateLabels {
    rate: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AskedLabels {
    result: &'static str,
}

/// What is counted of rates. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct RateMetrics {
    refused: Family<RateLabels, Counter>,
    asked: Family<AskedLabels, Counter>,
}

impl RateMetrics {
    /// Below the prefix of the gateway.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let it = self.clone();
        registry.register("rate_refused", "Requests beyond a quota", it.refused);
        registry.register(
            "rate_store",
            "Requests that were counted together with other processes",
            it.asked,
        );
    }

    fn of_rate(&self, rate: &str) -> Counter {
        let rate = rate.to_owned();
        self.refused.get_or_create_owned(&RateLabels { rate })
    }

    fn asked(&self, asked: RateAsked) {
        let result = match asked {
            RateAsked::InHand => "in_hand",
            RateAsked::Store => "answered",
            RateAsked::Away => "away",
        };
        self.asked.get_or_create(&AskedLabels { result }).inc();
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use hallpass_clock::SystemClock;
    use hallpass_token::{AccessToken, SecurityContext, TokenClaims, UnixTime, VerifiedClaims};
    use hallpass_upstream::{HttpTransport, StaticDiscovery};
    use http::{HeaderMap, HeaderName};

    use super::*;

    const NOW: Duration = Duration::from_secs(50);
    const KEY: HeaderName = HeaderName::from_static("x-api-key");

    fn network() -> Network {
        let transport = HttpTransport::new().unwrap();
        let discovery = Arc::new(StaticDiscovery::new());
        Network::new(transport, discovery, Arc::new(SystemClock::new()))
    }

    fn one(by: RateBy) -> RateLimitSettings {
        RateLimitSettings {
            name: "one".to_owned(),
            by,
            count: 1,
            per: Duration::from_secs(60),
            burst: 1,
            across: RateAcross::Process,
            when_away: RateWhenAway::Local,
        }
    }

    fn rates(settings: &RateLimitSettings, before: &Rates) -> Rates {
        let all = std::slice::from_ref(settings);
        Rates::new(all, &network(), &RateMetrics::default(), before)
    }

    fn context(issuer: &str, subject: &str, client: Option<&str>) -> SecurityContext {
        let end = UnixTime::from_secs(9);
        let mut claims = TokenClaims::new(
            issuer.parse().unwrap(),
            subject.parse().unwrap(),
            "shop".parse().unwrap(),
            end,
        );
        claims.client_id = client.map(|it| it.parse().unwrap());
        let claims = VerifiedClaims::dangerous_unverified(claims);
        SecurityContext::new(claims, AccessToken::new("t"))
    }

    async fn pass(of: &RouteRates, who: Who<'_>) -> bool {
        let mut told = None;
        of.before_decision(who, NOW, &mut told).await.is_ok()
            && of.after_decision(who, NOW, &mut told).await.is_ok()
    }

    #[tokio::test]
    async fn each_caller_has_its_own_quota() {
        let (alice, bob) = (
            context("login", "alice", None),
            context("login", "bob", None),
        );
        let other_alice = context("partner", "alice", None);
        let headers = HeaderMap::new();
        let mut keyed = HeaderMap::new();
        keyed.insert(KEY, "k".parse().unwrap());
        let (one_address, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let who = |context, address, headers| Who {
            route: "r",
            address,
            context,
            headers,
        };
        for (by, rows) in [
            (
                RateBy::Caller,
                &[
                    (who(Some(&alice), one_address, &headers), true),
                    (who(Some(&alice), other, &headers), false),
                    (who(Some(&bob), one_address, &headers), true),
                    (who(Some(&other_alice), one_address, &headers), true),
                    (who(None, one_address, &headers), true),
                    (who(None, one_address, &headers), false),
                    (who(None, other, &headers), true),
                ][..],
            ),
            (
                RateBy::Address,
                &[
                    (who(Some(&alice), one_address, &headers), true),
                    (who(Some(&bob), one_address, &headers), false),
                    (who(None, other, &headers), true),
                ],
            ),
            (
                RateBy::Route,
                &[
                    (who(Some(&alice), one_address, &headers), true),
                    (who(None, other, &headers), false),
                ],
            ),
            (
                RateBy::Header(KEY),
                &[
                    (who(Some(&alice), one_address, &keyed), true),
                    (who(Some(&alice), one_address, &keyed), false),
                    (who(Some(&bob), one_address, &keyed), true),
                    // A header of whom nobody knows makes no quota of its own.
                    (who(None, one_address, &keyed), true),
                    (who(None, one_address, &headers), false),
                ],
            ),
        ] {
            let settings = one(by);
            let rates = rates(&settings, &Rates::default()).of_route(&["one".to_owned()]);
            for (who, passes) in rows {
                assert_eq!(pass(&rates, *who).await, *passes, "{settings:?} {who:?}");
            }
        }
    }

    #[tokio::test]
    async fn no_number_of_strangers_takes_the_room_of_verified_callers() {
        let callers = ["alice", "bob"].map(|it| context("login", it, None));
        let headers = HeaderMap::new();
        let who = |context, address| Who {
            route: "r",
            address,
            context,
            headers: &headers,
        };
        for across in [RateAcross::Process, RateAcross::Redis] {
            // There is no store: with `redis` each process counts by itself.
            let settings = RateLimitSettings {
                across,
                ..one(RateBy::Caller)
            };
            let rates = rates(&settings, &Rates::default()).of_route(&["one".to_owned()]);
            // One network of 48 bits.
            for number in 0..70_000_u128 {
                let address = (0x2001_0db8_u128 << 96) + (number << 64);
                let address = IpAddr::V6(address.into());
                let _passes = pass(&rates, who(None, address)).await;
            }
            for caller in &callers {
                let alone = who(Some(caller), IpAddr::from([192, 0, 2, 1]));
                assert!(pass(&rates, alone).await, "{settings:?}");
                assert!(!pass(&rates, alone).await, "{settings:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_network_of_ipv6_is_one_address_and_one_of_ipv4_in_it_is_itself() {
        let rates = rates(&one(RateBy::Address), &Rates::default()).of_route(&["one".to_owned()]);
        let headers = HeaderMap::new();
        for (address, passes) in [
            ("2001:db8::1", true),
            ("2001:db8::ffff", false),
            ("2001:db8:0:1::1", true),
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", false),
            ("::ffff:192.0.2.2", true),
        ] {
            let who = Who {
                route: "r",
                address: address.parse().unwrap(),
                context: None,
                headers: &headers,
            };
            assert_eq!(pass(&rates, who).await, passes, "{address}");
        }
    }

    #[tokio::test]
    async fn what_was_counted_stays_when_settings_are_read_again() {
        let headers = HeaderMap::new();
        let who = Who {
            route: "r",
            address: "192.0.2.1".parse().unwrap(),
            context: None,
            headers: &headers,
        };
        let names = ["one".to_owned()];
        let settings = one(RateBy::Address);
        let first = rates(&settings, &Rates::default());
        assert!(pass(&first.of_route(&names), who).await);
        let same = rates(&settings, &first);
        assert!(!pass(&same.of_route(&names), who).await);
        let wider = RateLimitSettings {
            count: 2,
            ..settings.clone()
        };
        assert!(pass(&rates(&wider, &same).of_route(&names), who).await);
        let none = same.of_route(&[]);
        assert!(none.is_empty() && pass(&none, who).await);
    }

    #[tokio::test]
    async fn without_a_store_a_shared_quota_is_counted_alone_or_refuses() {
        let headers = HeaderMap::new();
        let who = Who {
            route: "r",
            address: "192.0.2.1".parse().unwrap(),
            context: None,
            headers: &headers,
        };
        let names = ["one".to_owned()];
        let shared = |when_away| RateLimitSettings {
            across: RateAcross::Redis,
            when_away,
            ..one(RateBy::Caller)
        };
        let alone = rates(&shared(RateWhenAway::Local), &Rates::default()).of_route(&names);
        assert!(pass(&alone, who).await);
        assert!(!pass(&alone, who).await);
        let refusing = rates(&shared(RateWhenAway::Refuse), &Rates::default());
        let refused = refusing
            .of_route(&names)
            .after_decision(who, NOW, &mut None)
            .await;
        assert_eq!(refused, Err(RateRefusal::Away));
    }
}
