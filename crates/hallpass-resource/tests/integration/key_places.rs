//! Where keys come from: a service name, or a file.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hallpass_resource::{KeyLimits, KeySource};
use hallpass_upstream::{
    Discover, DiscoverError, EndpointUrl, HttpTransport, Instance, Instances, Network,
    StaticDiscovery,
};

use crate::support::app::{key_source, trusted};
use crate::support::{AppBuilder, Behaviour, FakeIssuer, Forge, get, test_clock};

#[tokio::test]
async fn keys_behind_a_service_name_come_from_an_instance_that_answers() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let (dead, alive) = (
        FakeIssuer::start(Behaviour::Hang).await,
        FakeIssuer::start(Behaviour::keys(forge.keys())).await,
    );
    dead.stop().await;
    let instances: [Instance; 2] =
        [dead.address, alive.address].map(|it| it.to_string().parse().unwrap());
    let discover = Arc::new(StaticDiscovery::new().with("service-auth", instances));
    let url: EndpointUrl = "lb://service-auth/oauth2/jwks".parse().unwrap();
    let network = Network::new(HttpTransport::new().unwrap(), discover, clock.clone());
    let keys = KeySource::http(url, &network, KeyLimits::default());
    let app = AppBuilder::new(&clock)
        .with(|server| server.issuer(trusted("internal", keys)))
        .start()
        .await;
    assert_eq!(
        get(app.address, "/whoami", Some(&forge.user("")))
            .await
            .status,
        200
    );
}

/// The first instance takes connections and never answers.
#[tokio::test]
async fn an_instance_that_never_answers_takes_no_keys_away() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let (silent, alive) = (
        FakeIssuer::start(Behaviour::Hang).await,
        FakeIssuer::start(Behaviour::keys(forge.keys())).await,
    );
    for _ in 0..8 {
        let instances: [Instance; 2] =
            [silent.address, alive.address].map(|it| it.to_string().parse().unwrap());
        let discover = Arc::new(StaticDiscovery::new().with("service-auth", instances));
        let url: EndpointUrl = "lb://service-auth/oauth2/jwks".parse().unwrap();
        let network = Network::new(HttpTransport::new().unwrap(), discover, clock.clone());
        let limits = KeyLimits {
            fetch_timeout: Duration::from_secs(1),
            ..KeyLimits::default()
        };
        let keys = KeySource::http(url, &network, limits);
        assert!(keys.load().await.is_ok());
    }
}

/// On Linux the address 0.0.0.0 reaches this machine and is not a loopback address.
#[tokio::test]
async fn keys_come_over_plain_http_from_an_instance_on_loopback_only() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
    let port = issuer.address.port();
    for (host, is_loopback) in [("127.0.0.1", true), ("0.0.0.0", false)] {
        let instance: Instance = format!("{host}:{port}").parse().unwrap();
        let discover = Arc::new(StaticDiscovery::new().with("service-auth", [instance]));
        let url: EndpointUrl = "lb://service-auth/oauth2/jwks".parse().unwrap();
        let network = Network::new(HttpTransport::new().unwrap(), discover, clock.clone());
        let keys = KeySource::http(url, &network, KeyLimits::default());
        assert_eq!(keys.load().await.is_ok(), is_loopback, "{host}");
    }
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test]
async fn a_fetch_from_an_issuer_that_never_answers_ends_at_its_limit() {
    let clock = test_clock();
    let issuer = FakeIssuer::start(Behaviour::Hang).await;
    let limits = KeyLimits {
        fetch_timeout: Duration::from_millis(100),
        ..KeyLimits::default()
    };
    let keys = key_source(&issuer, &clock, limits);
    let loaded = tokio::time::timeout(Duration::from_secs(20), keys.load()).await;
    assert!(loaded.unwrap().is_err());
}

/// Gives an response once and is down from then on.
#[derive(Debug)]
struct DownAfterOne {
    instances: Instances,
    asked: AtomicBool,
}

impl Discover for DownAfterOne {
    fn instances<'a>(
        &'a self,
        service: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Instances, DiscoverError>> + Send + 'a>> {
        let response = if self.asked.swap(true, Ordering::Relaxed) {
            Err(DiscoverError::unavailable(service, "down"))
        } else {
            Ok(self.instances.clone())
        };
        Box::pin(std::future::ready(response))
    }
}

#[tokio::test]
async fn keys_are_renewed_at_the_last_known_instance_while_discovery_is_down() {
    let clock = test_clock();
    let (old, new) = (
        Forge::new("internal", &clock),
        Forge::new("internal", &clock),
    );
    let issuer = FakeIssuer::start(Behaviour::keys(old.keys())).await;
    let instance: Instance = issuer.address.to_string().parse().unwrap();
    let discover = Arc::new(DownAfterOne {
        instances: Instances::from_iter([instance]),
        asked: AtomicBool::new(false),
    });
    let url: EndpointUrl = "lb://service-auth/oauth2/jwks".parse().unwrap();
    let limits = KeyLimits::default();
    let transport = HttpTransport::new().unwrap();
    let network = Network::new(transport, discover, clock.clone());
    let keys = KeySource::http(url, &network, limits);
    let app = AppBuilder::new(&clock)
        .with(|server| server.issuer(trusted("internal", keys)))
        .start()
        .await;
    let status = async |token: String| get(app.address, "/whoami", Some(&token)).await.status;
    assert_eq!(status(old.user("")).await, 200);

    issuer.set(Behaviour::keys(new.keys()));
    clock.advance_seconds(limits.default_age.as_secs());
    assert_eq!(status(new.user("")).await, 200);
}

#[tokio::test]
async fn a_key_file_is_read_again_within_the_cooldown() {
    let clock = test_clock();
    let (old, new) = (
        Forge::new("internal", &clock),
        Forge::new("internal", &clock),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    std::fs::write(&path, old.keys().to_json().to_string()).unwrap();
    let limits = KeyLimits {
        cooldown: Duration::from_secs(30),
        ..KeyLimits::default()
    };
    let keys = KeySource::file(path.clone(), clock.clone(), limits);
    let app = AppBuilder::new(&clock)
        .with(|server| server.issuer(trusted("internal", keys)))
        .start()
        .await;
    let status = async |token: String| get(app.address, "/whoami", Some(&token)).await.status;
    assert_eq!(status(old.user("")).await, 200);

    std::fs::write(&path, new.keys().to_json().to_string()).unwrap();
    clock.advance_seconds(30);
    assert_eq!(status(new.user("")).await, 200);
    assert_eq!(status(old.user("")).await, 401);

    // A file that is being written, or gone, takes nothing away.
    for broken in [Some("{\"keys\":["), Some("{\"keys\":[]}"), None] {
        match broken {
            Some(text) => std::fs::write(&path, text).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        clock.advance_seconds(31);
        assert_eq!(status(new.user("")).await, 200, "{broken:?}");
    }
    std::fs::write(&path, old.keys().to_json().to_string()).unwrap();
    clock.advance_seconds(31);
    assert_eq!(status(old.user("")).await, 200);
}
