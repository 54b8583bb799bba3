//! Assertions that prove nothing.

use super::*;

#[tokio::test]
async fn the_algorithm_is_that_of_the_key_and_never_chosen_by_the_assertion() {
    let rsa = Rsa::new(Some("RS256"));
    let keys = key_set(&rsa.1);
    let harness = Harness::with(|it| it.clients.push(signing("k", keys))).await;
    let header = |alg: &str| json!({"alg": alg, "kid": "rsa"});
    // The public key as a secret, as none, and the private one by an algorithm that its key is not for.
    let public = rsa.1.to_string();
    let hmac_key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, public.as_bytes());
    let hmac = |text: &[u8]| aws_lc_rs::hmac::sign(&hmac_key, text).as_ref().to_vec();
    let confused = [
        jws(&header("HS256"), &claims("k"), hmac),
        jws(&header("none"), &claims("k"), |_| vec![0]),
        jws(&header("none"), &claims("k"), |_| Vec::new()),
        rsa.sign("PS256", &claims("k")),
        rsa.sign("ES256", &claims("k")),
        rsa.sign("EdDSA", &claims("k")),
        rsa.sign("rs256", &claims("k")),
    ];
    for assertion in confused {
        let refused = ask(&harness, &assertion).await;
        assert_eq!(
            refused.refusal(),
            (401, "invalid_client".into()),
            "{assertion}"
        );
    }
    let good = rsa.sign("RS256", &claims("k"));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let header = signed.split_once('.').unwrap().0;
    let other = URL_SAFE_NO_PAD.encode(claims("c").to_string());
    for changed in [
        format!("{header}.{other}.{signature}"),
        format!("{signed}.{}", "A".repeat(signature.len())),
        format!("{signed}."),
        format!("{signed}.{signature}."),
    ] {
        assert_eq!(ask(&harness, &changed).await.status, 401);
    }
    assert_eq!(ask(&harness, &good).await.status, 200);
}

#[tokio::test]
async fn a_key_in_the_header_of_the_assertion_is_not_believed() {
    let (own, stranger) = (Rsa::new(None), Rsa::new(None));
    let keys = key_set(&own.1);
    let harness = Harness::with(|it| it.clients.push(signing("k", keys))).await;
    let header = json!({"alg": "RS256", "kid": "rsa", "jwk": stranger.1, "jku": "https://evil.example/jwks"});
    let forged = jws(&header, &claims("k"), |text| {
        let mut signature = vec![0; stranger.0.public_modulus_len()];
        let random = SystemRandom::new();
        stranger
            .0
            .sign(&RSA_PKCS1_SHA256, &random, text, &mut signature)
            .unwrap();
        signature
    });
    assert_eq!(ask(&harness, &forged).await.status, 401);
}

#[tokio::test]
async fn a_stranger_learns_neither_from_the_response_nor_from_the_work_which_clients_there_are() {
    let key = signer();
    let harness = with_key(&key).await;
    let stranger = signer().with_key_id(key.public_jwk().key_id().unwrap().clone());
    let mut faces = Vec::new();
    for id in ["k", "c", "no-such-client"] {
        let before = harness.metric(CHECKS);
        let now = UnixTime::from_secs(NOW);
        let made = stranger.sign(&id.parse().unwrap(), ISSUER, now, Duration::from_secs(60));
        faces.push(ask(&harness, made.unwrap().expose()).await.snapshot());
        assert_eq!(harness.metric(CHECKS) - before, 1, "{id}");
    }
    assert!(faces.iter().all(|face| *face == faces[0]), "{faces:?}");
}

#[tokio::test]
async fn an_assertion_is_for_this_issuer_alone_and_names_the_endpoint_only_where_that_is_allowed() {
    let rsa = Rsa::new(None);
    let keys = key_set(&rsa.1);
    let mut old = signing("old", keys.clone());
    if let ClientAuthentication::PrivateKeyJwt(key) = &mut old.authentication {
        key.dangerous_token_endpoint_audience = true;
    }
    let clients = [signing("k", keys), old];
    let harness = Harness::with(|it| it.clients.extend(clients)).await;
    let endpoint = harness.issuer.url("/oauth2/token");
    let mut number = 0;
    for (id, audience, status) in [
        ("k", json!(ISSUER), 200),
        ("k", json!([ISSUER]), 200),
        ("k", json!(endpoint), 401),
        ("k", json!([ISSUER, endpoint]), 401),
        ("k", json!([ISSUER, "https://other.example"]), 401),
        ("k", json!("https://other.example"), 401),
        ("k", json!(harness.issuer.url("/oauth2/introspect")), 401),
        ("k", json!(harness.issuer.url("")), 401),
        ("k", json!([]), 401),
        ("old", json!(endpoint), 200),
        ("old", json!(ISSUER), 200),
        ("old", json!([endpoint, "https://other.example"]), 401),
        ("old", json!("https://other.example/oauth2/token"), 401),
    ] {
        number += 1;
        let mut claims = claims(id);
        claims["aud"] = audience.clone();
        claims["jti"] = number.to_string().into();
        let response = ask(&harness, &rsa.sign("RS256", &claims)).await;
        assert_eq!(response.status, status, "{id} {audience}: {response:?}");
    }
}

#[tokio::test]
async fn what_an_assertion_says_for_itself_is_told_without_a_check_of_its_signature() {
    let key = signer();
    let harness = with_key(&key).await;
    let rsa = Rsa::new(None);
    for (name, value, reason) in [
        ("iss", json!("c"), "assertion_subject"),
        ("sub", json!("c"), "assertion_subject"),
        ("sub", Value::Null, "malformed_assertion"),
        ("jti", Value::Null, "assertion_without_id"),
        ("exp", json!(NOW - 10), "expired_assertion"),
        ("exp", json!(NOW + 311), "long_assertion"),
        ("exp", json!("soon"), "malformed_assertion"),
        ("iat", json!(NOW + 61), "early_assertion"),
        ("nbf", json!(NOW + 61), "early_assertion"),
    ] {
        let mut claims = claims("k");
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        let line = format!("hallpass_token_requests_refused_total{{reason=\"{reason}\"}}");
        let before = harness.metric(&line);
        let refused = ask(&harness, &rsa.sign("RS256", &claims)).await;
        assert_eq!(refused.refusal(), (401, "invalid_client".into()), "{name}");
        assert_eq!(harness.metric(&line) - before, 1, "{name}: {reason}");
    }
    for garbage in ["", "x", "a.b.c", "a.b", &"x".repeat(9_000)] {
        let refused = ask(&harness, garbage).await;
        assert!([400, 401].contains(&refused.status), "{refused:?}");
    }
    assert_eq!(harness.metric(CHECKS), 0);
}

#[tokio::test]
async fn a_token_of_the_issuer_is_no_assertion_of_the_client_that_has_it() {
    let key = signer();
    let harness = with_key(&key).await;
    let token = ask(&harness, &assertion(&key, NOW)).await.token();
    let refused = ask(&harness, &token).await;
    assert_eq!(refused.refusal(), (401, "invalid_client".into()));
}
