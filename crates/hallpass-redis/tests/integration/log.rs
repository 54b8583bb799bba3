//! What the log says of an outage: what is wrong, once.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;
use std::time::Duration;

use hallpass_client::InternalTokenCache;
use hallpass_config::Secret;
use hallpass_redis::{RedisSettings, RedisTokenCache};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tracing::Metadata;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::DynFilterFn;
use tracing_subscriber::layer::SubscriberExt;

use crate::servers::{RedisServer, beside_others, free_port};
use crate::tiers::{at, key, lazy, sealed, tier, until, works};

const MINUTE: Duration = Duration::from_secs(60);

thread_local! {
    /// What this test's thread has logged, while somebody wants to know. The tests here have one thread each.
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Everything from `info` up that this thread logs from now on.
fn capture() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let wanted = |it: &Metadata<'_>, _: &tracing_subscriber::layer::Context<'_, _>| {
            *it.level() <= tracing::Level::INFO && LINES.with_borrow(Option::is_some)
        };
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(|| ThreadLines)
            .with_filter(DynFilterFn::new(wanted));
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines))
            .unwrap();
    });
    LINES.set(Some(Vec::new()));
}

/// The lines that have this in them.
fn logged(what: &str) -> Vec<String> {
    let text = String::from_utf8(LINES.with_borrow(Clone::clone).unwrap()).unwrap();
    let lines = text.lines().filter(|line| line.contains(what));
    lines.map(str::to_owned).collect()
}

struct ThreadLines;

impl Write for ThreadLines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.as_mut().map(|lines| lines.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn put(tier: &RedisTokenCache) -> bool {
    tier.put_token(&key("a"), &sealed("entry"), MINUTE)
        .await
        .is_ok()
}

#[tokio::test]
async fn a_server_that_greets_and_goes_away_again_and_again_is_told_once() {
    capture();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tier = lazy(&at(listener.local_addr().unwrap().port()));
    for _ in 0..8 {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _hello = stream.read(&mut [0; 1024]).await;
        let _sent = stream.write_all(b"%1\r\n+proto\r\n:3\r\n").await;
        tokio::task::yield_now().await;
    }
    assert!(logged("is lost").len() <= 1 && logged("connected to").len() <= 1);
    assert!(logged("").len() <= 3, "{:?}", logged(""));
    drop(tier);
}

#[tokio::test]
async fn a_password_that_has_changed_while_the_server_was_away_is_told_as_that() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    capture();
    let mut server = RedisServer::start(&["--requirepass", "old"]).await;
    let mut settings = at(server.port);
    settings.login.password = Some(Secret::from("old"));
    let tier = tier(&settings).await;
    server.kill();
    until("it is noticed", async || {
        !logged("cannot be reached").is_empty()
    })
    .await;
    let _server = RedisServer::start_at(server.port, &["--requirepass", "new"]).await;
    until("it is told", async || !logged("WRONGPASS").is_empty()).await;
    let line = &logged("WRONGPASS")[0];
    assert!(
        line.contains("ERROR") && line.contains("`password`"),
        "{line}"
    );
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(logged("").len(), 4, "{:?}", logged(""));
    assert!(!put(&tier).await);
}

#[tokio::test]
async fn a_server_that_is_full_is_told_once_and_read_all_the_same() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let tier = tier(&at(server.port)).await;
    assert!(works(&tier, &key("a")).await);
    capture();
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    for _ in 0..50 {
        assert!(!put(&tier).await);
    }
    assert_eq!(logged("OOM").len(), 1);
    assert_eq!(tier.get_token(&key("a")).await, Ok(Some(sealed("entry"))));
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert!(put(&tier).await);
    assert_eq!(logged("").len(), 1, "{:?}", logged(""));
}

#[tokio::test]
async fn a_single_server_that_only_reads_is_told_once_and_used_when_it_writes_again() {
    let Some(_turn) = beside_others().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let tier = tier(&at(server.port)).await;
    capture();
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    for _ in 0..30 {
        assert!(!put(&tier).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(logged("READONLY").len(), 1);
    // Lost, and connected again: it is asked anew whether it writes.
    assert!(logged("").len() <= 3, "{:?}", logged(""));
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    let took = until("it writes", async || put(&tier).await).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn a_password_file_that_cannot_be_read_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let mut settings: RedisSettings = at(free_port());
    settings.login.password = Some(Secret::from("first"));
    settings.login.password_file = Some(file);
    capture();
    let _tier = lazy(&settings);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(logged("cannot be read again").len(), 1);
    assert_eq!(logged("").len(), 2, "{:?}", logged(""));
}
