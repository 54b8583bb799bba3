//! Where keys come from: a service name, or a file.

use std::sync::Arc;
use std::time::Duration;

use hallpass_config::EndpointUrl;
use hallpass_resource::{KeyLimits, KeySource};
use hallpass_upstream::{HttpTransport, Instance, StaticDiscovery};

use crate::support::app::trusted;
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
    let keys = KeySource::http(
        url,
        HttpTransport::new().unwrap(),
        discover,
        clock.clone(),
        KeyLimits::default(),
    );
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
