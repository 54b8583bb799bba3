//! Who may call whom, and who does: noted without a word to the store for a token, written down when the process ends.

use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_issuer::{EdgeReport, GrantType, edge_report};

use crate::harness::{Harness, NOW, SECRET, client};

const DAY: u64 = 86_400;
const FORM: &str = "grant_type=client_credentials";

async fn report(harness: &Harness, unused_for_days: u64) -> EdgeReport {
    let clock: Arc<dyn Clock> = harness.clock.clone();
    let unused_for = Duration::from_secs(unused_for_days * DAY);
    edge_report(&harness.settings, &clock, unused_for)
        .await
        .unwrap()
}

/// Each edge with the days of its first and last use, counted from the first day.
fn told(report: &EdgeReport) -> Vec<String> {
    let day = |at: Option<u64>| {
        at.map_or_else(|| "-".to_owned(), |at| (at / DAY - NOW / DAY).to_string())
    };
    let line = |edge: &hallpass_issuer::Edge| {
        let (first, last) = (day(edge.first_used), day(edge.last_used));
        format!(
            "{}>{} {:?} {first} {last}",
            edge.client_id, edge.audience, edge.scope
        )
    };
    report.edges.iter().map(line).collect()
}

#[tokio::test]
async fn edges_are_noted_by_the_day_written_down_at_the_end_and_never_read_or_written_for_a_token()
{
    let harness = Harness::with(|settings| {
        settings
            .clients
            .push(client("d", SECRET, &[], &["one", "two"]));
    })
    .await;
    let queries = harness.issuer.store_queries();
    for form in [
        format!("{FORM}&scope=read"),
        format!("{FORM}&scope=read"),
        FORM.to_owned(),
    ] {
        harness.ask(&form).await.token();
    }
    harness
        .ask_as("d", SECRET, &format!("{FORM}&audience=two"))
        .await
        .token();
    // A refusal is no use.
    assert_eq!(
        harness
            .ask(&format!("{FORM}&scope=write&audience=no"))
            .await
            .status,
        400
    );
    assert_eq!(harness.issuer.store_queries(), queries);
    let harness = harness.restart().await;
    let expected = [
        "c>service-system \"read\" 0 0",
        "c>service-system \"write\" - -",
        "d>one \"\" - -",
        "d>two \"\" 0 0",
    ];
    assert_eq!(told(&report(&harness, 30).await), expected);
    harness.clock.advance(Duration::from_secs(3 * DAY));
    harness.ask(&format!("{FORM}&scope=read")).await.token();
    let harness = harness.restart().await;
    let report = report(&harness, 30).await;
    assert_eq!(told(&report)[0], "c>service-system \"read\" 0 3");
    assert_eq!(report.noted_since, Some(NOW));
    assert_eq!(
        report.advice,
        [],
        "uses are noted for three days, not for thirty"
    );
}

#[tokio::test]
async fn what_was_not_used_for_as_long_as_uses_are_noted_is_advised_to_be_taken_away() {
    let harness = Harness::with(|settings| {
        settings
            .clients
            .push(client("d", SECRET, &["a", "b"], &["one", "two"]));
        let mut exchanges = client("e", SECRET, &[], &[]);
        exchanges.grant_types = [GrantType::TokenExchange].into_iter().collect();
        settings.clients.push(exchanges);
    })
    .await;
    harness
        .ask(&format!("{FORM}&scope=read%20write"))
        .await
        .token();
    harness
        .ask_as("d", SECRET, &format!("{FORM}&audience=two&scope=b"))
        .await
        .token();
    let harness = harness.restart().await;
    harness.clock.advance(Duration::from_secs(29 * DAY));
    assert_eq!(report(&harness, 30).await.advice, []);
    harness.clock.advance(Duration::from_secs(DAY));
    harness
        .ask(&format!("{FORM}&scope=read%20write"))
        .await
        .token();
    harness
        .ask_as("d", SECRET, &format!("{FORM}&audience=two&scope=b"))
        .await
        .token();
    let harness = harness.restart().await;
    let advice = report(&harness, 30).await.advice;
    let told: Vec<_> = advice
        .iter()
        .map(|it| {
            format!(
                "{} {:?} {:?} {:?}",
                it.client_id, it.taken_away, it.audiences, it.scopes
            )
        })
        .collect();
    assert_eq!(told, [r#"d ["audience one", "scope a"] ["two"] ["b"]"#]);
}
