//! A URL that an issuer serves something at: keys, or what is revoked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::discovery::Instance;
use crate::endpoint_url::EndpointUrl;
use crate::network::Network;
use crate::transport::HttpTransport;
use crate::upstream::Upstream;
use crate::walk::{AfterError, Walk, WalkError};

/// Most instances of a service that one question tries.
const MAX_INSTANCES_TRIED: usize = 3;
/// Longest piece of somebody else's text that goes into an error.
const MAX_QUOTED_CHARS: usize = 80;

/// A URL that is asked now and then, and the way there; behind `lb://` it is asked at one instance after the other.
pub struct AskedUrl {
    url: EndpointUrl,
    transport: HttpTransport,
    /// The instances behind `lb://`. Without circuit breakers: who asks makes a pause after each failure.
    upstream: Option<Upstream>,
}

impl AskedUrl {
    /// `url`, over the connections and by the discovery of `network`. Opens no connection.
    #[must_use]
    pub fn new(url: EndpointUrl, network: &Network) -> Self {
        let upstream = match &url {
            EndpointUrl::LoadBalanced { service, .. } => {
                let (discovery, clock) = (&network.discovery, &network.clock);
                let (discovery, clock) = (Arc::clone(discovery), Arc::clone(clock));
                Some(Upstream::without_breaker(
                    service.as_str(),
                    discovery,
                    clock,
                ))
            }
            EndpointUrl::Https(_) | EndpointUrl::LoopbackHttp(_) => None,
        };
        Self {
            url,
            transport: network.transport.clone(),
            upstream,
        }
    }

    /// The URL as it was given.
    #[must_use]
    pub const fn url(&self) -> &EndpointUrl {
        &self.url
    }

    /// What sends requests there.
    #[must_use]
    pub fn transport(&self) -> HttpTransport {
        self.transport.clone()
    }

    /// Calls `ask` with the address; behind `lb://` with that of up to three instances, which share the time `within`. Whatever is wrong
    /// with what one instance serves, another one may serve it right.
    ///
    /// Not held to `within` when there are no instances: `ask` does that.
    ///
    /// # Errors
    /// [`WalkError`]; without instances [`WalkError::Failed`] alone.
    pub async fn ask<T, E, F>(
        &self,
        within: Duration,
        ask: impl Fn(String) -> F,
    ) -> Result<T, WalkError<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        let (upstream, path) = match (&self.url, &self.upstream) {
            (EndpointUrl::LoadBalanced { path, .. }, Some(upstream)) => (upstream, path),
            (url, _) => return ask(url.to_string()).await.map_err(WalkError::Failed),
        };
        let walk = Walk {
            within,
            attempts: MAX_INSTANCES_TRIED,
            again: false,
        };
        let at = |instance: Instance| ask(format!("{instance}{path}"));
        upstream.ask_in_turn(walk, at, |_| AfterError::GoesOn).await
    }
}

impl fmt::Debug for AskedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AskedUrl")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// An error and what caused it, in one line of at most 80 characters.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    shortened(&text)
}

/// At most 80 characters of somebody else's text, in one line.
#[must_use]
pub fn shortened(text: &str) -> String {
    let shown = text.chars().filter(|c| !c.is_control());
    shown.take(MAX_QUOTED_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the upper\nreason")]
    struct Upper(#[source] std::io::Error);

    #[test]
    fn a_failure_is_told_with_its_causes_in_one_short_line() {
        let error = Upper(std::io::Error::other("the lower reason"));
        assert_eq!(with_causes(&error), "the upperreason: the lower reason");
        assert_eq!(shortened(&"é".repeat(100)), "é".repeat(80));
    }
}
