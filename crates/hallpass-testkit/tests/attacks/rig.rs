//! A service of `hallpass::Hallpass` with rules of every kind, behind a real issuer, before a real upstream; or `hallpass gateway` with
//! the same rules, before an upstream that reads its bytes by itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::token::UnixTime;
use hallpass::{Hallpass, Settings};
use hallpass_testkit::{TestIssuer, TestServer, Upstream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::case::{Case, Expected, with_token};
use crate::forge::Forge;
use crate::gateway::{Gateway, How};
use crate::raw_upstream::RawUpstream;

/// Longer than any answer takes.
const LIMIT: Duration = Duration::from_secs(10);
/// How long a request that is not whole may keep its connection.
const UNFINISHED: Duration = Duration::from_millis(300);

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// What is attacked.
enum Target {
    Service {
        handled: Arc<AtomicUsize>,
        upstream: Upstream,
        service: TestServer,
    },
    Gateway {
        gateway: Gateway,
        /// `None`: the test has its own.
        upstream: Option<RawUpstream>,
    },
}

pub(crate) struct Rig {
    /// Has the issuer's key.
    pub(crate) forge: Forge,
    /// Has a key of its own.
    pub(crate) stranger: Forge,
    target: Target,
    /// How many requests were meant to be handled.
    meant: AtomicUsize,
    issuer: TestIssuer,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        count_panics();
        let now = UnixTime::from(SystemClock::new().now()).as_secs();
        let (forge, stranger) = (Forge::new(now), Forge::new(now));
        let issuer = TestIssuer::start().await.unwrap();
        issuer.import_key(&forge.pem()).await.unwrap();
        let upstream = Upstream::start(|_| "upstream").await.unwrap();
        let handled = Arc::new(AtomicUsize::new(0));
        let service = service(issuer.address(), upstream.address(), &handled).await;
        let target = Target::Service {
            handled,
            upstream,
            service,
        };
        Self::of(target, (forge, stranger), issuer)
    }

    /// The same rules in `hallpass gateway`, which forwards to an upstream that knows no library.
    pub(crate) async fn start_behind_gateway() -> Self {
        let upstream = RawUpstream::start().await;
        let to = upstream.address();
        Self::start_gateway(Some(upstream), to).await
    }

    /// The same before an upstream of the test's own.
    pub(crate) async fn start_before(upstream: SocketAddr) -> Self {
        Self::start_gateway(None, upstream).await
    }

    async fn start_gateway(upstream: Option<RawUpstream>, to: SocketAddr) -> Self {
        let now = UnixTime::from(SystemClock::new().now()).as_secs();
        let (forge, stranger) = (Forge::new(now), Forge::new(now));
        let issuer = TestIssuer::start().await.unwrap();
        issuer.import_key(&forge.pem()).await.unwrap();
        let gateway = Gateway::start(&security(issuer.address()), to).await;
        let target = Target::Gateway { gateway, upstream };
        Self::of(target, (forge, stranger), issuer)
    }

    fn of(target: Target, (forge, stranger): (Forge, Forge), issuer: TestIssuer) -> Self {
        Self {
            forge,
            stranger,
            target,
            meant: AtomicUsize::new(0),
            issuer,
        }
    }

    /// By the same settings, before the same upstream.
    pub(crate) async fn another_gateway(&self) -> Gateway {
        self.another_gateway_by("never", self.upstream().address())
            .await
    }

    /// By the same rules, before this upstream, which is spoken to over HTTP/2 so.
    pub(crate) async fn another_gateway_by(&self, http2: &'static str, to: SocketAddr) -> Gateway {
        let how = How {
            http2,
            ..How::default()
        };
        Gateway::start_by(how, &security(self.issuer.address()), to).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match &self.target {
            Target::Service { service, .. } => service.address(),
            Target::Gateway { gateway, .. } => gateway.address(),
        }
    }

    /// A good request is handled and forwarded, whatever came before it.
    pub(crate) async fn assert_serves(&self) {
        self.meant.fetch_add(1, Ordering::SeqCst);
        let answer = self
            .exchange(&with_token("GET /orders/7", &self.forge.good()))
            .await;
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", text(&answer));
        assert!(answer.ends_with(b"upstream"), "{}", text(&answer));
    }

    /// The one behind the gateway that reads by itself.
    pub(crate) fn upstream(&self) -> &RawUpstream {
        match &self.target {
            Target::Gateway {
                upstream: Some(upstream),
                ..
            } => upstream,
            _ => panic!("there is none"),
        }
    }

    /// Accepted, forwarded, panics: of what was not meant to be.
    pub(crate) fn counts(&self) -> [usize; 3] {
        let meant = self.meant.load(Ordering::SeqCst);
        match &self.target {
            Target::Service {
                handled, upstream, ..
            } => [
                handled.load(Ordering::SeqCst) - meant,
                upstream.seen().len() - meant,
                PANICS.load(Ordering::SeqCst),
            ],
            Target::Gateway { gateway, upstream } => {
                let upstream = upstream.as_ref().map_or(meant, RawUpstream::count);
                [upstream - meant, upstream - meant, gateway.panics()]
            }
        }
    }

    /// All of it, for a test of its own.
    pub(crate) async fn assert_refused(&self, cases: Vec<Case>) {
        assert!(!cases.is_empty());
        for case in &cases {
            if let Err(fault) = self.try_case(case).await {
                panic!("{}: {fault}", case.name);
            }
        }
        assert_eq!(self.counts(), [0, 0, 0]);
        self.assert_serves().await;
    }

    /// Sends the case, and says what was not as expected.
    pub(crate) async fn try_case(&self, case: &Case) -> Result<(), String> {
        let before = self.counts();
        let answer = self.exchange(&case.bytes).await;
        if self.counts() != before {
            return Err(format!("it was handled: {}", text(&answer)));
        }
        if case.is_http2 {
            return is_refused_http2(&answer);
        }
        let answer = text(&answer);
        let is_as_expected = match case.expected {
            Expected::Refused(status, code) => {
                let (status, code) = self.as_said_here(case, (status, code));
                let code = format!("\"code\":\"{code}\"");
                is_status(&answer, status) && answer.contains(&code)
            }
            Expected::NoRequest(status) => answer.is_empty() || is_status(&answer, status),
            Expected::AnyRefusal => {
                answer.is_empty() || ('4'..='5').contains(&answer.chars().nth(9).unwrap_or('0'))
            }
        };
        let is_quiet = !answer.contains("eyJ") && !answer.contains("HTTP/1.1 2");
        if is_as_expected && is_quiet {
            return Ok(());
        }
        Err(format!("expected {:?}, got {answer}", case.expected))
    }

    /// The gateway refuses by itself, before any rule, what it would not hand on.
    fn as_said_here(&self, case: &Case, expected: (u16, &'static str)) -> (u16, &'static str) {
        match (&self.target, expected) {
            (Target::Gateway { .. }, (400, "ambiguous_path")) => (400, "bad_path"),
            (Target::Gateway { .. }, _) if case.bytes.starts_with(b"TRACE ") => {
                (405, "method_not_allowed")
            }
            _ => expected,
        }
    }

    /// What comes back until the service closes, or nothing more comes.
    pub(crate) async fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address()).await.unwrap();
        // A server may answer and close before it has read everything.
        let _sent = timeout(LIMIT, stream.write_all(bytes)).await.unwrap();
        let mut answer = Vec::new();
        loop {
            // Who has answered may wait for the rest of what was announced, and who has not is given more time.
            let limit = if answer.is_empty() && !bytes.starts_with(b"PRI") {
                LIMIT.min(UNFINISHED * 4)
            } else {
                UNFINISHED
            };
            match timeout(limit, stream.read_buf(&mut answer)).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) | Err(_) => return answer,
            }
        }
    }
}

fn is_status(answer: &str, status: u16) -> bool {
    answer.starts_with(&format!("HTTP/1.1 {status}"))
        || answer.starts_with(&format!("HTTP/1.0 {status}"))
}

/// No response with a status of success: its head would begin with the field `:status: 200` (RFC 7541 appendix A).
fn is_refused_http2(answer: &[u8]) -> Result<(), String> {
    let mut rest = answer;
    while let [a, b, c, kind, _flags, _, _, _, _, tail @ ..] = rest {
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap();
        let Some((payload, after)) = tail.split_at_checked(length) else {
            break;
        };
        if *kind == 1 && matches!(payload.first(), Some(0x88..=0x8a)) {
            return Err(format!("a response of success: {payload:?}"));
        }
        rest = after;
    }
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn count_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // A failed assertion of a test is no panic of the service.
            if info
                .location()
                .is_none_or(|at| !at.file().contains("tests/attacks"))
            {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            before(info);
        }));
    });
}

async fn service(
    issuer: SocketAddr,
    upstream: SocketAddr,
    handled: &Arc<AtomicUsize>,
) -> TestServer {
    let yaml = format!(
        "hallpass:\n  service: {{ name: service-system }}\n{}",
        security(issuer)
    );
    let settings: Settings = Loader::new("hallpass")
        .text("attacks", &yaml)
        .load()
        .unwrap()
        .into_settings();
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let guard = hallpass.resource_server().build().unwrap();
    let handled = Arc::clone(handled);
    // Every request that passes is handled, and forwarded as it is.
    let relay = move |request: Request| {
        handled.fetch_add(1, Ordering::SeqCst);
        async move {
            let mut stream = TcpStream::connect(upstream).await.unwrap();
            let line = format!("{} {}", request.method(), request.uri().path());
            let head = format!("{line} HTTP/1.1\r\nhost: upstream\r\nconnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
                .rsplit("\r\n\r\n")
                .next()
                .unwrap_or_default()
                .to_owned()
        }
    };
    let router = Router::new().fallback(relay).layer(guard.layer());
    TestServer::start(router).await.unwrap()
}

/// The section `security` of both, with rules of every kind.
pub(crate) fn security(issuer: SocketAddr) -> String {
    format!(
        r#"  security:
    internal-jwt:
      issuer: internal
      jwks-url: "http://{issuer}/oauth2/jwks"
      revocations-url: none
      internal-only: {{ paths: [/internal/**] }}
      routes:
        - {{ path: /open, rule: anonymous }}
        - {{ path: "/open/{{page}}", rule: anonymous }}
        - {{ path: /whoami, rule: authenticated }}
        - {{ path: "/orders/{{id}}", methods: [GET], rule: scopes, all: [orders] }}
        - {{ path: /orders, methods: [POST], rule: scopes, all: [orders] }}
        - {{ path: /either, rule: scopes, any: [stock, orders.read] }}
        - {{ path: /reports, rule: authenticated, any-role: [audit, admin] }}
        - {{ path: /stock, rule: internal-only, callers: [billing-service] }}
        - {{ path: "/orders/{{id}}/address", rule: authenticated, actors: [billing-service] }}
        - {{ path: /tenants/acme, rule: authenticated, claims: [tenant=acme] }}
        - {{ path: /hosted, rule: authenticated, hosts: [other.example] }}
        - {{ path: "/pkg.Stock/Take", methods: [POST], rule: scopes, all: [stock] }}
"#
    )
}
