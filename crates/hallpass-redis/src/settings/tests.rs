use hallpass_config::{Loaded, Loader, Problems};

use super::*;

fn load(yaml: &str) -> Result<Loaded<RedisTierSettings>, Problems> {
    let yaml = format!("hallpass:\n  redis: {yaml}");
    Loader::new("hallpass").text("r.yaml", &yaml).load()
}

fn settings(yaml: &str) -> RedisSettings {
    let loaded = load(yaml).unwrap_or_else(|problems| panic!("{yaml}: {problems}"));
    loaded.into_settings().redis.unwrap()
}

fn problem(yaml: &str) -> String {
    load(yaml).unwrap_err().to_string()
}

fn node(text: &str) -> NodeAddress {
    text.parse().unwrap()
}

#[test]
fn without_the_section_there_is_no_tier() {
    let loaded = Loader::new("hallpass")
        .text("r.yaml", "hallpass: {}")
        .load::<RedisTierSettings>();
    assert!(loaded.unwrap().settings().redis.is_none());
    assert!(
        load("{ enabled: false, host: r }")
            .unwrap()
            .settings()
            .redis
            .is_none()
    );
    assert!(load("{ enabled: false, port: 0 }").is_err());
}

#[test]
fn a_section_that_says_only_enabled_is_a_server_on_this_machine() {
    let settings = settings("{ enabled: true }");
    assert_eq!(settings.form, RedisForm::Standalone(node("localhost:6379")));
    assert_eq!(settings.database, 0);
    assert_eq!(settings.timeout, MAX_CALL);
    assert_eq!(settings.key_prefix, "hallpass:internal-token:");
    assert!(settings.tls.is_none() && settings.login.password.is_none());
    let by_hand = RedisSettings::standalone(node("localhost:6379"));
    assert_eq!(format!("{settings:?}"), format!("{by_hand:?}"));
}

#[test]
fn the_keys_that_spring_users_know_are_read() {
    let settings = settings(
        "{ host: redis.example, port: 6380, username: app, password: s3cret, database: 3, timeout: 20, ssl: true }",
    );
    assert_eq!(
        settings.form,
        RedisForm::Standalone(node("redis.example:6380"))
    );
    assert_eq!(settings.login.username.as_deref(), Some("app"));
    assert_eq!(settings.login.password.unwrap().expose(), "s3cret");
    assert_eq!(
        (settings.database, settings.timeout),
        (3, Duration::from_millis(20))
    );
    assert_eq!(settings.tls, Some(ClientTlsSettings::default()));
}

#[test]
fn sentinels_and_nodes_of_a_cluster_are_lists_or_comma_texts() {
    let sentinel = settings(
        "{ sentinel: { master: mymaster, nodes: 'a:1, b:2', username: u, password: p }, ssl: { enabled: true } }",
    );
    let RedisForm::Sentinel(sentinel) = sentinel.form else {
        panic!("{sentinel:?}");
    };
    assert_eq!(sentinel.master, "mymaster");
    assert_eq!(sentinel.nodes, [node("a:1"), node("b:2")]);
    assert_eq!(sentinel.login.username.as_deref(), Some("u"));
    let cluster = settings("{ cluster: { nodes: ['a:1', '[::1]:2'] }, database: 0 }");
    assert_eq!(
        cluster.form,
        RedisForm::Cluster(vec![node("a:1"), node("[::1]:2")])
    );
}

/// What stands below `spring.data.redis` in a file of Spring Boot, moved to its place here.
#[test]
fn the_section_of_a_spring_file_is_read_as_it_stands() {
    let standalone = settings(
        r#"
    host: redis.estate
    port: 6380
    username: app
    password: "s3cret"
    database: 2
    timeout: 2s
    ssl:
      enabled: true
"#,
    );
    let expected = RedisForm::Standalone(node("redis.estate:6380"));
    assert_eq!(standalone.form, expected);
    assert_eq!((standalone.database, standalone.timeout), (2, MAX_CALL));
    assert!(standalone.tls.is_some() && standalone.login.password.is_some());

    let sentinel = settings(
        r"
    password: of-the-server
    timeout: 2000ms
    ssl.enabled: true
    sentinel:
      master: mymaster
      nodes: s1:26379,s2:26379,s3:26379
      username: watcher
      password: of-the-sentinels
",
    );
    let RedisForm::Sentinel(found) = sentinel.form else {
        panic!("{sentinel:?}");
    };
    let nodes: Vec<_> = ["s1:26379", "s2:26379", "s3:26379"].map(node).into();
    assert_eq!((&*found.master, found.nodes), ("mymaster", nodes));
    assert_eq!(found.login.username.as_deref(), Some("watcher"));
    assert_eq!(found.login.password.unwrap().expose(), "of-the-sentinels");
    assert_eq!(sentinel.login.password.unwrap().expose(), "of-the-server");
    assert!(sentinel.tls.is_some());

    let cluster = settings(
        r"
    cluster:
      nodes:
        - r1:6379
        - r2:6379
    ssl:
      enabled: false
",
    );
    let nodes = ["r1:6379", "r2:6379"].map(node).into();
    assert_eq!(cluster.form, RedisForm::Cluster(nodes));
    assert!(cluster.tls.is_none());
}

#[test]
fn forms_that_exclude_each_other_are_told() {
    for (yaml, expected) in [
        (
            "{ sentinel: { master: m, nodes: 'a:1' }, cluster: { nodes: 'a:1' } }",
            "redis.cluster: contradicts `sentinel`",
        ),
        (
            "{ host: r, cluster: { nodes: 'a:1' } }",
            "redis.host: has no effect beside `cluster`",
        ),
        (
            "{ port: 1, sentinel: { master: m, nodes: 'a:1' } }",
            "redis.port: has no effect beside `sentinel`",
        ),
        (
            "{ database: 1, cluster: { nodes: 'a:1' } }",
            "redis.database: must be 0 in a cluster",
        ),
        (
            "{ sentinel: { nodes: 'a:1' } }",
            "redis.sentinel.master: is required",
        ),
        (
            "{ sentinel: { master: m } }",
            "redis.sentinel.nodes: is required",
        ),
        ("{ cluster: { nodes: 'a' } }", "must be host and port"),
        (
            "{ cluster: { nodes: [] } }",
            "redis.cluster.nodes: must be 1 to 64",
        ),
        (
            "{ username: app }",
            "redis.password: is required with `username`",
        ),
        ("{ timeout: soon }", "redis.timeout: must be a time"),
        ("{ timeout: 0 }", "redis.timeout: must be a time"),
        (
            "{ key-prefix: 'a b' }",
            "redis.key-prefix: must be 1 to 200 visible ASCII",
        ),
        ("{ url: 'redis://r' }", "redis.url: is not a known key"),
        (
            "{ ssl: { certificate-file: x.pem } }",
            "redis.ssl.private-key-file: is required",
        ),
    ] {
        let told = problem(yaml);
        assert!(told.contains(expected), "{yaml}: {told}");
    }
}

#[test]
fn a_password_leaves_this_machine_over_tls_only() {
    for yaml in [
        "{ host: r, password: s3cret }",
        "{ cluster: { nodes: ['127.0.0.1:1', 'r:1'] }, password: s3cret }",
        "{ sentinel: { master: m, nodes: 'r:1', password: s3cret } }",
    ] {
        let told = problem(yaml);
        assert!(
            told.contains("over plain TCP") && !told.contains("s3cret"),
            "{told}"
        );
    }
    for yaml in [
        "{ host: 127.0.0.1, password: s3cret }",
        "{ host: r, password: s3cret, ssl: true }",
        "{ host: r, password: s3cret, dangerous-plain-tcp: true }",
        "{ host: r }",
    ] {
        settings(yaml);
    }
}

#[test]
fn a_time_of_spring_is_taken_and_capped() {
    for (text, millis) in [("5", 5), ("7ms", 7), ("2s", 30), ("2000", 30)] {
        assert_eq!(
            settings(&format!("{{ timeout: {text} }}")).timeout,
            Duration::from_millis(millis)
        );
    }
}

#[test]
fn a_password_in_a_file_is_read_and_remembered_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "s3cret\n").unwrap();
    let settings = settings(&format!("{{ password-file: {} }}", file.display()));
    assert_eq!(settings.login.password.unwrap().expose(), "s3cret");
    assert_eq!(settings.login.password_file, Some(file));
}

#[test]
fn settings_are_the_same_whatever_a_password_file_holds() {
    let of = |password: &str| settings(&format!("{{ host: 127.0.0.1, password: {password} }}"));
    assert_eq!(of("one"), of("one"));
    assert_ne!(of("one"), of("two"));
    let (mut one, mut two) = (of("one"), of("two"));
    for settings in [&mut one, &mut two] {
        settings.login.password_file = Some("/run/password".into());
    }
    assert_eq!(one, two);
}

#[test]
fn no_debug_text_shows_a_password() {
    let settings = settings("{ host: 127.0.0.1, password: s3cret }");
    assert!(!format!("{settings:?}").contains("s3cret"));
}
