//! Single documents: compared with what was read, and set.

use hallpass_nacos::{NacosDocuments, NacosError};

use crate::server::Server;

/// The words of Nacos 3.1.0, which has one code for both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_is_another_one_now_is_told_from_a_trouble_of_the_server() {
    for (message, is_changed) in [
        ("Cas publish fail, server md5 may have changed.", true),
        ("the disk is full", false),
    ] {
        let server = Server::start(move |kind| match kind {
            "ConfigQueryRequest" => {
                Some(r#"{"resultCode":200,"content":"a: 1","md5":"0a1b"}"#.to_owned())
            }
            "ConfigPublishRequest" => Some(format!(
                r#"{{"resultCode":500,"errorCode":500,"message":"{message}"}}"#
            )),
            _ => None,
        })
        .await;
        let documents = NacosDocuments::connect(&server.parts()).unwrap();
        let read = documents.read("a.yaml", "GROUP").await.unwrap().unwrap();
        let refused = documents.replace("a.yaml", "GROUP", &read, "a: 2").await;
        let refused = refused.unwrap_err();
        let said_so = matches!(refused, NacosError::Changed { .. });
        assert_eq!(said_so, is_changed, "{refused}");
        let sent = &server.heard("ConfigPublishRequest")[0];
        assert!(sent.contains(r#""casMd5":"0a1b""#), "{sent}");
    }
}
