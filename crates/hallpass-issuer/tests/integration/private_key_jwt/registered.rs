//! What the settings say of how a client proves who it is.

use super::*;

#[test]
fn how_a_client_proves_who_it_is_is_read_and_what_could_not_work_is_a_problem() {
    let key = signer();
    let public = JwkSet::new([key.public_jwk()]).to_json().to_string();
    let text =
        |keys: &str| format!("hallpass: {{ issuer: {{ clients: [{{ client-id: a, {keys} }}] }} }}");
    let method = "token-endpoint-auth-method: private_key_jwt";
    let read = load(&text(&format!("{method}, jwks: '{public}'")));
    let ClientAuthentication::PrivateKeyJwt(read) = &read.clients[0].authentication else {
        panic!("a key")
    };
    assert_eq!(read.keys, inline(&[&key]));
    assert!(!read.dangerous_token_endpoint_audience);
    let url = load(&text(&format!(
        "{method}, jwks-url: 'https://c.example/jwks'"
    )));
    assert!(matches!(
        &url.clients[0].authentication,
        ClientAuthentication::PrivateKeyJwt(PrivateKeyJwt {
            keys: ClientKeys::Url(_),
            ..
        })
    ));
    let private = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}"#;
    let shared = r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#;
    for (keys, expected) in [
        (
            method.to_owned(),
            "jwks: is required with `private_key_jwt`, or jwks-url or jwks-file",
        ),
        (format!("{method}, jwks: '{private}'"), "has a private key"),
        (format!("{method}, jwks: '{shared}'"), "has a private key"),
        (format!("{method}, jwks: '{{}}'"), "not a JWK set"),
        (format!("{method}, jwks: '{{\"keys\":[]}}'"), "has no key"),
        (
            format!("{method}, jwks-url: 'http://c.example/jwks'"),
            "plain http",
        ),
        (
            format!("{method}, jwks-url: 'lb://c/jwks'"),
            "must be an https URL",
        ),
        (
            format!("{method}, jwks: '{public}', jwks-file: x"),
            "contradicts",
        ),
        (
            format!("{method}, jwks: '{public}', client-secret: x"),
            "client-secret: is of no use with `token-endpoint-auth-method: private_key_jwt`",
        ),
        (
            format!("client-secret: x, jwks: '{public}'"),
            "jwks: is of no use with `token-endpoint-auth-method: client_secret_basic`",
        ),
        (
            "token-endpoint-auth-method: none, client-secret: x".to_owned(),
            "must be one of",
        ),
    ] {
        let found = problems(&text(&keys));
        assert!(
            found.iter().any(|it| it.contains(expected)),
            "{keys}: {found:?}"
        );
        assert!(found.iter().all(|it| !it.contains("nWGxne")), "{found:?}");
    }
    let several = problems(&text(&format!(
        "{method}, client-secret: x, secret-kind: chosen, jwks: x"
    )));
    assert_eq!(several.len(), 3, "{several:?}");
}

#[tokio::test]
async fn a_secret_stands_where_the_registration_says_and_nowhere_else() {
    use hallpass_issuer::SecretPlace;

    for (place, header, form) in [
        (None, 200, 200),
        (Some(SecretPlace::Header), 200, 401),
        (Some(SecretPlace::Form), 401, 200),
    ] {
        let harness = Harness::with(|settings| {
            crate::harness::secrets(&mut settings.clients[0]).place = place;
        })
        .await;
        assert_eq!(harness.ask(GRANT).await.status, header, "{place:?}");
        let post = format!("{GRANT}&client_id=c&client_secret={SECRET}");
        let post = harness.post(&[], post.as_bytes()).await;
        assert_eq!(post.status, form, "{place:?}");
    }
    for (name, place) in [
        ("client_secret_basic", SecretPlace::Header),
        ("client_secret_post", SecretPlace::Form),
    ] {
        let text = format!(
            "hallpass: {{ issuer: {{ clients: [{{ client-id: a, client-secret: x, token-endpoint-auth-method: {name} }}] }} }}"
        );
        let read = load(&text);
        let secrets = read.clients[0].authentication.secrets().unwrap();
        assert_eq!(secrets.place, Some(place));
    }
}
