//! Callers that never stop, and what became of their calls.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hallpass::upstream::{Body, HttpTransport};
use http::StatusCode;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::measure::Failure;

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has what the rule asks for.
    Good,
    /// Its token lacks the scope.
    Poor,
    /// It has no token.
    Nobody,
}

const KINDS: [Kind; 3] = [Kind::Good, Kind::Poor, Kind::Nobody];

/// What became of calls: those that passed, those that were refused by the rule, and others, for each kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    counts: [[u64; 3]; 3],
}

impl Tally {
    fn of(&self, kind: Kind) -> [u64; 3] {
        let [good, poor, nobody] = self.counts;
        match kind {
            Kind::Good => good,
            Kind::Poor => poor,
            Kind::Nobody => nobody,
        }
    }

    pub(super) fn passed(&self, kind: Kind) -> u64 {
        self.of(kind)[0]
    }

    pub(super) fn refused(&self, kind: Kind) -> u64 {
        self.of(kind)[1]
    }

    pub(super) fn other(&self, kind: Kind) -> u64 {
        self.of(kind)[2]
    }

    pub(super) fn failed(&self, kind: Kind) -> u64 {
        self.refused(kind) + self.other(kind)
    }

    pub(super) fn since(mut self, before: &Self) -> Self {
        let all = self.counts.iter_mut().zip(&before.counts);
        for (now, then) in all.flat_map(|(now, then)| now.iter_mut().zip(then)) {
            *now -= then;
        }
        self
    }

    #[expect(clippy::cast_precision_loss, reason = "calls are far below 2^52")]
    pub(super) fn rate(&self, seconds: f64) -> f64 {
        self.counts.iter().flatten().sum::<u64>() as f64 / seconds
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [good, poor, nobody] = KINDS.map(|kind| self.of(kind));
        write!(
            f,
            "{}, {} | {}, {}, {} | {}, {}, {}",
            good[0],
            good[1] + good[2],
            poor[0],
            poor[1],
            poor[2],
            nobody[0],
            nobody[1],
            nobody[2]
        )
    }
}

/// Those of one kind.
type Counts = Arc<[AtomicU64; 3]>;

/// The callers.
pub(super) struct Load {
    counts: [Counts; 3],
    work: JoinSet<()>,
}

impl Load {
    /// Gets a token for each client, and lets them call: each kind by one task, its clients in turn.
    pub(super) async fn start(
        issuer: SocketAddr,
        service: SocketAddr,
        (good, poor): (usize, usize),
    ) -> Result<Self, Failure> {
        let transport = HttpTransport::new()?;
        let mut tokens = [Vec::new(), Vec::new(), vec![None]];
        for number in 0..good {
            let client = format!("good-{number}");
            tokens[0].push(Some(
                token(&transport, issuer, &client, "internal-service").await?,
            ));
        }
        for number in 0..poor {
            let client = format!("poor-{number}");
            tokens[1].push(Some(token(&transport, issuer, &client, "other").await?));
        }
        let counts: [Counts; 3] = std::array::from_fn(|_| Counts::default());
        let mut work = JoinSet::new();
        for ((kind, tokens), counts) in KINDS.into_iter().zip(tokens).zip(&counts) {
            let (transport, counts) = (transport.clone(), Arc::clone(counts));
            work.spawn(async move {
                for token in tokens.iter().cycle() {
                    let what = call(&transport, service, token.as_deref(), kind).await;
                    if let Some(count) = counts.get(what) {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        Ok(Self { counts, work })
    }

    pub(super) fn tally(&self) -> Tally {
        let count = |it: &AtomicU64| it.load(Ordering::Relaxed);
        let counts = self.counts.each_ref();
        Tally {
            counts: counts.map(|it| it.each_ref().map(count)),
        }
    }

    pub(super) async fn stop(mut self) -> Tally {
        self.work.abort_all();
        while self.work.join_next().await.is_some() {}
        self.tally()
    }
}

async fn token(
    transport: &HttpTransport,
    issuer: SocketAddr,
    client: &str,
    scope: &str,
) -> Result<String, Failure> {
    let form = format!(
        "grant_type=client_credentials&client_id={client}&client_secret=RollOutSecret123!&audience=service-system&scope={scope}"
    );
    let request = http::Request::post(format!("http://{issuer}/oauth2/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form))?;
    let response = transport.clone().oneshot(request).await?;
    let status = response.status();
    let body = response.into_body().collect_within(64 * 1024).await?;
    let body: serde_json::Value = serde_json::from_slice(&body)?;
    match body.get("access_token").and_then(serde_json::Value::as_str) {
        Some(token) => Ok(token.to_owned()),
        None => Err(format!("{client}: {status} {body}").into()),
    }
}

/// 0: it passed; 1: it was refused as its kind is; 2: anything else. A handler that wants a caller gets a placeholder where it
/// would be refused.
async fn call(
    transport: &HttpTransport,
    service: SocketAddr,
    token: Option<&str>,
    kind: Kind,
) -> usize {
    let request = http::Request::post(format!("http://{service}/internal/daily-reports"))
        .header("content-type", "application/json");
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    let Ok(request) = request.body(Body::from(r#"{"orders":1}"#)) else {
        return 2;
    };
    let Ok(response) = transport.clone().oneshot(request).await else {
        return 2;
    };
    let status = response.status();
    let is_read = response.into_body().collect_within(64 * 1024).await.is_ok();
    match (kind, status) {
        _ if !is_read => 2,
        (_, StatusCode::OK) => 0,
        (Kind::Poor, StatusCode::FORBIDDEN) | (Kind::Nobody, StatusCode::UNAUTHORIZED) => 1,
        _ => 2,
    }
}
