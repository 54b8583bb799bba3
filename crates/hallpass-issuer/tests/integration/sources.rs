//! Where a request comes from: behind proxies too, and only as those say that are believed.

use hallpass_issuer::{IssuerSettings, SourceSettings};
use hallpass_listen::{ForwardedHeader, Networks};
use serde_json::Value;

use crate::audit::Log;
use crate::harness::{Harness, Response, SECRET, basic, request};
use crate::settings::{load, problems};

/// Of an issuer that is called from loopback.
const LOOPBACK: &str = "127.0.0.0/8";
/// A secret that a person chose, so that it can be guessed.
const CHOSEN: &str = "correct horse battery staple";

fn networks(of: &[&str]) -> Networks {
    Networks::new(of.iter().map(|it| it.parse().unwrap()).collect())
}

/// What `prefix` and then a request for a token come to.
async fn ask(harness: &Harness, prefix: &str, headers: &[&str]) -> Response {
    let mut lines = vec!["Content-Type: application/x-www-form-urlencoded".to_owned()];
    lines.extend(headers.iter().map(|line| (*line).to_owned()));
    let request = request(
        "POST /oauth2/token",
        &lines,
        b"grant_type=client_credentials",
    );
    harness.send(&[prefix.as_bytes(), &request].concat()).await
}

/// The sources that audit events name, one a request of each prefix and headers.
async fn sources(sources: SourceSettings, requests: &[(&str, &[&str])]) -> Vec<String> {
    let (log, guard) = Log::begin();
    let harness = Harness::with(|it: &mut IssuerSettings| it.sources = sources).await;
    for (prefix, headers) in requests {
        let basic = basic("c", SECRET);
        let headers = [&[basic.as_str()], *headers].concat();
        assert_eq!(ask(&harness, prefix, &headers).await.status, 200);
    }
    harness.issuer.shutdown().await.unwrap();
    drop(guard);
    let of = |event: &Value| event["fields"]["source"].as_str().unwrap().to_owned();
    log.events().iter().map(of).collect()
}

#[tokio::test]
async fn an_event_names_the_source_that_a_proxy_of_connections_says() {
    let settings = SourceSettings {
        proxies: networks(&[LOOPBACK]),
        ..SourceSettings::default()
    };
    let found = sources(
        settings,
        &[
            ("PROXY TCP4 192.0.2.1 10.0.0.1 4660 443\r\n", &[]),
            ("PROXY TCP6 2001:db8::7 ::1 4660 443\r\n", &[]),
            ("PROXY UNKNOWN\r\n", &[]),
            // No header of a request counts beside it.
            (
                "PROXY TCP4 192.0.2.1 10.0.0.1 4660 443\r\n",
                &[
                    "X-Forwarded-For: 198.51.100.9",
                    "Forwarded: for=198.51.100.9",
                ],
            ),
        ],
    );
    let expected = ["192.0.2.1", "2001:db8::7", "127.0.0.1", "192.0.2.1"];
    assert_eq!(found.await, expected);
}

#[tokio::test]
async fn the_header_of_a_trusted_forwarder_counts_and_of_nobody_else() {
    let header: &[&str] = &["X-Forwarded-For: 203.0.113.9, 198.51.100.7, 127.0.0.2"];
    let both: &[&str] = &[
        "X-Forwarded-For: 203.0.113.9",
        "Forwarded: for=198.51.100.7",
    ];
    let trusting = |trust: &str, header| SourceSettings {
        forwarders: networks(&[trust]),
        header,
        ..SourceSettings::default()
    };
    for (settings, headers, expected) in [
        (SourceSettings::default(), header, "127.0.0.1"),
        (
            trusting("10.0.0.0/8", ForwardedHeader::XForwardedFor),
            header,
            "127.0.0.1",
        ),
        (
            trusting(LOOPBACK, ForwardedHeader::XForwardedFor),
            header,
            "198.51.100.7",
        ),
        (
            trusting(LOOPBACK, ForwardedHeader::XForwardedFor),
            both,
            "203.0.113.9",
        ),
        (
            trusting(LOOPBACK, ForwardedHeader::Forwarded),
            both,
            "198.51.100.7",
        ),
    ] {
        assert_eq!(sources(settings, &[("", headers)]).await, [expected]);
    }
    // A forwarder behind a proxy of connections.
    let settings = SourceSettings {
        proxies: networks(&[LOOPBACK]),
        ..trusting("192.0.2.1", ForwardedHeader::XForwardedFor)
    };
    let found = sources(
        settings,
        &[
            ("PROXY TCP4 192.0.2.1 10.0.0.1 1 443\r\n", header),
            ("PROXY TCP4 192.0.2.2 10.0.0.1 1 443\r\n", header),
        ],
    )
    .await;
    // The last one of the list is no forwarder here.
    assert_eq!(found, ["127.0.0.2", "192.0.2.2"]);
}

#[tokio::test]
async fn who_guesses_behind_a_proxy_keeps_itself_waiting_and_not_the_others_behind_it() {
    let harness = Harness::with(|settings| {
        settings.sources.proxies = networks(&[LOOPBACK]);
        let secrets = crate::harness::secrets(&mut settings.clients[0]);
        *secrets = hallpass_issuer::ClientAuthentication::chosen_secret(
            hallpass_config::Secret::new(CHOSEN),
        )
        .secrets()
        .unwrap()
        .clone();
    })
    .await;
    let from = |address: &str| format!("PROXY TCP4 {address} 10.0.0.1 4660 443\r\n");
    let right = basic("c", CHOSEN);
    let mut statuses = Vec::new();
    for _guess in 0..30 {
        let guess = basic("c", "wrong");
        let response = ask(&harness, &from("203.0.113.66"), &[&guess]).await;
        statuses.push(response.status);
    }
    assert_eq!(statuses.iter().filter(|it| **it == 401).count(), 20);
    assert_eq!(statuses.last(), Some(&429));
    let there = ask(&harness, &from("203.0.113.66"), &[&right]).await;
    assert_eq!(there.status, 429);
    let elsewhere = ask(&harness, &from("203.0.113.67"), &[&right]).await;
    assert_eq!(elsewhere.status, 200);
}

#[tokio::test]
async fn behind_a_forwarder_too_each_source_has_its_own_attempts() {
    let harness = Harness::with(|settings| {
        settings.sources.forwarders = networks(&[LOOPBACK]);
    })
    .await;
    let from = |address: &str| format!("X-Forwarded-For: 198.51.100.1, {address}");
    for _guess in 0..30 {
        ask(&harness, "", &[&basic("c", "wrong"), &from("203.0.113.66")]).await;
    }
    let guess = basic("c", "wrong");
    let there = ask(&harness, "", &[&guess, &from("203.0.113.66")]).await;
    assert_eq!(there.status, 429);
    let elsewhere = ask(&harness, "", &[&guess, &from("203.0.113.67")]).await;
    assert_eq!(elsewhere.status, 401);
}

#[test]
fn who_is_believed_is_a_setting_and_nobody_by_default() {
    let text = "
hallpass:
  issuer:
    proxy-protocol: { from: [10.0.0.0/8, '::1'] }
    forwarded: { trust: 192.0.2.7, header: forwarded }
";
    let expected = SourceSettings {
        proxies: networks(&["10.0.0.0/8", "::1"]),
        forwarders: networks(&["192.0.2.7"]),
        header: ForwardedHeader::Forwarded,
    };
    assert_eq!(load(text).sources, expected);
    let nobody = load("hallpass: { issuer: {} }").sources;
    assert_eq!(nobody, SourceSettings::default());
    let text = "
hallpass:
  issuer:
    proxy-protocol: { from: [10.0.0.1/8], enabled: true }
    forwarded: { trusted: [everybody], header: x-real-ip }
";
    insta::assert_snapshot!(problems(text).join("\n"));
}
