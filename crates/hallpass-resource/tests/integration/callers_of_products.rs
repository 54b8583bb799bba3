//! Tokens as each product documents them, judged by its block of `docs/interop.md`.

use serde_json::{Value, json};

use crate::callers::{Issuer, NEITHER, SERVICE, USER, block, check};
use crate::support::test_clock;

/// What Keycloak 26 writes for client_credentials.
pub(crate) fn keycloak_service() -> Value {
    json!({
        "sub": "0f8fad5b-d9cb-469f-a165-70867728950e", "azp": "billing", "typ": "Bearer", "acr": "1",
        "client_id": "billing", "clientHost": "10.0.0.7", "clientAddress": "10.0.0.7",
        "preferred_username": "service-account-billing", "scope": "email profile internal-service",
        "realm_access": {"roles": ["offline_access"]},
    })
}

/// What it writes for a login.
pub(crate) fn keycloak_user() -> Value {
    json!({
        "sub": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "azp": "web", "typ": "Bearer", "auth_time": 1,
        "sid": "b1c8", "preferred_username": "alice", "scope": "openid internal-service",
    })
}

#[tokio::test]
async fn tokens_of_spring_authorization_server_are_told_apart() {
    let scope = json!(["internal-service"]);
    let rows = [
        (
            "client_credentials",
            json!({"sub": "billing", "scope": scope, "nbf": 1}),
            SERVICE,
        ),
        (
            "a login",
            json!({"sub": "alice", "aud": "web-shop", "scope": ["openid", "internal-service"]}),
            USER,
        ),
        (
            "a customizer that writes client_id",
            json!({"sub": "billing", "client_id": "billing", "scope": scope}),
            SERVICE,
        ),
        (
            "the same for a user",
            json!({"sub": "web-shop", "client_id": "app", "scope": scope}),
            USER,
        ),
        (
            "several audiences and no client",
            json!({"sub": "billing", "aud": ["billing", "x"], "scope": scope}),
            NEITHER,
        ),
        (
            "an exchanged token",
            json!({"sub": "billing", "act": {"sub": "x"}, "scope": scope}),
            NEITHER,
        ),
    ];
    check("spring", &rows).await;
}

#[tokio::test]
async fn tokens_of_keycloak_are_told_apart() {
    let (service, user) = (keycloak_service, keycloak_user);
    let without = |mut claims: Value, names: &[&str]| {
        for name in names {
            claims.as_object_mut().unwrap().remove(*name);
        }
        claims
    };
    let with = |mut claims: Value, name: &str, value: &str| {
        claims[name] = json!(value);
        claims
    };
    let rows = [
        ("client_credentials", service(), SERVICE),
        (
            "before 24",
            with(without(service(), &["client_id"]), "clientId", "billing"),
            SERVICE,
        ),
        (
            "without the scope service_account",
            without(service(), &["client_id"]),
            SERVICE,
        ),
        (
            "without sub",
            without(service(), &["sub", "preferred_username"]),
            SERVICE,
        ),
        ("a login", user(), USER),
        (
            "a login without profile",
            without(user(), &["preferred_username"]),
            USER,
        ),
        (
            "a person who calls herself a service account",
            with(user(), "preferred_username", "service-account-web"),
            NEITHER,
        ),
        (
            "a user's token with a mapper for client_id",
            with(user(), "client_id", "web"),
            NEITHER,
        ),
        ("an ID token", with(user(), "typ", "ID"), NEITHER),
        (
            "another client's service account",
            with(without(service(), &["client_id"]), "azp", "other"),
            NEITHER,
        ),
        (
            "no mark",
            json!({"sub": "x", "azp": "web", "scope": "internal-service"}),
            NEITHER,
        ),
        ("no client", json!({"sub": "x", "client_id": 7}), (401, 401)),
        ("a user without sub", without(user(), &["sub"]), (401, 401)),
    ];
    check("keycloak", &rows).await;
}

/// Claims that Keycloak 26.7.3 wrote, as it is installed but for an audience mapper; ids, times and addresses are made up.
#[tokio::test]
async fn tokens_that_a_real_keycloak_wrote_are_told_apart() {
    let written: Value = serde_json::from_str(include_str!("../data/keycloak-26.json")).unwrap();
    let rows = written.as_array().unwrap().iter().map(|row| {
        let statuses = match row["caller"].as_str().unwrap() {
            "service" => SERVICE,
            "user" => USER,
            "neither" => NEITHER,
            // Nobody is named.
            "refused" => (401, 401),
            other => panic!("{other}"),
        };
        let name = row["name"].as_str().unwrap();
        (name, row["claims"].clone(), statuses)
    });
    let rows: Vec<_> = rows.collect();
    check("keycloak", &rows).await;
}

#[tokio::test]
async fn tokens_of_entra_are_told_apart() {
    let oid = "11111111-0000-0000-0000-000000000001";
    // What these claims do not have is the scope of internal-only routes.
    let rows = [
        (
            "an app, v2",
            json!({"azp": "a1", "oid": oid, "sub": oid, "roles": ["r"], "idtyp": "app", "ver": "2.0"}),
            NEITHER,
        ),
        (
            "a user, v2",
            json!({"azp": "a1", "oid": oid, "sub": "pairwise", "scp": "orders internal-service"}),
            USER,
        ),
        (
            "a user, v1",
            json!({"appid": "a1", "oid": oid, "sub": "pairwise", "scp": "orders", "upn": "a@b"}),
            USER,
        ),
        (
            "a user with idtyp",
            json!({"azp": "a1", "oid": oid, "sub": "pairwise", "idtyp": "user"}),
            USER,
        ),
        (
            "neither",
            json!({"azp": "a1", "sub": "pairwise", "oid": oid}),
            NEITHER,
        ),
    ];
    check("entra", &rows).await;
    let clock = test_clock();
    let issuer = Issuer::of_block(&block("entra"), &clock).await;
    for (claims, is_service) in [
        (
            json!({"azp": "a1", "oid": oid, "sub": oid, "idtyp": "app"}),
            true,
        ),
        (json!({"azp": "a1", "oid": oid, "sub": oid}), true),
        (
            json!({"appid": "a1", "oid": oid, "sub": oid, "appidacr": "1"}),
            true,
        ),
        (
            json!({"appid": "a1", "oid": oid, "sub": oid, "scp": "x"}),
            false,
        ),
        (json!({"appid": "a1", "sub": oid}), false),
        (json!({"oid": oid, "sub": oid, "idtyp": "app"}), false),
    ] {
        let verified = issuer.app.server.verify(&issuer.token(&claims)).await;
        assert_eq!(
            verified.unwrap().context().is_service(),
            is_service,
            "{claims}"
        );
    }
}

#[tokio::test]
async fn tokens_of_auth0_are_told_apart() {
    let scope = "internal-service";
    let rows = [
        (
            "client credentials",
            json!({"sub": "Xy@clients", "azp": "Xy", "gty": "client-credentials", "scope": scope}),
            SERVICE,
        ),
        (
            "the profile of RFC 9068",
            json!({"sub": "Xy@clients", "client_id": "Xy", "scope": scope}),
            SERVICE,
        ),
        (
            "a login",
            json!({"sub": "auth0|5f7c", "azp": "Web", "scope": scope}),
            USER,
        ),
        (
            "a password login",
            json!({"sub": "auth0|5f7c", "azp": "Web", "gty": "password", "scope": scope}),
            USER,
        ),
        (
            "another client",
            json!({"sub": "Xy@clients", "azp": "Web", "scope": scope}),
            NEITHER,
        ),
        (
            "no client",
            json!({"sub": "Xy@clients", "gty": "client-credentials", "scope": scope}),
            NEITHER,
        ),
    ];
    check("auth0", &rows).await;
}

#[tokio::test]
async fn tokens_of_okta_are_told_apart() {
    let scp = json!(["internal-service"]);
    let rows = [
        (
            "client credentials",
            json!({"ver": 1, "sub": "0oa1", "cid": "0oa1", "scp": scp}),
            SERVICE,
        ),
        (
            "a login",
            json!({"ver": 1, "sub": "a@b.example", "cid": "0oa1", "uid": "00u1", "scp": scp}),
            USER,
        ),
        (
            "a user with the name of a client",
            json!({"sub": "0oa1", "cid": "0oa1", "uid": "00u1", "scp": scp}),
            NEITHER,
        ),
        (
            "no uid",
            json!({"sub": "a@b.example", "cid": "0oa1", "scp": scp}),
            NEITHER,
        ),
    ];
    check("okta", &rows).await;
}

#[tokio::test]
async fn without_a_preset_tokens_of_other_products_are_neither() {
    let scope = "internal-service";
    let rows = [
        (
            "a service",
            json!({"sub": "billing", "client_id": "billing", "scope": scope}),
            SERVICE,
        ),
        (
            "a user",
            json!({"sub": "alice", "client_id": "web", "scope": scope}),
            USER,
        ),
        (
            "a user for whom a service acts",
            json!({"sub": "alice", "client_id": "web", "act": {"sub": "billing"}, "scope": scope}),
            USER,
        ),
        (
            "spring",
            json!({"sub": "billing", "scope": [scope]}),
            NEITHER,
        ),
        (
            "keycloak",
            json!({"sub": "0f8f", "azp": "billing", "client_id": "billing", "scope": scope}),
            NEITHER,
        ),
        (
            "entra",
            json!({"sub": "0f8f", "oid": "0f8f", "appid": "a", "client_id": "a", "scp": scope}),
            NEITHER,
        ),
        (
            "auth0",
            json!({"sub": "X@clients", "azp": "X", "gty": "client-credentials", "scope": scope}),
            NEITHER,
        ),
        (
            "okta",
            json!({"sub": "0oa1", "cid": "0oa1", "scp": [scope]}),
            NEITHER,
        ),
        (
            "no sub",
            json!({"client_id": "billing", "scope": scope}),
            (401, 401),
        ),
    ];
    check("hallpass", &rows).await;
}
