//! Servers on loopback, a scripted issuer, callers with a token, and a clock that is driven by hand.

mod issuer;
mod log;
mod upstream;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hallpass_clock::ManualClock;
use hallpass_feign::{Feign, FeignBuilder};
use hallpass_token::{AccessToken, SecurityContext, TokenClaims, UnixTime, VerifiedClaims};
use hallpass_upstream::{Network, StaticDiscovery};
use tokio::sync::Notify;

pub(crate) use issuer::Issuer;
pub(crate) use log::Log;
pub(crate) use upstream::{Answer, Seen, Upstream};

/// A runtime that knows one service, `service-a`, at these addresses.
pub(crate) fn runtime(instances: &[&Upstream]) -> FeignBuilder {
    Feign::builder(&network(instances))
}

/// As [`runtime`], by a clock that the test drives.
pub(crate) fn runtime_at(clock: &ManualClock, instances: &[&Upstream]) -> FeignBuilder {
    let mut network = network(instances);
    network.clock = Arc::new(clock.clone());
    Feign::builder(&network)
}

fn network(instances: &[&Upstream]) -> Network {
    network_of(instances.iter().map(|upstream| upstream.address()))
}

/// A network that knows one service, `service-a`, at these addresses.
pub(crate) fn network_of<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Network {
    let instances = addresses
        .into_iter()
        .map(|address| address.parse().unwrap());
    let discovery = StaticDiscovery::new().with("service-a", instances);
    Network::system(Arc::new(discovery)).unwrap()
}

/// Awaits `call` while time stands still, and goes on by `step` whenever somebody was `asked`: how long the network or a busy
/// machine takes does not matter then. For a runtime with one thread.
pub(crate) async fn driven<T>(call: impl Future<Output = T>, asked: &Notify, step: Duration) -> T {
    tokio::time::pause();
    // A paused clock goes on by itself while a runtime waits for the network, unless work blocks a thread.
    let (done, until_done) = std::sync::mpsc::channel::<()>();
    let still = tokio::task::spawn_blocking(move || until_done.recv());
    let time = async {
        loop {
            asked.notified().await;
            // Timers go by whole milliseconds.
            tokio::time::advance(step + Duration::from_millis(1)).await;
        }
    };
    let result = tokio::select! {
        result = call => result,
        result = time => result,
    };
    drop(done);
    tokio::time::resume();
    drop(still);
    result
}

/// An address at which nobody listens.
pub(crate) fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A caller whose token is `token-of-NAME`, good for an hour.
pub(crate) fn caller(name: &str) -> SecurityContext {
    caller_until(
        name,
        UnixTime::from(SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000)),
    )
}

/// The same with an end of life.
pub(crate) fn caller_until(name: &str, expires_at: UnixTime) -> SecurityContext {
    let issuer = "https://users.example".parse().unwrap();
    let audience = "order-service".parse().unwrap();
    let claims = TokenClaims::new(issuer, name.parse().unwrap(), audience, expires_at);
    SecurityContext::new(
        VerifiedClaims::dangerous_unverified(claims),
        AccessToken::new(format!("token-of-{name}")),
    )
}
