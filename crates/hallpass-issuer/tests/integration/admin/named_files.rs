//! Files that a registration names.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::clients::{PATH, if_match, order};
use super::{Rig, problem, refused};

/// Whoever administers clients does not learn what files the machine of the issuer has: none is opened, so that no pipe is waited for either.
#[tokio::test]
async fn a_file_that_a_registration_names_is_not_looked_for() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let added = rig.add(&token, &order()).await;
    assert_eq!(added.status, 201, "{added:?}");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("digest"), "0123456789abcdef-s3cret").unwrap();
    std::fs::write(path("lines"), "one\ntwo\n").unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(path("pipe"))
        .status();
    assert!(made.unwrap().success());
    for key in ["client-secret-file", "previous-client-secret-file"] {
        let mut told = Vec::new();
        for name in ["digest", "lines", "pipe", "absent", ""] {
            let mut other = order();
            other["client-id"] = json!("other");
            other[key] = json!(path(name));
            let began = Instant::now();
            let created = rig.add(&token, &other).await;
            let line = format!("PATCH {PATH}/order");
            let patch = json!({ key: path(name) });
            let patched = rig.send(&line, &token, &if_match(&added), &patch).await;
            // A pipe that is opened is waited for, for five seconds each time.
            assert!(began.elapsed() < Duration::from_secs(5), "{name}");
            assert_eq!(
                problem(&created),
                refused(422, "invalid_client"),
                "{created:?}"
            );
            told.push((created.body, patched.status, patched.body));
        }
        assert!(
            told.windows(2).all(|two| two[0] == two[1]),
            "{key}: {told:?}"
        );
        assert!(told[0].0.contains("no file is read here"), "{told:?}");
    }
}
