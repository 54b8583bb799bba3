//! Where audit events go beside the log, and questions about the last of them.

use std::path::{Path, PathBuf};

use hallpass_issuer::{AuditFilter, AuditOutcome, AuditPlace, AuditSettings, RunningIssuer};
use serde_json::Value;

use crate::audit::Log;
use crate::harness::{Harness, SECRET, basic, request};
use crate::settings::{load, problems};

const MIB: usize = 1024 * 1024;

fn into(path: &Path) -> AuditSettings {
    AuditSettings {
        to: AuditPlace::File {
            path: path.to_owned(),
            rotate_bytes: 0,
            keep: 2,
        },
        retain_bytes: Some(MIB),
    }
}

fn events_of(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let events = text.lines().map(serde_json::from_str);
    events.collect::<Result<_, _>>().unwrap()
}

/// One of each kind that needs no more than a client.
async fn decisions(harness: &Harness) {
    let token = harness.token().await;
    harness
        .ask_as("c", "wrong-secret-value", "grant_type=client_credentials")
        .await;
    harness
        .ask("grant_type=client_credentials&audience=other")
        .await;
    harness.post(&[], b"%").await;
    for endpoint in ["introspect", "revoke"] {
        let lines = [
            "Content-Type: application/x-www-form-urlencoded".to_owned(),
            basic("c", SECRET),
        ];
        let line = format!("POST /oauth2/{endpoint}");
        let form = format!("token={token}");
        harness.send(&request(&line, &lines, form.as_bytes())).await;
    }
    for _guess in 0..30 {
        harness
            .ask_as("c", "wrong", "grant_type=client_credentials")
            .await;
    }
}

/// Without what changes from run to run, and the text for people.
fn comparable(mut event: Value) -> Value {
    let fields = event.as_object_mut().unwrap();
    fields.remove("message");
    if fields.contains_key("jti") {
        fields.insert("jti".to_owned(), "(jti)".into());
    }
    event
}

#[tokio::test]
async fn the_file_has_each_event_with_the_fields_of_the_log_and_the_log_has_none_then() {
    let (log, guard) = Log::begin();
    let harness = Harness::start().await;
    decisions(&harness).await;
    harness.issuer.shutdown().await.unwrap();
    drop(guard);
    let in_log = log.events().into_iter();
    let in_log: Vec<_> = in_log
        .map(|mut it| comparable(it["fields"].take()))
        .collect();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let (log, guard) = Log::begin();
    let harness = Harness::with(|settings| settings.audit = into(&path)).await;
    decisions(&harness).await;
    harness.issuer.shutdown().await.unwrap();
    drop(guard);
    let in_file: Vec<_> = events_of(&path).into_iter().map(comparable).collect();
    assert_eq!(in_file, in_log);
    let kinds = [
        "token_issued",
        "token_refused",
        "token_introspected",
        "token_revoked",
        "locked_out",
    ];
    for kind in kinds {
        assert!(in_file.iter().any(|it| it["event"] == kind), "{kind}");
    }
    assert!(log.events().is_empty());
    let text = std::fs::read_to_string(&path).unwrap();
    for hidden in [SECRET, "wrong-secret-value"] {
        assert!(!text.contains(hidden));
    }
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_counted_and_tokens_are_issued_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    std::fs::create_dir(&path).unwrap();
    let harness = Harness::with(|settings| settings.audit = into(&path)).await;
    for _ in 0..3 {
        harness.token().await;
    }
    while harness.metric("hallpass_audit_dropped_total") < 3 {
        tokio::task::yield_now().await;
    }
    std::fs::remove_dir(&path).unwrap();
    harness.token().await;
    harness.issuer.shutdown().await.unwrap();
    assert_eq!(events_of(&path).len(), 1, "it goes on by itself");
}

/// The kinds of the events that are found, as soon as there are so many.
async fn found(issuer: &RunningIssuer, filter: AuditFilter, count: usize) -> Vec<Value> {
    loop {
        let page = issuer.audit_log().query(&filter, None, 100).unwrap();
        if page.events.len() >= count {
            let events = page.events.iter().map(|it| serde_json::from_str(it));
            return events.collect::<Result<_, _>>().unwrap();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_last_events_can_be_asked_for_and_over_a_restart_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let harness = Harness::with(|settings| settings.audit = into(&path)).await;
    harness.token().await;
    harness.clock.advance(std::time::Duration::from_secs(10));
    harness
        .ask_as("c", "wrong", "grant_type=client_credentials")
        .await;
    let all = found(&harness.issuer, AuditFilter::default(), 2).await;
    let kinds: Vec<_> = all.iter().map(|it| it["event"].clone()).collect();
    assert_eq!(kinds, ["token_refused", "token_issued"]);
    let refused = AuditFilter {
        client: Some("c".to_owned()),
        outcome: Some(AuditOutcome::Refused),
        reason: Some("bad_credentials".to_owned()),
        ..AuditFilter::default()
    };
    assert_eq!(found(&harness.issuer, refused.clone(), 1).await, all[..1]);

    let harness = harness.restart().await;
    assert_eq!(found(&harness.issuer, AuditFilter::default(), 2).await, all);
    harness.token().await;
    let more = found(&harness.issuer, AuditFilter::default(), 3).await;
    assert_eq!(
        (&more[0]["event"], &more[1..]),
        (&"token_issued".into(), &all[..])
    );
    assert_eq!(found(&harness.issuer, refused, 1).await, all[..1]);
}

#[tokio::test]
async fn nothing_is_kept_unless_somebody_can_ask() {
    let harness = Harness::start().await;
    assert!(!harness.issuer.audit_log().is_kept());
    harness.token().await;
    harness.clock.advance(std::time::Duration::from_secs(1));
    let page = harness
        .issuer
        .audit_log()
        .query(&AuditFilter::default(), None, 1);
    assert!(page.unwrap().events.is_empty());
}

#[test]
fn the_place_of_events_is_a_setting_and_half_of_one_is_a_problem() {
    let text = "
hallpass:
  issuer:
    audit: { to: file, file: /var/log/hallpass/audit.jsonl, rotate-mb: 5, keep: 3, retain-mb: 2 }
";
    let expected = AuditSettings {
        to: AuditPlace::File {
            path: PathBuf::from("/var/log/hallpass/audit.jsonl"),
            rotate_bytes: 5 * 1024 * 1024,
            keep: 3,
        },
        retain_bytes: Some(2 * MIB),
    };
    assert_eq!(load(text).audit, expected);
    let none = load("hallpass: { issuer: {} }").audit;
    assert_eq!(none, AuditSettings::default());
    let stdout = load("hallpass: { issuer: { audit: { to: stdout } } }").audit;
    assert_eq!(stdout.to, AuditPlace::Stdout);
    for (text, expected) in [
        (
            "{ to: file }",
            "issuer.audit.file: is missing: `to` is `file`",
        ),
        (
            "{ file: audit.jsonl }",
            "issuer.audit.file: says nothing unless `to` is `file`",
        ),
        (
            "{ to: syslog }",
            "issuer.audit.to: must be one of `log`, `stdout`, `file`",
        ),
    ] {
        let found = problems(&format!("hallpass: {{ issuer: {{ audit: {text} }} }}"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with(expected), "{found:?}");
    }
}
