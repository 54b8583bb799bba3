//! Random trees of tasks within real requests: whatever runs wherever calls a real service in the name of its own user alone, with that user's tenant and tag.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::Request as AxumRequest;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::join_all;
use hallpass::Settings;
use hallpass::client::context;
use hallpass::clock::{Clock, SystemClock};
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::upstream::{Body, HttpTransport, random_below};
use hallpass_testkit::{TestIdentityProvider, TestServer, Upstream};
use http::{HeaderMap, Request, StatusCode};
use http_body::{Body as HttpBody, Frame};
use rayon::{ThreadPool, ThreadPoolBuilder, Yield, yield_now};
use tower::ServiceExt;

use crate::identity::rig::{Echo, FeignEcho};

#[path = "../../../../tests/trees/places.rs"]
mod places;
#[path = "../../../../tests/trees/tree.rs"]
mod tree;

use places::Seen;
use tree::{Found, Random, SEVERAL, Tree, World};

const TREES: u64 = 300;
/// Requests at once.
const AT_ONCE: u64 = 20;

/// What a request is to run, and what was found by it.
type Trees = Arc<Mutex<HashMap<String, Tree>>>;
type Results = Arc<Mutex<HashMap<String, Vec<Found>>>>;

/// Says what it was sent: a token, a tenant and a tag.
fn tell(parts: &http::request::Parts) -> axum::response::Response {
    let sent = ["authorization", "x-tenant-id", "x-gray-tag"].map(|name| {
        let mut values = parts.headers.get_all(name).iter();
        let value = values.next().map_or("", |it| it.to_str().unwrap());
        assert!(values.next().is_none(), "{name} is there twice");
        value.trim_start_matches("Bearer ").to_owned()
    });
    Json(sent.join("|")).into_response()
}

/// A call of whoever is current, and who the callee saw.
async fn called(echo: FeignEcho, tokens: Arc<Vec<String>>) -> Seen {
    let sent = match echo.whoami().await {
        Ok(sent) => sent,
        Err(error) => {
            assert_eq!(error.code(), "no_identity");
            return Seen::default();
        }
    };
    let [token, tenant, tag] = sent.split('|').collect::<Vec<_>>()[..] else {
        panic!("not three values");
    };
    let user = tokens.iter().position(|it| it == token).unwrap();
    Seen {
        user: Some(u8::try_from(user).unwrap()),
        tenant: tenant.parse().ok(),
        tag: tag.parse().ok(),
    }
}

struct Estate {
    service: TestServer,
    tokens: Arc<Vec<String>>,
    trees: Trees,
    results: Results,
    transport: HttpTransport,
    _upstream: Upstream,
    _users: TestIdentityProvider,
}

impl Estate {
    async fn start() -> Self {
        let users = TestIdentityProvider::start().await.unwrap();
        let upstream = Upstream::start(tell).await.unwrap();
        let yaml = format!(
            r#"
hallpass:
  service: {{ name: service }}
  context: {{ headers: [X-Tenant-Id, X-Gray-Tag] }}
  discovery: {{ static: {{ upstream: ["{upstream}"] }} }}
  security:
    internal-jwt:
      issuers:
        - {{ name: users, issuer: "{issuer}", audience: {audience}, jwks-url: "{jwks}" }}
"#,
            upstream = upstream.address(),
            issuer = TestIdentityProvider::ISSUER,
            audience = TestIdentityProvider::AUDIENCE,
            jwks = users.jwks_url(),
        );
        let settings = Loader::new("hallpass").text("trees", yaml);
        let settings = settings.load::<Settings>().unwrap().into_settings();
        let hallpass = Hallpass::from_settings(&settings).unwrap();
        let guard = hallpass.resource_server();
        let guard = guard.route_any("/", Rule::Anonymous).build().unwrap();
        let now = SystemClock::new().now().into();
        let (mut tokens, mut contexts) = (Vec::new(), Vec::new());
        for number in 0..SEVERAL {
            let token = users.token(&format!("user-{number}"), now).unwrap();
            contexts.push(
                guard
                    .verify(token.expose())
                    .await
                    .unwrap()
                    .context()
                    .clone(),
            );
            tokens.push(token.expose().to_owned());
        }
        let tokens = Arc::new(tokens);
        let echo = FeignEcho::new(hallpass.feign()).unwrap();
        let of_callers = Arc::clone(&tokens);
        let world = Arc::new(World {
            users: contexts,
            call: Box::new(move || Box::pin(called(echo.clone(), Arc::clone(&of_callers)))),
        });
        let (trees, results) = (Trees::default(), Results::default());
        let (planted, notes) = (Arc::clone(&trees), Arc::clone(&results));
        let run = get(async move |request: AxumRequest| {
            let name = request.headers()["x-tree"].to_str().unwrap().to_owned();
            let tree = planted.lock().unwrap().remove(&name).unwrap();
            let found = tree.run(Arc::clone(&world)).await;
            notes.lock().unwrap().insert(name, found);
        });
        let router = Router::new().route("/", run).layer(guard.layer());
        Self {
            service: TestServer::start(router).await.unwrap(),
            tokens,
            trees,
            results,
            transport: HttpTransport::new().unwrap(),
            _upstream: upstream,
            _users: users,
        }
    }

    /// Has the service run a tree for a request of this kind.
    async fn found(&self, name: String, here: Seen, tree: Tree) -> Vec<Found> {
        self.trees.lock().unwrap().insert(name.clone(), tree);
        let mut headers = HeaderMap::new();
        headers.insert("x-tree", name.parse().unwrap());
        if let Some(user) = here.user {
            let bearer = format!("Bearer {}", self.tokens[usize::from(user)]);
            headers.insert("authorization", bearer.parse().unwrap());
        }
        for (header, number) in [("x-tenant-id", here.tenant), ("x-gray-tag", here.tag)] {
            if let Some(number) = number {
                headers.insert(header, number.to_string().parse().unwrap());
            }
        }
        let mut request = Request::get(self.service.url("/"))
            .body(Body::empty())
            .unwrap();
        *request.headers_mut() = headers;
        let transport = self.transport.clone();
        let response = transport.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{name}");
        self.results.lock().unwrap().remove(&name).unwrap()
    }
}

/// Without a user nothing leaves, so nobody sees what would have come with it.
fn as_called(found: Found) -> Found {
    match found {
        Found::Called(Seen { user: None, .. }) => Found::Called(Seen::default()),
        found => found,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_random_trees_of_real_requests_each_call_is_made_for_its_own_user() {
    let seed = random_below(u64::MAX);
    println!("seed {seed}");
    let estate = Estate::start().await;
    for first in (0..TREES).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let running = (first..first + AT_ONCE).map(async |number| {
            let mut random = Random(seed.wrapping_add(number));
            let (here, tree) = (random.seen(), random.tree());
            let mut expected = Vec::new();
            tree.expected(here, &mut expected);
            let expected: Vec<_> = expected.into_iter().map(as_called).collect();
            let found = estate.found(number.to_string(), here, tree.clone()).await;
            assert_eq!(
                found, expected,
                "tree {number} of seed {seed}: {tree:#?} in {here:?}"
            );
        });
        join_all(running).await;
    }
}
