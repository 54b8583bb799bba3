//! What commands that change something leave in the audit log, beside a running issuer that writes it too.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::Value;

use crate::issuer::Running;
use crate::process::{Outcome, run, run_with};

const SECRET: &str = "a chosen secret of the test";

/// RFC 8037 appendix A.1.
const KEY: &str = r#"{ "kty": "OKP", "crv": "Ed25519", "kid": "moved", "alg": "EdDSA",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }"#;

struct Estate {
    folder: tempfile::TempDir,
    config: String,
}

impl Estate {
    fn new(audit: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [store, secret] = ["hallpass.db", "secret"].map(|name| folder.path().join(name));
        fs::write(&secret, SECRET).unwrap();
        let audit = audit.replace("FOLDER", folder.path().to_str().unwrap());
        let (store, secret) = (store.display(), secret.display());
        let text = format!(
            "hallpass:\n  issuer:\n    store: {store}\n    audit: {audit}\n    ca: {{ trust-domain: shop.example }}\n    clients:\n      \
             - {{ client-id: configured, client-secret-file: {secret}, audiences: [service-system] }}\n"
        );
        let config = folder.path().join("issuer.yaml");
        fs::write(&config, text).unwrap();
        let config = config.to_str().unwrap().to_owned();
        Self { folder, config }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn store(&self) -> String {
        self.path().join("hallpass.db").display().to_string()
    }

    fn audit(&self) -> PathBuf {
        self.path().join("audit.jsonl")
    }

    fn file(&self, name: &str, text: &str) -> String {
        let file = self.path().join(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        run(&[arguments, &["--config", &self.config]].concat())
    }

    /// What a command said, which must have ended well.
    fn done(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, 0, "{arguments:?}: {outcome:?}");
        assert_eq!(outcome.stderr, "", "{arguments:?}");
        outcome.stdout
    }

    /// Every line of the file: a whole event each.
    fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.audit()).unwrap();
        assert!(text.ends_with('\n'), "{text}");
        let lines = text.lines().filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}")))
            .collect()
    }

    /// Action, object and outcome of what was done by commands since the first `skip` of it.
    fn changes(&self, skip: usize) -> Vec<(String, String, String)> {
        let uid = self.audit().metadata().unwrap().uid();
        let events = self.events().into_iter();
        let changes = events.filter(|event| event["event"] == "administration");
        let text = |event: &Value, key: &str| event[key].as_str().unwrap_or("-").to_owned();
        let told = |event: Value| {
            assert_eq!(event["actor"], format!("uid {uid}"), "{event}");
            assert_eq!(event["proof"], "operating_system", "{event}");
            assert!(event["at"].as_u64().is_some_and(|at| at > 1_700_000_000));
            ["action", "object", "outcome"].map(|key| text(&event, key))
        };
        let changes = changes.skip(skip).map(told);
        changes
            .map(|[action, object, outcome]| (action, object, outcome))
            .collect()
    }

    /// What changed since it was asked last, which must be exactly this.
    fn left(&self, seen: &mut usize, expected: &[(&str, &str, &str)]) {
        let changes = self.changes(*seen);
        let changes: Vec<_> = changes
            .iter()
            .map(|(action, object, outcome)| (action.as_str(), object.as_str(), outcome.as_str()))
            .collect();
        assert_eq!(changes, expected);
        *seen += expected.len();
    }
}

fn client(id: &str, scope: &str) -> String {
    format!("- client-id: {id}\n  audiences: [service-system]\n  scopes: [{scope}]\n")
}

fn secret_of(said: &str) -> String {
    let mut lines = said.lines();
    let secret = lines.find_map(|line| line.trim().strip_prefix("client-secret: "));
    secret.unwrap().to_owned()
}

const FILE: &str = "{ to: file, file: FOLDER/audit.jsonl }";

#[test]
fn each_change_of_a_client_leaves_an_event_with_who_what_and_how_it_ended() {
    let (estate, mut seen) = (Estate::new(FILE), 0);
    let issuer = Running::start(estate.path(), &["--config", &estate.config]);
    let file = estate.file("batch.yaml", &client("batch", "read"));
    let mut secrets = vec![SECRET.to_owned()];
    secrets.push(secret_of(&estate.done(&[
        "client",
        "add",
        "--from-file",
        &file,
    ])));
    estate.left(&mut seen, &[("client_add", "batch", "done")]);
    assert_ne!(estate.run(&["client", "add", "--from-file", &file]).code, 0);
    estate.left(&mut seen, &[("client_add", "-", "client_exists")]);
    let wider = estate.file("wider.yaml", &client("batch", "write"));
    estate.done(&["client", "set", "--from-file", &wider]);
    secrets.push(secret_of(&estate.done(&[
        "client",
        "rotate-secret",
        "batch",
    ])));
    assert_ne!(estate.run(&["client", "rotate-secret", "batch"]).code, 0);
    estate.done(&["client", "disable", "batch"]);
    estate.done(&["client", "enable", "batch"]);
    estate.done(&["client", "delete", "batch"]);
    assert_ne!(estate.run(&["client", "disable", "batch"]).code, 0);
    assert_ne!(estate.run(&["client", "disable", "configured"]).code, 0);
    estate.left(
        &mut seen,
        &[
            ("client_set", "batch", "done"),
            ("client_rotate_secret", "batch", "done"),
            ("client_rotate_secret", "batch", "two_live_secrets"),
            ("client_disable", "batch", "done"),
            ("client_enable", "batch", "done"),
            ("client_delete", "batch", "done"),
            ("client_disable", "batch", "unknown_client"),
            ("client_disable", "configured", "client_of_configuration"),
        ],
    );
    assert_eq!(issuer.stop(), 0);
    assert_eq!(secrets.len(), 3, "those that were shown");
    let text = fs::read_to_string(estate.audit()).unwrap();
    for secret in secrets {
        assert!(!text.contains(&secret));
    }
    let mode = estate.audit().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_list_leaves_an_event_for_each_client_that_it_changes_and_one_when_it_is_refused() {
    let (estate, mut seen) = (Estate::new(FILE), 0);
    estate.done(&["store", "migrate"]);
    estate.left(&mut seen, &[("store_migrate", &estate.store(), "done")]);
    let list = [client("one", "read"), client("two", "read")].concat();
    let list = estate.file("list.yaml", &list);
    assert_ne!(estate.run(&["apply", "-f", &list]).code, 0, "no secrets");
    let said = estate.done(&["apply", "-f", &list, "--print-secrets"]);
    let secrets = said.split("client-secret: ").skip(1);
    let secrets: Vec<_> = secrets.map(|rest| rest.lines().next().unwrap()).collect();
    let only = estate.file("only.yaml", &client("two", "write"));
    estate.run(&["apply", "-f", &only, "--prune", "--plan"]);
    estate.done(&["apply", "-f", &only, "--prune"]);
    estate.done(&["apply", "-f", &only, "--prune"]);
    estate.left(
        &mut seen,
        &[
            ("apply", "-", "invalid_client"),
            ("client_add", "one", "done"),
            ("client_add", "two", "done"),
            ("client_delete", "one", "done"),
            ("client_set", "two", "done"),
        ],
    );
    assert_eq!(secrets.len(), 2);
    let text = fs::read_to_string(estate.audit()).unwrap();
    assert!(secrets.iter().all(|secret| !text.contains(*secret)));
}

#[test]
fn keys_authorities_revocations_and_whole_stores_leave_events_too() {
    let (estate, mut seen) = (Estate::new(FILE), 0);
    let store = estate.store();
    estate.done(&["store", "migrate"]);
    estate.left(&mut seen, &[("store_migrate", &store, "done")]);
    let issuer = Running::start(estate.path(), &["--config", &estate.config]);
    let arguments = ["key", "import", "-", "--config", &estate.config];
    assert_eq!(run_with(&arguments, KEY.as_bytes()).code, 0);
    assert_ne!(run_with(&arguments, b"{}").code, 0);
    let rotated = estate.done(&["key", "rotate", "--now"]);
    let rotated = rotated.split_whitespace().nth(2).unwrap().to_owned();
    estate.done(&["key", "taint", &rotated]);
    assert_ne!(estate.run(&["key", "taint", "nothing"]).code, 0);
    estate.left(
        &mut seen,
        &[
            ("key_import", "moved", "done"),
            ("key_import", "-", "invalid_import"),
            ("key_rotate", &rotated, "done"),
            ("key_taint", &rotated, "done"),
            ("key_taint", "nothing", "unknown_key"),
        ],
    );
    estate.done(&["revoke", "--client", "configured", "--only-issued"]);
    assert_ne!(estate.run(&["revoke", "--client", "a\tb"]).code, 0);
    let authority = estate.done(&["ca", "rotate", "--now"]);
    let authority = estate
        .changes(seen)
        .pop()
        .map(|(_, id, _)| id)
        .filter(|id| authority.contains(id.as_str()));
    let authority = authority.unwrap();
    estate.done(&["ca", "distrust", &authority]);
    assert_ne!(estate.run(&["ca", "distrust", "nothing"]).code, 0);
    estate.left(
        &mut seen,
        &[
            ("revoke", "client configured", "done"),
            ("revoke", "client a\tb", "invalid_revocation"),
            ("ca_rotate", &authority, "done"),
            ("ca_distrust", &authority, "done"),
            ("ca_distrust", "nothing", "unknown_authority"),
        ],
    );
    let backup = estate.path().join("backup").display().to_string();
    estate.done(&["store", "backup", &backup]);
    assert_ne!(estate.run(&["store", "restore", &backup]).code, 0);
    assert_eq!(issuer.stop(), 0);
    fs::remove_file(&store).unwrap();
    estate.done(&["store", "restore", &backup]);
    let text = fs::read_to_string(estate.audit()).unwrap();
    assert!(!text.contains("nWGxne_9"), "no private key");
    estate.left(
        &mut seen,
        &[
            ("store_restore", &store, "store_not_empty"),
            ("store_restore", &store, "done"),
        ],
    );
}

/// Each adds whole lines at the end, whoever writes at the same moment.
#[test]
fn commands_and_a_busy_issuer_write_one_file_and_no_line_is_torn() {
    let estate = Estate::new(FILE);
    let issuer = Running::start(estate.path(), &["--config", &estate.config]);
    let url = issuer.url("/oauth2/token");
    let secret = estate.path().join("secret").display().to_string();
    let tokens = thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let known = [
                "token",
                "get",
                "--token-url",
                &url,
                "--client-id",
                "configured",
            ];
            let rest = [
                "--audience",
                "service-system",
                "--client-secret-file",
                &secret,
            ];
            (0..12)
                .filter(|_| run(&[&known[..], &rest].concat()).code == 0)
                .count()
        });
        for number in 0..12 {
            let token = format!("token-{number}");
            estate.done(&["revoke", "--token-id", &token]);
        }
        asking.join().unwrap()
    });
    assert_eq!(tokens, 12);
    assert_eq!(issuer.stop(), 0);
    let count = |name: &str| {
        estate
            .events()
            .iter()
            .filter(|event| event["event"] == name)
            .count()
    };
    assert_eq!((count("token_issued"), count("administration")), (12, 12));
    let text = fs::read_to_string(estate.audit()).unwrap();
    assert!(!text.contains(SECRET) && !text.contains("eyJ"));
}

#[test]
fn a_file_that_takes_no_event_is_said_and_the_change_is_made() {
    let estate = Estate::new("{ to: file, file: FOLDER/nowhere/audit.jsonl }");
    let file = estate.file("batch.yaml", &client("batch", "read"));
    let added = estate.run(&["client", "add", "--from-file", &file]);
    assert_eq!(added.code, 0, "{added:?}");
    let said = "hallpass: the audit event of client_add could not be written: ";
    assert!(
        added.stderr.starts_with(said) && added.stderr.contains("nowhere"),
        "{added:?}"
    );
    assert_eq!(added.stderr.lines().count(), 1, "{added:?}");
    assert!(estate.done(&["client", "list"]).contains("batch"));
}

#[test]
fn without_a_file_it_is_in_the_log_of_the_command() {
    for audit in ["{ to: log }", "{ to: stdout }"] {
        let estate = Estate::new(audit);
        let file = estate.file("batch.yaml", &client("batch", "read"));
        let log = ["--log", "hallpass::audit=info", "--log-format", "json"];
        let add = ["client", "add", "--from-file", &file];
        let added = estate.run(&[&add[..], &log].concat());
        assert_eq!(added.code, 0, "{added:?}");
        let event: Value = serde_json::from_str(&added.stderr).unwrap();
        for (key, value) in [
            ("target", "hallpass::audit"),
            ("event", "administration"),
            ("action", "client_add"),
            ("object", "batch"),
            ("outcome", "done"),
            ("proof", "operating_system"),
        ] {
            assert_eq!(event[key], value, "{event}");
        }
        assert!(!added.stderr.contains(&secret_of(&added.stdout)));
        assert!(!added.stdout.contains("administration"), "{added:?}");
    }
}
