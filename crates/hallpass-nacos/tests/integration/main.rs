//! Servers that are none. Beside a real one: `crates/hallpass-testkit/tests/spring/nacos`.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly too")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::SystemClock;
use hallpass_nacos::{
    DiscoverySettings, DocumentSettings, NacosConfiguration, NacosDiscovery, NacosError,
    NacosParts, NacosSettings,
};
use hallpass_upstream::{Discover as _, DiscoverError};

/// Listens where gRPC is expected, and does this with each connection.
fn server(answer: &'static [u8]) -> NacosParts {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _gone = stream.write_all(answer);
            let _some = stream.read(&mut [0; 64]);
            open.push(stream);
        }
    });
    let mut settings = NacosSettings::new([format!("127.0.0.1:{port}").parse().unwrap()]);
    settings.grpc_port_offset = 0;
    settings.timeout = Duration::from_millis(300);
    settings.config.documents = vec![DocumentSettings::new("a.yaml")];
    NacosParts::new(settings, None, Arc::new(SystemClock::new()))
}

#[tokio::test]
async fn who_says_nothing_or_something_else_is_an_outage_and_not_waited_for_long() {
    let answers: [&[u8]; 4] = [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        // Settings of HTTP/2, and then silence.
        b"\0\0\0\x04\0\0\0\0\0",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    for answer in answers {
        let parts = server(answer);
        let began = tokio::time::Instant::now();
        let started = NacosConfiguration::start(&parts).await;
        assert!(
            matches!(started, Err(NacosError::NoSnapshot { .. })),
            "{started:?}"
        );
        let discovery = NacosDiscovery::start(&parts, &DiscoverySettings::default()).unwrap();
        let found = discovery.instances("a").await;
        assert!(
            matches!(found, Err(DiscoverError::Unavailable { .. })),
            "{found:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(10));
        // From now on nobody waits at all.
        let began = tokio::time::Instant::now();
        assert!(discovery.instances("b").await.is_err());
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}
