//! How many requests of one caller are under way to a service, so that nobody alone takes all places of an instance.

use std::sync::Arc;

use hallpass_upstream::{BodyUnderWay, BulkheadSettings, KeyedPlace, KeyedPlaces};

use super::who::{CallerName, Who};
use crate::settings::caller_bulkhead::{CallerBulkheadBy, CallerBulkheadSettings};

/// The callers of a service with requests under way.
#[derive(Debug)]
pub(crate) struct CallerPlaces {
    limit: Option<Limit>,
    callers: Arc<KeyedPlaces>,
    /// Apart from the others: whoever has a network has as many addresses as he likes, and there is room for so many names only.
    addresses: Arc<KeyedPlaces>,
}

#[derive(Clone, Copy, Debug)]
struct Limit {
    by: CallerBulkheadBy,
    most: u32,
}

/// What a response has until its body, or its tunnel, has ended: a place of its instance, and one of its caller where those are counted.
#[derive(Debug)]
pub(crate) struct HeldPlaces {
    _of_instance: BodyUnderWay,
    _of_caller: Option<KeyedPlace>,
}

impl HeldPlaces {
    pub(crate) const fn new(of_instance: BodyUnderWay, of_caller: Option<KeyedPlace>) -> Self {
        Self {
            _of_instance: of_instance,
            _of_caller: of_caller,
        }
    }
}

/// As many requests of the caller are under way as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl CallerPlaces {
    /// `bulkhead`: that of each instance. No limit without settings.
    pub(crate) fn new(
        settings: Option<&CallerBulkheadSettings>,
        bulkhead: &BulkheadSettings,
    ) -> Self {
        Self {
            limit: settings.map(|it| Limit {
                by: it.by,
                most: it.most(bulkhead),
            }),
            callers: Arc::default(),
            addresses: Arc::default(),
        }
    }

    /// With what is under way already, by other settings.
    pub(crate) fn succeeding(mut self, before: &Self) -> Self {
        self.callers = Arc::clone(&before.callers);
        self.addresses = Arc::clone(&before.addresses);
        self
    }

    /// One request more, until what this gives is dropped; `None` where nothing is counted.
    ///
    /// # Errors
    /// [`TooMany`].
    pub(crate) fn enter(&self, who: Who<'_>) -> Result<Option<KeyedPlace>, TooMany> {
        let Some(Limit { by, most }) = self.limit else {
            return Ok(None);
        };
        let name = match (by, who.context) {
            (CallerBulkheadBy::Caller, Some(context)) => CallerName::of(context),
            (CallerBulkheadBy::Client, Some(context)) => CallerName::of_client(context),
            (CallerBulkheadBy::Address, _) | (_, None) => CallerName::of_address(who.address),
        };
        let places = match name {
            CallerName::Caller(..) | CallerName::Client(..) => &self.callers,
            CallerName::Four(_) | CallerName::Six(_) => &self.addresses,
        };
        let place = name.with_parts(|parts| places.enter(parts, most));
        place.map(Some).ok_or(TooMany)
    }

    /// How many callers have requests under way, for people.
    pub(crate) fn known(&self) -> usize {
        self.callers.len() + self.addresses.len()
    }
}

#[cfg(test)]
mod tests {
    use hallpass_token::{AccessToken, SecurityContext, TokenClaims, UnixTime, VerifiedClaims};
    use http::HeaderMap;

    use super::*;

    fn context(subject: &str, client: Option<&str>) -> SecurityContext {
        let mut claims = TokenClaims::new(
            "login".parse().unwrap(),
            subject.parse().unwrap(),
            "shop".parse().unwrap(),
            UnixTime::from_secs(9),
        );
        claims.client_id = client.map(|it| it.parse().unwrap());
        let claims = VerifiedClaims::dangerous_unverified(claims);
        SecurityContext::new(claims, AccessToken::new("t"))
    }

    fn one(by: CallerBulkheadBy) -> CallerPlaces {
        let settings = CallerBulkheadSettings {
            by,
            max_concurrent: Some(1),
        };
        CallerPlaces::new(Some(&settings), &BulkheadSettings::default())
    }

    #[test]
    fn callers_are_told_apart_as_it_is_said_and_strangers_by_their_address() {
        let headers = HeaderMap::new();
        let (alice, carol) = (context("alice", Some("app")), context("carol", Some("app")));
        let (here, there) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let who = |context, address| Who {
            route: "r",
            address,
            context,
            headers: &headers,
        };
        let asked = [
            who(Some(&alice), here),
            who(Some(&alice), there),
            who(Some(&carol), here),
            who(None, here),
            who(None, there),
        ];
        for (by, expected) in [
            (CallerBulkheadBy::Caller, [true, false, true, true, true]),
            (CallerBulkheadBy::Client, [true, false, false, true, true]),
            (CallerBulkheadBy::Address, [true, true, false, false, false]),
        ] {
            let places = one(by);
            let entered = asked.map(|who| places.enter(who));
            let has = entered.each_ref().map(|it| matches!(it, Ok(Some(_))));
            assert_eq!(has, expected, "{by:?}");
            drop(entered);
            assert_eq!(places.known(), 0, "{by:?}");
        }
    }

    #[test]
    fn what_is_under_way_counts_on_when_settings_change() {
        let headers = HeaderMap::new();
        let who = Who {
            route: "r",
            address: "192.0.2.1".parse().unwrap(),
            context: None,
            headers: &headers,
        };
        let first = one(CallerBulkheadBy::Caller);
        let held = first.enter(who).unwrap();
        let second = one(CallerBulkheadBy::Address).succeeding(&first);
        assert_eq!(second.enter(who).unwrap_err(), TooMany);
        drop(held);
        assert!(second.enter(who).is_ok());
        let none = CallerPlaces::new(None, &BulkheadSettings::default()).succeeding(&second);
        assert!(none.enter(who).unwrap().is_none());
    }
}
