//! Which connection a request goes over.

use super::*;

#[tokio::test]
async fn requests_one_after_the_other_share_a_connection_whatever_their_responses_look_like() {
    const RESPONSES: [(&str, &str); 7] = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", "abc"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ""),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            "abc",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n",
            "abc",
        ),
        (
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            "",
        ),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n", ""),
        (
            "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\na",
            "a",
        ),
    ];
    let server = Server::start(|_, mut peer| async move {
        for (response, _) in RESPONSES {
            peer.request().await.unwrap();
            peer.say(response).await;
        }
        peer.request().await.unwrap();
        // Of a length that is not that of the body, which is not there.
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n")
            .await;
        peer.request().await.unwrap();
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlast")
            .await;
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    for (response, body) in RESPONSES {
        let got = ask(&transport, server.get("/")).await.unwrap();
        assert_eq!(got.1, body, "{response}");
    }
    let mut head = server.get("/");
    *head.method_mut() = http::Method::HEAD;
    assert_eq!(ask(&transport, head).await, ok(""));
    assert_eq!(ask(&transport, server.post("body")).await, ok("last"));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_either_side_wants_to_end_is_not_used_again() {
    const ENDING: [&str; 4] = [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\na",
        "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\n\r\na",
        "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ];
    for response in ENDING {
        let server = Server::start(move |number, mut peer| async move {
            peer.request().await.unwrap();
            peer.say(if number == 0 {
                response
            } else {
                "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nb"
            })
            .await;
            if number > 0 {
                peer.until_closed().await;
            }
        })
        .await;
        let transport = HttpTransport::new().unwrap();
        assert_eq!(
            ask(&transport, server.get("/")).await,
            ok("a"),
            "{response}"
        );
        assert_eq!(
            ask(&transport, server.get("/")).await,
            ok("b"),
            "{response}"
        );
    }
    let server = Server::that_says("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na").await;
    let transport = HttpTransport::new().unwrap();
    for connections in [1, 2] {
        let mut last = server.get("/");
        last.headers_mut()
            .insert("connection", "close".parse().unwrap());
        assert_eq!(ask(&transport, last).await, ok("a"));
        assert_eq!(server.connections(), connections);
    }
}

#[tokio::test]
async fn the_server_is_named_in_the_header_and_not_in_the_first_line() {
    let heads = Log::default();
    let seen = Arc::clone(&heads);
    let server = Server::start(move |_, mut peer| {
        let seen = Arc::clone(&seen);
        async move {
            while let Some(head) = peer.request().await {
                seen.lock().unwrap().push(head);
                peer.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .await;
            }
        }
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    assert_eq!(ask(&transport, server.get("/a/b?c=d")).await, ok(""));
    let mut named = server.get("");
    named
        .headers_mut()
        .insert("host", "order-service".parse().unwrap());
    assert_eq!(ask(&transport, named).await, ok(""));
    let heads = heads.lock().unwrap();
    let host = format!("\r\nhost: 127.0.0.1:{}\r\n", server.port);
    assert!(
        heads[0].starts_with("get /a/b?c=d http/1.1\r\n"),
        "{}",
        heads[0]
    );
    assert!(heads[0].contains(&host), "{}", heads[0]);
    assert!(heads[1].starts_with("get / http/1.1\r\n"), "{}", heads[1]);
    assert!(
        heads[1].contains("\r\nhost: order-service\r\n"),
        "{}",
        heads[1]
    );
    assert_eq!(heads[1].matches("host: ").count(), 1);
}

#[test]
fn the_port_of_the_scheme_is_not_named() {
    let host = |scheme, server: &'static str| {
        let server = http::uri::Authority::from_static(server);
        let host = super::super::host(&scheme, &server).unwrap();
        host.to_str().unwrap().to_owned()
    };
    let (http, https) = (http::uri::Scheme::HTTP, http::uri::Scheme::HTTPS);
    assert_eq!(host(http.clone(), "a.example:80"), "a.example");
    assert_eq!(host(http, "a.example:443"), "a.example:443");
    assert_eq!(host(https.clone(), "a.example:443"), "a.example");
    assert_eq!(host(https.clone(), "user@a.example"), "a.example");
    assert_eq!(host(https, "[::1]:8443"), "[::1]:8443");
}

#[tokio::test]
async fn what_a_server_says_of_its_time_counts_for_the_connection_it_says_it_on() {
    let server =
        Server::that_says("HTTP/1.1 200 OK\r\nkeep-alive: timeout=5\r\ncontent-length: 0\r\n\r\n")
            .await;
    let idle = Duration::from_secs(60);
    let transport = HttpTransport::builder().idle_timeout(idle).build().unwrap();
    for (pause, connections) in [(0, 1), (3_500, 1), (4_500, 2), (3_500, 2)] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_millis(pause)).await;
        tokio::time::resume();
        assert_eq!(ask(&transport, server.get("/")).await, ok(""));
        assert_eq!(server.connections(), connections, "after {pause} ms");
    }
}

/// As a service under load has it: all its calls are answered in one burst, and all are made again after it.
#[tokio::test]
async fn a_burst_of_calls_closes_no_connection_that_the_next_one_needs() {
    const CALLERS: usize = 128;
    let all_there = Arc::new(tokio::sync::Barrier::new(CALLERS));
    let server = Server::start(move |_, mut peer| {
        let all_there = Arc::clone(&all_there);
        async move {
            while peer.request().await.is_some() {
                all_there.wait().await;
                peer.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .await;
            }
        }
    })
    .await;
    // Nothing is closed for having been unused for so long.
    let idle = Duration::from_secs(3_600);
    let transport = HttpTransport::builder().idle_timeout(idle).build().unwrap();
    for _ in 0..3 {
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..CALLERS {
            let (transport, request) = (transport.clone(), server.get("/"));
            callers.spawn(async move { ask(&transport, request).await });
        }
        while let Some(answer) = callers.join_next().await {
            assert_eq!(answer.unwrap(), ok(""));
        }
        assert_eq!(server.connections(), CALLERS);
    }
}

#[tokio::test]
async fn no_more_unused_connections_are_kept_than_was_set() {
    let all_there = Arc::new(tokio::sync::Barrier::new(5));
    let server = Server::start(move |_, mut peer| {
        let all_there = Arc::clone(&all_there);
        async move {
            while peer.request().await.is_some() {
                all_there.wait().await;
                peer.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .await;
            }
        }
    })
    .await;
    let transport = HttpTransport::builder()
        .max_idle_per_host(2)
        .build()
        .unwrap();
    for connections in [5, 8, 11] {
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..5 {
            let (transport, request) = (transport.clone(), server.get("/"));
            callers.spawn(async move { ask(&transport, request).await });
        }
        while let Some(answer) = callers.join_next().await {
            assert_eq!(answer.unwrap(), ok(""));
        }
        assert_eq!(server.connections(), connections);
    }
}

#[tokio::test]
async fn a_connection_that_becomes_something_else_does_so_when_it_was_asked_for() {
    const SWITCH: &str =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    let server = Server::start(|_, mut peer| async move {
        peer.request().await.unwrap();
        peer.say(SWITCH).await;
        peer.read_to("ping").await;
        peer.say("pong").await;
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    let mut upgrade = server.get("/");
    upgrade
        .headers_mut()
        .insert("connection", "upgrade".parse().unwrap());
    upgrade
        .headers_mut()
        .insert("upgrade", "echo".parse().unwrap());
    let response = call(&transport, upgrade).await.unwrap();
    assert_eq!(response.status(), 101);
    let upgraded = hyper::upgrade::on(response).await.unwrap();
    let mut upgraded = hyper_util::rt::TokioIo::new(upgraded);
    upgraded.write_all(b"ping").await.unwrap();
    let mut answer = [0; 4];
    upgraded.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"pong");
}

#[tokio::test]
async fn a_connection_that_becomes_something_else_unasked_serves_nobody_else() {
    let server = Server::start(|number, mut peer| async move {
        peer.request().await.unwrap();
        if number == 0 {
            peer.say(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
            )
            .await;
        } else {
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await;
        }
        peer.until_closed().await;
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    assert_eq!(ask(&transport, server.get("/")).await.unwrap().0, 101);
    assert_eq!(ask(&transport, server.get("/")).await, ok(""));
    assert_eq!(server.connections(), 2);
}
