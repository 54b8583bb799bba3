//! Many callers at once.

use hallpass_tls::{ClientAuth, ServerTls, ServerTlsSettings, TestAuthority, TlsMetrics};
use tokio_rustls::TlsAcceptor;

use super::*;

/// Two callers: the handshake of the second one never ends, and the connection of the first one comes back.
#[tokio::test]
async fn who_waits_for_a_connection_takes_one_that_comes_back() {
    let authority = TestAuthority::new("Test CA");
    let folder = tempfile::tempdir().unwrap();
    let settings = ServerTlsSettings {
        key_pair: authority
            .certificate(&["127.0.0.1"])
            .write(folder.path(), "server"),
        client_auth: ClientAuth::None,
    };
    let clock = Arc::new(hallpass_clock::SystemClock::new());
    let tls = ServerTls::load(&settings, clock, &TlsMetrics::default()).unwrap();
    let acceptor = TlsAcceptor::from(tls.config());
    let (second_came, first_may_end) = (Signal::default(), Signal::default());
    let (coming, ending) = (second_came.clone(), first_may_end.clone());
    let server = Server::start(move |number, peer| {
        let (acceptor, coming, ending) = (acceptor.clone(), coming.clone(), ending.clone());
        async move {
            if number > 0 {
                coming.give();
                return std::future::pending().await;
            }
            let mut stream = acceptor.accept(peer.stream).await.unwrap();
            let mut request = [0; 4096];
            while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                ending.wait().await;
                let response = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nown";
                stream.write_all(response).await.unwrap();
            }
        }
    })
    .await;
    let transport = HttpTransport::builder();
    let transport = transport
        .trust_only_pem(authority.pem().as_bytes())
        .unwrap();
    let transport = transport.build().unwrap();
    let get = || {
        let uri = server.uri("/").replace("http:", "https:");
        Request::get(uri).body(Body::empty()).unwrap()
    };
    let ask_in_background = |request| {
        let transport = transport.clone();
        tokio::spawn(async move { ask(&transport, request).await })
    };
    let first = ask_in_background(get());
    while server.connections() == 0 {
        tokio::task::yield_now().await;
    }
    let second = ask_in_background(get());
    second_came.wait().await;
    first_may_end.give();
    assert_eq!(first.await.unwrap(), ok("own"));
    first_may_end.give();
    assert_eq!(second.await.unwrap(), ok("own"));
    assert_eq!(server.connections(), 2);
}

/// Answers with the path of the request: whole, in pieces, with more behind it, half of it, or not at all. The turn says how.
async fn answer(peer: &mut Peer, turn: usize, path: &str) -> bool {
    let length = path.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    match turn % 11 {
        3 => return false,
        5 => peer.say(&format!("{head}/")).await,
        7 => peer.say(&format!("{head}{path}")).await,
        9 => {
            let forged = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
            peer.say(&format!("{head}{path}{forged}")).await;
            peer.until_closed().await;
        }
        turn => {
            let (first, rest) = path.split_at(turn.min(length));
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            let chunk = |part: &str| match part.len() {
                0 => String::new(),
                length => format!("{length:x}\r\n{part}\r\n"),
            };
            peer.say(&format!("{head}{}", chunk(first))).await;
            tokio::task::yield_now().await;
            peer.say(&format!("{}0\r\n\r\n", chunk(rest))).await;
        }
    }
    !matches!(turn % 11, 5 | 7 | 9)
}

/// The server closes after some responses, within some, before some, and says too much after others; each caller gets his own answer or an
/// error.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_gets_what_was_meant_for_another_however_connections_end() {
    let server = Server::start(|number, mut peer| async move {
        for turn in number.. {
            let Some(head) = peer.request().await else {
                return;
            };
            let path = head.split(' ').nth(1).unwrap();
            if !answer(&mut peer, turn, path).await {
                return;
            }
        }
    })
    .await;
    let server = Arc::new(server);
    let transport = HttpTransport::builder().max_idle_per_host(8);
    let transport = transport.build().unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..64 {
        let (server, transport) = (Arc::clone(&server), transport.clone());
        callers.spawn(async move {
            let mut answered = 0;
            for turn in 0..50 {
                let path = format!("/{caller}/{turn}");
                // Some are not read.
                if let Ok(response) = call(&transport, server.get(&path)).await
                    && turn % 10 != 9
                    && let Ok(body) = response.into_body().collect_within(100).await
                {
                    assert_eq!(body, path);
                    answered += 1;
                }
            }
            answered
        });
    }
    let mut answered = 0;
    while let Some(caller) = callers.join_next().await {
        answered += caller.unwrap();
    }
    assert!(answered > 64 * 50 / 2, "{answered}");
}

#[tokio::test]
async fn a_request_takes_few_allocations_on_a_connection_that_is_there() {
    let server = Server::that_says("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nown").await;
    let transport = HttpTransport::new().unwrap();
    for _ in 0..100 {
        assert_eq!(ask(&transport, server.get("/")).await, ok("own"));
    }
    let mut request = server.get("/");
    let accept = http::HeaderValue::from_static("application/json");
    request.headers_mut().insert("accept", accept);
    let (mut request, mut call) = (Some(request), None);
    // What is written is read by the server in another poll, whose memory does not count here.
    let sent = allocation_counter::measure(|| {
        let call = call.insert(transport.clone().call(request.take().unwrap()));
        let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
        assert!(std::pin::Pin::new(call).poll(context).is_pending());
    });
    // Where hyper puts the response.
    assert_eq!(sent.count_total, 1, "{sent:?}");
    assert_eq!(call.unwrap().await.unwrap().status(), 200);
}
