//! What the fuzz targets do with their input. The tests of the crate run the same functions on seeds and mutations of
//! them, so that they are exercised where there is no fuzzer.

#[path = "../../../tests/fuzz/readings.rs"]
mod readings;

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use hallpass_clock::SystemClock;
use hallpass_config::Loader;
use hallpass_resource::{
    Authorized, KeySource, Mode, ResourceServer, Rule, SecuritySettings, TrustedIssuer,
};
use hallpass_token::JwkSet;
use hallpass_upstream::{Network, StaticDiscovery};

use self::readings::readings;

/// Open routes, as the rules and as axum's router (matchit) write them. Everything else is closed.
const OPEN: [&str; 6] = [
    "/open",
    "/open/{page}",
    "/orders/{id}/items",
    "/files/{*rest}",
    "/a.b~c",
    "/",
];
/// And closed ones, which lie among the open ones.
const CLOSED: [&str; 4] = [
    "/orders/{id}",
    "/internal/{*rest}",
    "/open/{page}/edit",
    "/opened",
];

static SERVER: LazyLock<ResourceServer> = LazyLock::new(|| {
    let clock = Arc::new(SystemClock::new());
    let (Ok(name), Ok(audience)) = ("internal".parse(), "shop".parse()) else {
        panic!("the fixed names are sound");
    };
    // Nobody's tokens: none is sent here.
    let keys = KeySource::fixed(JwkSet::new([]), clock.clone());
    let mut server = ResourceServer::builder("shop", clock);
    server = server.issuer(TrustedIssuer::new(name, audience, keys));
    for path in OPEN {
        server = server.route_any(path, Rule::Anonymous);
    }
    for path in CLOSED {
        server = server.route_any(path, Rule::Authenticated);
    }
    match server.build() {
        Ok(server) => server,
        Err(problem) => panic!("the fixed rules are sound: {problem}"),
    }
});

static ROUTER: LazyLock<matchit::Router<&'static str>> = LazyLock::new(|| {
    let mut router = matchit::Router::new();
    for path in OPEN.into_iter().chain(CLOSED) {
        if let Err(problem) = router.insert(path, path) {
            panic!("the fixed routes are sound: {problem}");
        }
    }
    router
});

/// Without keys to fetch, the decision is there at once.
fn decide(server: &ResourceServer, target: http::Uri) -> Option<Authorized> {
    let mut request = http::Request::new(());
    *request.uri_mut() = target;
    let (parts, ()) = request.into_parts();
    let decision = pin!(server.authorize(&parts));
    match decision.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(decision) => decision.ok(),
        Poll::Pending => panic!("a request without a token waits for nothing"),
    }
}

/// The target of a request without a token: what passes goes to the route whose rule let it pass, or to none, however often
/// the router decodes.
pub(crate) fn path(input: &[u8]) {
    let Ok(target) = http::Uri::try_from(input) else {
        return;
    };
    let path = target.path().to_owned();
    let Some(authorized) = decide(&SERVER, target) else {
        return;
    };
    let rule = authorized.route().to_owned();
    for text in readings(&path) {
        if let Ok(routed) = ROUTER.at(&text) {
            assert!(
                rule.contains(routed.value),
                "{path} passes as {rule}, and {text} is {}",
                routed.value
            );
        }
    }
}

static NETWORK: LazyLock<Option<Network>> =
    LazyLock::new(|| Network::system(Arc::new(StaticDiscovery::new())).ok());

/// Rules in YAML, as `security.internal-jwt` of a service has them: what cannot be used is a problem and no rule, and nothing
/// is open unless the text says so.
pub(crate) fn policy(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut yaml = String::from("hallpass:\n  security:\n    internal-jwt:\n");
    for line in text.lines() {
        yaml.push_str("      ");
        yaml.push_str(line);
        yaml.push('\n');
    }
    let Some(network) = &*NETWORK else {
        return;
    };
    let Ok(settings) = Loader::new("hallpass")
        .text("rules", &yaml)
        .load::<SecuritySettings>()
    else {
        return;
    };
    let settings = settings.into_settings();
    // The switch has more names than its modes (`no`, `false`), so it is asked what it was read as.
    if settings.internal_jwt.mode != Mode::Enforce {
        return;
    }
    let Ok(server) = ResourceServer::from_settings(&settings, "shop", network).build() else {
        return;
    };
    // Written in YAML's escapes they would be no words: such texts are left to the other target.
    let says_open = [
        "anonymous",
        "off",
        "report",
        "percent",
        "permit",
        "\\",
        "!",
        "resource",
    ];
    if says_open.iter().any(|word| text.contains(word)) {
        return;
    }
    for path in [
        "/",
        "/open",
        "/orders/7",
        "/internal/report",
        "/health",
        "/a/b/c/d",
    ] {
        let target = http::Uri::from_static(path);
        assert!(decide(&server, target).is_none(), "{path} is open: {yaml}");
    }
}
