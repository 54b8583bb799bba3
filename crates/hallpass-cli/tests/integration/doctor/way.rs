//! The way to the issuer: names, connections, TLS.

use std::time::{Duration, SystemTime};

use hallpass_tls::TestAuthority;

use super::peers::{changing, saying, silent};
use super::rig::{Estate, Expected, closed_port};

const ENDPOINT: &str = "token-endpoint";
const OF_KEYS: &str = "key-set";

#[test]
fn an_address_that_leads_nowhere_is_named_with_its_reason() {
    let estate = Estate::start();
    let token_url = estate.issuer.url("/oauth2/token");
    let closed = format!("http://127.0.0.1:{}/oauth2/token", closed_port());
    let plain = token_url.replace("http://", "https://");
    for (url, part) in [
        (closed.as_str(), "the connection is refused"),
        (
            "lb://service-auth/oauth2/token",
            "no instance of `service-auth` is known",
        ),
        (&plain, "it does not speak TLS"),
    ] {
        let found = estate.doctor(&estate.with(&token_url, url));
        found.is(65, &[(ENDPOINT, "failure", part)]);
        assert_eq!(found.outcome("credential"), "skipped", "{found}");
    }
    // A machine without a name server cannot say that there is no such name.
    let found =
        estate.doctor(&estate.with(&token_url, "https://no-such-host.invalid/oauth2/token"));
    let parts = [
        "the name of the host leads nowhere",
        "no name server has answered",
    ];
    let part = parts.iter().find(|part| found.to_string().contains(**part));
    found.is(65, &[(ENDPOINT, "failure", part.expect("a reason"))]);
}

#[test]
fn one_of_two_instances_that_is_away_is_named() {
    let estate = Estate::start();
    let address = estate.issuer.address().to_owned();
    let away = closed_port();
    let token_url = estate.issuer.url("/oauth2/token");
    let yaml = estate.with(&token_url, "lb://service-auth/oauth2/token");
    let yaml = format!(
        "{yaml}  discovery: {{ static: {{ service-auth: ['{address}', '127.0.0.1:{away}'] }} }}\n"
    );
    let found = estate.doctor(&yaml);
    let part = format!("http://127.0.0.1:{away}/oauth2/token: the connection is refused");
    found.is(65, &[(ENDPOINT, "failure", &part)]);
    assert_eq!(found.outcome("credential"), "ok", "{found}");
}

#[test]
fn it_ends_in_time_when_nobody_responds() {
    let estate = Estate::start();
    let silent = silent();
    let host = estate.issuer.address().to_owned();
    let yaml = estate.with(&host, &silent);
    let nacos = format!("nacos: {{ server-addr: '{silent}', config: {{ data-ids: [a.yaml] }} }}");
    let port = silent.rsplit_once(':').unwrap().1;
    let yaml = format!("{yaml}  {nacos}\n  redis: {{ port: {port} }}\n");
    let found = estate.doctor_within(&yaml, "20");
    let expected: [Expected<'_>; 4] = [
        ("nacos", "failure", "answer"),
        (
            ENDPOINT,
            "failure",
            "takes connections and does not respond",
        ),
        (OF_KEYS, "failure", "takes connections and does not respond"),
        ("redis", "failure", "takes connections and does not respond"),
    ];
    found.is(65, &expected);
    // The time that the process needs to begin and to end on a machine that does much else.
    let most = Duration::from_secs(20 + 10);
    assert!(found.took < most, "{:?}", found.took);
}

#[test]
fn a_page_and_a_wrong_path_are_no_token_endpoint() {
    let estate = Estate::start();
    let token_url = estate.issuer.url("/oauth2/token");
    let page = format!(
        "http://{}/oauth2/token",
        saying("200 OK\r\ncontent-type: text/html")
    );
    let wrong = estate.issuer.url("/oauth2/tokens");
    for (url, part) in [
        (&page, "what responds is no token endpoint"),
        (&wrong, "there is no token endpoint at this address"),
    ] {
        let found = estate.doctor(&estate.with(&token_url, url));
        found.is(65, &[("credential", "failure", part)]);
    }
    let broken = format!(
        "http://{}/oauth2/token",
        saying("503 Service Unavailable\r\nx: y")
    );
    let found = estate.doctor(&estate.with(&token_url, &broken));
    let expected = [
        (ENDPOINT, "warning", "the response is 503"),
        ("credential", "failure", "status 503"),
    ];
    found.is(65, &expected);
}

#[test]
fn a_clock_that_differs_is_measured() {
    let estate = Estate::start();
    let address = estate.issuer.address().to_owned();
    for (change, code, outcome, part) in [
        (
            late as fn(&str) -> String,
            65,
            "failure",
            " ahead of that of ",
        ),
        (early, 65, "failure", " behind that of "),
        (a_little, 0, "warning", " behind that of "),
    ] {
        let proxy = changing(&address, change);
        let found = estate.doctor(&estate.with(
            &format!("{address}/oauth2/token"),
            &format!("{proxy}/oauth2/token"),
        ));
        found.is(code, &[("clock", outcome, part)]);
    }
}

fn late(line: &str) -> String {
    shifted(line, |date| date - Duration::from_secs(60))
}

fn early(line: &str) -> String {
    shifted(line, |date| date + Duration::from_secs(60))
}

fn a_little(line: &str) -> String {
    shifted(line, |date| date + Duration::from_secs(6))
}

fn shifted(line: &str, shift: fn(SystemTime) -> SystemTime) -> String {
    match line.strip_prefix("date: ") {
        Some(date) => {
            let date = httpdate::parse_http_date(date).unwrap();
            format!("date: {}", httpdate::fmt_http_date(shift(date)))
        }
        None => line.to_owned(),
    }
}

/// An issuer over TLS whose certificate is for these names, or has ended.
fn secured(names: &[&str], ends: Option<SystemTime>, client_auth: &str) -> Estate {
    let tls = format!(
        "    tls: {{ certificate-file: issuer.crt, private-key-file: issuer.key, {client_auth} }}\n"
    );
    Estate::start_with(&tls, |folder| {
        let authority = TestAuthority::new("Private CA");
        let certificate = match ends {
            Some(end) => authority.certificate_until(names, end),
            None => authority.certificate(names),
        };
        let _settings = certificate.write(folder, "issuer");
        let _settings = authority.certificate(&["caller"]).write(folder, "caller");
        std::fs::write(folder.join("ca.crt"), authority.pem()).unwrap();
    })
}

#[test]
fn each_fault_of_tls_is_told_from_the_others() {
    let trusts = "tls: { ca-file: ca.crt }";
    let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1_740_000_000);
    let need = "client-auth: need, client-ca-file: ca.crt";
    for (estate, section, part) in [
        (
            secured(&["127.0.0.1"], None, ""),
            "",
            "comes from an authority that is not trusted here",
        ),
        (
            secured(&["127.0.0.1"], Some(past), ""),
            trusts,
            "its certificate has expired",
        ),
        (
            secured(&["issuer.example"], None, ""),
            trusts,
            "its certificate is for another name",
        ),
        (
            secured(&["127.0.0.1"], None, need),
            trusts,
            "it wants a certificate of this side",
        ),
    ] {
        let found = estate.doctor(&estate.and(section));
        found.is(
            65,
            &[(ENDPOINT, "failure", part), (OF_KEYS, "failure", part)],
        );
        assert_eq!(found.outcome("credential"), "skipped", "{found}");
    }
    let sound = secured(&["127.0.0.1"], None, need);
    let pair =
        "tls: { ca-file: ca.crt, certificate-file: caller.crt, private-key-file: caller.key }";
    sound.doctor(&sound.and(pair)).is(0, &[]);
}
