//! Bodies, connections and paths that are not what they should be.

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{JSON, Rig, bearer, problem, refused};
use crate::harness::{read, request};

const ROTATION: &str = "POST /admin/v1/keys/rotation";

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_by_its_length_and_by_what_comes() {
    let rig = Rig::start().await;
    let headers = [bearer(&rig.ops().await), JSON.to_owned()];
    let fits = format!("{{}}{}", " ".repeat(64 * 1_024 - 2));
    assert_eq!(
        rig.raw(ROTATION, &headers, fits.as_bytes()).await.status,
        200
    );
    let body = format!("{fits} ");
    let response = rig.raw(ROTATION, &headers, body.as_bytes()).await;
    assert_eq!(problem(&response), refused(413, "body_too_large"));
    let announced = [&headers[..], &["Content-Length: 99999999999".to_owned()]].concat();
    let response = rig.raw(ROTATION, &announced, b"").await;
    assert_eq!(problem(&response), refused(413, "body_too_large"));
    let chunked = [&headers[..], &["Transfer-Encoding: chunked".to_owned()]].concat();
    let mut bytes = request(ROTATION, &[&chunked[..], &[host(&rig)]].concat(), b"");
    for _ in 0..80 {
        bytes.extend_from_slice(format!("400\r\n{}\r\n", " ".repeat(1_024)).as_bytes());
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    let response = crate::harness::send(rig.address(), &bytes).await;
    assert_eq!(problem(&response), refused(413, "body_too_large"));
    // Whoever is nobody is not waited for, whatever he announces.
    let announced = [JSON.to_owned(), "Content-Length: 1000".to_owned()];
    let response = rig.raw(ROTATION, &announced, b"").await;
    assert_eq!(problem(&response), refused(401, "missing_credentials"));
}

fn host(rig: &Rig) -> String {
    format!("Host: {}", rig.address())
}

#[tokio::test]
async fn a_body_is_read_strictly_and_what_is_wrong_is_told_without_repeating_it() {
    let rig = Rig::start().await;
    let headers = [bearer(&rig.ops().await), JSON.to_owned()];
    for body in [
        "",
        "null",
        "{",
        "{}{}",
        "[]",
        "\"s3cret\"",
        "{\"s3cret\":1}",
        "{\"algorithm\":\"ES256\",\"algorithm\":\"s3cret\"}",
        "{\"take_over\":\"s3cret\"}",
        "\u{feff}{}",
    ] {
        let response = rig.raw(ROTATION, &headers, body.as_bytes()).await;
        assert_eq!(
            problem(&response),
            refused(400, "invalid_request"),
            "{body}"
        );
        assert!(!response.body.contains("s3cret"), "{response:?}");
    }
    let response = rig
        .raw(ROTATION, &headers, b"{\"algorithm\":\"\xff\"}")
        .await;
    assert_eq!(problem(&response), refused(400, "invalid_request"));
    let deep = "[".repeat(10_000);
    let response = rig.raw(ROTATION, &headers, deep.as_bytes()).await;
    assert_eq!(problem(&response), refused(400, "invalid_request"));
}

#[tokio::test]
async fn a_path_has_one_spelling_and_another_one_leads_nowhere() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    for path in [
        "/admin/v1/keys/",
        "//admin/v1/keys",
        "/admin/v1//keys",
        "/admin/v1/./keys",
        "/admin/v1/x/../keys",
        "/admin/v1/%6Beys",
        "/Admin/v1/keys",
        "/admin/v1/keys;x=1",
        "/admin/v2/keys",
        "/admin/v1",
        "/admin/v1/keys/public/x",
    ] {
        let response = rig.get(path, &token).await;
        assert_eq!(problem(&response), refused(404, "not_found"), "{path}");
    }
    for path in ["/admin/v1/keys?", "/admin/v1/keys"] {
        assert_eq!(rig.get(path, &token).await.status, 200, "{path}");
    }
    let odd = rig.get("/admin/v1/keys?limit=1", &token).await;
    assert_eq!(problem(&odd), refused(400, "invalid_request"));
    // Names in a path are what stands behind the escapes, and end nowhere but at their slash.
    for name in [
        "a%2Fb",
        "%2e%2e",
        "%00",
        "a%0d%0aX-Evil:%20x",
        "%F0%9F%98%80",
    ] {
        let path = format!("/admin/v1/keys/{name}/taint");
        let response = rig.post(&path, &token, &json!({})).await;
        assert_eq!(problem(&response), refused(404, "unknown_key"), "{name}");
        assert!(response.header("x-evil").is_none());
    }
    let response = rig
        .post("/admin/v1/keys/%FF/taint", &token, &json!({}))
        .await;
    assert_eq!(problem(&response), refused(400, "invalid_request"));
}

#[tokio::test]
async fn other_methods_of_a_path_are_told_with_those_that_it_has() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    for (line, allow) in [
        ("DELETE /admin/v1/keys", "GET,HEAD"),
        ("OPTIONS /admin/v1/keys", "GET,HEAD"),
        ("GET /admin/v1/keys/rotation", "POST"),
        ("X /admin/v1/status", "GET,HEAD"),
    ] {
        let response = rig.raw(line, &[bearer(&token)], b"").await;
        assert_eq!(
            problem(&response),
            refused(405, "method_not_allowed"),
            "{line}"
        );
        assert_eq!(response.header("allow"), Some(allow), "{line}");
    }
    let head = rig.raw("HEAD /admin/v1/keys", &[bearer(&token)], b"").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn one_address_has_a_part_of_the_connections_and_another_one_still_gets_in() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(TcpStream::connect(rig.address()).await.unwrap());
    }
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut stream = other.connect(rig.address()).await.unwrap();
    let headers = [bearer(&token), host(&rig)];
    stream
        .write_all(&request("GET /admin/v1/status", &headers, b""))
        .await
        .unwrap();
    assert_eq!(read(&mut stream).await.status, 200);
    drop(open);
}

#[tokio::test]
async fn requests_are_counted_by_operation_and_status_and_by_nothing_that_a_sender_wrote() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    rig.get("/admin/v1/keys", &token).await;
    rig.post("/admin/v1/keys/s3cret-name/taint", &token, &json!({}))
        .await;
    rig.get("/admin/v1/s3cret-path", &token).await;
    rig.raw("S3CRET /admin/v1/keys", &[bearer(&token)], b"")
        .await;
    rig.raw("GET /admin/v1/keys", &[], b"").await;
    let count = |method: &str, route: &str, status: u16| {
        rig.harness.metric(&format!(
            "hallpass_admin_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}"
        ))
    };
    assert_eq!(count("GET", "/admin/v1/keys", 200), 1);
    assert_eq!(count("POST", "/admin/v1/keys/{kid}/taint", 404), 1);
    assert_eq!(count("GET", "_other", 404), 1);
    assert_eq!(count("GET", "_other", 401), 1);
    assert_eq!(count("_other", "/admin/v1/keys", 405), 1);
    assert!(
        !rig.harness
            .issuer
            .metrics()
            .to_lowercase()
            .contains("s3cret")
    );
}
