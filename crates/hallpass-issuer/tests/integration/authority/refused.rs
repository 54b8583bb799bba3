//! Who gets no certificate, and what for.

use std::num::NonZeroU32;
use std::time::Duration;

use hallpass_issuer::RevocationTarget;

use super::{ask, asked, counted, form, given, registered, start};
use crate::audit::Log;
use crate::harness::{Harness, NOW, SECRET, basic};
use crate::revocation::operator;

#[tokio::test]
async fn who_is_not_registered_for_certificates_or_is_nobody_gets_none() {
    let harness = start().await;
    let csr = form(&asked().1);
    for (case, headers, form, expected) in [
        (
            "registered for none",
            vec![basic("c", SECRET)],
            csr.clone(),
            (403, "unauthorized_client"),
        ),
        (
            "a wrong secret",
            vec![basic("order", "wrong")],
            csr.clone(),
            (401, "invalid_client"),
        ),
        (
            "nobody",
            vec![basic("x", SECRET)],
            csr.clone(),
            (401, "invalid_client"),
        ),
        (
            "without credentials",
            vec![],
            csr.clone(),
            (401, "invalid_client"),
        ),
        (
            "a name alone",
            vec![],
            format!("{csr}&client_id=order"),
            (401, "invalid_client"),
        ),
        (
            "no request",
            vec![basic("order", SECRET)],
            "x=y".to_owned(),
            (400, "invalid_request"),
        ),
        (
            "none in it",
            vec![basic("order", SECRET)],
            form("x"),
            (400, "invalid_request"),
        ),
        (
            "two of them",
            vec![basic("order", SECRET)],
            format!("{csr}&{csr}"),
            (400, "invalid_request"),
        ),
    ] {
        let refused = ask(&harness, &headers, &form).await;
        let (status, error) = expected;
        assert_eq!(refused.refusal(), (status, error.to_owned()), "{case}");
        assert!(!refused.body.contains("CERTIFICATE---"), "{case}");
    }
    for reason in [
        "certificate_not_registered",
        "missing_csr",
        "bad_request_for_certificate",
    ] {
        assert_eq!(counted(&harness, reason), 1, "{reason}");
    }
    assert_eq!(counted(&harness, "issued"), 0);
    let not_posted = harness.get("/ca/v1/certificate", &[]).await;
    assert_eq!(not_posted.status, 405);
}

#[tokio::test]
async fn a_request_that_somebody_has_changed_or_whose_key_is_weak_is_refused_with_advice() {
    let harness = start().await;
    let (_, csr) = asked();
    let lines: Vec<&str> = csr.lines().collect();
    let swapped = |line: &str| line.chars().rev().collect::<String>();
    let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    changed[1] = swapped(lines[1]);
    let (key, _) = asked();
    for (case, text, advice) in [
        ("changed", changed.join("\n"), "csr"),
        (
            "with its key",
            format!("{csr}{}", key.serialize_pem()),
            "private key",
        ),
        ("two", format!("{csr}{}", asked().1), "more than one"),
        ("long", format!("{}{csr}", "#\n".repeat(5_000)), "16 KiB"),
    ] {
        let refused = ask(&harness, &[basic("order", SECRET)], &form(&text)).await;
        assert!(
            refused.status == 400 || refused.status == 413,
            "{case}: {refused:?}"
        );
        let said = refused.json()["error_description"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(said.contains(advice), "{case}: {said}");
    }
}

#[tokio::test]
async fn each_client_gets_so_many_an_hour_and_what_is_refused_takes_nothing() {
    let harness = Harness::with(|settings| {
        registered(settings);
        let ca = settings.ca.as_mut().unwrap();
        ca.certificates_per_client_per_hour = NonZeroU32::new(2).unwrap();
    })
    .await;
    let order = [basic("order", SECRET)];
    let bad = ask(&harness, &order, &form("x")).await;
    assert_eq!(bad.status, 400);
    given(&harness).await;
    given(&harness).await;
    let refused = ask(&harness, &order, &form(&asked().1)).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.header("retry-after"), Some("1800"));
    harness.clock.advance(Duration::from_secs(1_800));
    given(&harness).await;
}

#[tokio::test]
async fn a_client_that_an_operator_revokes_gets_no_certificate() {
    let harness = start().await;
    given(&harness).await;
    let target = RevocationTarget::Client {
        id: "order".into(),
        only_issued: false,
    };
    operator(&harness, target).await.unwrap();
    crate::revocation::wait_for_entries(&harness, 1).await;
    let refused = ask(&harness, &[basic("order", SECRET)], &form(&asked().1)).await;
    assert_eq!(refused.refusal(), (400, "unauthorized_client".into()));
}

#[tokio::test]
async fn without_the_section_there_is_nothing_at_its_places() {
    let harness = Harness::start().await;
    let csr = form(&asked().1);
    let asked = ask(&harness, &[basic("c", SECRET)], &csr).await;
    assert_eq!((asked.status, asked.body.as_str()), (404, "not found\n"));
    assert_eq!(harness.get("/ca/v1/bundle", &[]).await.status, 404);
}

#[tokio::test]
async fn the_audit_log_says_who_got_which_certificate_and_who_got_none() {
    let (log, guard) = Log::begin();
    let harness = start().await;
    let csr = form(&asked().1);
    ask(&harness, &[basic("order", SECRET)], &csr).await;
    ask(&harness, &[basic("c", SECRET)], &csr).await;
    ask(&harness, &[basic("order", "wrong")], &csr).await;
    harness.issuer.shutdown().await.unwrap();
    drop(guard);
    let events = log.events();
    let of = |name: &str| {
        let events = events.iter().map(|it| &it["fields"]);
        events
            .filter(|it| it["event"] == name)
            .cloned()
            .collect::<Vec<_>>()
    };
    let issued = of("certificate_issued");
    assert_eq!(issued.len(), 1, "{events:?}");
    assert_eq!(issued[0]["client_id"], "order");
    assert_eq!(issued[0]["spiffe_id"], super::ID);
    assert_eq!(issued[0]["expires_at"], NOW + 3_600);
    assert_eq!(issued[0]["renewal"], false);
    assert_eq!(issued[0]["serial"].as_str().unwrap().len(), 40);
    let refused = of("certificate_refused");
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert_eq!(refused[0]["reason"], "certificate_not_registered");
    assert_eq!(refused[0]["client_id"], "c");
    assert_eq!(refused[1]["unverified_client_id"], "order");
    let text = log.text();
    assert!(
        !text.contains("PRIVATE KEY") && !text.contains("BEGIN CERT"),
        "{text}"
    );
}
