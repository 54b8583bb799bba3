//! By which names the management address answers: a page whose name is resolved to this machine (DNS rebinding) is of that name to its browser, and must not
//! read here what the estate is made of.

use std::net::{IpAddr, SocketAddr};

use hallpass_resource::HostPattern;
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderValue, Request};

/// The names.
#[derive(Clone, Debug, Default)]
pub(crate) struct AskedHosts {
    named: Vec<HostPattern>,
    is_loopback: bool,
}

impl AskedHosts {
    /// `named`: beside IP addresses and `localhost`. `listening`: where.
    pub(crate) fn new(named: &[HostPattern], listening: SocketAddr) -> Self {
        Self {
            named: named.to_vec(),
            is_loopback: listening.ip().is_loopback(),
        }
    }

    /// Whether a request may see the page at `path`, by the host that it names. Health says nothing of the estate. Metrics are asked for under the name of
    /// a service from other machines; on loopback nobody has such a name.
    pub(crate) fn allow<B>(&self, request: &Request<B>, path: &str) -> bool {
        let is_open = match path {
            "/health/live" | "/health/ready" => true,
            "/metrics" => !self.is_loopback,
            _ => false,
        };
        is_open || self.know(request)
    }

    /// Who names none is no browser.
    fn know<B>(&self, request: &Request<B>) -> bool {
        let target = request.uri().authority();
        let fields = request.headers().get_all(HOST).iter();
        target.is_none_or(|it| self.knows(it)) && fields.into_iter().all(|it| self.knows_value(it))
    }

    fn knows_value(&self, value: &HeaderValue) -> bool {
        let authority = Authority::try_from(value.as_bytes());
        authority.is_ok_and(|it| self.knows(&it))
    }

    fn knows(&self, authority: &Authority) -> bool {
        let host = authority.host().to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let address = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        address.unwrap_or(host).parse::<IpAddr>().is_ok()
            || host == "localhost"
            || self.named.iter().any(|it| it.matches_name(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(listening: &str) -> AskedHosts {
        let named = ["edge.shop.example", "*.svc.cluster.local"];
        let named = named.map(|it| it.parse().unwrap());
        AskedHosts::new(&named, listening.parse().unwrap())
    }

    fn asks(host: Option<&str>, target: &str) -> Request<()> {
        let mut request = Request::get(target);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn a_page_that_tells_of_the_estate_is_for_addresses_and_names_of_the_settings() {
        let hosts = hosts("0.0.0.0:9901");
        for (host, may) in [
            (Some("127.0.0.1:9901"), true),
            (Some("[::1]:9901"), true),
            (Some("10.0.0.7"), true),
            (Some("localhost:9901"), true),
            (Some("LocalHost."), true),
            (Some("Edge.Shop.Example:9901"), true),
            (Some("edge.shop.svc.cluster.local"), true),
            (None, true),
            (Some("evil.example:9901"), false),
            (Some("127.0.0.1.evil.example"), false),
            (Some("localhost.evil.example"), false),
            (Some("svc.cluster.local"), false),
            (Some("a b"), false),
            (Some(""), false),
        ] {
            assert_eq!(
                hosts.allow(&asks(host, "/routes"), "/routes"),
                may,
                "{host:?}"
            );
        }
        // HTTP/2 names it in its target; two that differ are two.
        let target = |it: &str| hosts.allow(&asks(Some("localhost"), it), "/routes");
        assert!(target("http://127.0.0.1:9901/routes"));
        assert!(!target("http://evil.example/routes"));
        let mut twice = asks(Some("localhost"), "/routes");
        twice
            .headers_mut()
            .append(HOST, HeaderValue::from_static("evil.example"));
        assert!(!hosts.allow(&twice, "/routes"));
    }

    #[test]
    fn health_is_for_everybody_and_metrics_are_where_other_machines_ask() {
        let (everywhere, here) = (hosts("0.0.0.0:9901"), hosts("127.0.0.1:9901"));
        let page = asks(Some("evil.example"), "/");
        for path in ["/health/live", "/health/ready"] {
            assert!(everywhere.allow(&page, path) && here.allow(&page, path));
        }
        assert!(everywhere.allow(&page, "/metrics"));
        assert!(!here.allow(&page, "/metrics"));
        assert!(here.allow(&asks(Some("localhost:9901"), "/"), "/metrics"));
    }
}
