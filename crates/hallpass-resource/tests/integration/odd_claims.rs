//! Claims that are there, but not as any product writes them.

use serde_json::{Value, json};

use crate::callers::{Issuer, NEITHER, USER, block, check};
use crate::callers_of_products::{keycloak_service, keycloak_user};
use crate::support::test_clock;

/// Each first claim that names the client in a mapping, written as no product writes it.
#[tokio::test]
async fn a_client_claim_that_is_not_one_text_makes_its_token_neither_whatever_else_is_in_it() {
    let texts = json!(["billing", "web"]);
    let odd = [
        texts,
        json!([]),
        json!(["billing", 7]),
        json!({"id": "billing"}),
        json!(7),
        json!(true),
        json!(""),
        json!("two words\n"),
    ];
    let scope = "internal-service";
    let entra = json!({
        "sub": "0f8f", "oid": "0f8f", "appid": "billing", "client_id": "billing", "idtyp": "user", "scp": scope,
    });
    let auth0 = json!({"sub": "auth0|1", "client_id": "billing", "scope": scope});
    let of_presets = [
        ("keycloak", "azp", keycloak_service()),
        ("keycloak", "azp", keycloak_user()),
        ("entra", "azp", entra),
        ("auth0", "azp", auth0),
        (
            "spring",
            "azp",
            json!({"sub": "alice", "aud": "web-shop", "scope": [scope]}),
        ),
    ];
    for (preset, claim, claims) in of_presets {
        let rows = odd.each_ref().map(|value| {
            let mut claims = claims.clone();
            claims[claim] = value.clone();
            ("an odd client", claims, NEITHER)
        });
        check(preset, &rows).await;
        let mut absent = claims.clone();
        absent[claim] = Value::Null;
        let mut good = claims.clone();
        good.as_object_mut().unwrap().remove(claim);
        let issuer = Issuer::of_block(&block(preset), &test_clock()).await;
        let (absent, good) = (issuer.statuses(&absent).await, issuer.statuses(&good).await);
        assert_eq!(absent, good, "{preset}: null is no claim");
        assert_ne!(good, NEITHER, "{preset}: by another claim");
    }
}

#[tokio::test]
async fn a_claim_that_is_no_text_is_neither_a_marks_text_nor_another() {
    let scope = "internal-service";
    let with = |mut claims: Value, name: &str, value: Value| {
        claims[name] = value;
        claims
    };
    let user = json!({"sub": "auth0|1", "azp": "X", "scope": scope});
    let odd = [json!({"is": "client-credentials"}), json!(["x", 7])];
    for odd in odd {
        let rows = [("a user", with(user.clone(), "gty", odd.clone()), NEITHER)];
        check("auth0", &rows).await;
        let app = json!({"sub": "1", "oid": "1", "azp": "X", "idtyp": ["app", 7], "scp": scope});
        check("entra", &[("an app", app, NEITHER)]).await;
        let mut user = keycloak_user();
        user.as_object_mut().unwrap().remove("sid");
        check(
            "keycloak",
            &[("a user", with(user, "preferred_username", odd), NEITHER)],
        )
        .await;
    }
    check(
        "auth0",
        &[(
            "a list of texts",
            with(user, "gty", json!(["password"])),
            USER,
        )],
    )
    .await;
}
