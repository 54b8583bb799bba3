//! Clients whose JWT-SVID proves who they are.

use hallpass_token::Issuer;

use super::clients::*;
use super::*;

#[tokio::test]
async fn a_svid_is_of_its_trust_domain_whatever_it_says_of_its_issuer() {
    let cluster = Cluster::start("spiffe", "issuer: 'spiffe://prod.example'", |issuer| {
        vec![(
            "orders",
            by(issuer, Some("spiffe://prod.example/ns/shop/*"), &[]),
        )]
    })
    .await;
    let svid = |subject: &str, issuer: Option<&str>| {
        let token = cluster.token(|claims| claims.subject = subject.parse().unwrap());
        let _ = token;
        let mut claims = cluster.alike();
        claims["sub"] = subject.into();
        match issuer {
            Some(issuer) => claims["iss"] = issuer.into(),
            None => drop(claims.as_object_mut().unwrap().remove("iss")),
        }
        cluster.authority.sign_anything(&claims)
    };
    let good = "spiffe://prod.example/ns/shop/orders";
    for issuer in [
        None,
        Some("https://oidc.prod.example"),
        Some("spiffe://prod.example"),
    ] {
        for kind in [SVID, ASSERTION] {
            for _ in 0..2 {
                cluster.ask_by(kind, &svid(good, issuer), "").await.token();
            }
        }
    }
    for other in [
        "spiffe://other.example/ns/shop/orders",
        "spiffe://prod.example.evil/ns/shop/orders",
        "spiffe://prod.example/ns/shop-test/orders",
        "spiffe://prod.example/ns/shop/orders/x",
        "spiffe://prod.example/ns/shop/",
        "spiffe://prod.example/ns//shop/orders",
        "spiffe://PROD.example/ns/shop/orders",
        "spiffe://prod.example/ns/shop/../shop/orders",
        "spiffe://prod.example/ns/shop/orders?x",
        "spiffe://prod.example/ns/shop%2Forders",
    ] {
        for (kind, issuer) in [(SVID, None), (ASSERTION, Some("spiffe://prod.example"))] {
            let response = cluster.ask_by(kind, &svid(other, issuer), "").await;
            assert_eq!(
                response.refusal(),
                (401, "invalid_client".to_owned()),
                "{other} {kind}"
            );
        }
    }
}

#[tokio::test]
async fn the_metadata_names_jwt_svids_where_a_client_may_come_with_them() {
    let rule = |issuer: &Issuer| vec![("orders", by(issuer, Some("spiffe://prod.example/a"), &[]))];
    let trust_domain = "issuer: 'spiffe://prod.example'";
    let with_svids = Cluster::start("spiffe", trust_domain, rule).await;
    let trusted_alone = Cluster::start("spiffe", trust_domain, |_| Vec::new()).await;
    for (cluster, is_named) in [
        (with_svids, true),
        (trusted_alone, false),
        (Cluster::kubernetes().await, false),
    ] {
        let path = "/.well-known/oauth-authorization-server";
        let metadata = cluster.harness.get(path, &[]).await.json();
        for endpoint in ["token", "revocation", "introspection"] {
            let methods = &metadata[format!("{endpoint}_endpoint_auth_methods_supported")];
            let methods = methods.as_array().unwrap();
            assert_eq!(
                methods.contains(&json!("spiffe_jwt")),
                is_named,
                "{endpoint}"
            );
            assert!(methods.contains(&json!("private_key_jwt")));
        }
    }
}
