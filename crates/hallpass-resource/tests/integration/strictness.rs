//! Modes of several rules for one request, and what no rule of a narrow mode may be opened by.

use std::convert::Infallible;
use std::sync::OnceLock;

use axum::body::Body;
use hallpass_resource::{
    JwksLocation, KeySource, Mode, NormalPath, ResourceServer, RouteRule, Rule, RuleLine,
    RuleOrigin, SecuritySettings,
};
use hallpass_upstream::Network;
use http::{Method, Request};
use proptest::prelude::*;
use tower::{Layer, ServiceExt};

use crate::settings::{builder, route, security, trusted};
use crate::support::{AppBuilder, Forge, get, test_clock};

fn settings(routes: Vec<RouteRule>) -> SecuritySettings {
    let file = JwksLocation::File("absent.json".into());
    security(trusted("https://other.example", file), routes)
}

/// A server with rules of all three tables; users and services of `forge` are known to it.
fn server(
    forge: &Forge,
    mode: Mode,
    code: Vec<RouteRule>,
    configured: Vec<RouteRule>,
    internal_only: &[&str],
) -> Option<ResourceServer> {
    let clock = test_clock();
    let mut settings = settings(configured);
    settings.internal_jwt.mode = mode;
    settings.internal_jwt.internal_only.paths =
        internal_only.iter().map(|it| it.parse().unwrap()).collect();
    let keys = KeySource::fixed(forge.keys(), clock.clone());
    let ours = crate::support::app::trusted(forge.issuer, keys).internal();
    // Made once: reading the machine's certificates takes longer than all the rest.
    static NETWORK: OnceLock<Network> = OnceLock::new();
    let network = NETWORK.get_or_init(|| crate::support::app::network(&test_clock()));
    let start = ResourceServer::from_settings(&settings, "shop", network).issuer(ours);
    code.into_iter()
        .fold(start, |server, rule| server.rule(rule))
        .build()
        .ok()
}

#[tokio::test]
async fn a_wide_rule_in_report_opens_no_narrow_rule_of_another_table() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let mut settings = settings(vec![route("/**", Rule::Authenticated).mode(Mode::Report)]);
    settings.internal_jwt.internal_only.paths = vec!["/internal/**".parse().unwrap()];
    let keys = KeySource::fixed(forge.keys(), clock.clone());
    let server = builder(&settings, &clock)
        .issuer(crate::support::app::trusted(forge.issuer, keys).internal())
        .route(
            Method::GET,
            "/orders/{id}",
            Rule::all_scopes("orders".parse().unwrap()),
        );
    let app = AppBuilder::new(&clock).with(|_| server).start().await;
    let user = forge.user("");
    for path in ["/internal/jobs", "/orders/7"] {
        assert_eq!(get(app.address, path, None).await.status, 401, "{path}");
        let response = get(app.address, path, Some(&user)).await;
        assert_eq!(response.status, 403, "{path}");
    }
    // What falls under the wide rule alone passes.
    assert_eq!(get(app.address, "/whoami", None).await.status, 200);
}

#[tokio::test]
async fn the_strictest_mode_that_rules_name_decides() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let scope = || Rule::all_scopes("orders".parse().unwrap());
    for (service, code, configured, expected) in [
        (Mode::Enforce, Some(Mode::Report), Some(Mode::Enforce), 403),
        (Mode::Enforce, Some(Mode::Enforce), Some(Mode::Report), 403),
        (Mode::Enforce, None, Some(Mode::Report), 403),
        (Mode::Enforce, None, Some(Mode::Off), 403),
        (Mode::Report, None, Some(Mode::Enforce), 403),
        (Mode::Off, None, Some(Mode::Enforce), 403),
        (Mode::Off, Some(Mode::Enforce), None, 403),
        (Mode::Enforce, Some(Mode::Report), Some(Mode::Off), 200),
        // A rule that nobody gave a mode has that of the service, and this one lets the user pass.
        (Mode::Enforce, Some(Mode::Report), None, 200),
        (Mode::Report, None, Some(Mode::Off), 200),
    ] {
        let with = |rule: RouteRule, mode| match mode {
            Some(mode) => rule.mode(mode),
            None => rule,
        };
        let code_rule = with(route("/whoami", scope()), code);
        let configured_rule = with(route("/whoami", Rule::Authenticated), configured);
        let server = server(&forge, service, vec![code_rule], vec![configured_rule], &[]);
        let status = call(&server.unwrap(), "/whoami", Some(&forge.user(""))).await;
        assert_eq!(status, expected, "{service:?} {code:?} {configured:?}");
    }
}

/// The same path as others would write it, each of which the normaliser refuses.
const SPELLINGS: [&str; 6] = [
    "/whoami;x=1",
    "/%2fwhoami",
    "/x%2f..%2fwhoami",
    "/%2e/whoami",
    "/whoami%",
    "//whoami",
];

#[tokio::test]
async fn an_ambiguous_path_is_refused_as_soon_as_any_rule_enforces() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let narrow = || vec![route("/whoami", Rule::Authenticated).mode(Mode::Enforce)];
    let wide = || vec![route("/**", Rule::Authenticated)];
    for service in [Mode::Off, Mode::Report] {
        for (code, configured) in [(narrow(), wide()), (wide(), narrow())] {
            let server = server(&forge, service, code, configured, &[]).unwrap();
            for path in SPELLINGS {
                assert_eq!(call(&server, path, None).await, 400, "{service:?} {path}");
            }
        }
        // Nothing is enforced: everything passes.
        let server = server(&forge, service, wide(), wide(), &["/internal/**"]).unwrap();
        for path in SPELLINGS {
            assert_eq!(call(&server, path, None).await, 200, "{service:?} {path}");
        }
    }
}

/// The status of a call to a handler that gives a 200 to everything.
async fn call(server: &ResourceServer, path: &str, token: Option<&str>) -> u16 {
    let handler = tower::service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(http::Response::new(Body::empty()))
    });
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).unwrap();
    let response = server.layer().layer(handler).oneshot(request).await;
    response.unwrap().status().as_u16()
}

const PATTERNS: [&str; 6] = ["/**", "/a/**", "/a/{x}", "/a/b", "/{x}/b", "/c"];
const PATHS: [&str; 7] = ["/a/b", "/a/c", "/x/b", "/c", "/d", "/a", "/a/b/c"];

fn random_rule() -> impl Strategy<Value = RouteRule> {
    let what = prop_oneof![
        Just(Rule::Anonymous),
        Just(Rule::Authenticated),
        Just(Rule::all_scopes("orders".parse().unwrap())),
        Just(Rule::InternalOnly("internal-service".parse().unwrap())),
    ];
    let mode = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Mode::Off)),
        1 => Just(Some(Mode::Report)),
        1 => Just(Some(Mode::Enforce)),
    ];
    (prop::sample::select(PATTERNS.to_vec()), what, mode).prop_map(|(pattern, rule, mode)| {
        let rule = route(pattern, rule);
        match mode {
            Some(mode) => rule.mode(mode),
            None => rule,
        }
    })
}

fn random_mode() -> impl Strategy<Value = Mode> {
    prop::sample::select(vec![Mode::Off, Mode::Report, Mode::Enforce])
}

/// A runtime for all calls of a test, and a token of everybody.
struct Calls {
    runtime: tokio::runtime::Runtime,
    tokens: [(Who, Option<String>); 4],
}

impl Calls {
    fn new(forge: &Forge) -> Self {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        Self {
            runtime: builder.enable_all().build().unwrap(),
            tokens: EVERYBODY.map(|who| (who, who.token(forge))),
        }
    }

    fn status(&self, server: &ResourceServer, path: &str, token: Option<&str>) -> u16 {
        self.runtime.block_on(call(server, path, token))
    }
}

/// What somebody who reads the printed lines (and the mode of the service) expects of a call.
fn expected(lines: &[RuleLine], service: Mode, path: &str, who: &Who) -> bool {
    let path = NormalPath::parse(path).unwrap();
    let mut found: Vec<&RuleLine> = Vec::new();
    for line in lines {
        let is_first = !found.iter().any(|it| it.origin == line.origin);
        if is_first && line.pattern.matches(&path) {
            found.push(line);
        }
    }
    if found.is_empty() {
        return service != Mode::Enforce;
    }
    let named = found.iter().filter(|it| it.names_its_mode);
    let strictest = named.map(|it| it.mode).max();
    found.iter().all(|line| {
        let mode = strictest.map_or(line.mode, |it| it.max(line.mode));
        mode != Mode::Enforce || who.satisfies(&line.rule)
    })
}

#[derive(Clone, Copy, Debug)]
enum Who {
    Nobody,
    User,
    Scoped,
    Service,
}

impl Who {
    fn token(self, forge: &Forge) -> Option<String> {
        match self {
            Self::Nobody => None,
            Self::User => Some(forge.user("")),
            Self::Scoped => Some(forge.user("orders")),
            Self::Service => Some(forge.service("internal-service")),
        }
    }

    fn satisfies(self, rule: &Rule) -> bool {
        match (rule, self) {
            (Rule::Anonymous, _) => true,
            (_, Self::Nobody) => false,
            (Rule::Authenticated, _) => true,
            (Rule::InternalOnly(_), who) => matches!(who, Self::Service),
            (Rule::Scopes { .. }, who) => matches!(who, Self::Scoped),
            _ => false,
        }
    }
}

const EVERYBODY: [Who; 4] = [Who::Nobody, Who::User, Who::Scoped, Who::Service];

#[test]
fn what_is_printed_is_what_happens() {
    let forge = Forge::new("internal", &test_clock());
    let calls = Calls::new(&forge);
    let rules = || prop::collection::vec(random_rule(), 0..4);
    let internal_only = prop::sample::subsequence(vec!["/a/**", "/c"], 0..=2);
    let strategy = (random_mode(), rules(), rules(), internal_only);
    proptest!(ProptestConfig::with_cases(96), |((service, code, configured, internal) in strategy)| {
        // Two rules for the same paths are refused at the start.
        let Some(server) = server(&forge, service, code.clone(), configured.clone(), &internal) else {
            return Ok(());
        };
        let lines = server.rules();
        for (who, token) in &calls.tokens {
            for path in PATHS {
                let status = calls.status(&server, path, token.as_deref());
                let open = expected(&lines, service, path, who);
                prop_assert_eq!(status == 200, open, "{} {:?} {} {:#?}", status, who, path, lines.iter().map(ToString::to_string).collect::<Vec<_>>());
            }
        }
    });
}

#[test]
fn no_rule_of_another_table_opens_what_a_rule_closes() {
    let forge = Forge::new("internal", &test_clock());
    let calls = Calls::new(&forge);
    let rules = || prop::collection::vec(random_rule(), 0..4);
    let strategy = (random_mode(), rules(), rules());
    proptest!(ProptestConfig::with_cases(96), |((service, code, configured) in strategy)| {
        let with = |configured, internal: &[&str]| server(&forge, service, code.clone(), configured, internal);
        let (Some(before), Some(after)) = (with(Vec::new(), &[]), with(configured, &["/a/**"])) else {
            return Ok(());
        };
        let in_code = before.rules();
        for (who, token) in &calls.tokens {
            for path in PATHS {
                let normal = NormalPath::parse(path).unwrap();
                // Configuration may open what code says nothing about.
                if !in_code.iter().any(|line| line.origin == RuleOrigin::Code && line.pattern.matches(&normal)) {
                    continue;
                }
                let was = calls.status(&before, path, token.as_deref());
                let is = calls.status(&after, path, token.as_deref());
                prop_assert!(was == 200 || is != 200, "{who:?} {path}: {was}, then {is}");
            }
        }
    });
}
