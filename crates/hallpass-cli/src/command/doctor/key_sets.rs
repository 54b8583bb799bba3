//! The keys of the issuers whose tokens this service accepts.

use std::path::Path;
use std::time::Duration;

use hallpass::config::files;
use hallpass::resource::{JwksLocation, TrustedIssuerSettings};
use hallpass::token::{JwkSet, MAX_JWK_SET_BYTES};
use hallpass::upstream::{EndpointUrl, Network};
use http::header::{AGE, CACHE_CONTROL};

use super::check::Check;
use super::clock::Offsets;
use super::finding::{Finding, SLOW_FILE};
use super::limits::{Limits, seconds};
use super::places::places;
use super::probe::{Probed, get_each, seconds as header_seconds, text};

/// A verifier of ours holds a set for no longer than this, whatever is said of it; so should others.
const LONGEST_AGE: Duration = Duration::from_secs(60 * 60);
const NOT_A_SET: &str = "correct `jwks-url`, and look at proxies in between";

/// What was found, and the keys.
#[derive(Debug, Default)]
pub(super) struct KeySets {
    pub(super) findings: Vec<Finding>,
    /// By the name of the issuer in the settings.
    pub(super) sets: Vec<(String, JwkSet)>,
    pub(super) offsets: Offsets,
}

/// Fetches or reads the keys of each issuer, all at once.
pub(super) async fn examine(
    issuers: &[TrustedIssuerSettings],
    network: Option<&Network>,
    limits: &Limits,
) -> KeySets {
    let asked = issuers.iter().cloned().map(|issuer| {
        let (network, limits) = (network.cloned(), *limits);
        tokio::spawn(async move { examine_one(&issuer, network.as_ref(), &limits).await })
    });
    let asked: Vec<_> = asked.collect();
    let mut found = KeySets::default();
    for one in asked {
        // One that was given up with the runtime is nobody's.
        if let Ok(one) = one.await {
            found.findings.extend(one.findings);
            found.sets.extend(one.sets);
            found.offsets.extend(one.offsets);
        }
    }
    found
}

async fn examine_one(
    issuer: &TrustedIssuerSettings,
    network: Option<&Network>,
    limits: &Limits,
) -> KeySets {
    let mut found = KeySets::default();
    let name = &issuer.name;
    match (&issuer.jwks, network) {
        (JwksLocation::Url(url), Some(network)) => found.fetch(name, url, network, limits).await,
        (JwksLocation::Url(_), None) => {
            let why = format!("{name}: see the files of `tls`, without which nobody is asked");
            found.say(Finding::skipped(Check::KeySet, why));
        }
        (JwksLocation::File(file), _) => found.read(name, file, limits).await,
        (JwksLocation::Nowhere, _) => {
            let why = format!("{name}: has no keys here, it is asked about its tokens");
            found.say(Finding::skipped(Check::KeySet, why));
        }
    }
    found
}

impl KeySets {
    fn say(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn fail(&mut self, says: String, advice: &str) {
        self.say(Finding::failure(Check::KeySet, says, advice));
    }

    async fn fetch(&mut self, name: &str, url: &EndpointUrl, network: &Network, limits: &Limits) {
        let places = match places(url, network, limits).await {
            Ok(places) => places,
            Err((says, advice)) => return self.fail(format!("{name}, {url}: {says}"), advice),
        };
        for (place, probed) in get_each(&places, network, limits).await {
            let what = format!("{name}, {place}");
            match probed {
                Err(told) => self.fail(format!("{what}: {}", told.says), told.advice),
                Ok(probed) => {
                    let offset = probed.offset().map(|it| (it, place.clone()));
                    self.offsets.extend(offset);
                    self.take_response((name, &what), probed, limits).await;
                }
            }
        }
    }

    async fn take_response(&mut self, (name, what): (&str, &str), probed: Probed, limits: &Limits) {
        let status = probed.response.status().as_u16();
        if status != 200 {
            let says = format!("{what}: the response is {status} and no key set");
            return self.fail(says, NOT_A_SET);
        }
        let age = age(what, &probed);
        let body = probed.response.into_body();
        let body = limits.within(body.collect_within(MAX_JWK_SET_BYTES)).await;
        let Some(Ok(body)) = body else {
            let says = format!("{what}: the key set ends early, or is too long");
            return self.fail(says, NOT_A_SET);
        };
        if self.take(name, what, &body) {
            self.say(age);
        }
    }

    async fn read(&mut self, name: &str, file: &Path, limits: &Limits) {
        let what = format!("{name}, {}", file.display());
        let path = file.to_owned();
        let read = move || files::read(&path, MAX_JWK_SET_BYTES);
        match limits.blocking(read).await {
            Some(Ok(text)) => _ = self.take(name, &what, &text),
            Some(Err(error)) => {
                self.fail(
                    format!("{what}: {error}"),
                    "correct `jwks-file`, or write the file",
                );
            }
            None => {
                let says = format!("{what}: it is not read in time");
                self.say(Finding::untried(Check::KeySet, says, SLOW_FILE));
            }
        }
    }

    /// Whether these are keys.
    fn take(&mut self, name: &str, what: &str, text: &[u8]) -> bool {
        let keys = match JwkSet::parse(text) {
            Ok(keys) => keys,
            Err(_) => {
                self.fail(format!("{what}: this is no key set"), NOT_A_SET);
                return false;
            }
        };
        if keys.keys().is_empty() {
            let says = format!("{what}: no key of the set can be used");
            self.fail(
                says,
                "let the issuer publish keys for ES256, EdDSA or RS256",
            );
            return false;
        }
        let number = keys.keys().len();
        let says = match number {
            1 => format!("{what}: 1 key"),
            number => format!("{what}: {number} keys"),
        };
        self.say(Finding::ok(Check::KeySet, says));
        if !self.sets.iter().any(|(known, _)| known == name) {
            self.sets.push((name.to_owned(), keys));
        }
        true
    }
}

/// What the response says of its age.
fn age(what: &str, probed: &Probed) -> Finding {
    let headers = probed.response.headers();
    let age = header_seconds(headers, &AGE).unwrap_or_default();
    let longest = text(headers, &CACHE_CONTROL).and_then(max_age);
    judge_age(what, age, longest)
}

fn judge_age(what: &str, age: Duration, longest: Option<Duration>) -> Finding {
    let of_cache = format!(
        "{what}: a cache on the way gives out a set that is {} old",
        seconds(age)
    );
    match longest {
        Some(longest) if age > longest => Finding::warning(
            Check::KeySetAge,
            format!("{of_cache}, and {} are allowed", seconds(longest)),
            "let that cache go by `Cache-Control`, or go past it: new keys and withdrawn ones are seen late",
        ),
        None if age > LONGEST_AGE => Finding::warning(
            Check::KeySetAge,
            of_cache,
            "let that cache hold it for some minutes: new keys and withdrawn ones are seen late",
        ),
        Some(longest) if longest > LONGEST_AGE => Finding::warning(
            Check::KeySetAge,
            format!("{what}: caches may hold the set for {}", seconds(longest)),
            "let the issuer allow an hour at most (`issuer.jwks-max-age-seconds`): new keys and withdrawn ones are seen late",
        ),
        Some(longest) => Finding::ok(
            Check::KeySetAge,
            format!("{what}: {} old, of {}", seconds(age), seconds(longest)),
        ),
        None => Finding::ok(Check::KeySetAge, format!("{what}: {} old", seconds(age))),
    }
}

/// `max-age` of `Cache-Control`.
fn max_age(control: &str) -> Option<Duration> {
    let mut directives = control.split(',').filter_map(|it| it.split_once('='));
    let (_, value) = directives.find(|(name, _)| name.trim().eq_ignore_ascii_case("max-age"))?;
    let value = value.trim().trim_matches('"').parse::<u32>().ok()?;
    Some(Duration::from_secs(value.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::finding::Outcome;

    #[test]
    fn an_old_set_and_one_that_may_get_old_are_warned_of() {
        let of = |age: u64, longest: Option<&str>| {
            let longest = longest.and_then(max_age);
            judge_age("keys", Duration::from_secs(age), longest).outcome
        };
        assert_eq!(of(0, Some("public, max-age=600")), Outcome::Ok);
        assert_eq!(of(600, Some("Max-Age=\"600\"")), Outcome::Ok);
        assert_eq!(of(601, Some("max-age=600")), Outcome::Warning);
        assert_eq!(of(0, Some("max-age=86400")), Outcome::Warning);
        assert_eq!(of(3_600, Some("no-cache")), Outcome::Ok);
        assert_eq!(of(3_601, None), Outcome::Warning);
    }
}
