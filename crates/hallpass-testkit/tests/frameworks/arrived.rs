//! What arrives at servers, written down before anything looks at it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::any;
use hallpass_testkit::TestServer;
use http::{HeaderMap, StatusCode};

/// What a resource server says of a token that it does not take.
pub(crate) const INVALID: &str = r#"Bearer error="invalid_token""#;

/// What has arrived at a server, before anything looks at it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrived(Arc<Mutex<Vec<HeaderMap>>>);

impl Arrived {
    pub(crate) fn all(&self) -> Vec<HeaderMap> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn only(&self) -> HeaderMap {
        let mut all = self.all();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }
}

/// Writes down each request; refuses the token of the first one to `/refused`.
pub(crate) async fn note(arrived: Arrived, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let number = {
        let mut all = arrived.0.lock().unwrap();
        all.push(request.headers().clone());
        all.len()
    };
    if path.ends_with("/refused") && number == 1 {
        return (StatusCode::UNAUTHORIZED, [("www-authenticate", INVALID)]).into_response();
    }
    next.run(request).await
}

/// A server that writes down what it gets and answers nothing of use, or sends everybody to `target`.
pub(crate) async fn elsewhere(target: Option<String>) -> (TestServer, Arrived) {
    let arrived = Arrived::default();
    let noted = arrived.clone();
    let answer = move || async move {
        match target {
            Some(target) => Redirect::temporary(&target).into_response(),
            None => "elsewhere".into_response(),
        }
    };
    let router = Router::new().fallback(any(answer));
    let router = router.layer(from_fn(move |request, next| {
        note(noted.clone(), request, next)
    }));
    (TestServer::start(router).await.unwrap(), arrived)
}
