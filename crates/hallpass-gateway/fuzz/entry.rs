//! What the fuzz target does with its input; the smoke test in `tests/integration` runs it too.

#[path = "protobuf.rs"]
mod protobuf;
#[path = "../../../tests/fuzz/readings.rs"]
mod readings;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use hallpass_client::context::AllowList;
use hallpass_client::{
    AuthTokenService, ClaimDemand, ContextSettings, InternalTokenSettings, TenantSettings,
};
use hallpass_clock::SystemClock;
use hallpass_gateway::{Authz, AuthzService, AuthzSettings};
use hallpass_resource::{
    EncodedCharacters, KeySource, ResourceServer, Rule, SecuritySettings, TrustedIssuer,
};
use hallpass_token::JwkSet;
use hallpass_upstream::{Network, StaticDiscovery};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::runtime::{Builder, Runtime};

use self::readings::readings;

/// Open routes, as the rules and as a router (matchit) write them. Everything else is closed.
const OPEN: [&str; 5] = [
    "/open",
    "/open/{page}",
    "/orders/{id}/items",
    "/files/{*rest}",
    "/",
];
/// And closed ones, which lie among the open ones.
const CLOSED: [&str; 4] = [
    "/orders/{id}",
    "/internal/{*rest}",
    "/open/{page}/edit",
    "/opened",
];
/// Headers that no caller without a token may bring to the service behind the proxy.
const TAKEN_AWAY: [&str; 2] = ["x-user-id", TENANT];
const TENANT: &str = "x-tenant-id";
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

static SERVICE: LazyLock<AuthzService> = LazyLock::new(|| {
    let clock = Arc::new(SystemClock::new());
    let (Ok(name), Ok(audience)) = ("internal".parse(), "edge".parse()) else {
        panic!("the fixed names are sound");
    };
    // Nobody's tokens: no caller is known.
    let keys = KeySource::fixed(JwkSet::new([]), clock.clone());
    let mut rules = ResourceServer::builder("edge", clock.clone());
    rules = rules.issuer(TrustedIssuer::new(name, audience, keys));
    for path in OPEN {
        rules = rules.route_any(path, Rule::Anonymous);
    }
    for path in CLOSED {
        rules = rules.route_any(path, Rule::Authenticated);
    }
    let network = Network::system(Arc::new(StaticDiscovery::new()));
    let tokens = network.map(|network| {
        AuthTokenService::from_settings(&InternalTokenSettings::default(), &network)
    });
    match (rules.build(), tokens) {
        (Ok(resource), Ok(Ok(tokens))) => {
            if let Err(problem) = resource.apply(&tenants()) {
                panic!("the fixed settings are sound: {problem}");
            }
            let authz = Authz {
                resource,
                tokens,
                encoded: EncodedCharacters::default(),
                clock,
            };
            AuthzService::new(authz, &AuthzSettings::default())
        }
        (rules, tokens) => panic!("the fixed settings are sound: {rules:?} {tokens:?}"),
    }
});

/// Settings by which a header names the tenant.
fn tenants() -> SecuritySettings {
    let Ok(headers) = AllowList::new([TENANT]) else {
        panic!("the fixed name is sound");
    };
    let tenant = TenantSettings {
        header: HeaderName::from_static(TENANT),
        claim: "tenant".to_owned(),
        demand: ClaimDemand::Users,
    };
    let context = ContextSettings {
        headers,
        tenant: Some(tenant),
        ..ContextSettings::default()
    };
    SecuritySettings {
        context,
        ..SecuritySettings::default()
    }
}

static ROUTER: LazyLock<matchit::Router<bool>> = LazyLock::new(|| {
    let mut router = matchit::Router::new();
    let open = OPEN.map(|path| (path, true));
    for (path, is_open) in open.into_iter().chain(CLOSED.map(|path| (path, false))) {
        if let Err(problem) = router.insert(path, is_open) {
            panic!("the fixed routes are sound: {problem}");
        }
    }
    router
});

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(
        || match Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(problem) => panic!("no runtime: {problem}"),
        },
    );

/// One question of a proxy, without a token: the first byte says by which protocol. By HTTP the rest are its headers, one a line, and by Envoy's
/// protocol the first line the target; by gRPC it is the body, or, behind `m`, the message that a sound frame is put around.
/// What passes goes to an open route, whoever reads its path, and without identity and tenant.
pub(crate) fn question(input: &[u8]) {
    passes(input);
}

/// Whether the request of that question may pass.
pub(crate) fn passes(input: &[u8]) -> bool {
    let Some((protocol, rest)) = input.split_first() else {
        return false;
    };
    let text = String::from_utf8_lossy(rest);
    let allowed = match protocol {
        b'n' => ask("/authz/nginx", &text).map(|_| said(&text, "x-original-uri")),
        b'f' => ask("/authz/forward", &text).map(|_| said(&text, "x-forwarded-uri")),
        b'e' => {
            let (target, headers) = text.split_once('\n').unwrap_or((&text, ""));
            // Envoy refuses a target with a fragment; whoever reads one as an address has cut it off before it is seen here.
            if target.contains('#') {
                return false;
            }
            ask(&format!("/authz/envoy{target}"), headers).map(|_| target.to_owned())
        }
        b'm' => {
            let length = u32::try_from(rest.len()).unwrap_or(u32::MAX);
            let framed = [&[0], &length.to_be_bytes()[..], rest].concat();
            call(&framed)
        }
        _ => call(rest),
    };
    let Some(target) = allowed else { return false };
    let path = target.split('?').next().unwrap_or_default();
    let routed: Vec<bool> = readings(path)
        .iter()
        .filter_map(|text| ROUTER.at(text).ok().map(|routed| *routed.value))
        .collect();
    assert!(routed.contains(&true), "{path} passes and is no open route");
    assert!(!routed.contains(&false), "{path} passes and may be closed");
    true
}

/// `Some` if the request may pass.
fn ask(target: &str, headers: &str) -> Option<()> {
    let mut request = Request::builder().uri(target);
    for line in headers.lines() {
        let (name, value) = line.split_once(": ")?;
        request = request.header(name, value);
    }
    let request = request.body(()).ok()?;
    let response = RUNTIME.block_on(SERVICE.http(PROXY, request));
    let headers = response.headers();
    if response.status() != StatusCode::OK {
        assert!(!response.status().is_success(), "{}", response.status());
        return None;
    }
    assert!(is_stripped(headers), "{headers:?}");
    Some(())
}

fn is_stripped(headers: &HeaderMap) -> bool {
    let removed = headers.get("x-envoy-auth-headers-to-remove");
    let removed = removed.and_then(|names| names.to_str().ok());
    TAKEN_AWAY.into_iter().all(|taken| match removed {
        Some(names) => names.split(',').any(|name| name == taken),
        None => headers.get(taken).is_some_and(|value| value.is_empty()),
    })
}

/// What the one header says; a permission given to several is a fault.
fn said(headers: &str, name: &str) -> String {
    let lines = headers.lines().filter_map(|line| line.split_once(": "));
    let values: Vec<&str> = lines
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect();
    match values.as_slice() {
        [value] => (*value).to_owned(),
        values => panic!("{values:?} pass"),
    }
}

/// The path of the request, if it may pass.
fn call(body: &[u8]) -> Option<String> {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/envoy.service.auth.v3.Authorization/Check")
        .header("content-type", "application/grpc")
        .body(Full::new(Bytes::copy_from_slice(body)));
    let answer = RUNTIME.block_on(async {
        let response = SERVICE.grpc(PROXY, request.ok()?).await;
        let body: Result<_, Infallible> = response.into_body().collect().await;
        body.ok().map(|body| body.to_bytes())
    })?;
    let answer = answer.get(5..)?;
    // `CheckResponse.ok_response`, and in it `headers_to_remove`.
    let ok = protobuf::last(answer, &[3])?;
    let removed = protobuf::all(&ok, 5);
    let is_removed = |name: &str| removed.contains(&name.as_bytes().to_vec());
    assert!(TAKEN_AWAY.into_iter().all(is_removed), "{ok:?}");
    // `CheckRequest.attributes.request.http.path`.
    let path = protobuf::last(body.get(5..)?, &[1, 4, 2, 4])?;
    Some(String::from_utf8_lossy(&path).into_owned())
}
