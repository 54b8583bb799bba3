//! Where a token endpoint or a JWK set is found.

use std::fmt;
use std::str::FromStr;

use hallpass_config::{check_service_name, has_credentials, is_loopback, strict_url};
use url::Url;

/// The address of an endpoint that secrets are sent to or keys are trusted from.
///
/// Plain `http` is accepted to the loopback interface only: anywhere else, others on the way would read
/// the client's secret or put in keys of their own (RFC 6749 section 3.2 demands TLS). `lb://` names a service
/// instead of a host; whether its instances speak TLS is for discovery to say, and
/// [`HttpTransport`](crate::HttpTransport) refuses those elsewhere that do not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EndpointUrl {
    /// `https://host/path`.
    Https(Url),
    /// `http://` to `localhost`, `127.0.0.0/8` or `::1`.
    LoopbackHttp(Url),
    /// `lb://service/path`: an instance of `service` is chosen at each request.
    LoadBalanced {
        /// Name of the service as discovery knows it.
        service: String,
        /// Path and query, beginning with `/`.
        path: String,
    },
}

/// Why a text is not an [`EndpointUrl`]. The text itself is not repeated: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointUrlError {
    /// Not a URL at all.
    #[error("is not a URL; write https://host/path or lb://service/path")]
    Syntax,
    /// Some other scheme.
    #[error("has a scheme that is not allowed; write https, lb, or http to a loopback address")]
    Scheme,
    /// Plain `http` to somewhere else.
    #[error("is plain http to a host that is not loopback; write https")]
    PlainHttp,
    /// `user:password@` in the address.
    #[error("must not hold a user name or password")]
    Credentials,
    /// `#...` in the address.
    #[error("must not hold a fragment (#...)")]
    Fragment,
    /// `lb://service:8080/...`.
    #[error("must not hold a port: discovery knows the port of an lb:// service")]
    Port,
}

impl FromStr for EndpointUrl {
    type Err = EndpointUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = strict_url(text).ok_or(EndpointUrlError::Syntax)?;
        if has_credentials(&url) {
            return Err(EndpointUrlError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(EndpointUrlError::Fragment);
        }
        match url.scheme() {
            "https" => Ok(Self::Https(url)),
            "http" if is_loopback(&url) => Ok(Self::LoopbackHttp(url)),
            "http" => Err(EndpointUrlError::PlainHttp),
            "lb" => load_balanced(&url),
            _ => Err(EndpointUrlError::Scheme),
        }
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Https(url) | Self::LoopbackHttp(url) => f.write_str(url.as_str()),
            Self::LoadBalanced { service, path } => write!(f, "lb://{service}{path}"),
        }
    }
}

fn load_balanced(url: &Url) -> Result<EndpointUrl, EndpointUrlError> {
    if url.port().is_some() {
        return Err(EndpointUrlError::Port);
    }
    let is_name = |name: &&str| check_service_name(name).is_ok();
    let service = url
        .host_str()
        .filter(is_name)
        .ok_or(EndpointUrlError::Syntax)?;
    let service = service.to_owned();
    let mut path = url.path().to_owned();
    if path.is_empty() {
        path.push('/');
    }
    if let Some(query) = url.query() {
        path.push('?');
        path.push_str(query);
    }
    Ok(EndpointUrl::LoadBalanced { service, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<EndpointUrl, EndpointUrlError> {
        text.parse()
    }

    #[test]
    fn the_seeds_load_balanced_address_is_taken_apart() {
        let expected = EndpointUrl::LoadBalanced {
            service: "service-auth".to_owned(),
            path: "/oauth2/token".to_owned(),
        };
        assert_eq!(parse("lb://service-auth/oauth2/token"), Ok(expected));
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for loopback in ["localhost:9000", "127.0.0.1", "127.8.8.8", "[::1]:9000"] {
            let url = parse(&format!("http://{loopback}/oauth2/token"));
            assert!(
                matches!(url, Ok(EndpointUrl::LoopbackHttp(_))),
                "{loopback}"
            );
        }
        for elsewhere in [
            "issuer.example",
            "10.0.0.1",
            "[::2]",
            "localhost.example",
            "127.0.0.1.example",
            "0.0.0.0",
            "[::ffff:10.0.0.1]",
        ] {
            let url = parse(&format!("http://{elsewhere}/oauth2/token"));
            assert_eq!(url, Err(EndpointUrlError::PlainHttp), "{elsewhere}");
        }
    }

    #[test]
    fn what_is_no_address_of_an_endpoint_is_refused() {
        let cases = [
            ("", EndpointUrlError::Syntax),
            ("service-auth/oauth2/token", EndpointUrlError::Syntax),
            ("lb:///oauth2/token", EndpointUrlError::Syntax),
            ("lb://[::1]/oauth2/token", EndpointUrlError::Syntax),
            ("lb://service%20auth/oauth2/token", EndpointUrlError::Syntax),
            ("https:issuer.example", EndpointUrlError::Syntax),
            ("https:///issuer.example", EndpointUrlError::Syntax),
            ("https://issuer.example\\x", EndpointUrlError::Syntax),
            ("https://issuer\n.example/x", EndpointUrlError::Syntax),
            (" https://issuer.example/x", EndpointUrlError::Syntax),
            ("lb://service-auth:80/x", EndpointUrlError::Port),
            ("ftp://host/x", EndpointUrlError::Scheme),
            ("file:///etc/passwd", EndpointUrlError::Syntax),
            ("https://user:pw@host/x", EndpointUrlError::Credentials),
            ("https://host/x#y", EndpointUrlError::Fragment),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for text in [
            "https://issuer.example/oauth2/jwks",
            "lb://service-auth/a?b=c",
        ] {
            let url = parse(text).unwrap();
            assert_eq!(url.to_string(), text);
            assert_eq!(parse(&url.to_string()), Ok(url));
        }
        assert_eq!(parse("lb://a").unwrap().to_string(), "lb://a/");
    }
}
