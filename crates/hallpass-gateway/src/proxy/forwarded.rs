//! What upstreams are told of the caller's connection. Whatever callers say of that themselves is removed, unless they are proxies of ours.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use hallpass_listen::{ForwardedHeader, forwarded_source};
use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::of_proxies::is_of_proxies;
use super::parts::Peer;
use crate::settings::forwarded::{ForwardedForm, ForwardedSettings};
use crate::settings::network::TrustedProxies;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Longest list of proxies that is handed on, in bytes: beyond it only what is known here is said.
const MAX_LIST_BYTES: usize = 4_096;

/// The rules of `gateway.forwarded`.
#[derive(Clone, Debug)]
pub(crate) struct ForwardedRules {
    trust: TrustedProxies,
    write: ForwardedForm,
    keep: Vec<HeaderName>,
    /// In which the proxy of a mesh says who calls, for the decision alone.
    mesh: Option<HeaderName>,
}

/// What is told of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    pub(crate) peer: Peer,
    /// As the caller named it, with its port.
    pub(crate) host: Option<&'a HeaderValue>,
    /// The part of the path that the upstream does not see.
    pub(crate) prefix: Option<&'a str>,
}

impl Told<'_> {
    fn host_text(&self) -> Option<&str> {
        self.host.and_then(|host| host.to_str().ok())
    }
}

impl ForwardedRules {
    pub(crate) fn new(settings: &ForwardedSettings, mesh: Option<HeaderName>) -> Self {
        Self {
            trust: settings.trust.clone(),
            write: settings.write,
            keep: settings.keep.clone(),
            mesh,
        }
    }

    /// Whether a mesh may say who calls: then the decision needs to know where a request comes from.
    pub(crate) const fn is_in_a_mesh(&self) -> bool {
        self.mesh.is_some()
    }

    /// Removes what a mesh has said, which was left for the decision. No upstream gets it: what is believed of it depends on who has sent it here, and
    /// nobody behind knows that.
    pub(crate) fn forget_mesh(&self, headers: &mut HeaderMap) {
        if let Some(name) = &self.mesh {
            headers.remove(name);
        }
    }

    /// The address that the request comes from, as far as that is known: of the addresses in `X-Forwarded-For`, from its end, the first that is no
    /// proxy of ours; that of the connection where its other end is none. To be asked before [`apply`](Self::apply).
    pub(crate) fn caller(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        let is_ours = |address| self.trust.contains(address);
        forwarded_source(ForwardedHeader::XForwardedFor, is_ours, peer.ip(), headers)
    }

    /// Removes what only proxies write, and writes anew what is known here, behind what a proxy of ours has said.
    pub(crate) fn apply(&self, told: Told<'_>, headers: &mut HeaderMap) {
        let is_ours = self.trust.contains(told.peer.address.ip());
        let said = match is_ours {
            true => Said::take(headers),
            false => Said::default(),
        };
        self.strip(headers);
        let address = told.peer.address.ip().to_canonical();
        let scheme = if told.peer.is_tls { "https" } else { "http" };
        if matches!(self.write, ForwardedForm::XForwarded | ForwardedForm::Both) {
            match said.list {
                Some(before) => set(headers, FOR, format!("{before}, {address}")),
                None => insert(headers, FOR, written(address)),
            }
            let proto = said.proto.unwrap_or(HeaderValue::from_static(scheme));
            headers.insert(PROTO, proto);
            let host = || told.host_text().and(told.host.cloned());
            insert(headers, FORWARDED_HOST, said.host.or_else(host));
            let port = || port_value(port_of(told.host_text(), told.peer.is_tls));
            headers.insert(PORT, said.port.unwrap_or_else(port));
            let prefix = match (
                said.prefix.as_ref().and_then(|it| it.to_str().ok()),
                told.prefix,
            ) {
                (Some(before), Some(own)) => Some(format!("{before}{own}")),
                (before, own) => before.or(own).map(str::to_owned),
            };
            if let Some(prefix) = prefix {
                set(headers, PREFIX, prefix);
            }
        }
        if matches!(self.write, ForwardedForm::Forwarded | ForwardedForm::Both) {
            let own = element(address, scheme, told.host_text());
            let list = match said.forwarded {
                Some(before) => format!("{before}, {own}"),
                None => own,
            };
            set(headers, FORWARDED, list);
        }
    }

    /// Removes what only proxies write, from whomever it comes. That of the mesh stays until it is [forgotten](Self::forget_mesh), in the one spelling
    /// that the decision reads.
    fn strip(&self, headers: &mut HeaderMap) {
        let stays =
            |name: &HeaderName| self.keep.contains(name) || self.mesh.as_ref() == Some(name);
        let is_meant = |name: &&HeaderName| is_of_proxies(name.as_str()) && !stays(name);
        let found: Vec<HeaderName> = headers.keys().filter(is_meant).cloned().collect();
        for name in found {
            headers.remove(name);
        }
    }
}

/// What a proxy of ours has said.
#[derive(Default)]
struct Said {
    list: Option<String>,
    proto: Option<HeaderValue>,
    host: Option<HeaderValue>,
    port: Option<HeaderValue>,
    prefix: Option<HeaderValue>,
    forwarded: Option<String>,
}

impl Said {
    fn take(headers: &mut HeaderMap) -> Self {
        Self {
            list: list(headers, &FOR),
            proto: headers.remove(PROTO),
            host: headers.remove(FORWARDED_HOST),
            port: headers.remove(PORT),
            prefix: headers.remove(PREFIX),
            forwarded: list(headers, &FORWARDED),
        }
    }
}

/// All fields of a name as one list; `None` where there is none, or it is longer than anything that would be of use.
fn list(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut all = String::new();
    for field in headers.get_all(name) {
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(field.to_str().ok()?);
    }
    (!all.is_empty() && all.len() <= MAX_LIST_BYTES).then_some(all)
}

fn set(headers: &mut HeaderMap, name: HeaderName, text: String) {
    // What is no value of a header, such as a host that a lax parser let through, is not said at all.
    insert(headers, name, HeaderValue::try_from(text).ok());
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

/// An address as a value. Each request bears one, and the machinery of `format!` takes as long as all other headers together.
fn written(address: IpAddr) -> Option<HeaderValue> {
    const LONGEST: usize = "255.255.255.255".len();
    let IpAddr::V4(address) = address else {
        return HeaderValue::try_from(address.to_string()).ok();
    };
    let mut text = [0; LONGEST];
    let mut places = text.iter_mut();
    let mut put = |byte| {
        if let Some(place) = places.next() {
            *place = byte;
        }
    };
    for (number, octet) in address.octets().into_iter().enumerate() {
        if number > 0 {
            put(b'.');
        }
        if octet >= 100 {
            put(b'0' + octet / 100);
        }
        if octet >= 10 {
            put(b'0' + octet / 10 % 10);
        }
        put(b'0' + octet % 10);
    }
    let free = places.len();
    HeaderValue::from_bytes(text.get(..LONGEST - free)?).ok()
}

/// Those of the schemes are there already.
fn port_value(port: u16) -> HeaderValue {
    match port {
        80 => HeaderValue::from_static("80"),
        443 => HeaderValue::from_static("443"),
        port => HeaderValue::from(port),
    }
}

fn port_of(host: Option<&str>, is_tls: bool) -> u16 {
    let named = host.and_then(|host| {
        let (_, port) = host.rsplit_once(':')?;
        port.parse().ok()
    });
    named.unwrap_or(if is_tls { 443 } else { 80 })
}

/// One element of `Forwarded` (RFC 7239 section 4). An address of IPv6, and a host with a port, are quoted (section 6).
fn element(address: IpAddr, scheme: &str, host: Option<&str>) -> String {
    let mut element = match address {
        IpAddr::V4(address) => format!("for={address};proto={scheme}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\";proto={scheme}"),
    };
    let is_quotable = |host: &&str| !host.contains(['"', '\\']);
    if let Some(host) = host.filter(is_quotable) {
        // Writing to a String does not fail.
        let _ = write!(element, ";host=\"{host}\"");
    }
    element
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(trust: &[&str], write: ForwardedForm) -> ForwardedRules {
        let trust = trust.iter().map(|it| TrustedProxies::check(it).unwrap());
        let settings = ForwardedSettings {
            trust: TrustedProxies::new(trust.collect()),
            write,
            keep: vec![HeaderName::from_static("x-real-ip")],
        };
        ForwardedRules::new(&settings, None)
    }

    fn headers(of: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in of {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn applied(rules: &ForwardedRules, of: &[(&str, &str)]) -> Vec<String> {
        let mut headers = headers(of);
        let told = Told {
            peer: Peer {
                address: "203.0.113.7:5000".parse().unwrap(),
                is_tls: true,
            },
            host: Some(&HeaderValue::from_static("shop.example:8443")),
            prefix: Some("/api"),
        };
        rules.apply(told, &mut headers);
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    const FORGED: [(&str, &str); 21] = [
        ("X-Forwarded-For", "10.0.0.1"),
        ("x_forwarded_for", "10.0.0.1"),
        ("X.Forwarded.Proto", "ftp"),
        ("X-Forwarded-Client-Cert", "By=x"),
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "for=10.0.0.1"),
        ("X-Original-URL", "/admin"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("L5d-Client-Id", "a"),
        ("Ssl_Client_S_Dn", "CN=root"),
        ("X-Envoy-Internal", "true"),
        ("Client-Cert", ":MII=:"),
        ("True-Client-IP", "10.0.0.1"),
        ("CF-Connecting-IP", "10.0.0.1"),
        ("cf_connecting_ip", "10.0.0.1"),
        ("X-Client-IP", "10.0.0.1"),
        ("X-Cluster-Client-IP", "10.0.0.1"),
        ("X-Forwarded", "for=10.0.0.1"),
        ("X_Forwarded", "for=10.0.0.1"),
        ("Front-End-Https", "on"),
        ("Proxy", "http://evil.example:3128"),
    ];

    #[test]
    fn what_a_stranger_says_of_proxies_never_counts() {
        let expected = [
            "x-forwarded-for: 203.0.113.7",
            "x-forwarded-host: shop.example:8443",
            "x-forwarded-port: 8443",
            "x-forwarded-prefix: /api",
            "x-forwarded-proto: https",
            "x-real-ip: kept",
        ];
        let mut sent = FORGED.to_vec();
        sent.push(("X-Real-IP", "kept"));
        let rules = rules(&["10.0.0.0/8"], ForwardedForm::XForwarded);
        assert_eq!(applied(&rules, &sent), expected);
    }

    #[test]
    fn what_a_mesh_says_stays_for_the_decision_in_one_spelling_and_goes_then() {
        let mesh = HeaderName::from_static("x-forwarded-client-cert");
        let rules = ForwardedRules {
            mesh: Some(mesh.clone()),
            // What is believed by where it comes from is not for others, whoever asks for it.
            keep: vec![mesh],
            ..rules(&[], ForwardedForm::None)
        };
        let mut left = headers(&[
            ("X-Forwarded-Client-Cert", "URI=spiffe://a/b"),
            ("x_forwarded_client_cert", "URI=spiffe://a/forged"),
            ("X-Forwarded-Client.Cert", "URI=spiffe://a/forged"),
            ("l5d-client-id", "forged"),
            ("Client-Cert", ":MII=:"),
        ]);
        rules.strip(&mut left);
        let names: Vec<_> = left.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-forwarded-client-cert"]);
        rules.forget_mesh(&mut left);
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn what_a_proxy_of_ours_says_is_passed_on_with_what_is_known_here() {
        let rules = rules(&["203.0.113.0/24"], ForwardedForm::Both);
        let sent = [
            ("X-Forwarded-For", "198.51.100.1, 203.0.113.9"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", "www.shop.example"),
            ("X-Forwarded-Prefix", "/de"),
            ("Forwarded", "for=198.51.100.1"),
            ("X-Envoy-Internal", "true"),
        ];
        let expected = [
            "forwarded: for=198.51.100.1, for=203.0.113.7;proto=https;host=\"shop.example:8443\"",
            "x-forwarded-for: 198.51.100.1, 203.0.113.9, 203.0.113.7",
            "x-forwarded-host: www.shop.example",
            "x-forwarded-port: 8443",
            "x-forwarded-prefix: /de/api",
            "x-forwarded-proto: http",
        ];
        assert_eq!(applied(&rules, &sent), expected);
    }

    #[test]
    fn addresses_are_written_as_everybody_writes_them() {
        for text in [
            "0.0.0.0",
            "9.10.99.100",
            "127.0.0.1",
            "255.255.255.255",
            "2001:db8::1",
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(written(address).unwrap(), text);
        }
    }

    #[test]
    fn nothing_is_written_where_nothing_is_wanted() {
        let none = rules(&[], ForwardedForm::None);
        assert_eq!(applied(&none, &FORGED), Vec::<String>::new());
    }

    #[test]
    fn the_address_of_a_caller_is_the_last_that_is_no_proxy_of_ours() {
        let rules = rules(&["10.0.0.0/8", "::1"], ForwardedForm::None);
        for (peer, lists, expected) in [
            ("192.0.2.1:1", &["198.51.100.1"][..], "192.0.2.1"),
            ("10.0.0.1:1", &[], "10.0.0.1"),
            ("10.0.0.1:1", &["198.51.100.1"], "198.51.100.1"),
            (
                "10.0.0.1:1",
                &["1.1.1.1, 198.51.100.1, 10.0.0.2"],
                "198.51.100.1",
            ),
            ("10.0.0.1:1", &["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1:1", &["1.1.1.1, unknown"], "10.0.0.1"),
            ("10.0.0.1:1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("[::1]:1", &["[2001:db8::1]:5000"], "2001:db8::1"),
            ("[::ffff:10.0.0.1]:1", &["198.51.100.1:70"], "198.51.100.1"),
        ] {
            let lists: Vec<_> = lists.iter().map(|it| ("x-forwarded-for", *it)).collect();
            let caller = rules.caller(peer.parse().unwrap(), &headers(&lists));
            assert_eq!(
                caller,
                expected.parse::<IpAddr>().unwrap(),
                "{peer} {lists:?}"
            );
        }
    }
}
