//! Token requests that are made each time, and once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hallpass_client::{Credential, TokenAsker, TokenError};
use hallpass_config::Secret;
use hallpass_token::Scope;
use hallpass_upstream::{Network, StaticDiscovery};
use tokio::net::TcpListener;

use crate::loopback::TokenServer;

const LIMIT: Duration = Duration::from_secs(10);

fn asker(endpoint: &str, discovery: StaticDiscovery) -> TokenAsker {
    let network = Network::system(Arc::new(discovery)).unwrap();
    let id = "order-service".parse().unwrap();
    let credential = Credential::new(id, Secret::from("a secret"), endpoint.parse().unwrap());
    TokenAsker::new(credential, &network, LIMIT)
}

#[tokio::test]
async fn each_question_is_a_request_of_its_own_however_many_there_are_at_once() {
    let server = TokenServer::start().await;
    let endpoint = format!("http://{}/oauth2/token", server.address);
    let asker = asker(&endpoint, StaticDiscovery::new());
    let (audience, scope) = ("service-system".parse().unwrap(), Scope::empty());
    for round in 1..=2 {
        let one = || asker.ask(&audience, &scope);
        let (first, second, third) = tokio::join!(one(), one(), one());
        assert_eq!((first, second, third), (Ok(()), Ok(()), Ok(())));
        assert_eq!(server.requests(), 3 * round);
    }
}

/// Takes connections, closes each, and counts them.
async fn serve_nobody() -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let counted = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&counted);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    (address, counted)
}

#[tokio::test]
async fn nothing_is_attempted_twice_and_nothing_is_held_back() {
    let (address, counted) = serve_nobody().await;
    let instances = [address; 2].map(|address| address.try_into().unwrap());
    let known = || StaticDiscovery::new().with("service-auth", instances.clone());
    let (audience, scope) = ("service-system".parse().unwrap(), Scope::empty());
    let direct = format!("http://{address}/oauth2/token");
    let mut asked = 0;
    for endpoint in [&*direct, "lb://service-auth/oauth2/token"] {
        let asker = asker(endpoint, known());
        for _ in 0..3 {
            asked += 1;
            let error = asker.ask(&audience, &scope).await.unwrap_err();
            assert!(matches!(error, TokenError::Unreachable(_)), "{error:?}");
            assert_eq!(counted.load(Ordering::SeqCst), asked, "{endpoint}");
        }
    }
}
