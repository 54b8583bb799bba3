//! The issuer as its clients see it over the network: how long it takes, when it is away, and what it then says. What it decides is not
//! simulated here but by its own tests; it signs real tokens, which real key sources verify.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use hallpass::clock::Clock as _;
use hallpass::token::{
    Algorithm, JwkSet, Revocation, RevocationDigest, RevocationKind, SigningKey, TokenClaims,
    UnixTime, sign,
};
use hallpass::upstream::{Body, HttpTransport, TransportError, TransportErrorKind};
use hallpass_testkit::TokioClock;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::counts::Counts;
use crate::plan::{Plan, TOKEN_LIFE};

/// There and back.
const WAY: Duration = Duration::from_millis(1);
/// A client does not wait for longer (its fetch timeout), and what it does not wait for costs nothing: its connection is closed.
const LONGEST_QUEUE: Duration = Duration::from_secs(3);
/// As the issuer's own streams have it.
const COMMENT_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Issuer {
    clock: TokioClock,
    counts: Arc<Counts>,
    each_takes: Duration,
    streams: usize,
    state: Mutex<State>,
    /// The deny-list, and who is away.
    news: watch::Sender<News>,
}

#[derive(Debug)]
struct State {
    key: Arc<SigningKey>,
    published: Vec<Arc<SigningKey>>,
    free_at: Instant,
    streams: usize,
}

#[derive(Clone, Debug, Default)]
struct News {
    revoked: Vec<Revocation>,
    is_away: bool,
}

/// A place of a stream.
struct Place(Arc<Issuer>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.state().streams -= 1;
    }
}

impl Issuer {
    pub(crate) fn new(plan: &Plan, clock: TokioClock, counts: &Arc<Counts>) -> Arc<Self> {
        let key = Arc::new(SigningKey::generate(Algorithm::EdDsa).unwrap());
        Arc::new(Self {
            clock,
            counts: Arc::clone(counts),
            each_takes: Duration::from_secs_f64(1.0 / plan.issued_per_second),
            streams: plan.streams,
            state: Mutex::new(State {
                published: vec![Arc::clone(&key)],
                key,
                free_at: Instant::now(),
                streams: 0,
            }),
            news: watch::Sender::default(),
        })
    }

    pub(crate) fn transport(self: &Arc<Self>) -> HttpTransport {
        let issuer = Arc::clone(self);
        let respond = move |request| Arc::clone(&issuer).respond(request);
        HttpTransport::simulated(respond).unwrap()
    }

    pub(crate) fn is_away(&self, is_away: bool) {
        self.news.send_modify(|news| news.is_away = is_away);
    }

    /// Publishes another key, which does not sign yet.
    pub(crate) fn announce(&self) -> Arc<SigningKey> {
        let key = Arc::new(SigningKey::generate(Algorithm::EdDsa).unwrap());
        self.state().published.push(Arc::clone(&key));
        key
    }

    pub(crate) fn sign_with(&self, key: Arc<SigningKey>) {
        self.state().key = key;
    }

    /// Somebody else has the key that signs: it leaves the set, and what it has signed counts no more.
    pub(crate) fn taint(&self) -> Revocation {
        let next = self.announce();
        let mut state = self.state();
        let tainted = std::mem::replace(&mut state.key, next);
        state.published.retain(|key| !Arc::ptr_eq(key, &tainted));
        drop(state);
        let entry = Revocation {
            kind: RevocationKind::Key,
            digest: RevocationDigest::new(RevocationKind::Key, tainted.key_id().as_str()),
            issued_before: None,
            ends_at: self.now().saturating_add(Duration::from_secs(90_000)),
        };
        self.news.send_modify(|news| news.revoked.push(entry));
        entry
    }

    fn now(&self) -> UnixTime {
        UnixTime::from(self.clock.now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn respond(
        self: Arc<Self>,
        request: Request<Body>,
    ) -> Result<Response<Body>, TransportError> {
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/oauth2/token" => self.counts.token_requests.one(),
            "/oauth2/jwks" => self.counts.key_fetches.one(),
            _ => self.counts.list_requests.one(),
        }
        sleep(WAY).await;
        if self.news.borrow().is_away {
            return Err(refused());
        }
        match path.as_str() {
            "/oauth2/token" => self.token(request).await,
            "/oauth2/jwks" => Ok(self.keys(&request)),
            _ => Ok(self.revocations(&request)),
        }
    }

    async fn token(&self, request: Request<Body>) -> Result<Response<Body>, TransportError> {
        let now = Instant::now();
        let starts = {
            let mut state = self.state();
            let starts = state.free_at.max(now);
            if starts - now < LONGEST_QUEUE {
                state.free_at = starts + self.each_takes;
            }
            starts
        };
        if starts - now >= LONGEST_QUEUE {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep_until(starts + self.each_takes).await;
        if self.news.borrow().is_away {
            return Err(refused());
        }
        let form = request.into_body().collect_within(10_000).await.unwrap();
        let form = String::from_utf8(form.to_vec()).unwrap();
        let field = |name: &str| {
            let mut fields = form.split('&').filter_map(|it| it.split_once('='));
            fields.find(|(is, _)| *is == name).map(|(_, value)| value)
        };
        let (client, audience) = (field("client_id").unwrap(), field("audience").unwrap());
        let key = Arc::clone(&self.state().key);
        let now = self.now();
        let end = now.saturating_add(TOKEN_LIFE);
        let issuer = "internal".parse().unwrap();
        let mut claims = TokenClaims::new(
            issuer,
            client.parse().unwrap(),
            audience.parse().unwrap(),
            end,
        );
        claims.client_id = Some(client.parse().unwrap());
        claims.issued_at = Some(now);
        claims.scope = "internal-service".parse().unwrap();
        let token = sign(&claims, &key, now).unwrap();
        self.counts.issued.one();
        let life = TOKEN_LIFE.as_secs();
        Ok(json(format!(
            r#"{{"access_token":"{}","token_type":"Bearer","expires_in":{life},"scope":"internal-service"}}"#,
            token.expose()
        )))
    }

    fn keys(&self, request: &Request<Body>) -> Response<Body> {
        let published = self.state().published.clone();
        let names: Vec<&str> = published.iter().map(|key| key.key_id().as_str()).collect();
        let etag = format!("\"{}\"", names.join("."));
        let has_it = request.headers().get("if-none-match");
        let mut response = if has_it.is_some_and(|has| has == etag.as_str()) {
            status(304)
        } else {
            json(
                JwkSet::new(published.iter().map(|key| key.public_jwk()))
                    .to_json()
                    .to_string(),
            )
        };
        let headers = response.headers_mut();
        headers.insert("cache-control", "max-age=300".parse().unwrap());
        headers.insert("etag", etag.parse().unwrap());
        response
    }

    fn revocations(self: &Arc<Self>, request: &Request<Body>) -> Response<Body> {
        let news = self.news.borrow().clone();
        let event = event_id(&news);
        if request
            .headers()
            .get("accept")
            .is_some_and(|it| it == "text/event-stream")
        {
            return self.stream(&news);
        }
        let etag = format!("\"{event}\"");
        let has_it = request.headers().get("if-none-match");
        if has_it.is_some_and(|has| has == etag.as_str()) {
            return status(304);
        }
        let entries = serde_json::to_string(&news.revoked).unwrap();
        let mut response = json(format!(r#"{{"event":"{event}","entries":{entries}}}"#));
        response.headers_mut().insert("etag", etag.parse().unwrap());
        response
    }

    fn stream(self: &Arc<Self>, news: &News) -> Response<Body> {
        {
            let mut state = self.state();
            if state.streams >= self.streams {
                drop(state);
                let mut response = status(503);
                response
                    .headers_mut()
                    .insert("retry-after", "5".parse().unwrap());
                return response;
            }
            state.streams += 1;
        }
        let first = format!("event: reset\ndata: {{}}\n\n{}", events_after(news, 0));
        let place = Place(Arc::clone(self));
        let sent = (
            Some(first),
            news.revoked.len(),
            self.news.subscribe(),
            place,
        );
        let events = stream::unfold(sent, |(first, known, mut news, place)| async move {
            if let Some(first) = first {
                return Some((frame(first), (None, known, news, place)));
            }
            let is_new = |news: &News| news.is_away || news.revoked.len() > known;
            let told = timeout(COMMENT_EVERY, news.wait_for(is_new)).await;
            let told = told.map(|told| told.map(|news| news.clone()));
            let (text, known) = match told {
                Err(_) => (":\n\n".to_owned(), known),
                Ok(Ok(now)) if !now.is_away => {
                    place.0.counts.pushes.one();
                    (events_after(&now, known), now.revoked.len())
                }
                Ok(_) => return None,
            };
            sleep(WAY).await;
            Some((frame(text), (None, known, news, place)))
        });
        let mut response = Response::new(Body::wrap(StreamBody::new(events)));
        let kind = "text/event-stream".parse().unwrap();
        response.headers_mut().insert("content-type", kind);
        response
    }
}

/// What came after the first `known` entries.
fn events_after(news: &News, known: usize) -> String {
    let new: Vec<&Revocation> = news.revoked.iter().skip(known).collect();
    let entries = serde_json::to_string(&new).unwrap();
    let event = event_id(news);
    format!(
        "event: entries\nid: {event}\ndata: {entries}\n\nevent: current\nid: {event}\ndata: {{}}\n\n"
    )
}

fn event_id(news: &News) -> String {
    format!("0000000000000001.{}", news.revoked.len())
}

type Framed = Result<Frame<Bytes>, TransportError>;

fn frame(text: String) -> Framed {
    Ok(Frame::data(Bytes::from(text)))
}

fn refused() -> TransportError {
    TransportError::new(TransportErrorKind::Connect, "refused")
}

fn status(status: u16) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    response
}

fn json(text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    let kind = "application/json".parse().unwrap();
    response.headers_mut().insert("content-type", kind);
    response
}
