//! Which client asks for which token, and what its request looks like.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass_client::{
    AuthTokenService, ClientAuthentication, Credential, TargetParameter, TokenError,
};
use hallpass_client::{
    CredentialSettings, InternalTokenSettings, MemoryCacheSettings, NamedCredentialSettings,
    TokenServiceSettings,
};
use hallpass_config::Secret;
use hallpass_upstream::{Body, HttpTransport, Instance, Network, StaticDiscovery};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;

use crate::loopback::{TokenServer, json, serve};
use crate::scripted_issuer::{ScriptedIssuer, credential, credential_of, handle, switched_off};

#[tokio::test(start_paused = true)]
async fn the_request_names_grant_scope_and_audience_and_no_secret_in_the_form() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    issuer.handle().token().await.unwrap();
    let form = issuer.forms().remove(0);
    assert_eq!(form["grant_type"], "client_credentials");
    assert_eq!(form["scope"], "internal-service");
    assert_eq!(form["audience"], "service-system");
    assert_eq!(form.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn secret_post_puts_id_and_secret_into_the_form() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let post = credential().with_authentication(ClientAuthentication::Post);
    handle(&issuer.client_with(post).build())
        .token()
        .await
        .unwrap();
    let form = issuer.forms().remove(0);
    assert_eq!(form["client_id"], "internal-service-client");
    assert_eq!(form["client_secret"], "InternalSecret123!");
}

/// The private key of a client, as a file has it (RFC 8037 appendix A.1).
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

#[tokio::test(start_paused = true)]
async fn a_client_that_signs_names_itself_in_the_form_and_the_kind_of_what_it_signs_in_its_header()
{
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let signing = || {
        let (id, url) = (
            "order-service".parse().unwrap(),
            "https://issuer.example/token",
        );
        let url = url.parse().unwrap();
        Credential::signing(id, Secret::from(KEY), url, "https://issuer.example").unwrap()
    };
    for (credential, typ) in [
        (signing(), "client-authentication+jwt"),
        (signing().with_plain_assertion_type(), "JWT"),
        (
            signing()
                .with_plain_assertion_type()
                .with_key_id("k".parse().unwrap()),
            "JWT",
        ),
    ] {
        let service = issuer.client_with(credential).build();
        handle(&service).token().await.unwrap();
        let form = issuer.forms().pop().unwrap();
        // Spring Authorization Server takes no assertion without it.
        assert_eq!(form["client_id"], "order-service");
        assert!(!form.contains_key("client_secret"));
        let header = form["client_assertion"].split('.').next().unwrap();
        let header = URL_SAFE_NO_PAD.decode(header).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header["typ"], typ);
    }
}

#[tokio::test(start_paused = true)]
async fn the_target_can_be_named_by_resource() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let credential = credential().with_target_parameter(TargetParameter::Resource);
    handle(&issuer.client_with(credential).build())
        .token()
        .await
        .unwrap();
    let form = issuer.forms().remove(0);
    assert_eq!(form["resource"], "service-system");
    assert!(!form.contains_key("audience"));
}

#[tokio::test(start_paused = true)]
async fn an_empty_scope_stands_for_the_configured_one() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let service = issuer.client().build();
    let (audience, none) = ("service-system".parse().unwrap(), "".parse().unwrap());
    service.service_token(&audience, &none).await.unwrap();
    handle(&service).token().await.unwrap();
    assert_eq!(issuer.requests(), 1, "both mean the same token");
}

#[tokio::test(start_paused = true)]
async fn further_credentials_are_chosen_by_audience() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let post = |client| credential_of(client).with_authentication(ClientAuthentication::Post);
    let billing = post("billing-caller").with_audience("service-billing".parse().unwrap());
    let service = issuer
        .client_with(post("internal-service-client"))
        .client(billing)
        .build();
    for audience in ["service-system", "service-billing"] {
        service
            .service_token(&audience.parse().unwrap(), &"x".parse().unwrap())
            .await
            .unwrap();
    }
    let clients: Vec<String> = issuer
        .forms()
        .into_iter()
        .map(|form| form["client_id"].clone())
        .collect();
    assert_eq!(clients, ["internal-service-client", "billing-caller"]);
}

#[tokio::test]
async fn a_switched_off_service_refuses_every_token() {
    let service = switched_off();
    assert!(!service.is_enabled());
    let tokens = handle(&service);
    assert_eq!(tokens.token().await.unwrap_err(), TokenError::Disabled);
    assert_eq!(tokens.refresh_if_needed().await, Err(TokenError::Disabled));
    assert!(tokens.try_current().is_none());
    tokens.evict().await;
}

fn settings(token_url: &str, audience: Option<&str>) -> CredentialSettings {
    CredentialSettings {
        client_id: "internal:service client".parse().unwrap(),
        client_secret: Secret::from("Internal%Secret:123!"),
        client_secret_file: None,
        private_key: None,
        client_assertion: None,
        token_url: token_url.parse().unwrap(),
        scope: "internal-service".parse().unwrap(),
        audience: audience.map(|name| name.parse().unwrap()),
        grant_type: Default::default(),
        issuer: Some("internal".parse().unwrap()),
        cache_life: Default::default(),
        client_authentication: Default::default(),
        target_parameter: Default::default(),
        binding: Default::default(),
        revocations_url: None,
    }
}

#[tokio::test]
async fn settings_become_a_service_that_authenticates_over_http_as_rfc_6749_says() {
    let seen: Arc<Mutex<Option<(HeaderMap, String)>>> = Arc::default();
    let seen_by_server = Arc::clone(&seen);
    let address = serve(move |request: Request<hyper::body::Incoming>| {
        let seen = Arc::clone(&seen_by_server);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let body = String::from_utf8(body.to_vec()).unwrap();
            *seen.lock().unwrap() =
                Some((head.headers, format!("{} {} {body}", head.method, head.uri)));
            json(r#"{"access_token":"t","token_type":"Bearer","expires_in":600}"#.to_owned())
        }
    });
    let known = StaticDiscovery::new().with("service-auth", [address.await.try_into().unwrap()]);
    let own = settings("lb://service-auth/oauth2/token", Some("service-system"));
    let entry = settings("lb://nowhere/token", Some("service-billing"));
    let token_service = TokenServiceSettings {
        credential: own,
        clients: vec![NamedCredentialSettings {
            name: "billing".to_owned(),
            credential: entry,
        }],
        memory_cache: MemoryCacheSettings::default(),
    };
    let settings = InternalTokenSettings {
        token_service: Some(token_service),
        ..InternalTokenSettings::default()
    };
    let network = Network::system(Arc::new(known)).unwrap();
    let service = AuthTokenService::from_settings(&settings, &network).unwrap();
    service
        .service_token(&"service-system".parse().unwrap(), &"".parse().unwrap())
        .await
        .unwrap();

    let (headers, request) = seen.lock().unwrap().take().unwrap();
    let body = "grant_type=client_credentials&scope=internal-service&audience=service-system";
    assert_eq!(request, format!("POST /oauth2/token {body}"));
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(headers["accept"], "application/json");
    // base64 of internal%3Aservice+client:Internal%25Secret%3A123%21
    let basic = "Basic aW50ZXJuYWwlM0FzZXJ2aWNlK2NsaWVudDpJbnRlcm5hbCUyNVNlY3JldCUzQTEyMyUyMQ==";
    assert_eq!(headers["authorization"], basic);

    let billing = service
        .service_token(&"service-billing".parse().unwrap(), &"".parse().unwrap())
        .await;
    assert!(
        matches!(billing, Err(TokenError::NoInstance(_))),
        "its own token-url is used: {billing:?}"
    );
}

#[tokio::test]
async fn a_token_request_carries_no_identity_of_the_caller_that_needed_the_token() {
    use hallpass_client::context;
    use hallpass_token::{AccessToken, SecurityContext, TokenClaims, UnixTime, VerifiedClaims};

    let names = ["internal", "alice", "order-service"];
    let [issuer, subject, audience] = names;
    let claims = TokenClaims::new(
        issuer.parse().unwrap(),
        subject.parse().unwrap(),
        audience.parse().unwrap(),
        UnixTime::from_secs(u32::MAX.into()),
    );
    let alice = SecurityContext::new(
        VerifiedClaims::dangerous_unverified(claims),
        AccessToken::new("token-of-alice"),
    );
    let nosy = tower::service_fn(|request: Request<Body>| async move {
        assert!(
            context::current().is_none(),
            "a task-local identity reached the token request"
        );
        assert!(request.extensions().get::<SecurityContext>().is_none());
        assert!(!format!("{:?}", request.headers()["authorization"].to_str()).contains("alice"));
        Ok(json(
            r#"{"access_token":"t","token_type":"Bearer","expires_in":600}"#.to_owned(),
        ))
    });
    let tokens = handle(&AuthTokenService::builder(credential(), nosy).build());
    context::scope(alice, async { tokens.token().await })
        .await
        .unwrap();
}

/// On Linux the address 0.0.0.0 reaches this machine and is not a loopback address.
#[tokio::test]
async fn a_secret_goes_over_plain_http_to_an_instance_on_loopback_only() {
    let server = TokenServer::start().await;
    let port = server.address.port();
    for (host, is_loopback) in [("127.0.0.1", true), ("0.0.0.0", false)] {
        let instance: Instance = format!("{host}:{port}").parse().unwrap();
        let known = StaticDiscovery::new().with("service-auth", [instance]);
        // In the form, where no header says that there is a secret.
        let credential = Credential::new(
            "c".parse().unwrap(),
            Secret::from("InternalSecret123!"),
            "lb://service-auth/oauth2/token".parse().unwrap(),
        )
        .with_authentication(ClientAuthentication::Post);
        let service = AuthTokenService::builder(credential, HttpTransport::new().unwrap())
            .discovery(Arc::new(known))
            .build();
        let token = handle(&service).token().await;
        assert_eq!(token.is_ok(), is_loopback, "{host}: {token:?}");
    }
    assert_eq!(server.requests(), 1);
}
