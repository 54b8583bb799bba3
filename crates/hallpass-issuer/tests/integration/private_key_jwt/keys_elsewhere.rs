//! Keys behind a URL or in a file.

use super::*;

/// A server that gives a key set while it is up, and counts how often.
struct KeyServer {
    url: String,
    keys: Arc<std::sync::Mutex<String>>,
    is_up: Arc<AtomicBool>,
    fetched: Arc<AtomicUsize>,
}

impl KeyServer {
    async fn start(signer: &AssertionSigner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}/jwks", listener.local_addr().unwrap()),
            keys: Arc::default(),
            is_up: Arc::new(AtomicBool::new(true)),
            fetched: Arc::default(),
        };
        server.serve(signer);
        let (keys, is_up) = (Arc::clone(&server.keys), Arc::clone(&server.is_up));
        let fetched = Arc::clone(&server.fetched);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                fetched.fetch_add(1, Ordering::Relaxed);
                if !is_up.load(Ordering::Relaxed) {
                    continue;
                }
                let mut buffer = [0; 4_096];
                let _ = stream.read(&mut buffer).await;
                let body = keys.lock().unwrap().clone();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        server
    }

    fn serve(&self, signer: &AssertionSigner) {
        let keys = JwkSet::new([signer.public_jwk()]);
        *self.keys.lock().unwrap() = keys.to_json().to_string();
    }

    fn place(&self) -> ClientKeys {
        ClientKeys::Url(self.url.parse().unwrap())
    }
}

#[tokio::test]
async fn keys_behind_a_url_are_fetched_once_and_again_when_the_client_has_another_one() {
    let (key, next) = (signer(), signer());
    let server = KeyServer::start(&key).await;
    let place = server.place();
    let harness = Harness::with(|it| it.clients.push(signing("k", place))).await;
    for _ in 0..3 {
        assert_eq!(ask(&harness, &assertion(&key, NOW)).await.status, 200);
    }
    assert_eq!(server.fetched.load(Ordering::Relaxed), 1);
    server.serve(&next);
    assert_eq!(ask(&harness, &assertion(&next, NOW)).await.status, 200);
    assert_eq!(
        ask(&harness, &assertion(&key, NOW)).await.status,
        401,
        "it has gone"
    );
    let before = server.fetched.load(Ordering::Relaxed);
    // A reload does not forget them.
    harness.issuer.apply(&harness.settings).await.unwrap();
    assert_eq!(ask(&harness, &assertion(&next, NOW)).await.status, 200);
    // Nobody's assertions make the issuer fetch without end.
    for _ in 0..50 {
        ask(&harness, &assertion(&signer(), NOW)).await;
    }
    let fetched = server.fetched.load(Ordering::Relaxed) - before;
    assert!(fetched <= 5, "{fetched}");
}

#[tokio::test]
async fn while_the_keys_of_a_client_cannot_be_had_it_is_told_to_come_back_and_no_other_is() {
    let (key, other) = (signer(), signer());
    let server = KeyServer::start(&key).await;
    server.is_up.store(false, Ordering::Relaxed);
    let clients = [
        signing("k", server.place()),
        signing("other", inline(&[&other])),
    ];
    let harness = Harness::with(|it| it.clients.extend(clients)).await;
    let refused = ask(&harness, &assertion(&key, NOW)).await;
    assert_eq!(refused.refusal(), (503, "temporarily_unavailable".into()));
    assert!(refused.header("retry-after").is_some());
    let now = UnixTime::from_secs(NOW);
    let made = other.sign(
        &"other".parse().unwrap(),
        ISSUER,
        now,
        Duration::from_secs(60),
    );
    assert_eq!(ask(&harness, made.unwrap().expose()).await.status, 200);
    assert_eq!(harness.ask(GRANT).await.status, 200);
    server.is_up.store(true, Ordering::Relaxed);
    harness.clock.advance(Duration::from_secs(20));
    assert_eq!(ask(&harness, &assertion(&key, NOW + 20)).await.status, 200);
    // Once they are there, an outage is no outage for a long time.
    server.is_up.store(false, Ordering::Relaxed);
    harness.clock.advance(Duration::from_secs(3_600));
    assert_eq!(
        ask(&harness, &assertion(&key, NOW + 3_620)).await.status,
        200
    );
}

#[tokio::test]
async fn keys_in_a_file_are_followed() {
    let (key, next) = (signer(), signer());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let write = |signer: &AssertionSigner| {
        let keys = JwkSet::new([signer.public_jwk()]).to_json();
        std::fs::write(&path, keys.to_string()).unwrap();
    };
    write(&key);
    let place = ClientKeys::File(path.clone());
    let harness = Harness::with(|it| it.clients.push(signing("k", place))).await;
    assert_eq!(ask(&harness, &assertion(&key, NOW)).await.status, 200);
    write(&next);
    harness.clock.advance(Duration::from_secs(11));
    assert_eq!(ask(&harness, &assertion(&next, NOW + 11)).await.status, 200);
    assert_eq!(ask(&harness, &assertion(&key, NOW + 11)).await.status, 401);
}
