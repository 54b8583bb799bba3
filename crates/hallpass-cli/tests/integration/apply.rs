//! `hallpass apply` and `hallpass policy edges`, beside a running issuer.

use std::fs;
use std::path::Path;

use crate::issuer::Running;
use crate::process::{Outcome, run};

fn hallpass(folder: &Path, arguments: &[&str]) -> Outcome {
    let store = folder.join("hallpass.db");
    run(&[arguments, &["--store", store.to_str().unwrap()]].concat())
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_plan_ends_with_2_while_there_is_something_to_do_and_what_is_applied_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let issuer = Running::start(folder, &[]);
    let made = run(&["client", "hash", "--generate"]).stdout;
    let digest = made
        .lines()
        .find_map(|line| line.strip_prefix("client-secret-digest: "));
    let batch = format!(
        "- client-id: batch\n  client-secret-digest: '{}'\n  audiences: [logistics-service]\n  scopes: [read]\n",
        digest.unwrap()
    );
    let file = write(folder, "clients.yaml", &batch);
    let plan = hallpass(folder, &["apply", "-f", &file, "--plan"]);
    let said = "added      batch\n  audiences: (default) -> [\"logistics-service\"]\n  scopes: (default) -> [\"read\"]\nunchanged  0\n";
    assert_eq!((plan.code, plan.stdout.as_str()), (2, said), "{plan:?}");
    let applied = hallpass(folder, &["apply", "-f", &file]);
    assert_eq!(
        (applied.code, applied.stdout.as_str()),
        (0, said),
        "{applied:?}"
    );
    let again = hallpass(folder, &["apply", "-f", &file, "--plan"]);
    assert_eq!((again.code, again.stdout.as_str()), (0, "unchanged  1\n"));

    write(
        folder,
        "clients.yaml",
        &batch.replace("[read]", "[read, write]"),
    );
    let pruned = hallpass(
        folder,
        &["apply", "-f", &file, "--plan", "--prune", "--json"],
    );
    assert_eq!(pruned.code, 2, "{pruned:?}");
    let json = pruned.json();
    assert_eq!(
        json["changes"][0]["keys"][0]["after"],
        serde_json::json!(["read", "write"])
    );
    assert_eq!(json["changes"][1]["client_id"], "internal-service-client");
    assert_eq!(json["changes"][1]["change"], "removed");
    let secretless = write(folder, "more.yaml", "- client-id: more\n");
    let refused = hallpass(folder, &["apply", "-f", &secretless]);
    assert_eq!((refused.code, refused.stdout.as_str()), (64, ""));
    assert!(
        refused
            .stderr
            .contains("more.yaml:1:3: client \"more\" has no secret yet"),
        "{refused:?}"
    );
    let made = hallpass(folder, &["apply", "-f", &secretless, "--print-secrets"]);
    assert!(
        made.stdout.contains("  client-secret: hallpass_"),
        "{made:?}"
    );
    assert_eq!(issuer.stop(), 0);
}

#[test]
fn edges_are_shown_with_the_day_of_their_last_use_or_never() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let client = "hallpass:\n  issuer:\n    clients:\n      - { client-id: batch, audiences: [one, two], scopes: [read] }\n";
    let file = write(folder, "client.yaml", client);
    let issuer = Running::start(folder, &[]);
    let added = hallpass(folder, &["client", "add", "--from-file", &file, "--json"]);
    let secret = added.json()["client_secret"].as_str().unwrap().to_owned();
    let secret = write(folder, "secret", &secret);
    let none = hallpass(folder, &["policy", "edges"]);
    assert!(
        none.stdout.contains("never      batch -> one  read\n"),
        "{none:?}"
    );
    assert!(
        none.stdout
            .ends_with("No issuer has noted a use yet: nothing follows from `never`.\n"),
        "{none:?}"
    );
    let url = issuer.url("/oauth2/token");
    let known = ["token", "get", "--token-url", &url, "--client-id", "batch"];
    let rest = [
        "--audience",
        "two",
        "--scope",
        "read",
        "--client-secret-file",
        &secret,
    ];
    crate::client_store::until("the client gets tokens", || {
        run(&[&known[..], &rest].concat()).code == 0
    });
    // What was used is written down when the process ends, at the latest.
    assert_eq!(issuer.stop(), 0);
    let edges = hallpass(folder, &["policy", "edges", "--json"]).json();
    let edge = |audience: &str| {
        let mut all = edges["edges"].as_array().unwrap().iter();
        all.find(|edge| edge["client_id"] == "batch" && edge["audience"] == audience)
            .unwrap()
    };
    assert!(
        edge("two")["last_used"].is_string() && edge("one")["last_used"].is_null(),
        "{edges}"
    );
    let unused = hallpass(folder, &["policy", "edges", "--unused-for-days", "1"]).stdout;
    assert!(
        unused.contains("batch -> one") && !unused.contains("batch -> two"),
        "{unused}"
    );
    let shown = hallpass(folder, &["client", "show", "batch"]).stdout;
    assert!(
        shown.contains("secret     generated, last used 2"),
        "{shown}"
    );
}

/// Several at once plan from the same state, and one of them is the first.
#[test]
fn who_loses_against_another_apply_says_no_change_that_was_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let issuer = Running::start(folder, &[]);
    let first = write(folder, "first.yaml", "- client-id: batch\n");
    let added = hallpass(folder, &["apply", "-f", &first, "--print-secrets"]);
    assert_eq!(added.code, 0, "{added:?}");
    let files: Vec<_> = (0..6).map(|number| format!("{number}.yaml")).collect();
    let round = |round: usize| {
        std::thread::scope(|scope| {
            let start = |(number, name)| {
                let text = format!("- client-id: batch\n  scopes: [r{round}x{number}]\n");
                let file = write(folder, name, &text);
                scope.spawn(move || hallpass(folder, &["apply", "-f", &file]))
            };
            let files = files.iter().map(String::as_str).enumerate();
            let applying: Vec<_> = files.map(start).collect();
            let applied = applying.into_iter().map(|it| it.join().unwrap());
            applied.collect::<Vec<_>>()
        })
    };
    let lost = |outcomes: Vec<Outcome>| outcomes.into_iter().find(|it| it.code != 0);
    let lost = (0..30).find_map(|number| lost(round(number)));
    let lost = lost.expect("two of 180 meet");
    assert_eq!((lost.code, lost.stdout.as_str()), (1, ""), "{lost:?}");
    assert!(lost.stderr.contains("nothing was changed"), "{lost:?}");
    assert_eq!(issuer.stop(), 0);
}
