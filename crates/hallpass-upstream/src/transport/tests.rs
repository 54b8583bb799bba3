mod http2;
mod http2_shared;

use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::resolver::tests::{Reply, Scripted};

async fn server() -> (u16, Arc<std::sync::atomic::AtomicUsize>) {
    server_that_says("").await
}

/// Answers every request with 200 and this header, and counts connections.
async fn server_that_says(header: &'static str) -> (u16, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    let response = format!("HTTP/1.1 200 OK\r\n{header}content-length: 0\r\n\r\n");
                    stream.write_all(response.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (port, connections)
}

fn get(uri: String) -> Request<Body> {
    Request::get(uri).body(Body::empty()).unwrap()
}

async fn send(
    transport: &HttpTransport,
    request: Request<Body>,
) -> Result<http::StatusCode, TransportErrorKind> {
    let result = transport.clone().call(request).await;
    result
        .map(|response| response.status())
        .map_err(|error| error.kind())
}

const REFUSED: Result<http::StatusCode, TransportErrorKind> = Err(TransportErrorKind::PlainHttp);
const OK: Result<http::StatusCode, TransportErrorKind> = Ok(http::StatusCode::OK);

#[tokio::test]
async fn plain_http_leaves_for_loopback_addresses_only() {
    let (port, connections) = server().await;
    let transport = HttpTransport::new().unwrap();
    // Linux takes 0.0.0.0 for this machine, so the connection would be made.
    for elsewhere in ["0.0.0.0", "[::ffff:0.0.0.0]", "192.0.2.1", "0"] {
        let uri = format!("http://{elsewhere}:{port}/oauth2/token");
        assert_eq!(send(&transport, get(uri)).await, REFUSED, "{elsewhere}");
    }
    assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 0);
    for here in ["127.0.0.1", "localhost", "127.8.8.8", "[::ffff:127.0.0.1]"] {
        let uri = format!("http://{here}:{port}/oauth2/token");
        assert_eq!(send(&transport, get(uri)).await, OK, "{here}");
    }
}

#[tokio::test]
async fn a_name_is_what_it_resolves_to_whatever_it_is_called() {
    let (port, connections) = server().await;
    let names = Scripted::default();
    names.set("localhost", Reply::Addresses(&["0.0.0.0"]));
    names.set("issuer", Reply::Addresses(&["0.0.0.0", "127.0.0.1"]));
    let mut builder = HttpTransport::builder();
    builder.resolver = names.resolver();
    let transport = builder.build().unwrap();
    let localhost = get(format!("http://localhost:{port}/"));
    assert_eq!(send(&transport, localhost).await, REFUSED);
    assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 0);
    let issuer = get(format!("http://issuer:{port}/"));
    assert_eq!(
        send(&transport, issuer).await,
        OK,
        "by its loopback address"
    );
}

#[tokio::test]
async fn a_request_that_carries_no_secret_may_leave_and_opens_no_way_for_others() {
    let (port, _) = server().await;
    let transport = HttpTransport::new().unwrap();
    let uri = format!("http://0.0.0.0:{port}/");
    let marked = || {
        let mut request = get(uri.clone());
        request.extensions_mut().insert(CarriesNoSecret);
        request
    };
    assert_eq!(send(&transport, marked()).await, OK);
    // The connection is in the pool now, and not for this one.
    assert_eq!(send(&transport, get(uri.clone())).await, REFUSED);
}

#[tokio::test]
async fn a_request_with_a_header_that_may_be_a_secret_does_not_leave_whatever_it_says_of_itself() {
    let (port, connections) = server().await;
    let transport = HttpTransport::new().unwrap();
    let with = |name: &'static str, is_sensitive: bool| {
        let mut request = get(format!("http://0.0.0.0:{port}/"));
        request.extensions_mut().insert(CarriesNoSecret);
        let mut value = HeaderValue::from_static("x");
        value.set_sensitive(is_sensitive);
        request.headers_mut().insert(name, value);
        request
    };
    for secret in [
        "authorization",
        "proxy-authorization",
        "x-forwarded-authorization",
        "cookie",
        "cookie2",
        "x-api-key",
        "api-key",
        "apikey",
        "x-apikey",
        "x_api_key",
        "ocp-apim-subscription-key",
        "x-functions-key",
        "x-auth",
        "x-auth-token",
        "private-token",
        "x-vault-token",
        "x-amz-security-token",
        "x-csrf-token",
        "x-client-secret",
        "x-password",
        "x-session-id",
        "x-sid",
        "x-jwt-assertion",
        "x-hub-signature",
        "x-hub-signature-256",
        "x-credentials",
    ] {
        assert_eq!(
            send(&transport, with(secret, false)).await,
            REFUSED,
            "{secret}"
        );
    }
    assert_eq!(send(&transport, with("x-tenant", true)).await, REFUSED);
    assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 0);
    for harmless in [
        "x-tenant",
        "accept",
        "content-type",
        "traceparent",
        "x-request-id",
        "x-user-id",
        "x-authorities",
        "x-author",
        "x-keyboard",
        "idempotency-key",
        "if-none-match",
    ] {
        assert_eq!(
            send(&transport, with(harmless, false)).await,
            OK,
            "{harmless}"
        );
    }
}

#[tokio::test]
async fn no_setting_of_the_builder_is_too_large() {
    let (port, _) = server().await;
    let transport = HttpTransport::builder()
        .connect_timeout(Duration::MAX)
        .idle_timeout(Duration::MAX)
        .max_idle_per_host(usize::MAX)
        .build()
        .unwrap();
    for _ in 0..3 {
        let request = get(format!("http://127.0.0.1:{port}/"));
        assert_eq!(send(&transport, request).await, OK);
    }
}

#[tokio::test]
async fn the_dangerous_setting_lets_everything_leave() {
    let (port, _) = server().await;
    let transport = HttpTransport::builder().dangerous_plain_http(true);
    let transport = transport.build().unwrap();
    let mut request = get(format!("http://0.0.0.0:{port}/"));
    let value = "Bearer x".parse().unwrap();
    request.headers_mut().insert("authorization", value);
    assert_eq!(send(&transport, request).await, OK);
}

/// How many connections two further requests take, this long after the first one and after each other.
async fn connections_after(header: &'static str, idle_timeout: Duration, pause: Duration) -> usize {
    let (port, connections) = server_that_says(header).await;
    let transport = HttpTransport::builder()
        .idle_timeout(idle_timeout)
        .build()
        .unwrap();
    let request = || get(format!("http://127.0.0.1:{port}/"));
    assert_eq!(send(&transport, request()).await, OK);
    let before = connections.load(std::sync::atomic::Ordering::Relaxed);
    for _ in 0..2 {
        // The connection goes back to the pool in a task of its own.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        tokio::time::pause();
        tokio::time::advance(pause).await;
        tokio::time::resume();
        assert_eq!(send(&transport, request()).await, OK);
    }
    connections.load(std::sync::atomic::Ordering::Relaxed) - before
}

#[tokio::test]
async fn an_unused_connection_is_closed_before_the_server_does() {
    let (long, pause) = (Duration::from_secs(60), Duration::from_millis(4_500));
    assert_eq!(connections_after("", long, pause).await, 0);
    let announced = "Keep-Alive: timeout=5\r\n";
    // From the first response on nothing is kept that the server may be closing.
    assert_eq!(connections_after(announced, long, pause).await, 2);
    let longer = "Keep-Alive: timeout=20\r\n";
    assert_eq!(connections_after(longer, long, pause).await, 0);
}

#[tokio::test]
async fn by_default_a_connection_is_kept_for_less_than_five_seconds() {
    let pause = Duration::from_millis(4_500);
    assert_eq!(connections_after("", DEFAULT_IDLE_TIMEOUT, pause).await, 2);
}

/// The limit is hyper's own: another one costs every response memory. A version of hyper with another one shows here.
#[tokio::test]
async fn a_response_has_a_hundred_headers_and_one_with_more_is_refused_in_so_many_words() {
    // The server adds `content-length`.
    const LINES: &str = "a: b\r\n";
    let lines: &'static str = Box::leak(LINES.repeat(100).into_boxed_str());
    let transport = HttpTransport::new().unwrap();
    let ask = async |further: usize| {
        let (port, _) = server_that_says(&lines[..LINES.len() * further]).await;
        let request = get(format!("http://127.0.0.1:{port}/"));
        let response = transport.clone().call(request).await;
        response.map(|it| it.headers().len())
    };
    assert_eq!(ask(99).await, Ok(100));
    let error = ask(100).await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Protocol);
    assert!(!error.is_retryable());
    let text = error.to_string();
    assert!(
        text.ends_with("more than 100 headers, or 64 KiB of them"),
        "{text}"
    );
}

#[tokio::test]
async fn a_limit_without_end_is_no_panic() {
    let forever = Duration::MAX;
    assert_eq!(connections_after("", forever, Duration::ZERO).await, 0);
}

/// A process that is frozen takes connections and says nothing.
#[tokio::test]
async fn a_server_that_does_not_shake_hands_is_left_while_there_is_time_for_another() {
    for http2 in [Http2::Never, Http2::Auto] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("https://{}/", listener.local_addr().unwrap());
        let frozen = async {
            let (mut stream, _client) = listener.accept().await.unwrap();
            stream.read_u8().await.unwrap();
            // From here on nothing but a timer can happen.
            tokio::time::pause();
            std::future::pending::<()>().await;
        };
        let mut request = Request::get(uri).body(Body::empty()).unwrap();
        request.extensions_mut().insert(http2);
        let called = HttpTransport::new().unwrap().call(request);
        let limit = Duration::from_secs(60);
        let error = tokio::select! {
            called = tokio::time::timeout(limit, called) => called.expect("in time").unwrap_err(),
            () = frozen => unreachable!(),
        };
        tokio::time::resume();
        assert_eq!(
            error.kind(),
            TransportErrorKind::ConnectTimeout,
            "{http2:?}"
        );
        assert!(error.is_unsent());
        assert!(error.to_string().contains("TLS handshake"), "{error}");
    }
}
