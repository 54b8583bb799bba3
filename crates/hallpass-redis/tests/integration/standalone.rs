//! One server, with passwords, rules and TLS.

use std::time::Duration;

use hallpass_client::{InternalTokenCache, Lease};
use hallpass_config::Secret;
use hallpass_redis::{NodeAddress, RedisLoginSettings, RedisSettings};
use hallpass_tls::{ClientTlsSettings, TestAuthority};

use crate::servers::{RedisServer, beside_others};
use crate::tiers::{at, key, lazy, notice, sealed, tier, until, works};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_was_put_is_found_until_it_is_evicted_or_its_time_is_over() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let tier = tier(&at(server.port)).await;
    assert_eq!(tier.get_token(&key("a")).await, Ok(None));
    tier.put_token(&key("a"), &sealed("one"), MINUTE)
        .await
        .unwrap();
    tier.put_token(&key("a"), &sealed("two"), MINUTE)
        .await
        .unwrap();
    assert_eq!(tier.get_token(&key("a")).await, Ok(Some(sealed("two"))));
    assert_eq!(tier.get_token(&key("b")).await, Ok(None));
    tier.evict(&key("a")).await.unwrap();
    assert_eq!(tier.get_token(&key("a")).await, Ok(None));
    tier.put_token(&key("a"), &sealed("three"), Duration::from_millis(50))
        .await
        .unwrap();
    until("the entry has ended", async || {
        tier.get_token(&key("a")).await == Ok(None)
    })
    .await;
    tier.put_token(&key("a"), &sealed("four"), Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(tier.get_token(&key("a")).await, Ok(None));
}

#[tokio::test]
async fn entries_are_in_the_database_and_below_the_prefix_that_were_named() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let mut settings = at(server.port);
    settings.database = 3;
    settings.key_prefix = "shop:".to_owned();
    let tier = tier(&settings).await;
    tier.put_token(&key("system"), &sealed("entry"), MINUTE)
        .await
        .unwrap();
    assert_eq!(server.cli(&["--scan"]), "");
    let names = server.cli(&["-n", "3", "--scan"]);
    assert!(names.starts_with("shop:order-service:system:"), "{names}");
    let left: u64 = server
        .cli(&["-n", "3", "PTTL", names.trim()])
        .trim()
        .parse()
        .unwrap();
    assert!((1..=60_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_lease_is_extended_and_given_back_by_its_holder_alone() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let (one, other) = (tier(&at(server.port)).await, tier(&at(server.port)).await);
    let key = key("a");
    let Ok(Lease::Held(lease)) = one.lease(&key, Duration::from_secs(5)).await else {
        panic!("nobody has it");
    };
    assert_eq!(other.lease(&key, MINUTE).await, Ok(Lease::Elsewhere));
    let stranger = hallpass_client::LeaseId::random();
    other.extend(&key, &stranger, MINUTE).await.unwrap();
    other.release(&key, &stranger).await.unwrap();
    let names = server.cli(&["--scan"]);
    let left = || {
        server
            .cli(&["PTTL", names.trim()])
            .trim()
            .parse::<i64>()
            .unwrap()
    };
    assert!(left() <= 5_000);
    one.extend(&key, &lease, MINUTE).await.unwrap();
    assert!(left() > 50_000);
    one.release(&key, &lease).await.unwrap();
    assert!(matches!(
        other.lease(&key, Duration::from_millis(50)).await,
        Ok(Lease::Held(_))
    ));
    until("a lease ends by itself", async || {
        matches!(one.lease(&key, MINUTE).await, Ok(Lease::Held(_)))
    })
    .await;
}

#[tokio::test]
async fn more_than_an_entry_can_have_is_not_read() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let tier = tier(&at(server.port)).await;
    tier.put_token(&key("a"), &sealed("entry"), MINUTE)
        .await
        .unwrap();
    let name = server.cli(&["--scan"]);
    server.cli(&["SETRANGE", name.trim(), "10000000", "x"]);
    assert!(tier.get_token(&key("a")).await.is_err());
    // Another kind of value, which somebody else has put there.
    server.cli(&["DEL", name.trim()]);
    server.cli(&["LPUSH", name.trim(), "x"]);
    assert!(tier.get_token(&key("a")).await.is_err());
    assert!(works(&tier, &key("a")).await);
}

/// The line of `docs/redis.md`, with this password.
pub(crate) fn documented_rule(password: &str) -> String {
    let page = include_str!("../../../../docs/redis.md");
    let line = page.lines().find(|line| line.starts_with("user hallpass "));
    line.expect("an ACL line").replace("PASSWORD", password)
}

fn login(username: Option<&str>, password: &str) -> RedisLoginSettings {
    RedisLoginSettings {
        username: username.map(str::to_owned),
        password: Some(Secret::from(password)),
        password_file: None,
    }
}

pub(crate) async fn guarded(rules: &str) -> RedisServer {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.acl");
    std::fs::write(
        &file,
        format!("user default on nopass ~* &* +@all\n{rules}\n"),
    )
    .unwrap();
    RedisServer::start(&["--aclfile", &file.display().to_string()]).await
}

pub(crate) fn as_user(server: &RedisServer, password: &str) -> RedisSettings {
    let mut settings = at(server.port);
    settings.login = login(Some("hallpass"), password);
    settings
}

#[tokio::test]
async fn the_rule_of_the_documentation_is_enough_and_not_more() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = guarded(&documented_rule("s3cret")).await;
    let tier = tier(&as_user(&server, "s3cret")).await;
    assert!(works(&tier, &key("a")).await);
    let Ok(Lease::Held(lease)) = tier.lease(&key("a"), MINUTE).await else {
        panic!("nobody has it");
    };
    tier.extend(&key("a"), &lease, MINUTE).await.unwrap();
    tier.release(&key("a"), &lease).await.unwrap();
    assert!(matches!(
        tier.lease(&key("a"), MINUTE).await,
        Ok(Lease::Held(_))
    ));
    tier.announce(&notice("k")).await.unwrap();
    tier.evict(&key("a")).await.unwrap();
    let text = prometheus(&tier);
    assert!(!text.contains("refused"), "{text}");
    for (command, arguments) in [
        ("GET", &["other"][..]),
        ("FLUSHALL", &[]),
        ("KEYS", &["*"]),
        ("SET", &["x", "y"]),
    ] {
        let all = [
            &["--user", "hallpass", "--pass", "s3cret", command][..],
            arguments,
        ]
        .concat();
        assert!(server.cli(&all).contains("NOPERM"), "{command}");
    }
}

#[tokio::test]
async fn a_user_without_scripts_and_channels_keeps_tokens_and_leases() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let rule = "user hallpass on >s3cret ~hallpass:* resetchannels +@read +@write +@connection -@dangerous";
    let server = guarded(rule).await;
    let tier = tier(&as_user(&server, "s3cret")).await;
    assert!(works(&tier, &key("a")).await);
    let Ok(Lease::Held(lease)) = tier.lease(&key("a"), Duration::from_millis(100)).await else {
        panic!("nobody has it");
    };
    tier.extend(&key("a"), &lease, Duration::from_secs(2))
        .await
        .unwrap();
    // Nobody may delete another's lease, so that one ends by itself.
    tier.release(&key("a"), &lease).await.unwrap();
    assert_eq!(tier.lease(&key("a"), MINUTE).await, Ok(Lease::Elsewhere));
    let stranger = hallpass_client::LeaseId::random();
    tier.extend(&key("a"), &stranger, MINUTE).await.unwrap();
    until("it has ended", async || {
        matches!(tier.lease(&key("a"), MINUTE).await, Ok(Lease::Held(_)))
    })
    .await;
    assert!(tier.announce(&notice("k")).await.is_err());
    assert!(works(&tier, &key("a")).await);
}

#[tokio::test]
async fn a_primary_elsewhere_gets_no_password_over_plain_tcp() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    // An address of this machine that is not loopback, as a sentinel or a cluster might name one. Nothing is sent.
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    if probe.connect("198.51.100.1:9").is_err() {
        println!("this machine has no other address than loopback");
        return;
    }
    let address = probe.local_addr().unwrap().ip().to_string();
    let server = RedisServer::start(&[
        "--bind",
        &format!("127.0.0.1 {address}"),
        "--requirepass",
        "s3cret",
    ])
    .await;
    let there = NodeAddress::new(&address, server.port).unwrap();
    let mut settings = RedisSettings::standalone(there);
    settings.login = login(None, "s3cret");
    let tier = lazy(&settings);
    assert!(!tier.connect(Duration::from_millis(300)).await);
    settings.dangerous_plain_tcp = true;
    assert!(works(&self::tier(&settings).await, &key("a")).await);
    settings = at(server.port);
    settings.login = login(None, "s3cret");
    assert!(works(&self::tier(&settings).await, &key("a")).await);
}

#[tokio::test]
async fn a_wrong_password_fails_at_once_until_it_is_the_right_one() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = guarded(&documented_rule("other")).await;
    let tier = lazy(&as_user(&server, "s3cret"));
    assert!(!tier.connect(Duration::from_millis(300)).await);
    let error = tier.get_token(&key("a")).await.unwrap_err().to_string();
    assert!(
        error.contains("not connected") && !error.contains("s3cret"),
        "{error}"
    );
    server.cli(&["ACL", "SETUSER", "hallpass", ">s3cret"]);
    until("it is let in", async || works(&tier, &key("a")).await).await;
}

#[tokio::test]
async fn a_changed_password_file_is_used_for_the_next_connection() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = guarded(&documented_rule("old")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "old\n").unwrap();
    let mut settings = as_user(&server, "old");
    settings.login.password_file = Some(file.clone());
    let tier = tier(&settings).await;
    std::fs::write(&file, "new\n").unwrap();
    // Redis closes the connections of a user whose password is taken away only when told to.
    server.cli(&["ACL", "SETUSER", "hallpass", "resetpass", ">new"]);
    server.cli(&["CLIENT", "KILL", "USER", "hallpass"]);
    until("it is let in with the new one", async || {
        works(&tier, &key("a")).await
    })
    .await;
}

#[tokio::test]
async fn mutual_tls_with_a_private_authority_and_an_acl_user() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new("Estate CA");
    let ca = folder.path().join("ca.crt");
    std::fs::write(&ca, authority.pem()).unwrap();
    let of_server = authority
        .certificate(&["127.0.0.1"])
        .write(folder.path(), "server");
    let of_client = authority
        .certificate(&["order-service"])
        .write(folder.path(), "client");
    let rules = folder.path().join("users.acl");
    std::fs::write(&rules, documented_rule("s3cret")).unwrap();
    let rules = rules.display().to_string();
    let (certificate, private) = (&of_server.certificate_file, &of_server.private_key_file);
    let server = RedisServer::start_tls(certificate, private, &ca, &["--aclfile", &rules]).await;
    let mut settings = as_user(&server, "s3cret");
    settings.tls = Some(ClientTlsSettings {
        system_roots: false,
        ca_file: Some(ca.clone()),
        key_pair: Some(of_client),
    });
    assert!(works(&tier(&settings).await, &key("a")).await);

    for (what, tls) in [
        (
            "no certificate",
            ClientTlsSettings {
                system_roots: false,
                ca_file: Some(ca),
                key_pair: None,
            },
        ),
        ("another authority", ClientTlsSettings::default()),
    ] {
        settings.tls = Some(tls);
        let tier = lazy(&settings);
        assert!(!tier.connect(Duration::from_millis(300)).await, "{what}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_trusted_any_more_is_left_although_its_connection_holds() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new("Estate CA");
    let [ca, ca_of_server] = ["ca.crt", "server-ca.crt"].map(|name| folder.path().join(name));
    for file in [&ca, &ca_of_server] {
        std::fs::write(file, authority.pem()).unwrap();
    }
    let of_server = authority
        .certificate(&["127.0.0.1"])
        .write(folder.path(), "server");
    let of_client = authority
        .certificate(&["order-service"])
        .write(folder.path(), "client");
    let (certificate, private) = (&of_server.certificate_file, &of_server.private_key_file);
    let server = RedisServer::start_tls(certificate, private, &ca_of_server, &[]).await;
    let mut settings = at(server.port);
    settings.tls = Some(ClientTlsSettings {
        system_roots: false,
        ca_file: Some(ca.clone()),
        key_pair: Some(of_client),
    });
    let tier = tier(&settings).await;
    assert!(works(&tier, &key("a")).await);
    std::fs::write(&ca, TestAuthority::new("Another CA").pem()).unwrap();
    until("the connection is left", async || {
        !works(&tier, &key("a")).await
    })
    .await;
    std::fs::write(&ca, authority.pem()).unwrap();
    until("the server is trusted again", async || {
        works(&tier, &key("a")).await
    })
    .await;
}

#[tokio::test]
async fn a_file_of_tls_that_cannot_be_used_is_told_at_the_start() {
    let mut settings = at(1);
    settings.tls = Some(ClientTlsSettings {
        system_roots: false,
        ca_file: Some("/nowhere/ca.crt".into()),
        key_pair: None,
    });
    let clock = std::sync::Arc::new(hallpass_clock::SystemClock::new());
    let error = hallpass_redis::RedisTokenCache::new(&settings, clock).unwrap_err();
    assert!(error.to_string().starts_with("redis.ssl: "), "{error}");
}

/// What the tier counts.
pub(crate) fn prometheus(tier: &hallpass_redis::RedisTokenCache) -> String {
    let mut registry = prometheus_client::registry::Registry::default();
    tier.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}
