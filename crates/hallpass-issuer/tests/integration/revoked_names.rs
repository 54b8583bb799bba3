//! Whose name an operator is told when something is revoked.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_issuer::{RevocationTarget, add_client, revocation_report};

use crate::harness::Harness;
use crate::revocation::operator;

const STORED: &str = "hallpass: { issuer: { clients: [{ client-id: stored, audiences: [a] }] } }";

#[tokio::test]
async fn a_client_is_known_by_its_name_wherever_it_is_registered() {
    let harness = Harness::start().await;
    let clock: Arc<dyn Clock> = harness.clock.clone();
    let added = add_client(&harness.settings, &clock, ("a.yaml", STORED), |_| Ok(()));
    added.await.unwrap();
    for (id, near) in [
        ("c", None),
        ("stored", None),
        ("stord", Some(vec!["stored".to_owned()])),
    ] {
        let target = RevocationTarget::Client {
            id: id.to_owned(),
            only_issued: true,
        };
        assert_eq!(
            operator(&harness, target).await.unwrap().unknown,
            near,
            "{id}"
        );
    }
    let report = revocation_report(&harness.settings, &clock).await.unwrap();
    let mut names: Vec<_> = report.into_iter().map(|entry| entry.name).collect();
    names.sort();
    let known = ["c", "stored"].map(|name| Some(name.to_owned()));
    assert_eq!(names, [&[None], &known[..]].concat());
}
