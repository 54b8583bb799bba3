//! The route of a request is chosen once (CVE-2024-45809): what changes while the request waits is for those that come later.

use std::net::SocketAddr;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::token::UnixTime;
use hallpass_testkit::TestIssuer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::case::{request, with_token};
use crate::forge::Forge;
use crate::gateway::Gateway;
use crate::raw_upstream::{Raw, RawUpstream};
use crate::rig::security;
use crate::smuggling::in_pieces;

const LIMIT: Duration = Duration::from_secs(60);
/// So many answers later a request that was sent before them has been read.
const ANSWERS: usize = 20;

/// Lets connections through to the issuer from when it is told to.
struct Gate {
    address: SocketAddr,
    is_open: watch::Sender<bool>,
}

impl Gate {
    async fn start(issuer: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_open, opens) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((mut stream, _gateway)) = listener.accept().await {
                let mut opens = opens.clone();
                tokio::spawn(async move {
                    drop(opens.wait_for(|is_open| *is_open).await);
                    let mut issuer = TcpStream::connect(issuer).await.unwrap();
                    let _ended = copy_bidirectional(&mut stream, &mut issuer).await;
                });
            }
        });
        Self { address, is_open }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_choice_of_a_route_is_never_made_again_after_a_wait() {
    let forge = Forge::new(UnixTime::from(SystemClock::new().now()).as_secs());
    let issuer = TestIssuer::start().await.unwrap();
    issuer.import_key(&forge.pem()).await.unwrap();
    let gate = Gate::start(issuer.address()).await;
    let (first, second) = (RawUpstream::start().await, RawUpstream::start().await);
    let gateway = Gateway::start(&security(gate.address), first.address()).await;
    let address = gateway.address();

    // It waits for keys, which the issuer does not give yet.
    let text = with_token("GET /orders/7", &forge.good());
    let waiting = tokio::spawn(async move { in_pieces(address, &text, text.len()).await });
    let open = request("GET /open", "");
    for _ in 0..ANSWERS {
        let answer = in_pieces(address, &open, open.len()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert!(!waiting.is_finished());
    gateway.goes_to(second.address());
    let changed = async {
        while second.count() == 0 {
            in_pieces(address, &open, open.len()).await;
        }
    };
    timeout(LIMIT, changed).await.unwrap();
    gate.is_open.send_replace(true);

    let answer = timeout(LIMIT, waiting).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let orders = |upstream: &RawUpstream| {
        let seen = upstream.take();
        let lines = seen.iter().map(Raw::line);
        lines.filter(|line| line.contains("/orders/7")).count()
    };
    assert_eq!((orders(&first), orders(&second)), (1, 0));
}
