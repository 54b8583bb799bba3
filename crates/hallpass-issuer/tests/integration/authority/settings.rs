//! `issuer.ca` and `issuer.clients[].certificate`, as files have them.

use std::time::Duration;

use hallpass_config::Loader;
use hallpass_issuer::{CaSettings, IssuerSettings};

use super::{ID, start, text};

fn read(text: &str) -> Result<IssuerSettings, String> {
    let nothing: [(String, String); 0] = [];
    let loader = Loader::new("hallpass")
        .text("test.yaml", text)
        .environment(nothing);
    let loaded = loader.load::<IssuerSettings>();
    loaded
        .map(|it| it.into_settings())
        .map_err(|problems| problems.to_string())
}

fn with(ca: &str, clients: &[&str]) -> String {
    let clients = clients.iter().map(|certificate| {
        format!(
            "{{ client-id: c{}, client-secret: s, certificate: {{ {certificate} }} }}",
            certificate.len()
        )
    });
    let clients: Vec<_> = clients.collect();
    format!(
        "hallpass: {{ issuer: {{ ca: {{ {ca} }}, clients: [{}] }} }}",
        clients.join(", ")
    )
}

#[test]
fn what_is_registered_is_read_and_short_lives_are_usual() {
    let ca = "trust-domain: shop.example";
    let certificate =
        format!("spiffe-id: '{ID}', dns-names: [order, order.shop], life-seconds: 600");
    let settings = read(&with(ca, &[&certificate])).unwrap();
    assert_eq!(settings.ca, Some(CaSettings::new("shop.example")));
    let names = settings.clients[0].certificate.as_ref().unwrap();
    assert_eq!(names.spiffe_id, ID);
    assert_eq!(names.dns_names, ["order", "order.shop"]);
    assert_eq!(names.life, Some(Duration::from_secs(600)));
    let ca = settings.ca.unwrap();
    assert_eq!(ca.certificate_life, Duration::from_secs(3_600));
    assert_eq!(ca.rotation, Duration::from_secs(30 * 86_400));
    let none = read("hallpass: { issuer: { listen: '127.0.0.1:1' } }").unwrap();
    assert_eq!(none.ca, None);
}

/// What is wrong with `ca` and the certificates of `clients`, which a problem says at that key in those words.
fn wrong(ca: &str, clients: &[&str], key: &str, what: &str) {
    let problems = read(&with(ca, clients)).unwrap_err();
    let is_said = problems.contains(&format!("issuer.{key}")) && problems.contains(what);
    assert!(is_said, "{key}, {what}: {problems}");
}

#[test]
fn an_authority_has_a_trust_domain_in_its_one_form_and_short_lives() {
    let with_scheme = "trust-domain: 'spiffe://shop.example'";
    wrong("", &[], "ca.trust-domain", "is required");
    wrong(with_scheme, &[], "ca.trust-domain", "without `spiffe://`");
    wrong(
        "trust-domain: Shop.example",
        &[],
        "ca.trust-domain",
        "in lower case",
    );
    let long = "trust-domain: shop.example, certificate-life-seconds: 100000";
    wrong(long, &[], "ca.certificate-life-seconds", "86400");
}

#[test]
fn names_that_would_be_signed_in_error_are_problems_with_their_places() {
    let ca = "trust-domain: shop.example";
    let (first, second) = ("clients[0].certificate", "clients[1].certificate");
    let at = |name: &str| format!("{first}.{name}");
    for (certificate, name, what) in [
        ("", "spiffe-id", "is required"),
        (
            "spiffe-id: 'spiffe://shop.example'",
            "spiffe-id",
            "a path after it",
        ),
        (
            "spiffe-id: 'https://shop.example/a'",
            "spiffe-id",
            "is not a SPIFFE id",
        ),
    ] {
        wrong(ca, &[certificate], &at(name), what);
    }
    let id = format!("spiffe-id: '{ID}'");
    for (name, what) in [
        ("'*.example'", "patterns"),
        ("Order", "lower case"),
        ("'10.0.0.1'", "addresses"),
    ] {
        let certificate = format!("{id}, dns-names: [{name}]");
        wrong(ca, &[&certificate], &at("dns-names"), what);
    }
    let elsewhere = "spiffe-id: 'spiffe://other.example/a'";
    wrong(ca, &[elsewhere], first, "another trust domain");
    let same = format!("{id}, dns-names: [a]");
    let place = format!("{second}.spiffe-id");
    wrong(ca, &[&id, &same], &place, "of the client");
    let without = "hallpass: { issuer: { clients: [{ client-id: a, client-secret: s, certificate: { spiffe-id: 'spiffe://a.example/b' } }] } }";
    let problems = read(without).unwrap_err();
    assert!(problems.contains("needs `issuer.ca`"), "{problems}");
}

#[tokio::test]
async fn a_client_of_the_store_gets_certificates_too_and_none_by_the_name_of_another() {
    let harness = start().await;
    let add = async |id: &str, spiffe: &str| {
        let entry = format!(
            "hallpass: {{ issuer: {{ clients: [{{ client-id: {id}, certificate: {{ spiffe-id: '{spiffe}' }} }}] }} }}"
        );
        let (clock, entry) = (super::clock(&harness), ("c.yaml", entry.as_str()));
        let added = hallpass_issuer::add_client(&harness.settings, &clock, entry, |_| Ok(()));
        added.await.map(|it| it.client_secret.unwrap())
    };
    let stored = add("stored", "spiffe://shop.example/stored").await.unwrap();
    let thief = add("thief", ID).await.unwrap();
    let elsewhere = add("elsewhere", "spiffe://other.example/a").await;
    let problem = elsewhere.unwrap_err().to_string();
    assert!(problem.contains("another trust domain"), "{problem}");
    while harness.metric("hallpass_issuer_clients") < 4 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let form = super::form(&super::asked().1);
    let by_stored = [crate::harness::basic("stored", stored.expose())];
    // They are counted a moment before they count.
    let ask = || super::ask(&harness, &by_stored, &form);
    let told = harness.until_told(|told| told == 200, ask).await;
    let given = told.json();
    assert_eq!(text(&given, "spiffe_id"), "spiffe://shop.example/stored");
    let by_thief = [crate::harness::basic("thief", thief.expose())];
    let refused = super::ask(&harness, &by_thief, &form).await;
    assert_eq!(refused.status, 403, "{refused:?}");
}
