//! A configuration as an estate of Spring services has it, in files and in documents that come later.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallpass::Settings;
use hallpass::config::{Loaded, Loader};
use tracing_subscriber::fmt::MakeWriter;

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn loader(texts: &[&str]) -> Loader {
    let nothing: [(&str, &str); 0] = [];
    let loader = Loader::new("scccy").environment(nothing);
    texts.iter().enumerate().fold(loader, |loader, (at, text)| {
        loader.text(format!("{at}.yaml"), *text)
    })
}

fn load(texts: &[&str]) -> Settings {
    loader(texts).load().unwrap().into_settings()
}

fn loaded(loader: &Loader) -> Loaded<Settings> {
    loader.load().unwrap()
}

#[test]
fn a_service_is_called_and_listens_as_its_spring_section_says_where_ours_says_nothing() {
    let spring = "spring: { application: { name: 'service-${stage:order}' } }\nserver.port: 8080\n";
    let loaded = loaded(&loader(&[spring]));
    let service = &loaded.settings().service;
    assert_eq!(service.name.as_deref(), Some("service-order"));
    assert_eq!(service.listen, Some(([0, 0, 0, 0], 8080).into()));
    let effective = loaded.effective();
    assert!(
        effective.contains("# inherited from spring.application.name"),
        "{effective}"
    );
    // Ours goes before, and the environment before files.
    let own = load(&[
        spring,
        "scccy: { service: { name: own, listen: '127.0.0.1:1' } }",
    ])
    .service;
    assert_eq!(own.name.as_deref(), Some("own"));
    assert_eq!(own.listen, Some(([127, 0, 0, 1], 1).into()));
    let renamed = loader(&[spring]).environment([
        ("SPRING_APPLICATION_NAME", "renamed"),
        ("SERVER_PORT", "81"),
        ("SERVER_ADDRESS", "::1"),
    ]);
    let renamed = renamed.load::<Settings>().unwrap().into_settings().service;
    assert_eq!(renamed.name.as_deref(), Some("renamed"));
    assert_eq!(renamed.listen.unwrap().to_string(), "[::1]:81");
}

#[test]
fn a_port_that_speaks_tls_in_spring_does_not_become_one_that_speaks_plain_http() {
    let server = |ssl: &str| format!("server: {{ port: 8443, ssl: {{ {ssl} }} }}");
    for ssl in [
        "certificate: a.pem",
        "key-store: b.p12",
        "bundle: web, enabled: true",
    ] {
        let problems = loader(&[&server(ssl)]).load::<Settings>().unwrap_err();
        let text = problems.to_string();
        assert!(
            text.contains("service.tls") && text.contains("server.ssl"),
            "{text}"
        );
        let own = "scccy: { service: { listen: '127.0.0.1:1' } }";
        assert!(
            load(&[&server(ssl), own]).service.tls.is_none(),
            "said on purpose"
        );
    }
    for ssl in ["enabled: false, key-store: b.p12", "client-auth: none"] {
        assert!(load(&[&server(ssl)]).service.listen.is_some());
    }
}

#[test]
fn the_name_in_springs_section_is_the_audience_that_tokens_must_have() {
    let text = "\
spring.application.name: service-system
scccy.security.internal-jwt: { issuer: internal, jwks-url: 'https://issuer.example/jwks' }
";
    let named = load(&[text]).security.internal_jwt;
    let issuer = &named.issuers[0];
    assert_eq!(issuer.audiences[0], "service-system");
}

#[test]
fn what_spring_alone_understands_of_its_own_section_is_no_problem_of_ours() {
    for (text, warnings) in [
        ("spring.application.name: '${random.uuid}'", 0),
        ("spring.application.name: '${NOT_SET}'", 0),
        ("spring.application.name: ''", 0),
        ("spring.application.name: My Application", 1),
        ("server.port: '${random.int(1000,2000)}'", 0),
        ("server.port: -1", 0),
        ("server: { port: 8080, address: host.example }", 1),
        ("server.port: http", 1),
    ] {
        let loaded = loaded(&loader(&[text]));
        assert_eq!(loaded.settings().service, Default::default(), "{text}");
        assert_eq!(loaded.warnings().len(), warnings, "{text}");
    }
    let kubernetes = loader(&[]).environment([("SERVER_PORT", "tcp://10.0.0.1:80")]);
    assert_eq!(loaded(&kubernetes).settings().service.listen, None);
}

#[test]
fn what_people_write_who_come_from_spring_is_answered_with_the_key_here() {
    let shared = [
        (
            "scccy.security.internal-only-urls: [/a]",
            "internal-jwt.internal-only",
        ),
        (
            "scccy.security.internalOnly: { paths: /a }",
            "internal-jwt.internal-only",
        ),
        (
            "scccy.openfeign.client.config.a.read-timeout: 5",
            "feign.clients.NAME",
        ),
        (
            "scccy.feign.client.config.default.read-timeout: 5",
            "`default` is `defaults`",
        ),
        (
            "scccy.resilience4j.circuitbreaker: { instances: { a: {} } }",
            "feign.defaults",
        ),
    ];
    for (text, advice) in shared {
        let loaded = loaded(&loader(&[text]));
        let [warning] = loaded.warnings() else {
            panic!("{text}: {:?}", loaded.warnings());
        };
        assert!(warning.contains("is not a key of Hallpass; "), "{warning}");
        assert!(warning.contains(advice), "{warning}");
    }
    for (text, advice) in [
        (
            "scccy.internal-token.cache-expire: 9m",
            "here it is `cache-expire-seconds`",
        ),
        (
            "scccy.feign.clients.a.failureRateThreshold: 5",
            "here it is `breaker.failure-rate-percent`",
        ),
        (
            "scccy.feign.defaults.breaker.wait-duration-in-open-state: 5s",
            "here it is `open-ms`",
        ),
        (
            "scccy.feign.defaults.readTimeout: 5",
            "here `deadline-ms` bounds a call",
        ),
    ] {
        let loaded = loader(&[text]).load::<Settings>();
        let problems = loaded.map(|_| text).unwrap_err();
        let is_it = format!("is not a known key; {advice}");
        assert!(problems.to_string().contains(&is_it), "{text}: {problems}");
    }
}

#[test]
fn what_there_is_to_warn_of_is_in_the_log_of_a_service_that_keeps_its_settings() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let text = "scccy.security.internal-only-urls: [/a]";
    drop(loaded(&loader(&[text])).into_settings());
    let mut taken = loaded(&loader(&[text]));
    assert_eq!(taken.take_warnings().len(), 1);
    drop(taken.into_settings());
    drop(guard);
    let text = log.text();
    assert_eq!(text.matches("internal-only-urls").count(), 1, "{text}");
    assert!(text.contains("WARN"), "{text}");
}

/// The service's own document names keys of the shared one and the other way round; a third counts under a profile.
#[test]
fn documents_that_come_one_over_the_other_refer_to_each_other_and_to_the_profile() {
    let shared = "\
estate: { issuer: { host: 'auth.${estate.domain:example}', port: 9443 }, stages: { qa: qa-secret } }
scccy:
  internalToken:
    CLIENT-ID: ${spring.application.name}
    client_secret: ${estate.stages.${estate.stage:qa}}
    tokenUrl: https://${estate.issuer.host}:${estate.issuer.port}/oauth2/token
    scope: internal-service, orders.read
    cacheExpireSeconds: 9m
    refresh_ahead_seconds: PT60S
";
    let own = "\
spring: { application: { name: service-order } }
scccy:
  internal-token: { feign: { skipClients: 'weather,mail' } }
  feign.defaults: { deadlineMs: 2s, breaker: { openMs: 500ms, enabled: on } }
---
spring.config.activate.on-profile: [prod, 'qa & !eu']
estate.domain: internal
scccy.internal-token.cache-expire-seconds: 1h
";
    let with = |active: &str| {
        let loader = loader(&[shared, own]);
        let loader = loader.environment([("SPRING_PROFILES_ACTIVE", active)]);
        let settings = loader.load::<Settings>().unwrap().into_settings();
        let token = settings.internal_token.clone().token_service.unwrap();
        (settings, token.credential)
    };
    let (settings, credential) = with("dev, eu");
    assert_eq!(credential.client_id.as_str(), "service-order");
    assert_eq!(credential.client_secret.expose(), "qa-secret");
    assert_eq!(
        credential.token_url.to_string(),
        "https://auth.example:9443/oauth2/token"
    );
    assert_eq!(credential.scope.as_str(), "internal-service orders.read");
    assert_eq!(credential.cache_life.expire(), Duration::from_secs(540));
    assert_eq!(
        settings.internal_token.feign.skip_clients,
        ["weather", "mail"]
    );
    let defaults = &settings.feign.defaults;
    assert_eq!(defaults.deadline, Some(Duration::from_secs(2)));
    let (_, credential) = with("qa");
    assert_eq!(
        credential.token_url.to_string(),
        "https://auth.internal:9443/oauth2/token"
    );
    assert_eq!(credential.cache_life.expire(), Duration::from_secs(3600));
    let (_, credential) = with("qa,eu");
    assert_eq!(credential.cache_life.expire(), Duration::from_secs(540));
}

#[test]
fn what_was_not_read_is_told_with_its_place() {
    let text = "\
spring: { cloud: { openfeign: {} } }
management.endpoints.web: { exposure: x }
scccy: { redis-cache: { ttl: 5 } }
---
spring.config.activate.on-profile: dev
scccy.security.permit-all: true
";
    let loaded = loaded(&loader(&[text]));
    let of_another =
        "is of another program, and read only where a placeholder or a default names it";
    assert_eq!(
        loaded.left_alone(),
        [
            "0.yaml:3: scccy.redis-cache: is not a key of Hallpass".to_owned(),
            format!("0.yaml:1: spring: {of_another}"),
            format!("0.yaml:2: management: {of_another}"),
            "0.yaml:6: scccy: stands in a document for another profile or platform".to_owned(),
        ]
    );
}
