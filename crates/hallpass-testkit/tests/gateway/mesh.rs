//! A gateway behind the proxy of a mesh: whose word about callers counts, and that no upstream hears it.

use std::time::Duration;

use hallpass::token::{Confirmation, Thumbprint};

use super::estate::{Answer, Estate, Setup, bearer, token_with};
use super::raw::Raw;

/// The address that the proxy of the mesh connects from, as Istio's does.
const PROXY: &str = "127.0.0.6";
/// Somebody else on the same machine.
const STRANGER: &str = "127.0.0.1";

const ROUTES: &str = "
      - { name: any, path: /any, to: 'lb://orders', identity: relay, rule: authenticated }
      - { name: open, path: /open, to: 'lb://orders', identity: none, rule: anonymous }
      - { name: web, path: /web, to: 'lb://orders', identity: relay, rule: authenticated, peers: 'spiffe://cluster.local/ns/shop/sa/web' }";
const MESH: &str =
    ", mesh: { header: x-forwarded-client-cert, peers: 127.0.0.6, trust-domains: cluster.local }";
/// A gateway that would hand the header on, and believes the address of the stranger as that of a proxy in front.
const LAX: &str = "    forwarded: { trust: 127.0.0.1, keep-headers: x-forwarded-client-cert }";

/// The certificate that a token is bound to.
const CERTIFICATE: [u8; 32] = [7; 32];

fn says(name: &str) -> String {
    let hash: String = CERTIFICATE.iter().map(|it| format!("{it:02x}")).collect();
    format!(
        "By=spiffe://cluster.local/edge;Hash={hash};URI=spiffe://cluster.local/ns/shop/sa/{name}"
    )
}

fn bound() -> String {
    let token = token_with("alice", Duration::from_secs(600), |claims| {
        claims.confirmation = Some(Confirmation {
            x5t_s256: Some(Thumbprint(CERTIFICATE)),
            ..Confirmation::default()
        });
    });
    format!("Authorization: Bearer {token}")
}

async fn estate(orders: &Raw, jwt: &str, more: &str) -> Estate {
    Estate::of(Setup {
        orders: &[orders.address],
        routes: ROUTES,
        jwt,
        more,
        ..Setup::default()
    })
    .await
}

async fn get(estate: &Estate, from: &str, path: &str, lines: &[&str]) -> Answer {
    let line = format!("GET {path} HTTP/1.1");
    let head = [&[&*line, "Host: shop.example"], lines].concat();
    estate.ask_from(from, &head).await
}

/// No upstream has heard a word of a mesh, in any spelling.
fn nobody_heard(orders: &Raw) {
    let seen = format!("{:?}", orders.seen()).to_lowercase();
    assert!(!seen.contains("spiffe"), "{seen}");
}

#[tokio::test]
async fn the_word_of_a_configured_peer_counts_and_no_other() {
    let orders = Raw::start().await;
    for more in ["", LAX] {
        let estate = estate(&orders, MESH, more).await;
        let (alice, bound) = (bearer("alice"), bound());
        let of = |name| format!("X-Forwarded-Client-Cert: {}", says(name));
        let (web, other) = (of("web"), of("other"));
        let foreign = web.replace("cluster.local/ns", "evil.example/ns");
        let (before, behind) = (
            format!("{other},{}", says("web")),
            format!("{web},{}", says("other")),
        );
        let low = web.replace("X-Forwarded-Client-Cert", "x_forwarded_client_cert");
        let dotted = web.replace("X-Forwarded-Client-Cert", "X-Forwarded.Client-Cert");
        let linkerd = "l5d-client-id: web.shop.serviceaccount.identity.linkerd.cluster.local";
        let claims_to_be = format!("X-Forwarded-For: {PROXY}");
        for (from, path, lines, status) in [
            (PROXY, "/web", vec![&*alice, &*web], 200),
            (PROXY, "/web", vec![&*alice, &*before], 200),
            (PROXY, "/web", vec![&*alice, &*behind], 403),
            (PROXY, "/web", vec![&*alice, &*other], 403),
            (PROXY, "/web", vec![&*alice], 403),
            (PROXY, "/web", vec![&*web], 401),
            (PROXY, "/web", vec![&*alice, &*web, &*web], 400),
            (
                PROXY,
                "/web",
                vec![&*alice, "X-Forwarded-Client-Cert: URI"],
                400,
            ),
            (PROXY, "/web", vec![&*alice, &*foreign], 403),
            (PROXY, "/web", vec![&*alice, &*low], 403),
            (PROXY, "/web", vec![&*alice, &*dotted], 403),
            (PROXY, "/web", vec![&*alice, linkerd], 403),
            // A caller behind a proxy that hands on his `Connection` does not take the proxy's word away.
            (
                PROXY,
                "/web",
                vec![&*alice, &*web, "Connection: X-Forwarded-Client-Cert"],
                200,
            ),
            (PROXY, "/any", vec![&*bound, &*web], 200),
            (PROXY, "/any", vec![&*bound], 401),
            (PROXY, "/any", vec![&*alice, &*web, &*low, &*dotted], 200),
            (PROXY, "/open", vec![&*web, &*low, &*dotted], 200),
            (STRANGER, "/web", vec![&*alice, &*web], 403),
            (STRANGER, "/web", vec![&*alice, &*web, &*claims_to_be], 403),
            (STRANGER, "/any", vec![&*bound, &*web], 401),
            (STRANGER, "/any", vec![&*alice, &*web, &*low, &*dotted], 200),
            // What nobody believes is not read, however wrong it is.
            (STRANGER, "/any", vec![&*alice, &*web, &*web], 200),
            (STRANGER, "/open", vec![&*web, &*low, &*dotted], 200),
        ] {
            let answer = get(&estate, from, path, &lines).await;
            assert_eq!(answer.status, status, "{from} {path} {lines:?} {answer:?}");
        }
        nobody_heard(&orders);
    }
}

#[tokio::test]
async fn linkerds_word_counts_from_a_configured_peer_alone() {
    const NAME: &str = "web.shop.serviceaccount.identity.linkerd.cluster.local";
    let orders = Raw::start().await;
    let jwt = format!(
        ", mesh: {{ header: l5d-client-id, peers: 127.0.0.6 }}, routes: [{{ path: /named, rule: authenticated, peers: '{NAME}' }}]"
    );
    let routes = "
      - { name: named, path: /named, to: 'lb://orders', identity: relay }";
    let estate = Estate::of(Setup {
        orders: &[orders.address],
        routes,
        jwt: &jwt,
        ..Setup::default()
    })
    .await;
    let (alice, says) = (bearer("alice"), format!("l5d-client-id: {NAME}"));
    for (from, status) in [(PROXY, 200), (STRANGER, 403)] {
        let answer = get(&estate, from, "/named", &[&alice, &says]).await;
        assert_eq!(answer.status, status, "{from} {answer:?}");
    }
    let seen = orders.only();
    assert_eq!(seen.header("l5d-client-id"), None, "{seen:?}");
}

#[tokio::test]
async fn without_a_mesh_in_the_settings_nobody_is_believed() {
    let orders = Raw::start().await;
    let estate = estate(&orders, "", "").await;
    let (alice, bound) = (bearer("alice"), bound());
    let web = format!("X-Forwarded-Client-Cert: {}", says("web"));
    for (from, path, token, status) in [
        (PROXY, "/web", &alice, 403),
        (PROXY, "/any", &bound, 401),
        (PROXY, "/any", &alice, 200),
    ] {
        let answer = get(&estate, from, path, &[token, &web]).await;
        assert_eq!(answer.status, status, "{from} {path} {answer:?}");
    }
    nobody_heard(&orders);
}
