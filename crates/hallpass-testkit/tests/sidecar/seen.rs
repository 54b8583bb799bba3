//! What is counted and written of requests.

use crate::raw::Raw;
use crate::rig::{Rig, bearer, issuer, say};

#[tokio::test]
async fn both_sides_are_told_apart_in_metrics_and_in_the_access_log() {
    let (program, stock) = (Raw::start().await, Raw::start().await);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let sidecar = format!(
        "    access-log: {{ file: '{}', level: all }}
    inbound: {{ listen: '127.0.0.1:0', forward-to: 'http://{}' }}
    outbound: {{ listen: '127.0.0.1:0', services: [{{ name: stock-service, identity: service }}], connect: ['127.0.0.1:9'] }}\n",
        log.display(),
        program.address
    );
    let rig = Rig::start(issuer(None).await, stock.address, &sidecar).await;
    let alice = bearer("alice");
    for (address, lines, status) in [
        (
            rig.inbound(),
            &["GET /orders/1?secret=1 HTTP/1.1", "Host: a", &*alice][..],
            200,
        ),
        (
            rig.inbound(),
            &["GET /orders/1 HTTP/1.1", "Host: a", "X-User-Id: admin"],
            401,
        ),
        (
            rig.proxy(),
            &["GET /stock/1 HTTP/1.1", "Host: stock-service"],
            200,
        ),
        (
            rig.proxy(),
            &["GET /stock/1 HTTP/1.1", "Host: evil.example"],
            403,
        ),
        (
            rig.proxy(),
            &[
                "GET /stock/1 HTTP/1.1",
                "Host: stock-service",
                "Origin: null",
            ],
            403,
        ),
        (
            rig.proxy(),
            &["CONNECT a.example:443 HTTP/1.1", "Host: a.example:443"],
            405,
        ),
    ] {
        assert_eq!(say(address, lines).await.status, status, "{lines:?}");
    }
    metrics(&rig.metrics().await);

    rig.sidecar
        .shutdown_within(std::time::Duration::ZERO)
        .await
        .unwrap();
    let lines = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |route: &str| lines.iter().filter(|it| it["route"] == route).count();
    assert_eq!(
        (lines.len(), of("inbound"), of("stock-service")),
        (6, 2, 1),
        "{lines:?}"
    );
    assert!(!format!("{lines:?}").contains("secret"));
}

/// Each side has counted its own, under names that the documentation has.
fn metrics(text: &str) {
    for sample in [
        "hallpass_sidecar_inbound_requests_total{route=\"inbound\",status=\"2xx\"} 1",
        "hallpass_sidecar_inbound_requests_total{route=\"none\",status=\"4xx\"} 1",
        "hallpass_sidecar_inbound_refused_total{route=\"none\",by=\"decision\"} 1",
        "hallpass_sidecar_inbound_headers_stripped_total{header=\"x-user-id\"} 0",
        "hallpass_sidecar_outbound_requests_total{route=\"stock-service\",status=\"2xx\"} 1",
        "hallpass_sidecar_outbound_requests_total{route=\"none\",status=\"4xx\"} 3",
        "hallpass_sidecar_outbound_refused_total{route=\"none\",by=\"route\"} 1",
        "hallpass_sidecar_outbound_refused_total{route=\"none\",by=\"page\"} 1",
        "hallpass_sidecar_outbound_refused_total{route=\"none\",by=\"framing\"} 1",
        "hallpass_sidecar_outbound_upstream_tokens_total{identity=\"service\",result=\"ok\"} 1",
    ] {
        assert!(text.contains(sample), "{sample}\n{text}");
    }
    assert!(!text.contains("hallpass_gateway_"), "{text}");
    let documented = include_str!("../../../../docs/metrics.md");
    let described = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let ours = described.filter(|line| line.starts_with("hallpass_sidecar_"));
    let names: Vec<_> = ours.map(|line| line.split_once(' ').unwrap()).collect();
    assert!(names.len() > 20, "{names:?}");
    for (name, kind) in names {
        let total = if kind == "counter" { "_total" } else { "" };
        assert!(documented.contains(&format!("`{name}{total}`")), "{name}");
    }
}
