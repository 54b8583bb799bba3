use std::sync::Arc;

use hallpass_clock::{Clock, SystemClock};
use hallpass_token::UnixTime;

use super::*;
use crate::clients::secret::process_key;
use crate::clients::secret_digest::SecretDigest;
use crate::settings::client::authentication::ClientAuthentication;
use crate::settings::client::secrets::ClientSecrets;
use crate::store::client_changes::ClientChange;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const NOW: UnixTime = UnixTime::from_secs(9);

/// A store, and who follows it.
struct Stand {
    _folder: tempfile::TempDir,
    store: Store,
    followed: Followed,
    registry: Option<Registry>,
    network: KeyNetwork,
    key: hmac::Key,
    metrics: ClientMetrics,
}

impl Stand {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("issuer.db");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        Self {
            store: Store::open(&path, Some(KEY)).await.unwrap(),
            _folder: folder,
            followed: Followed::default(),
            registry: None,
            network: KeyNetwork::new(clock),
            key: process_key().unwrap(),
            metrics: ClientMetrics::default(),
        }
    }

    async fn change(&self, id: &str, to: Option<StoredRegistration>) {
        let kept = self.store.kept_client(id).await.unwrap();
        let change = ClientChange {
            client_id: id.parse().unwrap(),
            from: kept.map(|kept| kept.revision),
            to,
        };
        let changed = self.store.change_clients(vec![change], &[], NOW);
        changed.await.unwrap();
    }

    /// Follows; what is not kept is read again.
    async fn follow(&mut self, settings: &IssuerSettings, is_anew: bool, is_kept: bool) {
        let of = Ingredients {
            settings,
            process_key: &self.key,
            metrics: &self.metrics,
        };
        let before = (self.registry.as_ref(), &self.network);
        let brought = self.followed.follow(of, &self.store, before, is_anew);
        let brought = brought.await.unwrap();
        if is_kept {
            let (registry, network) = self.followed.keep(brought);
            self.registry = Some(registry);
            self.network = network;
        }
    }

    fn shown(&self) -> String {
        shown(self.registry.as_ref().unwrap())
    }

    /// What somebody finds who has known nothing until now.
    async fn fresh(&self, settings: &IssuerSettings) -> String {
        let of = Ingredients {
            settings,
            process_key: &self.key,
            metrics: &self.metrics,
        };
        let mut followed = Followed::default();
        let brought = followed.follow(of, &self.store, (None, &self.network), true);
        shown(&brought.await.unwrap().registry)
    }
}

/// All that is known of eight clients, and of all together.
fn shown(registry: &Registry) -> String {
    let client = |n: usize| {
        let client = registry.find(&format!("client-{n}"))?;
        Some(format!("{client:?}"))
    };
    let clients: Vec<_> = (0..8).map(client).collect();
    let scopes: Vec<_> = registry.scopes_supported().collect();
    let (life, runs) = (registry.longest_token_life(), registry.costly_runs());
    let federated = registry.federated().len();
    let counts = (registry.len(), federated, life, runs);
    format!("{counts:?} {scopes:?} {clients:#?}")
}

fn registration(entry: &str) -> StoredRegistration {
    StoredRegistration {
        settings: format!(r#"{{"hallpass":{{"issuer":{{"clients":[{{{entry}}}]}}}}}}"#),
        secret_digest: Some(SecretDigest::generate().unwrap().1.to_string()),
    }
}

fn configured(id: &str) -> ClientSettings {
    let secret = SecretDigest::generate().unwrap().1;
    let secrets = ClientSecrets {
        current: crate::settings::client::secrets::ClientSecret::Digest(secret),
        previous: None,
        kind: crate::settings::client::secrets::SecretKind::Chosen,
        place: None,
    };
    ClientSettings::new(id.parse().unwrap(), ClientAuthentication::Secret(secrets))
}

#[tokio::test]
async fn who_follows_change_by_change_has_what_a_fresh_start_has() {
    let mut stand = Stand::new().await;
    let mut settings = IssuerSettings {
        clients: vec![configured("client-0")],
        ..IssuerSettings::default()
    };
    let mut state = 11_u64;
    let mut draw = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for round in 0..40 {
        for _ in 0..draw(4) {
            let id = format!("client-{}", draw(8));
            let name = format!(r#""client-id":"{id}""#);
            let entry = match draw(8) {
                0 => format!(r#"{name},"scopes":["read"],"audiences":["orders"]"#),
                1 => format!(r#"{name},"scopes":["read","write-{round}"],"audiences":["bank"]"#),
                2 => format!(r#"{name},"enabled":false"#),
                3 => format!(r#"{name},"token-life-seconds":{}"#, 60 + draw(60)),
                // It has come to be one that nobody may use: its issuer is not trusted.
                4 => format!(
                    r#"{name},"grant-types":["urn:ietf:params:oauth:grant-type:token-exchange"],"exchange":[{{"subject-issuer":"https://nobody.example","targets":["orders"]}}]"#
                ),
                5 => format!(r#"{name},"nonsense":1"#),
                _ => String::new(),
            };
            let to = (!entry.is_empty()).then(|| registration(&entry));
            stand.change(&id, to).await;
        }
        let is_new = draw(9) == 0;
        if is_new {
            settings.token_life = std::time::Duration::from_secs(300 + draw(9));
        }
        if draw(4) == 0 {
            // What failed later on is read again, and nothing of it is lost.
            stand.follow(&settings, is_new, false).await;
        }
        stand.follow(&settings, is_new, true).await;
        assert_eq!(stand.shown(), stand.fresh(&settings).await, "{round}");
    }
}

#[tokio::test]
async fn who_comes_to_be_one_of_more_than_a_thousand_loses_the_label_of_its_own() {
    let mut stand = Stand::new().await;
    let configured = (1..MAX_CLIENT_LABELS).map(|n| configured(&format!("configured-{n}")));
    let settings = IssuerSettings {
        clients: configured.collect(),
        ..IssuerSettings::default()
    };
    let entry = |n: u32| format!(r#""client-id":"client-{n}","audiences":["orders"]"#);
    stand
        .change("client-1", Some(registration(&entry(1))))
        .await;
    stand.follow(&settings, true, true).await;
    assert!(stand.registry.as_ref().unwrap().is_labelled());
    stand
        .change("client-2", Some(registration(&entry(2))))
        .await;
    stand.follow(&settings, false, true).await;
    let registry = stand.registry.as_ref().unwrap();
    assert!(!registry.is_labelled());
    assert_eq!(registry.len(), MAX_CLIENT_LABELS + 1);
    stand.change("client-1", None).await;
    stand.follow(&settings, false, true).await;
    assert!(stand.registry.as_ref().unwrap().is_labelled());
}

#[tokio::test]
async fn of_two_with_one_spiffe_id_the_other_gets_it_when_the_first_is_gone() {
    let mut stand = Stand::new().await;
    let settings = IssuerSettings {
        ca: Some(crate::settings::ca::CaSettings::new(
            "shop.example".to_owned(),
        )),
        ..IssuerSettings::default()
    };
    let entry = |n: u32| {
        format!(
            r#""client-id":"client-{n}","certificate":{{"spiffe-id":"spiffe://shop.example/orders"}}"#
        )
    };
    for n in [1, 2] {
        let id = format!("client-{n}");
        stand.change(&id, Some(registration(&entry(n)))).await;
    }
    stand.follow(&settings, true, true).await;
    let has_names = |stand: &Stand| {
        let registry = stand.registry.as_ref().unwrap();
        let has = |id| registry.find(id).map(|it| it.certificate_names.is_some());
        (has("client-1"), has("client-2"))
    };
    assert_eq!(has_names(&stand), (Some(true), Some(false)));
    stand.change("client-1", None).await;
    stand.follow(&settings, false, true).await;
    assert_eq!(has_names(&stand), (None, Some(true)));
}

#[test]
fn registrations_of_one_form_are_parsed_once_and_say_what_each_would_alone() {
    let settings = IssuerSettings::default();
    let mut templates = Templates::default();
    let rest = r#""audiences":["bank"],"scopes":["read"],"token-endpoint-auth-method":"client_secret_post""#;
    let same = |id: &str| registration(&format!(r#""client-id":"{id}",{rest}"#));
    let mut read = |id: &str, stored: &StoredRegistration| {
        let id = id.parse().unwrap();
        let alone = stored_client::read("", stored).map(|mut client| {
            client.written_at = String::new();
            client
        });
        let read = templates.read(&settings, (&id, stored), fits_settings);
        let read = read.map(|mut client| {
            client.written_at = String::new();
            client
        });
        let says = |it: &ClientSettings| {
            let secret = match &it.authentication {
                ClientAuthentication::Secret(secrets) => match &secrets.current {
                    crate::settings::client::secrets::ClientSecret::Digest(it) => it.to_string(),
                    crate::settings::client::secrets::ClientSecret::Clear(_) => unreachable!(),
                },
                _ => String::new(),
            };
            format!("{it:?} {secret}")
        };
        assert_eq!(
            read.as_ref().map(&says).ok(),
            alone.as_ref().map(&says).ok()
        );
        templates.len()
    };
    assert_eq!(read("order", &same("order")), 1);
    assert_eq!(read("logistics-2_b", &same("logistics-2_b")), 1);
    // A chosen secret is another form, and so is any other text.
    let mut chosen = same("chosen");
    let digest = SecretDigest::of(&hallpass_config::Secret::new("chosen by me")).unwrap();
    chosen.secret_digest = Some(digest.to_string());
    assert_eq!(read("chosen", &chosen), 2);
    // Names that stand elsewhere too, or that are not plain, are read alone.
    for id in ["bank", "client", "a", "read", "9", "a b", "a.b"] {
        assert_eq!(read(id, &same(id)), 2, "{id}");
    }
    // What is wrong with a digest is found.
    let mut wrong = same("wrong");
    wrong.secret_digest = Some("$sha256$short".to_owned());
    assert_eq!(read("wrong", &wrong), 2);
}
