//! One GET without any credential, and what its response says of time.

use std::time::{Duration, SystemTime};

use hallpass::upstream::{Body, Network, TransportError};
use http::header::{ACCEPT, AGE, DATE};
use http::{HeaderMap, HeaderName, Request, Response, Uri};
use tower::ServiceExt;

use super::causes::{self, Told};
use super::limits::Limits;

/// A response, and between which moments it came about.
pub(super) struct Probed {
    pub(super) response: Response<Body>,
    sent: SystemTime,
    received: SystemTime,
}

/// By how much clocks certainly differ: `Date` has whole seconds, and the time that request and response took is nobody's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offset {
    /// This machine is ahead.
    Ahead(Duration),
    /// This machine is behind.
    Behind(Duration),
}

/// Asks for what is at `address`.
///
/// # Errors
/// Why there is no response.
async fn get(address: &str, network: &Network, limits: &Limits) -> Result<Probed, Told> {
    let request = Request::get(address)
        .header(ACCEPT, "application/jwk-set+json, application/json")
        .body(Body::empty());
    let request = request.map_err(|error| Told {
        says: error.to_string(),
        advice: "correct the address",
    })?;
    // Only to know afterwards whether it was the name that took so long.
    let looked_up = tokio::spawn(look_up(request.uri().clone()));
    let sent = network.clock.now();
    let sending = network.transport.clone().oneshot(request);
    let response: Result<_, TransportError> = match limits.within(sending).await {
        Some(response) => response,
        None if looked_up.is_finished() => return Err(causes::silent()),
        None => return Err(causes::no_name_server()),
    };
    Ok(Probed {
        response: response.map_err(|error| causes::told(&error))?,
        sent,
        received: network.clock.now(),
    })
}

async fn look_up(uri: Uri) {
    if let Some(host) = uri.host() {
        let bare = host.trim_matches(['[', ']']).to_owned();
        let _found = tokio::net::lookup_host((bare, 0)).await;
    }
}

/// As [`get`] for each of these, all at once, in their order.
pub(super) async fn get_each(
    places: &[String],
    network: &Network,
    limits: &Limits,
) -> Vec<(String, Result<Probed, Told>)> {
    let probes = places.iter().cloned().map(|place| {
        let (network, limits) = (network.clone(), *limits);
        tokio::spawn(async move {
            let probed = get(&place, &network, &limits).await;
            (place, probed)
        })
    });
    let probes: Vec<_> = probes.collect();
    let mut found = Vec::with_capacity(probes.len());
    for probe in probes {
        // One that was given up with the runtime is nobody's.
        found.extend(probe.await);
    }
    found
}

impl Probed {
    /// `None` without a `Date` that can be read.
    pub(super) fn offset(&self) -> Option<Offset> {
        let headers = self.response.headers();
        let date = httpdate::parse_http_date(text(headers, &DATE)?).ok()?;
        // What a cache gives out was said so long ago.
        let age = seconds(headers, &AGE).unwrap_or_default();
        Some(offset(date.checked_add(age)?, self.sent, self.received))
    }
}

fn offset(date: SystemTime, sent: SystemTime, received: SystemTime) -> Offset {
    // The end of the second that it says.
    let latest = date + Duration::from_secs(1);
    match sent.duration_since(latest) {
        Ok(ahead) => Offset::Ahead(ahead),
        Err(_) => Offset::Behind(date.duration_since(received).unwrap_or_default()),
    }
}

impl Offset {
    pub(super) const fn amount(self) -> Duration {
        match self {
            Self::Ahead(amount) | Self::Behind(amount) => amount,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ahead(_) => "ahead of",
            Self::Behind(_) => "behind",
        }
    }
}

/// The value of a header that is a text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The value of a header that is a number of seconds.
pub(super) fn seconds(headers: &HeaderMap, name: &HeaderName) -> Option<Duration> {
    let number = text(headers, name)?.trim().parse::<u32>().ok()?;
    Some(Duration::from_secs(number.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_round_trip_and_the_second_of_the_header_are_nobodys_fault() {
        let at = |millis: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000 + millis);
        let date = at(0);
        let none = Offset::Behind(Duration::ZERO);
        assert_eq!(offset(date, at(0), at(10)), none);
        assert_eq!(offset(date, at(990), at(5_000)), none);
        assert_eq!(offset(at(2_000), at(0), at(2_500)), none);
        let ahead = Duration::from_millis(2_500);
        assert_eq!(offset(date, at(3_500), at(3_600)), Offset::Ahead(ahead));
        let behind = Duration::from_millis(1_400);
        assert_eq!(offset(at(2_000), at(0), at(600)), Offset::Behind(behind));
    }
}
