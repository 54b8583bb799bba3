//! Somebody in the place of the server, who says what he likes.

use std::time::Duration;

use hallpass_clock::SystemClock;
use hallpass_nacos::{DocumentSettings, NacosConfiguration, NacosError, NacosParts};

use crate::server::Server;

fn one_document(server: &Server) -> NacosParts {
    let mut settings = server.settings();
    settings.config.documents = vec![DocumentSettings::new("a.yaml")];
    NacosParts::new(settings, None, std::sync::Arc::new(SystemClock::new()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_without_end_are_looked_at_with_longer_and_longer_pauses() {
    let server = Server::start(|kind| {
        let changed = r#"{"resultCode":200,"content":"a: 1","changedConfigs":[{}]}"#;
        kind.starts_with("Config").then(|| changed.to_owned())
    })
    .await;
    let _configuration = NacosConfiguration::start(&one_document(&server))
        .await
        .unwrap();
    let flood = async {
        loop {
            server.push("ConfigChangeNotifyRequest", r#"{"requestId":"1"}"#);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let _over = tokio::time::timeout(Duration::from_secs(3), flood).await;
    // After 0.1, 0.2, 0.4, 0.8 and 1.6 seconds, and those of the start.
    let looks = server.asked("ConfigBatchListenRequest");
    assert!((4..=8).contains(&looks), "{looks}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_says_of_an_error_is_one_short_line() {
    for code in [400, 403, 500] {
        let server = Server::start(move |kind| {
            let text = "no\\n2026-01-01 ERROR forged ".repeat(10_000);
            let refused = format!(r#"{{"resultCode":500,"errorCode":{code},"message":"{text}"}}"#);
            (kind == "ConfigQueryRequest").then_some(refused)
        })
        .await;
        let error: NacosError = NacosConfiguration::start(&one_document(&server))
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(text.chars().count() < 400 && !text.contains('\n'), "{text}");
    }
}
