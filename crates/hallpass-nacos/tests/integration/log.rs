//! What the log says of an outage: what is wrong, once.

use std::cell::RefCell;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use hallpass_clock::SystemClock;
use hallpass_config::Secret;
use hallpass_nacos::{
    Credential, DiscoverySettings, NacosDiscovery, NacosDocuments, NacosParts, NacosSettings,
    OwnInstance, RegisterSettings,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tracing::Metadata;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::DynFilterFn;
use tracing_subscriber::layer::SubscriberExt;

use crate::server::{Server, until};

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

#[tokio::test]
async fn a_server_that_takes_connections_and_ends_them_is_told_once_and_left_longer_each_time() {
    capture();
    let server = Server::start(|_| None).await;
    let documents = NacosDocuments::connect(&server.parts()).unwrap();
    let ending = async {
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            server.hang_up();
        }
    };
    let _over = tokio::time::timeout(Duration::from_secs(5), ending).await;
    let accepted = server.accepted.load(Ordering::SeqCst);
    assert!((3..=12).contains(&accepted), "{accepted}");
    assert!(logged("").len() <= 3, "{:?}", logged(""));
    drop(documents);
}

#[tokio::test]
async fn a_password_that_is_refused_after_an_outage_is_told_as_that() {
    capture();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut settings = NacosSettings::new([format!("127.0.0.1:{port}").parse().unwrap()]);
    settings.credential = Credential::Password {
        username: "nacos".to_owned(),
        password: Secret::from("InternalSecret123!"),
    };
    let parts = NacosParts::new(settings, None, Arc::new(SystemClock::new()));
    let _documents = NacosDocuments::connect(&parts).unwrap();
    until("the outage is told", async || {
        !logged("cannot be reached").is_empty()
    })
    .await;
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _request = stream.read(&mut [0; 4096]).await;
            let no = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _sent = stream.write_all(no).await;
        }
    });
    until("it is told", async || {
        !logged("does not let us in").is_empty()
    })
    .await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(
        logged("ERROR").len() == 1 && logged("").len() == 2,
        "{:?}",
        logged("")
    );
}

#[tokio::test]
async fn a_registration_that_is_refused_again_and_again_is_told_once() {
    capture();
    let is_refused = Arc::new(AtomicBool::new(false));
    let refused = Arc::clone(&is_refused);
    let server = Server::start(move |kind| {
        let no = r#"{"resultCode":500,"errorCode":403,"message":"no right"}"#;
        let is_refused = kind == "InstanceRequest" && refused.load(Ordering::SeqCst);
        is_refused.then(|| no.to_owned())
    })
    .await;
    let quick = DiscoverySettings {
        pull: Duration::from_millis(100),
        ..DiscoverySettings::default()
    };
    let discovery = NacosDiscovery::start(&server.parts(), &quick).unwrap();
    let own = OwnInstance::new("own", 8080);
    let _registration = discovery
        .register(&own, &RegisterSettings::default())
        .await
        .unwrap();
    is_refused.store(true, Ordering::SeqCst);
    until("it was refused often", async || {
        server.asked("InstanceRequest") > 10
    })
    .await;
    assert_eq!(logged("could not be registered").len(), 1);
}
