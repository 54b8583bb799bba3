//! All sections together.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use hallpass::client::{CacheLife, InternalTokenSettings, MemoryCacheSettings};
use hallpass::config::Loader;
use hallpass::feign::FeignSettings;
use hallpass::resource::SecuritySettings;
use hallpass::upstream::{Address, DiscoverySettings, Upstream, Wish};
use hallpass::{Hallpass, ServiceSettings, Settings};

/// A loader for `text`, with an empty environment.
fn loader(text: &str) -> Loader {
    let nothing: [(&str, &str); 0] = [];
    Loader::new("hallpass")
        .text("test.yaml", text)
        .environment(nothing)
}

fn load(text: &str) -> Settings {
    loader(text).load().unwrap().into_settings()
}

#[test]
fn all_problems_are_told_together_in_the_order_of_their_lines() {
    let text = "\
hallpass:
  internal-token:
    enabled: perhaps
    client-id: caller
    token-uri: http://issuer.example/oauth2/token
    cache-expire-seconds: 60
    refresh-ahead-seconds: 60
    grant-type: client_credential
    cache-expire-seconds: 540
    clients: { name: billing }
  security:
    permit-all: true
    internal-jwt:
      mode: enforced
      leeway-seconds: ten
  feign:
    clients:
      logistics-service: { breaker: { window: 5, minimum-calls: 6 } }
  discovery.static:
    service-auth: [127.0.0.1]
  colour: blue
";
    let loaded = loader(text)
        .environment([("KUBERNETES_SERVICE_HOST", "10.0.0.1")])
        .load::<Settings>();
    insta::assert_snapshot!(loaded.unwrap_err().to_string());
}

#[test]
fn a_header_that_says_how_long_somebody_waits_is_not_carried_on() {
    for says in [
        "security: { deadline: { header: X-Time-Left } }",
        "feign: { defaults: { deadline-header: x-time-left } }",
        "feign: { clients: { logistics-service: { deadline-header: X-Time-Left } } }",
    ] {
        let text = format!("hallpass: {{ context: {{ headers: [X-Time-Left] }}, {says} }}");
        let problems = loader(&text).load::<Settings>().unwrap_err().to_string();
        assert!(
            problems.contains("context.headers: has the header of"),
            "{problems}"
        );
    }
    load("hallpass: { context: { headers: [X-Time-Left] } }");
}

#[tokio::test]
async fn the_zone_of_the_service_and_the_mark_of_instances_reach_every_choice() {
    let settings = load(
        "
hallpass:
  service.zone: hz-a
  discovery:
    gray-metadata: version
    static:
      orders: ['127.0.0.1:1 zone=hz-b', '127.0.0.1:2 zone=hz-a', '127.0.0.1:3 zone=hz-a tag.version=gray']
",
    );
    let hallpass = Hallpass::builder(&settings).build().unwrap();
    let network = hallpass.network();
    let (discovery, clock) = (network.discovery.clone(), network.clock.clone());
    let address = Address::LoadBalanced("orders".into());
    let orders = Upstream::new("orders", address, discovery, clock);
    for _ in 0..20 {
        let chosen = orders.choose(&[]).await.unwrap();
        assert_eq!(chosen.instance().port(), 2);
        let chosen = orders.choose_for(&[], Wish::tagged("gray")).await.unwrap();
        assert_eq!(chosen.instance().port(), 3);
    }
}

#[test]
fn what_is_absent_has_its_default() {
    let settings = load("");
    assert_eq!(settings.service, ServiceSettings::default());
    assert_eq!(settings.security, SecuritySettings::default());
    assert_eq!(settings.feign, FeignSettings::default());
    assert_eq!(settings.discovery, DiscoverySettings::default());
    let InternalTokenSettings {
        token_service,
        feign,
    } = settings.internal_token;
    assert!(token_service.is_none());
    assert_eq!(feign, InternalTokenSettings::default().feign);

    let token = "{ client-id: a, client-secret: b, token-url: 'lb://service-auth/oauth2/token' }";
    let token = load(&format!("hallpass: {{ internal-token: {token} }}")).internal_token;
    let token = token.token_service.unwrap();
    assert_eq!(token.memory_cache, MemoryCacheSettings::default());
    assert_eq!(token.credential.cache_life, CacheLife::default());
}

#[test]
fn the_section_of_the_issuer_is_left_alone_and_a_misspelt_one_is_not() {
    let text = "hallpass: { service.name: a, issuer: { listen: nowhere, key: '${UNSET}' } }";
    assert_eq!(load(text).service.name.as_deref(), Some("a"));
    let problems = loader(&text.replace("issuer", "issuers")).load::<Settings>();
    assert!(
        problems
            .unwrap_err()
            .to_string()
            .contains("issuers: is not a known key; did you mean `issuer`?")
    );
}

/// Log lines of one test.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn plain_http_that_a_setting_allows_is_said_at_the_start_and_shown_by_a_metric() {
    for is_allowed in [false, true] {
        let settings = load(&format!("hallpass.tls.dangerous-plain-http: {is_allowed}"));
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let service = tracing::subscriber::with_default(log.finish(), || {
            Hallpass::builder(&settings).build().unwrap()
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let warned = text.contains("WARN") && text.contains("dangerous-plain-http is set");
        assert_eq!(warned, is_allowed, "{text}");
        let shown = format!("hallpass_dangerous_plain_http {}", u8::from(is_allowed));
        let metrics = service.metrics().text();
        assert!(metrics.lines().any(|line| line == shown), "{metrics}");
    }
}

/// Who finds out in the outage has no spans of it.
#[cfg(feature = "otlp")]
#[tokio::test]
async fn a_collector_that_nobody_sends_spans_to_is_warned_of() {
    use hallpass::otlp::Otlp;
    for (endpoint, otlp, is_warned) in [
        ("endpoint: 'http://127.0.0.1:9'", None, true),
        ("endpoint: 'http://127.0.0.1:9'", Some(Otlp::new()), false),
        ("", None, false),
    ] {
        let settings = load(&format!(
            "hallpass: {{ telemetry: {{ otlp: {{ {endpoint} }} }} }}"
        ));
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_writer(move || writer.clone());
        tracing::subscriber::with_default(log.finish(), || {
            let builder = Hallpass::builder(&settings);
            let builder = match &otlp {
                Some(otlp) => builder.otlp(otlp),
                None => builder,
            };
            builder.build().unwrap()
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.contains("exports no spans"), is_warned, "{text}");
    }
}

#[cfg(not(feature = "otlp"))]
#[test]
fn a_section_for_what_the_program_was_built_without_is_warned_of() {
    let warnings = |text: &str| loader(text).load::<Settings>().unwrap().take_warnings();
    // Its own keys are not looked at: the section may be another program's.
    let text =
        "hallpass: { telemetry: { otlp: { endpoint: 'https://c.example', token: '${UNSET}' } } }";
    let said = warnings(text);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("telemetry.otlp") && said[0].contains("feature `otlp`"),
        "{said:?}"
    );
    assert_eq!(warnings("hallpass: { telemetry: {} }"), [""; 0]);
}

#[test]
fn a_service_that_a_certificate_proves_has_one() {
    let text = |tls: &str, clients: &str| {
        format!(
            "hallpass: {{ internal-token: {{ client-id: a, client-authentication: tls_client_auth, \
             token-url: 'https://auth.example/token', clients: [{clients}] }}, tls: {tls} }}"
        )
    };
    let further = "{ name: b, client-authentication: self_signed_tls_client_auth }";
    let found = loader(&text("{}", further)).load::<Settings>().unwrap_err();
    let found = found.to_string();
    let told = found.matches("client-authentication: needs tls.certificate-file");
    assert_eq!(told.count(), 2, "{found}");
    let pair = "{ certificate-file: a.crt, private-key-file: a.key }";
    assert!(load(&text(pair, further)).tls.client.key_pair.is_some());
}
