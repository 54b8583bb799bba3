//! What a service refuses by its own settings, while the issuer vouches for it or cannot be reached.

use hallpass_resource::{
    CallerMapping, JwksLocation, KeySource, Rule, SecuritySettings, TrustedIssuer,
};

use crate::sections::{load, problems};
use crate::settings::{builder, route, security, trusted};
use crate::support::{AppBuilder, Behaviour, FakeIssuer, Forge, get, test_clock};

fn denying(base: &SecuritySettings, denied: &str) -> SecuritySettings {
    let yaml = format!(
        "hallpass:\n  security:\n    internal-jwt:\n      audience: shop\n      denied: {denied}\n"
    );
    let mut settings = base.clone();
    settings.internal_jwt.denied = load(&yaml).security.internal_jwt.denied;
    settings
}

#[tokio::test]
async fn a_token_is_denied_by_each_of_its_names_from_the_next_load_on_and_no_longer_than_it_stands_there()
 {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock).with_key_id("key-1");
    let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
    let routes = vec![route("/whoami", Rule::Authenticated)];
    let base = security(trusted("internal", JwksLocation::Url(issuer.url())), routes);
    let app = AppBuilder::new(&clock)
        .with(|_| builder(&base, &clock))
        .start()
        .await;
    let mut claims = forge.claims("alice", "");
    claims.token_id = Some("jti-1".parse().unwrap());
    let token = forge.sign(&claims);
    let status = async || get(app.address, "/whoami", Some(&token)).await.status;
    assert_eq!(status().await, 200);
    // One that was never shown before, and one that is remembered.
    let mut fresh = claims.clone();
    fresh.token_id = Some("jti-2".parse().unwrap());
    let fresh = forge.sign(&fresh);
    let denied = denying(&base, "{ token-ids: [jti-2] }");
    app.server.apply(&denied).unwrap();
    for _first_and_second in 0..2 {
        let response = get(app.address, "/whoami", Some(&fresh)).await;
        assert_eq!(response.refusal(), (401, "invalid_token".to_owned()));
    }
    app.server.apply(&base).unwrap();
    assert_eq!(get(app.address, "/whoami", Some(&fresh)).await.status, 200);
    // The issuer is away: this needs nobody but the service itself.
    issuer.set(Behaviour::Hang);
    for denied in [
        "{ token-ids: [jti-1] }",
        "{ clients: [order-service] }",
        "{ subjects: [bob, alice] }",
        "{ keys: [key-1] }",
    ] {
        app.server.apply(&denying(&base, denied)).unwrap();
        // It is remembered as verified.
        let response = get(app.address, "/whoami", Some(&token)).await;
        assert_eq!(
            response.refusal(),
            (401, "invalid_token".to_owned()),
            "{denied}"
        );
        app.server.apply(&base).unwrap();
        assert_eq!(status().await, 200, "{denied}");
    }
    let others =
        "{ token-ids: [alice], clients: [alice], subjects: [jti-1, order-service], keys: [alice] }";
    app.server.apply(&denying(&base, others)).unwrap();
    assert_eq!(status().await, 200);
}

#[tokio::test]
async fn a_client_is_denied_by_the_claim_that_names_it_for_its_issuer() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let keys = KeySource::fixed(forge.keys(), clock.clone());
    let issuer = TrustedIssuer::new("internal".parse().unwrap(), "shop".parse().unwrap(), keys);
    let issuer = issuer.with_callers(CallerMapping::default().with_client_claims(["azp"]));
    let app = AppBuilder::new(&clock).with(|it| it.issuer(issuer));
    let app = app.start().await;
    let token = forge.changed(|_, claims| {
        claims["azp"] = "web-shop".into();
        claims.as_object_mut().unwrap().remove("client_id");
    });
    let status = async || get(app.address, "/whoami", Some(&token)).await.status;
    let base = SecuritySettings::default();
    for (denied, expected) in [("[other-shop]", 200), ("[web-shop]", 401)] {
        let denied = denying(&base, &format!("{{ clients: {denied} }}"));
        app.server.apply(&denied).unwrap();
        assert_eq!(status().await, expected);
    }
}

#[test]
fn the_list_is_bounded_and_its_names_are_names() {
    let many: Vec<_> = (0..1_001).map(|number| format!("t{number}")).collect();
    let yaml = |ids: &str| {
        format!(
            "hallpass:\n  security:\n    internal-jwt:\n      audience: shop\n      denied: {{ token-ids: [{ids}] }}\n"
        )
    };
    assert_eq!(
        load(&yaml(&many[1..].join(", ")))
            .security
            .internal_jwt
            .denied
            .token_ids
            .len(),
        1_000
    );
    let found = problems(&yaml(&many.join(", ")));
    assert!(found[0].contains("more than 1000 entries"), "{found:?}");
    assert_eq!(problems(&yaml("\"\"")).len(), 1);
}
