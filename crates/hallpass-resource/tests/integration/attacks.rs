//! Bad tokens and bad headers: each is refused in the way that RFC 6750 says, and none reaches a handler.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{App, AppBuilder, Forge, RawResponse, get, send, test_clock};

async fn start() -> (App, Forge) {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    (app, forge)
}

fn assert_invalid_token(response: &RawResponse, what: &str) {
    assert_eq!(
        response.refusal(),
        (401, "invalid_token".to_owned()),
        "{what}"
    );
    let challenge = Some("Bearer realm=\"shop\", error=\"invalid_token\"");
    assert_eq!(response.header("www-authenticate"), challenge, "{what}");
    assert_eq!(response.header("cache-control"), Some("no-store"), "{what}");
}

#[tokio::test]
async fn a_good_token_passes_and_its_subject_is_seen() {
    let (app, forge) = start().await;
    let response = get(app.address, "/whoami", Some(&forge.user(""))).await;
    assert_eq!((response.status, response.body.as_str()), (200, "alice"));
    let response = get(app.address, "/orders/7", Some(&forge.user("orders read"))).await;
    assert_eq!(
        (response.status, response.body.as_str()),
        (200, "/orders/7")
    );
}

#[tokio::test]
async fn every_bad_claim_or_header_of_a_well_signed_token_is_refused() {
    type Change = fn(&mut Value, &mut Value);
    let (app, forge) = start().await;
    assert_eq!(
        get(app.address, "/whoami", Some(&forge.changed(|_, _| ())))
            .await
            .status,
        200
    );
    let changes: [(&str, Change); 25] = [
        ("wrong typ", |header, _| header["typ"] = json!("JWT")),
        ("typ of an ID token", |header, _| {
            header["typ"] = json!("id_token+jwt")
        }),
        ("no typ", |header, _| {
            drop(header.as_object_mut().unwrap().remove("typ"))
        }),
        ("unknown crit", |header, _| {
            header["crit"] = json!(["exp2"]);
            header["exp2"] = json!(1);
        }),
        ("empty crit", |header, _| header["crit"] = json!([])),
        ("unencoded payload", |header, _| {
            header["crit"] = json!(["b64"]);
            header["b64"] = json!(false);
        }),
        ("alg none", |header, _| header["alg"] = json!("none")),
        ("alg None", |header, _| header["alg"] = json!("None")),
        ("alg RS256 on an EC key", |header, _| {
            header["alg"] = json!("RS256")
        }),
        ("kid of nobody", |header, _| header["kid"] = json!("nobody")),
        ("kid as a path", |header, _| {
            header["kid"] = json!("../../etc/passwd")
        }),
        ("kid as a number", |header, _| header["kid"] = json!(7)),
        ("wrong audience", |_, claims| claims["aud"] = json!("other")),
        ("no audience", |_, claims| {
            drop(claims.as_object_mut().unwrap().remove("aud"))
        }),
        ("empty audience list", |_, claims| claims["aud"] = json!([])),
        ("array iss", |_, claims| {
            claims["iss"] = json!(["internal", "evil"])
        }),
        ("other iss", |_, claims| claims["iss"] = json!("Internal")),
        ("no iss", |_, claims| {
            drop(claims.as_object_mut().unwrap().remove("iss"))
        }),
        ("exp as string", |_, claims| {
            claims["exp"] = json!("1800000000")
        }),
        ("exp negative", |_, claims| claims["exp"] = json!(-1)),
        ("exp past", |_, claims| claims["exp"] = json!(1_600_000_000)),
        ("no exp", |_, claims| {
            drop(claims.as_object_mut().unwrap().remove("exp"))
        }),
        ("nbf ahead", |_, claims| {
            claims["nbf"] = json!(1_700_000_100)
        }),
        ("nbf as string", |_, claims| claims["nbf"] = json!("0")),
        ("array sub", |_, claims| claims["sub"] = json!(["alice"])),
    ];
    for (what, change) in changes {
        let response = get(app.address, "/whoami", Some(&forge.changed(change))).await;
        assert_invalid_token(&response, what);
    }
}

#[tokio::test]
async fn a_token_bound_to_a_senders_key_is_refused_as_a_plain_bearer_token() {
    let (app, forge) = start().await;
    for cnf in [
        json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }),
        json!({}),
    ] {
        let bound = forge.changed(|_, claims| claims["cnf"] = cnf);
        let response = get(app.address, "/whoami", Some(&bound)).await;
        assert_invalid_token(&response, "cnf");
    }
}

#[tokio::test]
async fn duplicate_members_are_refused() {
    let (app, forge) = start().await;
    let (header, claims) = forge.good_parts();
    let (header, claims) = (header.to_string(), claims.to_string());
    let doubled_claims = claims.replacen('{', "{\"sub\":\"root\",", 1);
    assert_invalid_token(
        &get(
            app.address,
            "/whoami",
            Some(&forge.raw(&header, &doubled_claims)),
        )
        .await,
        "sub",
    );
    let doubled_header = header.replacen('{', "{\"alg\":\"none\",", 1);
    assert_invalid_token(
        &get(
            app.address,
            "/whoami",
            Some(&forge.raw(&doubled_header, &claims)),
        )
        .await,
        "alg",
    );
}

#[tokio::test]
async fn tokens_without_a_signature_by_our_key_are_refused() {
    let (app, forge) = start().await;
    let good = forge.user("");
    let (input, signature) = good.rsplit_once('.').unwrap();
    let (_, claims) = input.split_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    let stranger = Forge::new("internal", &test_clock()).with_key_id(forge.key.key_id().as_str());
    let cases = [
        ("alg none, no signature", format!("{none}.{claims}.")),
        (
            "alg none, a signature",
            format!("{none}.{claims}.{signature}"),
        ),
        ("signature cut off", format!("{input}.")),
        ("signature of zeros", format!("{input}.{zeros}")),
        (
            "signature of another token",
            format!("{input}.{}", stranger.user("").rsplit_once('.').unwrap().1),
        ),
        ("a stranger's key under our kid", stranger.user("")),
        ("two parts", input.to_owned()),
        ("four parts", format!("{good}.x")),
        ("no parts", "x".to_owned()),
        ("padding", format!("{good}==")),
    ];
    for (what, token) in cases {
        assert_invalid_token(&get(app.address, "/whoami", Some(&token)).await, what);
    }
}

#[tokio::test]
async fn the_public_key_is_no_secret_for_hmac() {
    let (app, forge) = start().await;
    let (mut header, claims) = forge.good_parts();
    header["alg"] = json!("HS256");
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", encode(&header), encode(&claims));
    let secret = forge.key.public_jwk().to_json().to_string();
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
        input.as_bytes(),
    );
    let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag));
    assert_invalid_token(&get(app.address, "/whoami", Some(&token)).await, "HS256");
}

#[tokio::test]
async fn a_key_that_the_token_brings_along_is_ignored() {
    let (app, forge) = start().await;
    let stranger = Forge::new("internal", &test_clock());
    let own_key = stranger.key.public_jwk().to_json();
    for kid in [stranger.key.key_id().as_str(), forge.key.key_id().as_str()] {
        let token = stranger.changed(|header, _| {
            header["kid"] = json!(kid);
            header["jwk"] = own_key.clone();
            header["jku"] = json!("https://evil.example/jwks");
            header["x5u"] = json!("https://evil.example/cert");
        });
        assert_invalid_token(&get(app.address, "/whoami", Some(&token)).await, kid);
    }
}

#[tokio::test]
async fn a_megabyte_of_token_is_refused_before_it_is_parsed() {
    let (app, forge) = start().await;
    let long = format!("{}{}", forge.user(""), "A".repeat(100 * 1024));
    let response = get(app.address, "/whoami", Some(&long)).await;
    assert_eq!(response.refusal(), (431, "token_too_large".to_owned()));
    // A megabyte does not even get past the HTTP server's own limit.
    let huge = "A".repeat(1024 * 1024);
    assert_ne!(get(app.address, "/whoami", Some(&huge)).await.status, 200);
}

#[tokio::test]
async fn two_authorization_headers_are_a_bad_request_whatever_is_in_them() {
    let (app, forge) = start().await;
    let good = format!("Bearer {}", forge.user(""));
    let pairs = [
        [good.as_bytes(), good.as_bytes()],
        [good.as_bytes(), b"Basic YTpi"],
        [b"Basic YTpi", b"x"],
    ];
    for path in ["/whoami", "/health"] {
        for [one, other] in pairs {
            let headers = [("Authorization", one), ("authorization", other)];
            let response = send(app.address, format!("GET {path}").as_bytes(), &headers).await;
            assert_eq!(response.refusal(), (400, "invalid_request".to_owned()));
            let challenge = Some("Bearer realm=\"shop\", error=\"invalid_request\"");
            assert_eq!(response.header("www-authenticate"), challenge);
        }
    }
}

#[tokio::test]
async fn a_malformed_bearer_header_is_a_bad_request() {
    let (app, forge) = start().await;
    let good = forge.user("");
    let doubled = format!("Bearer {good}, Bearer {good}");
    let quoted = format!("Bearer \"{good}\"");
    let cases: [&[u8]; 6] = [
        b"Bearer",
        b"bearer ",
        doubled.as_bytes(),
        quoted.as_bytes(),
        b"Bearer a\xff\xfeb",
        b"Bearer a\tb",
    ];
    for header in cases {
        let response = send(app.address, b"GET /whoami", &[("authorization", header)]).await;
        assert_eq!(
            response.refusal(),
            (400, "invalid_request".to_owned()),
            "{}",
            header.escape_ascii()
        );
    }
}

#[tokio::test]
async fn no_credentials_are_answered_without_an_error_code() {
    let (app, _) = start().await;
    for headers in [&[][..], &[("authorization", &b"Basic YTpi"[..])]] {
        let response = send(app.address, b"GET /whoami", headers).await;
        assert_eq!(response.refusal(), (401, "missing_token".to_owned()));
        assert_eq!(
            response.header("www-authenticate"),
            Some("Bearer realm=\"shop\"")
        );
    }
}

#[tokio::test]
async fn a_token_in_the_query_counts_for_nothing() {
    let (app, forge) = start().await;
    let response = get(
        app.address,
        &format!("/whoami?access_token={}", forge.user("")),
        None,
    )
    .await;
    assert_eq!(response.refusal(), (401, "missing_token".to_owned()));
}

#[tokio::test]
async fn a_bad_token_is_not_taken_for_none_on_an_open_route() {
    let (app, forge) = start().await;
    assert_eq!(get(app.address, "/maybe", None).await.body, "nobody");
    assert_eq!(
        get(app.address, "/maybe", Some(&forge.user(""))).await.body,
        "alice"
    );
    assert_invalid_token(
        &get(app.address, "/maybe", Some("a.b.c")).await,
        "open route",
    );
}

#[tokio::test]
async fn missing_scopes_are_named_in_the_refusal() {
    let (app, forge) = start().await;
    let response = get(app.address, "/orders/7", Some(&forge.user("stock"))).await;
    assert_eq!(response.refusal(), (403, "insufficient_scope".to_owned()));
    let challenge = Some("Bearer realm=\"shop\", error=\"insufficient_scope\", scope=\"orders\"");
    assert_eq!(response.header("www-authenticate"), challenge);
    assert_eq!(
        get(app.address, "/either", Some(&forge.user("stock")))
            .await
            .status,
        200
    );
    assert_eq!(
        get(app.address, "/either", Some(&forge.user("other")))
            .await
            .status,
        403
    );
}
