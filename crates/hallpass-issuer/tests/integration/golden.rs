//! What earlier versions have left (`tests/golden`): this one opens it, and what was good is good still.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use hallpass_clock::{Clock, ManualClock};
use hallpass_issuer::{
    Error, IssuerServer, IssuerSettings, check_store, migrate_store, migration_plan, restore_store,
};
use hallpass_token::VerifyError;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Harness, Response, client};
use crate::keys::kids;
use crate::postgres::at;
use crate::postgres_server::shared;
use crate::revocation::{OTHER_SECRET, entries, introspect_as};

/// The commits whose files there are, the oldest first.
const VERSIONS: [&str; 2] = ["94b973eb", "633f26a0"];
/// The service that all of their tokens are for.
const AUDIENCE: &str = "stock";
const FORM: &str = "grant_type=client_credentials&audience=stock";
/// How long after its files were made a version is followed by this one.
const LATER: Duration = Duration::from_secs(20);

struct Golden {
    folder: PathBuf,
    facts: Value,
    clock: Arc<ManualClock>,
}

impl Golden {
    fn of(version: &str) -> Self {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folder = tree.join("tests/golden").join(version);
        let facts = std::fs::read(folder.join("facts.json")).unwrap();
        let facts: Value = serde_json::from_slice(&facts).unwrap();
        let at = Duration::from_secs(facts["at"].as_u64().unwrap());
        Self {
            folder,
            facts,
            clock: Arc::new(ManualClock::at(UNIX_EPOCH + at + LATER)),
        }
    }

    /// Those that have such a file.
    fn each_with(name: &str) -> Vec<Self> {
        let all = VERSIONS.iter().map(|version| Self::of(version));
        let with: Vec<_> = all.filter(|it| it.folder.join(name).exists()).collect();
        assert!(!with.is_empty(), "{name}");
        with
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn fact(&self, name: &str) -> &str {
        self.facts[name].as_str().unwrap()
    }

    fn shared_clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Its own configuration, with the store in `folder`, and the service that asks about tokens.
    fn settings(&self, folder: &TempDir) -> IssuerSettings {
        let nothing: [(&str, &str); 0] = [];
        let loader = hallpass_config::Loader::new("hallpass").file(self.path("service-auth.yaml"));
        let loaded = loader.environment(nothing).load::<IssuerSettings>();
        let mut settings = loaded
            .unwrap_or_else(|problems| panic!("{problems}"))
            .into_settings();
        settings.listen = "127.0.0.1:0".parse().unwrap();
        settings.use_store_file(&folder.path().join("issuer.db"));
        let service = client(AUDIENCE, OTHER_SECRET, &[], &["none"]);
        settings.clients.push(service);
        settings
    }

    fn copy_store(&self, settings: &IssuerSettings) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::copy(self.path("issuer.sqlite"), &settings.store).unwrap();
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&settings.store, private).unwrap();
    }

    /// An issuer of this version knows all that the one before knew.
    async fn holds(&self, settings: IssuerSettings, folder: TempDir) {
        let report = check_store(&settings, &self.shared_clock()).await.unwrap();
        assert_eq!(report.contents.problems, Vec::<String>::new());
        let harness = Harness {
            issuer: IssuerServer::start(&settings, self.clock.clone())
                .await
                .unwrap(),
            clock: self.clock.clone(),
            settings,
            folder,
        };
        self.keys_hold(&harness).await;
        self.clients_hold(&harness).await;
        self.revocations_hold(&harness).await;
        let bundle = std::fs::read_to_string(self.path("bundle.pem")).unwrap();
        assert_eq!(harness.get("/ca/v1/bundle", &[]).await.body, bundle);
        harness.issuer.shutdown().await.unwrap();
    }

    async fn keys_hold(&self, harness: &Harness) {
        let mut known = kids(harness).await;
        known.sort();
        assert_eq!(json!(known), self.facts["kids"]);
        for good in ["good", "retired"] {
            let claims = harness.verify(self.fact(good), AUDIENCE).await.unwrap();
            assert_eq!(
                claims.client_id.as_ref().unwrap().as_str(),
                "batch",
                "{good}"
            );
        }
        let error = harness.verify(self.fact("tainted"), AUDIENCE).await;
        assert!(matches!(error, Err(VerifyError::UnknownKey)), "{error:?}");
    }

    async fn clients_hold(&self, harness: &Harness) {
        for (id, secret) in self.facts["clients"].as_object().unwrap() {
            let form = match id.as_str() {
                "internal-service-client" => "grant_type=client_credentials",
                _ => FORM,
            };
            let secret = secret.as_str().unwrap();
            harness.ask_as(id, secret, form).await.token();
            let wrong = harness.ask_as(id, OTHER_SECRET, form).await;
            assert_eq!(wrong.refusal(), (401, "invalid_client".to_owned()), "{id}");
        }
        let gone = harness.ask_as("gone", self.fact("gone"), FORM).await;
        assert_eq!(gone.refusal(), (401, "invalid_client".to_owned()));
        let refreshed = self.refresh(harness, self.fact("refresh")).await;
        let next = refreshed.json()["refresh_token"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_ne!(next, self.fact("refresh"));
        self.refresh(harness, &next).await.token();
    }

    async fn refresh(&self, harness: &Harness, token: &str) -> Response {
        let secret = self.facts["clients"]["web"].as_str().unwrap();
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        let response = harness.ask_as("web", secret, &form).await;
        assert_eq!(response.status, 200, "{response:?}");
        response
    }

    async fn revocations_hold(&self, harness: &Harness) {
        assert_eq!(json!(entries(harness).await.len()), self.facts["entries"]);
        for (name, counts) in [
            ("good", true),
            ("retired", true),
            ("tainted", false),
            ("revoked", false),
            ("of_caught", false),
        ] {
            let said = introspect_as(harness, AUDIENCE, self.fact(name)).await;
            assert_eq!(said["active"], counts, "{name}");
        }
    }
}

#[tokio::test]
async fn a_store_of_each_earlier_version_opens_with_all_that_it_held() {
    for golden in Golden::each_with("issuer.sqlite") {
        let folder = tempfile::tempdir().unwrap();
        let settings = golden.settings(&folder);
        golden.copy_store(&settings);
        migrate_store(&settings).await.unwrap();
        golden.holds(settings, folder).await;
    }
}

#[tokio::test]
async fn an_issuer_starts_on_a_store_of_each_earlier_version_without_a_migration_before() {
    for golden in Golden::each_with("issuer.sqlite") {
        let folder = tempfile::tempdir().unwrap();
        let settings = golden.settings(&folder);
        golden.copy_store(&settings);
        let issuer = IssuerServer::start(&settings, golden.shared_clock()).await;
        issuer.unwrap().shutdown().await.unwrap();
        golden.holds(settings, folder).await;
    }
}

#[tokio::test]
async fn looking_at_a_store_of_an_earlier_version_changes_nothing_in_it() {
    let golden = Golden::of("94b973eb");
    let folder = tempfile::tempdir().unwrap();
    let settings = golden.settings(&folder);
    golden.copy_store(&settings);
    let steps = migration_plan(&settings).await.unwrap();
    let steps: Vec<_> = steps.iter().map(|step| step.version).collect();
    assert!(steps.starts_with(&[10, 15]), "{steps:?}");
    let looked = check_store(&settings, &golden.shared_clock()).await;
    assert!(
        matches!(looked, Err(Error::StoreBehind { .. })),
        "{looked:?}"
    );
    let before = std::fs::read(golden.path("issuer.sqlite")).unwrap();
    assert!(std::fs::read(&settings.store).unwrap() == before);
}

#[tokio::test]
async fn a_backup_of_each_earlier_version_is_restored_with_all_that_it_held() {
    for golden in Golden::each_with("backup") {
        let folder = tempfile::tempdir().unwrap();
        let settings = golden.settings(&folder);
        let backup = golden.path("backup");
        let restored = restore_store(&settings, &golden.shared_clock(), &backup).await;
        assert_eq!(restored.unwrap().contents.problems, Vec::<String>::new());
        golden.holds(settings, folder).await;
    }
}

#[tokio::test]
async fn a_database_of_each_earlier_version_opens_with_all_that_it_held() {
    let Some(server) = shared().await else {
        return;
    };
    for golden in Golden::each_with("postgres.sql") {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = golden.settings(&folder);
        let database = server.database().await;
        let dump = std::fs::read_to_string(golden.path("postgres.sql")).unwrap();
        server.sql(&database, &dump).await;
        settings.database = Some(at(&server, database));
        migrate_store(&settings).await.unwrap();
        golden.holds(settings, folder).await;
    }
}
