//! Who may send by the outbound side: the program beside it, and no page that its developer looks at.
//!
//! Connections of other machines are closed before a byte of them is read. A browser on the same machine can connect, though, and sends whatever a page
//! says: but it says that it is one (`Origin`, `Sec-Fetch-Site`), or, where the page has its name resolved to this machine, it names a host that is none of ours.

use std::collections::HashMap;
use std::net::IpAddr;

use bytes::Bytes;
use hallpass_resource::named_host;
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{Response, StatusCode, Uri};

use super::lent::{self, Lent};
use crate::problem::problem;
use crate::settings::sidecar::OutboundSettings;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const DPOP: HeaderName = HeaderName::from_static("dpop");

/// Why a request does not get on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotLocal {
    /// A web page has sent it.
    WebPage,
    /// It is for a service that the settings do not name.
    UnknownService,
}

impl NotLocal {
    pub(crate) fn response(self) -> Response<Bytes> {
        let (code, title) = match self {
            Self::WebPage => ("web_page", "Web pages may not call services by this proxy."),
            Self::UnknownService => (
                "unknown_service",
                "The host is no service of sidecar.outbound.services.",
            ),
        };
        problem(StatusCode::FORBIDDEN, code, title)
    }
}

/// The services that the program calls, and whether its own token counts for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Services(HashMap<Box<str>, bool>);

impl Services {
    pub(crate) fn new(settings: &OutboundSettings) -> Self {
        let services = settings.services.iter();
        Self(
            services
                .map(|it| (it.name.as_str().into(), it.takes_token()))
                .collect(),
        )
    }

    /// Makes a request one to a service by its name, for the caller whose handle it has. `of_port`: the service whose port it came to; `None` where it came to the
    /// proxy.
    ///
    /// # Errors
    /// [`NotLocal`].
    pub(crate) fn take(
        &self,
        parts: &mut Parts,
        of_port: Option<&str>,
        lent: Option<&Lent>,
    ) -> Result<(), NotLocal> {
        if is_of_a_page(parts) {
            return Err(NotLocal::WebPage);
        }
        let host = named_host(parts).map_err(|_| NotLocal::UnknownService)?;
        let name = match of_port {
            None => &*host,
            Some(service) if is_this_machine(&host) || *host == *service => service,
            // A page whose name was made one of this machine.
            Some(_) => return Err(NotLocal::WebPage),
        };
        let takes_token = *self.0.get(name).ok_or(NotLocal::UnknownService)?;
        match lent {
            Some(lent) => lent.redeem(&mut parts.headers),
            None => lent::strip(&mut parts.headers),
        }
        if !takes_token {
            parts.headers.remove(AUTHORIZATION);
            parts.headers.remove(DPOP);
        }
        if of_port.is_some() {
            rename(parts, name).ok_or(NotLocal::UnknownService)?;
        }
        Ok(())
    }
}

/// Browsers say so of what pages send: always where the page is of another origin, or the request changes something.
fn is_of_a_page(parts: &Parts) -> bool {
    let site = parts.headers.get(SEC_FETCH_SITE);
    let is_own = |site: &HeaderValue| matches!(site.as_bytes(), b"none" | b"same-origin");
    parts.headers.contains_key(ORIGIN) || site.is_some_and(|site| !is_own(site))
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// From here on the request is for this host.
fn rename(parts: &mut Parts, name: &str) -> Option<()> {
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    if uri.authority.is_some() {
        uri.authority = Some(name.parse::<Authority>().ok()?);
        uri.scheme = uri.scheme.or(Some(Scheme::HTTP));
    }
    parts.uri = Uri::from_parts(uri).ok()?;
    parts
        .headers
        .insert(HOST, HeaderValue::from_str(name).ok()?);
    Some(())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn services() -> Services {
        let known = [("logistics-service", true), ("service-system", false)];
        Services(known.map(|(name, takes)| (name.into(), takes)).into())
    }

    fn take(
        target: &str,
        of_port: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Result<Parts, NotLocal> {
        let mut request = Request::get(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let taken = services().take(&mut parts, of_port, None);
        taken.map(|()| parts)
    }

    #[test]
    fn a_web_page_cannot_speak_as_the_service() {
        let port = Some("service-system");
        for headers in [
            &[("host", "localhost:1"), ("origin", "https://evil.example")][..],
            &[("host", "localhost:1"), ("origin", "null")],
            &[("host", "localhost:1"), ("origin", "http://localhost:1")],
            &[("host", "localhost:1"), ("sec-fetch-site", "cross-site")],
            &[("host", "localhost:1"), ("sec-fetch-site", "same-site")],
            // Its name is resolved to this machine.
            &[
                ("host", "evil.example:1"),
                ("sec-fetch-site", "same-origin"),
            ],
            &[("host", "evil.example")],
            &[("host", "127.0.0.1.evil.example")],
            &[("host", "localhost.evil.example")],
            &[("host", "logistics-service")],
        ] {
            let refused = take("/a", port, headers).map(drop);
            assert_eq!(refused, Err(NotLocal::WebPage), "{headers:?}");
        }
        for headers in [
            &[("host", "evil.example")][..],
            &[("host", "localhost:15001")],
            &[("host", "service-system"), ("host", "service-system")],
            &[],
        ] {
            let refused = take("/a", None, headers).map(drop);
            assert_eq!(refused, Err(NotLocal::UnknownService), "{headers:?}");
        }
        let page = [("host", "service-system"), ("origin", "https://a.example")];
        let refused = take("http://service-system/a", None, &page).map(drop);
        assert_eq!(refused, Err(NotLocal::WebPage));
    }

    #[test]
    fn a_call_goes_to_the_service_of_its_port_or_of_its_host() {
        for host in [
            "127.0.0.1:15002",
            "localhost:15002",
            "[::1]:15002",
            "service-system",
        ] {
            let parts = take("/a?b", Some("service-system"), &[("host", host)]).unwrap();
            assert_eq!(parts.headers[HOST], "service-system");
            assert_eq!(parts.uri, "/a?b");
        }
        let target = "http://127.0.0.1:15002/a";
        let parts = take(
            target,
            Some("service-system"),
            &[("host", "127.0.0.1:15002")],
        )
        .unwrap();
        assert_eq!(parts.uri, "http://service-system/a");
        let target = "http://logistics-service/a";
        let parts = take(target, None, &[("host", "logistics-service")]).unwrap();
        assert_eq!(parts.uri, target);
    }

    #[test]
    fn what_the_program_sends_of_its_own_counts_only_where_a_users_token_does() {
        let headers = [
            ("host", "service-system"),
            ("authorization", "Bearer mine"),
            ("dpop", "x"),
        ];
        let parts = take("http://service-system/", None, &headers).unwrap();
        assert!(!parts.headers.contains_key(AUTHORIZATION) && !parts.headers.contains_key("dpop"));
        let headers = [
            ("host", "logistics-service"),
            ("authorization", "Bearer hers"),
        ];
        let parts = take("http://logistics-service/", None, &headers).unwrap();
        assert_eq!(parts.headers[AUTHORIZATION], "Bearer hers");
    }
}
