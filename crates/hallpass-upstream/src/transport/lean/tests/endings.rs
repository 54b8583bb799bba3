//! Connections that end before, during and after an exchange, and servers that say what nobody asked for.

use hyper::client::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use tokio::io::duplex;

use super::super::keeper::Bell;
use super::super::link::{Answer, Link};
use super::*;

const FORGED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
const OWN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nown";

/// Nothing is closed for having been unused so long.
const LONG: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn what_is_said_on_an_unused_connection_is_nobodys_response() {
    let (unused, closed) = (Signal::default(), Signal::default());
    let (going_on, closing) = (unused.clone(), closed.clone());
    let server = Server::start(move |_, mut peer| {
        let (going_on, closing) = (going_on.clone(), closing.clone());
        async move {
            peer.request().await.unwrap();
            peer.say(OWN).await;
            going_on.wait().await;
            peer.say(FORGED).await;
            // It is closed for it.
            peer.until_closed().await;
            closing.give();
        }
    })
    .await;
    let transport = HttpTransport::builder().idle_timeout(LONG);
    let transport = transport.build().unwrap();
    for connections in 1..=3 {
        assert_eq!(ask(&transport, server.get("/")).await, ok("own"));
        assert_eq!(server.connections(), connections);
        unused.give();
        closed.wait().await;
    }
}

#[tokio::test]
async fn what_comes_in_one_piece_with_a_response_is_not_the_next_one() {
    let server = Server::start(|_, mut peer| async move {
        peer.request().await.unwrap();
        peer.say(&format!("{OWN}{FORGED}")).await;
        peer.until_closed().await;
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    for connections in 1..=3 {
        assert_eq!(ask(&transport, server.get("/")).await, ok("own"));
        assert_eq!(server.connections(), connections);
    }
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_is_given_up_soon_and_takes_no_request() {
    let (unused, closed) = (Signal::default(), Signal::default());
    let (going_on, closing) = (unused.clone(), closed.clone());
    let server = Server::start(move |_, mut peer| {
        let (going_on, closing) = (going_on.clone(), closing.clone());
        async move {
            peer.request().await.unwrap();
            peer.say(OWN).await;
            going_on.wait().await;
            peer.stream.shutdown().await.unwrap();
            peer.until_closed().await;
            closing.give();
        }
    })
    .await;
    let transport = HttpTransport::builder().idle_timeout(LONG);
    let transport = transport.build().unwrap();
    for connections in 1..=3 {
        assert_eq!(ask(&transport, server.post("once")).await, ok("own"));
        assert_eq!(server.connections(), connections);
        unused.give();
        closed.wait().await;
    }
}

/// A connection to the other end of a pipe that has answered one request.
async fn used(bell: &Arc<Bell>) -> (Link, tokio::io::DuplexStream) {
    let (here, mut there) = duplex(4096);
    let mut link = Link::over(TokioIo::new(here), &Builder::new(), bell)
        .await
        .unwrap();
    link.ask(Request::get("/").body(Body::empty()).unwrap());
    let served = async {
        let mut request = [0; 4096];
        assert!(there.read(&mut request).await.unwrap() > 0);
        there.write_all(OWN.as_bytes()).await.unwrap();
    };
    let answer = std::future::poll_fn(|context| link.poll_answer(context));
    let (answer, ()) = tokio::join!(answer, served);
    assert!(matches!(answer, Answer::Response(_)), "{answer:?}");
    assert!(link.is_idle());
    (link, there)
}

#[tokio::test]
async fn a_request_that_meets_a_closed_connection_comes_back_whole() {
    for says in ["", FORGED] {
        let (mut link, mut there) = used(&Arc::default()).await;
        there.write_all(says.as_bytes()).await.unwrap();
        drop(there);
        link.ask(Request::post("/path").body(Body::from("body")).unwrap());
        let answer = std::future::poll_fn(|context| link.poll_answer(context)).await;
        let Answer::Unsent(request, _) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(request.uri().path(), "/path");
        assert_eq!(request.into_body().into_bytes().unwrap(), "body");
        assert!(!link.is_idle());
    }
}

#[tokio::test]
async fn a_connection_that_ends_between_the_last_look_and_its_rest_is_not_kept() {
    let (mut open, _there) = used(&Arc::default()).await;
    assert!(open.rest().is_pending());
    let (mut closed, there) = used(&Arc::default()).await;
    drop(there);
    assert!(closed.is_idle(), "nobody has looked");
    assert!(closed.rest().is_ready());
}

#[tokio::test]
async fn a_request_that_meets_a_closed_connection_goes_over_the_next_one() {
    let server = Server::that_says(OWN).await;
    let transport = HttpTransport::new().unwrap();
    let now = tokio::time::Instant::now();
    let pools = transport.pools.current(now);
    let lean = pools.fitting(false).lean();
    let call = lean.call(server.post("once"), now).unwrap();
    for _ in 0..3 {
        let (link, there) = used(&Arc::default()).await;
        call.pool.check_in(link);
        assert!(!call.pool.is_unused());
        drop(there);
    }
    // Nobody has had the time to see that they are closed.
    let response = call.await.unwrap();
    assert_eq!(response.into_body().collect_within(3).await.unwrap(), "own");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_request_that_may_have_been_seen_is_not_sent_again() {
    let server = Server::start(|number, mut peer| async move {
        peer.request().await.unwrap();
        if number > 0 {
            peer.say(OWN).await;
            return;
        }
        peer.say(OWN).await;
        // The second one is read, and there is no answer.
        peer.request().await.unwrap();
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    assert_eq!(ask(&transport, server.get("/")).await, ok("own"));
    let error = call(&transport, server.get("/")).await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Broken);
    assert!(!error.is_unsent());
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn who_gives_up_ends_his_connection_and_nobody_gets_his_response() {
    let (asked, closed) = (Signal::default(), Signal::default());
    let (asking, closing) = (asked.clone(), closed.clone());
    let server = Server::start(move |number, mut peer| {
        let (asking, closing) = (asking.clone(), closing.clone());
        async move {
            peer.request().await.unwrap();
            if number % 2 == 1 {
                return peer.say(OWN).await;
            }
            asking.give();
            peer.until_closed().await;
            closing.give();
            peer.say(FORGED).await;
        }
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    for _ in 0..3 {
        let mut given_up = transport.clone().call(server.get("/"));
        tokio::select! {
            _ = &mut given_up => panic!("there is no response"),
            () = asked.wait() => {}
        }
        drop(given_up);
        closed.wait().await;
        assert_eq!(ask(&transport, server.get("/")).await, ok("own"));
    }
}

#[tokio::test]
async fn a_response_that_is_not_read_to_its_end_ends_its_connection() {
    let closed = Signal::default();
    let closing = closed.clone();
    let server = Server::start(move |number, mut peer| {
        let closing = closing.clone();
        async move {
            peer.request().await.unwrap();
            if number > 0 {
                return peer.say(OWN).await;
            }
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbegin")
                .await;
            peer.until_closed().await;
            closing.give();
        }
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    let response = call(&transport, server.get("/")).await.unwrap();
    let mut body = response.into_body();
    let first = http_body_util::BodyExt::frame(&mut body)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.into_data().unwrap(), "begin");
    drop(body);
    closed.wait().await;
    assert_eq!(ask(&transport, server.get("/")).await, ok("own"));
}

#[tokio::test]
async fn a_response_that_nobody_reads_ends_no_connection_when_it_is_there_already() {
    let server = Server::that_says(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    )
    .await;
    let transport = HttpTransport::new().unwrap();
    for _ in 0..3 {
        drop(call(&transport, server.get("/")).await.unwrap());
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_response_that_breaks_off_is_an_error_to_who_reads_it() {
    for begun in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nbegin",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegin\r\n",
    ] {
        let server = Server::start(move |_, mut peer| async move {
            peer.request().await.unwrap();
            peer.say(begun).await;
        })
        .await;
        let transport = HttpTransport::new().unwrap();
        let response = call(&transport, server.get("/")).await.unwrap();
        let error = response.into_body().collect_within(100).await.unwrap_err();
        assert!(
            matches!(error, crate::body::CollectError::Broken(_)),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_ends_the_connection() {
    let server = Server::start(|_, mut peer| async move {
        peer.request().await.unwrap();
        peer.say("SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
        peer.until_closed().await;
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    for connections in 1..=2 {
        let error = call(&transport, server.get("/")).await.unwrap_err();
        assert_eq!(error.kind(), TransportErrorKind::Protocol);
        assert_eq!(server.connections(), connections);
    }
}

#[tokio::test]
async fn an_unused_connection_is_closed_without_anybody_calling() {
    let closed = Signal::default();
    let closing = closed.clone();
    let server = Server::start(move |_, mut peer| {
        let closing = closing.clone();
        async move {
            peer.request().await.unwrap();
            peer.say(OWN).await;
            peer.until_closed().await;
            closing.give();
        }
    })
    .await;
    let idle = Duration::from_millis(50);
    let transport = HttpTransport::builder().idle_timeout(idle).build().unwrap();
    assert_eq!(ask(&transport, server.get("/")).await, ok("own"));
    closed.wait().await;
}

#[tokio::test]
async fn nobody_looks_after_the_connections_of_a_transport_that_is_gone() {
    let closed = Signal::default();
    let closing = closed.clone();
    let server = Server::start(move |_, mut peer| {
        let closing = closing.clone();
        async move {
            peer.request().await.unwrap();
            peer.say(OWN).await;
            peer.until_closed().await;
            closing.give();
        }
    })
    .await;
    let idle = Duration::from_secs(3_600);
    let transport = HttpTransport::builder().idle_timeout(idle).build().unwrap();
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    assert_eq!(ask(&transport, server.get("/")).await, ok("own"));
    // The task of the server's end, and the one that looks after ours.
    assert_eq!(tasks(), before + 2);
    drop(transport);
    closed.wait().await;
    while tasks() > before {
        tokio::task::yield_now().await;
    }
}
