//! Rules that name workloads, and tokens that must be shown by their own client.

use std::net::SocketAddr;

use axum::body::Body;
use hallpass_listen::ConnectionPeer;
use hallpass_resource::{MeshCaller, MeshHeader};
use hallpass_tls::TestAuthority;
use http::Request;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tower::ServiceExt as _;

use crate::mesh::{
    ADMIN, CALL, CERTIFICATE, Call, Estate, ORDERS, SIDECAR, STRANGER, settings, xfcc,
};

#[tokio::test]
async fn a_rule_that_names_peers_lets_those_pass_that_have_a_token_too() {
    let estate = Estate::start(&settings(|_| ())).await;
    let token = estate.services.service("");
    let (own, admin) = (xfcc(ORDERS, CERTIFICATE), xfcc(ADMIN, CERTIFICATE));
    let by_name = "By=x;DNS=orders.shop";
    for (xfcc, status) in [(&own[..], 200), (by_name, 200), (&admin, 403)] {
        let call = Call {
            path: "/orders-only",
            token: Some(&token),
            xfcc: &[xfcc],
            ..CALL
        };
        assert_eq!(estate.status(&call).await, status, "{xfcc}");
        // No name in a mesh is a token.
        let call = Call {
            token: None,
            ..call
        };
        assert_eq!(estate.status(&call).await, 401, "{xfcc}");
        let call = Call {
            token: Some(&token),
            from: Some(STRANGER),
            ..call
        };
        let (is, reason, _) = estate.call(&call).await;
        assert_eq!((is, &*reason), (403, "peer_not_allowed"), "{xfcc}");
    }
    let authority = TestAuthority::new("the mesh");
    for (name, status) in [(ORDERS, 200), ("Orders.shop", 200), (ADMIN, 403)] {
        let pem = authority.certificate(&[name]).certificate_pem;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let call = Call {
            path: "/orders-only",
            token: Some(&token),
            xfcc: &[&own],
            shown: Some(&certificate),
            ..CALL
        };
        assert_eq!(estate.status(&call).await, status, "{name}");
    }
}

#[tokio::test]
async fn where_it_must_match_a_token_of_ours_is_shown_by_its_own_client_alone() {
    let matching = settings(|it| {
        it.must_match = true;
        it.callers = vec![MeshCaller {
            peer: ORDERS.parse().unwrap(),
            client: "order-service".parse().unwrap(),
        }];
    });
    let estate = Estate::start(&matching).await;
    let token = estate.services.service("");
    let mut claims = estate.services.claims("admin", "");
    claims.client_id = Some("admin".parse().unwrap());
    let of_admin = estate.services.sign(&claims);
    let (own, admin) = (xfcc(ORDERS, CERTIFICATE), xfcc(ADMIN, CERTIFICATE));
    for (token, xfcc, from, expected) in [
        (&token, &[&*own][..], SIDECAR, (200, "none")),
        (&token, &[&admin], SIDECAR, (403, "mesh_other_client")),
        (&token, &[], SIDECAR, (403, "mesh_identity_missing")),
        (&token, &[&own], STRANGER, (403, "mesh_identity_missing")),
        (&of_admin, &[&own], SIDECAR, (403, "mesh_other_client")),
        (&of_admin, &[&admin], SIDECAR, (403, "mesh_other_client")),
    ] {
        let call = Call {
            token: Some(token),
            from: Some(from),
            xfcc,
            ..CALL
        };
        let (status, reason, _) = estate.call(&call).await;
        assert_eq!((status, &*reason), expected, "{xfcc:?} {from}");
    }
    // What a client of others is called says nothing of ours, and open routes ask for nobody.
    let of_user = estate.users.user("");
    for token in [Some(&*of_user), None] {
        let call = Call {
            path: "/maybe",
            token,
            ..CALL
        };
        assert_eq!(estate.status(&call).await, 200);
    }
}

#[tokio::test]
async fn linkerds_name_is_believed_of_its_proxy_alone() {
    let linkerd = settings(|it| it.header = MeshHeader::L5dClientId);
    let estate = Estate::start(&linkerd).await;
    let token = estate.services.service("");
    for (from, name, status) in [
        (SIDECAR, "orders.shop", 200),
        (SIDECAR, "admin.shop", 403),
        (STRANGER, "orders.shop", 403),
        (SIDECAR, "a,b", 400),
    ] {
        let mut request = Request::get("/orders-only")
            .header("host", "shop")
            .header("authorization", format!("Bearer {token}"))
            .header("l5d-client-id", name)
            .body(Body::empty())
            .unwrap();
        let from: SocketAddr = from.parse().unwrap();
        request.extensions_mut().insert(ConnectionPeer(from));
        let response = estate.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{from} {name}");
    }
}
