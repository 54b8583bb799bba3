//! Services of a real Nacos server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hallpass::clock::SystemClock;
use hallpass::nacos::{DiscoverySettings, NacosDiscovery, OwnInstance, RegisterSettings};
use hallpass::upstream::{Address, Discover, DiscoverError, Upstream};

use super::{NacosServer, parts, until};

fn start(server: &NacosServer) -> NacosDiscovery {
    NacosDiscovery::start(&server.parts(), &DiscoverySettings::default()).unwrap()
}

fn quick() -> RegisterSettings {
    RegisterSettings {
        deregister_wait: Duration::ZERO,
        ..RegisterSettings::default()
    }
}

async fn found(discovery: &NacosDiscovery, service: &str) -> Vec<String> {
    match discovery.instances(service).await {
        Ok(instances) => instances.iter().map(ToString::to_string).collect(),
        Err(DiscoverError::NoInstance { .. }) => Vec::new(),
        Err(error) => vec![error.to_string()],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_found_while_it_is_registered_and_no_longer() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let (caller, one, other) = (start(server), start(server), start(server));
    assert_eq!(found(&caller, "come-and-go").await, [""; 0]);
    let plain = OwnInstance::new("come-and-go", 8080);
    let secure = OwnInstance::new("come-and-go", 8443).secure(true);
    let registered = one.register(&plain, &quick()).await.unwrap();
    let second = other.register(&secure, &quick()).await.unwrap();
    assert!(
        one.register(&plain, &quick()).await.is_err(),
        "one a connection"
    );
    let both = ["http://127.0.0.1:8080", "https://127.0.0.1:8443"];
    until("both are there", async || {
        found(&caller, "come-and-go").await == both
    })
    .await;
    registered.withdraw().await;
    until("one is left", async || {
        found(&caller, "come-and-go").await == both[1..]
    })
    .await;
    // As if the process had been killed: nothing is said, the connection is gone.
    drop((second, other));
    until("nobody is left", async || {
        found(&caller, "come-and-go").await.is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_is_told_everything_again() {
    let Some(mut server) = NacosServer::start(&[]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut settings = server.settings();
    settings.snapshot_directory = Some(folder.path().to_owned());
    let lively = DiscoverySettings {
        pull: Duration::from_secs(1),
        ..DiscoverySettings::default()
    };
    let with_snapshot = parts(settings);
    let caller = NacosDiscovery::start(&with_snapshot, &lively).unwrap();
    let provider = start(&server);
    let own = OwnInstance::new("comes-back", 8080);
    let _registration = provider.register(&own, &quick()).await.unwrap();
    let expected = ["http://127.0.0.1:8080"];
    until("it is found", async || {
        found(&caller, "comes-back").await == expected
    })
    .await;
    until("it is kept", async || {
        std::fs::read_dir(folder.path()).unwrap().count() == 1
    })
    .await;

    server.kill();
    until("the outage is noticed", async || {
        let found = caller.instances("comes-back").await;
        matches!(found, Err(DiscoverError::Unavailable { .. }))
    })
    .await;
    let later = NacosDiscovery::start(&with_snapshot, &lively).unwrap();
    assert_eq!(found(&later, "comes-back").await, expected, "from the disk");
    // A service that starts in the outage is told of afterwards.
    let own = OwnInstance::new("told-later", 8081);
    let _told_later = later.register(&own, &quick()).await.unwrap();

    assert!(server.start_again());
    for caller in [&caller, &later] {
        until("it is found again", async || {
            let found = found(caller, "comes-back").await;
            assert_ne!(
                found, [""; 0],
                "a server that knows nobody yet is not believed"
            );
            found == expected
        })
        .await;
    }
    let expected = ["http://127.0.0.1:8081"];
    until("the later one is found", async || {
        found(&caller, "told-later").await == expected
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_and_namespaces_keep_services_apart_and_clusters_do_not() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let place = |namespace: &str, group: &str, cluster: &str| DiscoverySettings {
        namespace: Some(namespace.to_owned()),
        group: group.to_owned(),
        cluster: cluster.to_owned(),
        ..DiscoverySettings::default()
    };
    let start = |settings: &DiscoverySettings| NacosDiscovery::start(&server.parts(), settings);
    let mut running = Vec::new();
    for (port, place) in [
        (1, place("blue", "SHOP", "HZ")),
        (2, place("blue", "SHOP", "SH")),
        (3, place("blue", "OTHER", "HZ")),
        (4, place("green", "SHOP", "HZ")),
    ] {
        let discovery = start(&place).unwrap();
        let own = OwnInstance::new("apart", port);
        running.push(discovery.register(&own, &quick()).await.unwrap());
    }
    let port = |port: u16| format!("http://127.0.0.1:{port}");
    for (place, expected) in [
        (place("blue", "SHOP", "HZ"), vec![port(1), port(2)]),
        (place("blue", "OTHER", "SH"), vec![port(3)]),
        (place("green", "SHOP", "SH"), vec![port(4)]),
        (place("green", "OTHER", "SH"), vec![]),
    ] {
        let caller = start(&place).unwrap();
        until("each finds its own", async || {
            found(&caller, "apart").await == expected
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_is_called_when_the_own_one_does_not_answer() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let in_cluster = |cluster: &str| {
        let settings = DiscoverySettings {
            cluster: cluster.to_owned(),
            ..DiscoverySettings::default()
        };
        NacosDiscovery::start(&server.parts(), &settings).unwrap()
    };
    let mut running = Vec::new();
    for (port, cluster) in [(1, "HZ"), (2, "SH")] {
        let own = OwnInstance::new("two-clusters", port);
        running.push(in_cluster(cluster).register(&own, &quick()).await.unwrap());
    }
    let caller = in_cluster("HZ");
    until("both are found", async || {
        found(&caller, "two-clusters").await.len() == 2
    })
    .await;
    let address = Address::LoadBalanced("two-clusters".into());
    let clock = Arc::new(SystemClock::new());
    let upstream = Upstream::new("two-clusters", address, Arc::new(caller), clock);
    let call = async |failed: bool| {
        let chosen = upstream.choose(&[]).await.unwrap();
        let port = chosen.instance().port();
        let admitted = chosen.enter().await.unwrap();
        admitted.settle(failed, Duration::from_millis(1));
        port
    };
    for _ in 0..50 {
        assert_eq!(call(false).await, 1, "the own cluster comes first");
    }
    // Nacos goes on to list it.
    for _ in 0..5 {
        assert_eq!(call(true).await, 1);
    }
    for _ in 0..50 {
        assert_eq!(call(false).await, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_choice_of_an_instance_fails_while_the_server_is_killed_and_comes_back() {
    let Some(mut server) = NacosServer::start(&[]) else {
        return;
    };
    let caller = start(&server);
    let provider = start(&server);
    let own = OwnInstance::new("always-there", 8080);
    let _registration = provider.register(&own, &quick()).await.unwrap();
    until("it is found", async || {
        !found(&caller, "always-there").await.is_empty()
    })
    .await;
    let address = Address::LoadBalanced("always-there".into());
    let clock = Arc::new(SystemClock::new());
    let upstream = Upstream::new("always-there", address, Arc::new(caller), clock);
    let end = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&end);
    let choosing = tokio::spawn(async move {
        let (mut chosen, mut failed) = (0u32, Vec::new());
        while !ended.load(Ordering::Relaxed) {
            match upstream.choose(&[]).await {
                Ok(_) => chosen += 1,
                Err(error) => failed.push(error.to_string()),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        (chosen, failed)
    });
    server.kill();
    assert!(server.start_again());
    let fresh = start(&server);
    until("the provider is back", async || {
        !found(&fresh, "always-there").await.is_empty()
    })
    .await;
    // One pull more of everybody.
    tokio::time::sleep(Duration::from_secs(12)).await;
    end.store(true, Ordering::Relaxed);
    let (chosen, failed) = choosing.await.unwrap();
    assert_eq!(failed, [""; 0], "of {chosen}");
    assert!(chosen > 1_000, "{chosen}");
}
