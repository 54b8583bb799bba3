//! A list of clients is applied as a whole: the plan says what changes, and nothing else does.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_config::Secret;
use hallpass_issuer::{
    ApplyOptions, ClientFault, ClientPlan, Error, SecretDigest, apply_clients, plan_clients,
};

use crate::client_changes::{remove, stored_clients};
use crate::harness::Harness;

const DIGEST: &str = "client-secret-digest: '$sha256$d19WLl-yhtYfi3_YW4R5rpimc3JdJqrSdDd9dCEu4Tg'";

fn texts(texts: &[&str]) -> Vec<(String, Secret)> {
    let named = texts.iter().enumerate();
    let named = named.map(|(index, text)| (format!("{index}.yaml"), Secret::new(*text)));
    named.collect()
}

fn list(clients: &[&str]) -> String {
    let clients = clients
        .iter()
        .map(|entry| format!("- {{ {DIGEST}, {entry} }}\n"));
    clients.collect()
}

fn pruning() -> ApplyOptions {
    let mut options = ApplyOptions::default();
    options.prunes = true;
    options
}

async fn plan(
    harness: &Harness,
    list: &[&str],
    options: ApplyOptions,
) -> Result<ClientPlan, Error> {
    let clock: Arc<dyn Clock> = harness.clock.clone();
    plan_clients(&harness.settings, &clock, &texts(list), options).await
}

async fn apply(
    harness: &Harness,
    list: &[&str],
    options: ApplyOptions,
) -> Result<ClientPlan, Error> {
    let clock: Arc<dyn Clock> = harness.clock.clone();
    apply_clients(&harness.settings, &clock, &texts(list), options, |_| Ok(())).await
}

/// Each change in a line.
fn told(plan: &ClientPlan) -> Vec<String> {
    let changes = plan.changes.iter().map(|change| {
        let keys: Vec<_> = change.keys.iter().map(|key| key.key.as_str()).collect();
        let secrets = if change.changes_secrets {
            " secrets"
        } else {
            ""
        };
        format!(
            "{} {} {}{secrets}",
            change.kind.as_str(),
            change.client_id,
            keys.join(",")
        )
    });
    changes.collect()
}

async fn names(harness: &Harness) -> Vec<String> {
    let all = stored_clients(&harness.settings).await.unwrap();
    all.into_iter().map(|client| client.client_id).collect()
}

#[tokio::test]
async fn a_list_is_planned_applied_and_then_there_is_nothing_to_do() {
    let harness = Harness::start().await;
    let first = list(&[
        "client-id: a, audiences: x, scopes: read",
        "client-id: b",
        "client-id: gone",
    ]);
    let planned = plan(&harness, &[&first], ApplyOptions::default())
        .await
        .unwrap();
    let told_first = ["added a audiences,scopes", "added b ", "added gone "];
    assert_eq!(
        (told(&planned), planned.unchanged),
        (told_first.map(str::to_owned).to_vec(), 0)
    );
    assert!(names(&harness).await.is_empty(), "a plan does nothing");
    apply(&harness, &[&first], ApplyOptions::default())
        .await
        .unwrap();
    assert_eq!(names(&harness).await, ["a", "b", "gone"]);

    let second = list(&[
        "client-id: a, audiences: x, scopes: 'write read'",
        "client-id: b",
        "client-id: n",
    ]);
    let kept = plan(&harness, &[&second], ApplyOptions::default())
        .await
        .unwrap();
    assert_eq!(told(&kept), ["changed a scopes", "added n "]);
    assert_eq!(kept.unchanged, 1, "and `gone` is left alone");
    let pruned = plan(&harness, &[&second], pruning()).await.unwrap();
    assert_eq!(
        told(&pruned),
        ["changed a scopes", "removed gone ", "added n "]
    );
    let scopes = &pruned.changes[0].keys[0];
    let shown = |value: &Option<serde_json::Value>| value.as_ref().map(ToString::to_string);
    assert_eq!(shown(&scopes.before).as_deref(), Some(r#"["read"]"#));
    assert_eq!(shown(&scopes.after).as_deref(), Some(r#"["write","read"]"#));
    assert_eq!(
        told(&apply(&harness, &[&second], pruning()).await.unwrap()),
        told(&pruned)
    );
    assert_eq!(names(&harness).await, ["a", "b", "n"]);
    let again = apply(&harness, &[&second], pruning()).await.unwrap();
    assert_eq!((told(&again), again.unchanged), (Vec::new(), 3));
}

#[tokio::test]
async fn a_plan_holds_no_secret_and_says_that_secrets_change() {
    let harness = Harness::start().await;
    apply(
        &harness,
        &[&list(&["client-id: a"])],
        ApplyOptions::default(),
    )
    .await
    .unwrap();
    let (_, other) = SecretDigest::generate().unwrap();
    let rotated = format!("- {{ client-id: a, client-secret-digest: '{other}' }}");
    let planned = plan(&harness, &[&rotated], ApplyOptions::default())
        .await
        .unwrap();
    assert_eq!(told(&planned), ["changed a  secrets"]);
    assert!(!format!("{planned:?}").contains("sha256"), "{planned:?}");
    // Without digests it keeps those that it has.
    let kept = plan(&harness, &["- client-id: a"], ApplyOptions::default())
        .await
        .unwrap();
    assert_eq!((told(&kept), kept.unchanged), (Vec::new(), 1));
    // One that has none gets none where others read what is printed.
    let new = apply(&harness, &["- client-id: new"], ApplyOptions::default()).await;
    let said = new.unwrap_err().to_string();
    assert!(
        said.contains("0.yaml:1:3: client \"new\" has no secret yet"),
        "{said}"
    );
    let mut options = ApplyOptions::default();
    options.makes_secrets = true;
    let made = apply(&harness, &["- client-id: new"], options)
        .await
        .unwrap();
    assert!(made.changes[0].client_secret.is_some());
}

#[tokio::test]
async fn all_that_is_wrong_in_any_file_is_told_at_once_with_its_place_and_nothing_is_changed() {
    let harness = Harness::start().await;
    let good = list(&["client-id: a", "client-id: twice"]);
    let bad = format!(
        "- client-id: b\n  {DIGEST}\n  scoops: x\n- client-id: c2\n  {DIGEST}\n  grant-types: refresh_token\n"
    );
    let other = list(&["client-id: twice", "client-id: c"]);
    let refused = apply(&harness, &[&good, &bad, &other], pruning()).await;
    let said = refused.unwrap_err().to_string();
    for problem in [
        "1.yaml:3:3: hallpass.issuer.clients[0].scoops: is not a known key; did you mean `scopes`?",
        "1.yaml:6:16: hallpass.issuer.clients[1].grant-types: has nothing but `refresh_token`",
        "2.yaml:1:3: client-id: is the one of the client at 0.yaml:2:3 too",
        "2.yaml:2:3: client \"c\": a client of this name stands in the configuration",
    ] {
        assert!(said.contains(problem), "{problem}\n{said}");
    }
    assert!(names(&harness).await.is_empty());
}

#[tokio::test]
async fn what_somebody_else_changes_after_the_plan_stops_all_of_it() {
    let harness = Harness::start().await;
    let first = list(&["client-id: a", "client-id: b"]);
    apply(&harness, &[&first], ApplyOptions::default())
        .await
        .unwrap();
    let second = list(&[
        "client-id: a, scopes: read",
        "client-id: b, scopes: read",
        "client-id: n",
    ]);
    let clock: Arc<dyn Clock> = harness.clock.clone();
    let list = texts(&[&second]);
    // Between the plan and the change.
    let settings = harness.settings.clone();
    let meanwhile = |_: &ClientPlan| {
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                runtime.unwrap().block_on(remove(&settings, "b"))
            });
            other.join().unwrap()
        })
        .map_err(std::io::Error::other)
    };
    let options = ApplyOptions::default();
    let applied = apply_clients(&harness.settings, &clock, &list, options, meanwhile).await;
    let fault = match applied {
        Err(Error::Client { client_id, fault }) => (client_id, fault),
        other => panic!("{other:?}"),
    };
    assert_eq!(fault, ("b".to_owned(), ClientFault::Unknown));
    assert_eq!(names(&harness).await, ["a"], "neither n nor another a");
    let left = &stored_clients(&harness.settings).await.unwrap()[0];
    assert!(left.document.as_ref().unwrap().get("scopes").is_none());
}
