//! A token endpoint that numbers its tokens.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hallpass_client::{AuthTokenService, Credential};
use hallpass_clock::ManualClock;
use hallpass_upstream::{Body, TransportError, TransportErrorKind};
use http::{Request, Response, StatusCode};

/// Answers the n-th token request with `service-token-n`, unless it is down.
#[derive(Clone, Debug, Default)]
pub(crate) struct Issuer {
    issued: Arc<AtomicUsize>,
    fails: Arc<Mutex<Option<(u16, &'static str)>>>,
    takes: Arc<Mutex<Duration>>,
    advances: Arc<Mutex<Option<(ManualClock, Duration)>>>,
}

impl Issuer {
    pub(crate) fn issued(&self) -> usize {
        self.issued.load(Ordering::SeqCst)
    }

    pub(crate) fn go_down(&self) {
        self.fails_with(503, "");
    }

    /// Responds so to each request from now on; status 0 stands for no connection.
    pub(crate) fn fails_with(&self, status: u16, body: &'static str) {
        *self.fails.lock().unwrap() = Some((status, body));
    }

    /// Takes so long for each request from now on.
    pub(crate) fn takes(&self, time: Duration) {
        *self.takes.lock().unwrap() = time;
    }

    /// As [`takes`](Self::takes), in the time of this clock.
    pub(crate) fn takes_on(&self, clock: &ManualClock, time: Duration) {
        *self.advances.lock().unwrap() = Some((clock.clone(), time));
    }

    /// A token service that asks this issuer as `order-service`.
    pub(crate) fn tokens(&self) -> AuthTokenService {
        let issuer = self.clone();
        let transport = tower::service_fn(move |request| {
            let issuer = issuer.clone();
            async move { issuer.answer(request).await }
        });
        let endpoint = "http://127.0.0.1:1/oauth2/token".parse().unwrap();
        let credential =
            Credential::new("order-service".parse().unwrap(), "secret".into(), endpoint);
        AuthTokenService::builder(credential, transport).build()
    }

    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, TransportError> {
        drop(request.into_body().collect_within(64 * 1024).await);
        let takes = *self.takes.lock().unwrap();
        tokio::time::sleep(takes).await;
        if let Some((clock, time)) = &*self.advances.lock().unwrap() {
            clock.advance(*time);
        }
        let mut answer = Response::builder().header("content-type", "application/json");
        let fails = *self.fails.lock().unwrap();
        if let Some((status, body)) = fails {
            let refused = || TransportError::new(TransportErrorKind::Connect, "refused");
            let status = StatusCode::from_u16(status).map_err(|_| refused())?;
            answer = answer.status(status);
            return Ok(answer.body(Body::from(body)).unwrap());
        }
        let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        let body = format!(
            r#"{{"access_token":"service-token-{number}","token_type":"Bearer","expires_in":600}}"#
        );
        Ok(answer.body(Body::from(body)).unwrap())
    }
}
