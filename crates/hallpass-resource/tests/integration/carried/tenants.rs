//! Whose word for a tenant counts, and by which header.

use hallpass_client::ClaimDemand;
use hallpass_resource::{Mode, TenantHeader};
use serde_json::json;

use super::{Setting, carried, settings, settings_of};

/// Who would be refused for his token leaves it out, or brings one that says nothing.
#[tokio::test]
async fn a_user_without_the_claim_names_no_tenant_and_neither_does_nobody() {
    let setting = Setting::start(&settings(ClaimDemand::Users)).await;
    let south = [("x-tenant-id", "south"), ("TX_XID", "7")];
    for claims in [
        json!({}),
        json!({ "tenant": null }),
        // A service that acts for a user is that user.
        json!({ "act": { "sub": "order-service" } }),
    ] {
        let refused = setting.ask(claims, &south).await;
        assert_eq!(refused.refusal(), (403, "tenant_mismatch".to_owned()));
    }
    let open = setting.send("/open", &south).await;
    assert_eq!(carried(&open), ["tx_xid=7"], "nobody is of no tenant");
    let spelled = [("x_tenant_id", "south")];
    assert_eq!(carried(&setting.send("/open", &spelled).await).len(), 0);
    // With a token an open route is like any other.
    let north = json!({ "tenant": "north" });
    let refused = setting.ask_at("/open", north.clone(), &south).await;
    assert_eq!(refused.status, 403);
    let proven = [("x-tenant-id", "north")];
    let open = setting.ask_at("/open", north, &proven).await;
    assert_eq!(carried(&open), ["x-tenant-id=north"]);
    // Who wants it as it came says so.
    let all = settings(ClaimDemand::None);
    setting.app.server.apply(&all).unwrap();
    for response in [
        setting.send("/open", &south).await,
        setting.ask(json!({}), &south).await,
    ] {
        assert_eq!(carried(&response), ["tx_xid=7", "x-tenant-id=south"]);
    }
}

#[tokio::test]
async fn a_header_of_any_spelling_is_held_against_the_token_whatever_its_own_is() {
    for header in ["X_Tenant_Id", "tenant.id", "X-Tenant_Id", "X~Tenant~Id"] {
        let setting = Setting::start(&settings_of(header, ClaimDemand::Users)).await;
        let signs = |sign: &str| header.replace(['_', '.', '-', '~'], sign);
        for spelling in [header.to_owned(), signs("-"), signs("_"), signs(".")] {
            let south = [(spelling.as_str(), "south")];
            let response = setting.ask(json!({ "tenant": "north" }), &south).await;
            assert_eq!(response.status, 403, "{header}: {spelling}");
        }
        let other = [("x-tenants-id", "south"), ("tenantid", "south")];
        let response = setting.ask(json!({ "tenant": "north" }), &other).await;
        assert_eq!(response.status, 200, "{header}");
    }
}

#[tokio::test]
async fn a_caller_has_no_proxy_behind_drop_the_tenant() {
    let setting = Setting::start(&settings(ClaimDemand::Users)).await;
    for (sent, kept) in [
        ("X-Tenant-Id", None),
        ("close, x_tenant_id, TX_XID", Some("close, TX_XID")),
        ("keep-alive", Some("keep-alive")),
    ] {
        let token = setting.forge.service("");
        let request = http::Request::get("/context")
            .header("authorization", format!("Bearer {token}"))
            .header("x-tenant-id", "north")
            .header("connection", sent);
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let authorized = setting.app.server.authorize(&parts).await.unwrap();
        authorized.admit(&mut parts);
        let left = parts.headers.get("connection");
        assert_eq!(left.map(|it| it.to_str().unwrap()), kept);
        let told = authorized.tenant_header().unwrap();
        let north = TenantHeader::Set("north".parse().unwrap());
        assert_eq!((told.0.as_str(), told.1), ("x-tenant-id", north));
    }
}

/// So most proxies say that the request names no tenant, and `hallpass authz` tells them to.
#[tokio::test]
async fn an_empty_header_names_no_tenant() {
    for demand in [ClaimDemand::Users, ClaimDemand::All] {
        let setting = Setting::start(&settings(demand)).await;
        for header in ["X-Tenant-Id", "X_Tenant_Id"] {
            let empty = [(header, "")];
            for claims in [json!({ "tenant": "north" }), json!({})] {
                let response = setting.ask(claims, &empty).await;
                assert_eq!(carried(&response).len(), 0, "{header}");
            }
            assert_eq!(carried(&setting.send("/open", &empty).await).len(), 0);
        }
        // Beside one that is not it is twice.
        let twice = [("x-tenant-id", ""), ("x-tenant-id", "north")];
        let response = setting.ask(json!({ "tenant": "north" }), &twice).await;
        assert_eq!(response.status, 400);
        let spelled = [("x-tenant-id", ""), ("x_tenant_id", "south")];
        let response = setting.ask(json!({ "tenant": "north" }), &spelled).await;
        assert_eq!(response.status, 403);
    }
}

/// A proxy that asks is told to change nothing where the layer would change nothing.
#[tokio::test]
async fn where_nothing_is_enforced_a_proxy_is_to_leave_the_tenant_as_it_came() {
    let mut settings = settings(ClaimDemand::Users);
    settings.internal_jwt.mode = Mode::Report;
    let setting = Setting::start(&settings).await;
    for sent in ["north", "south"] {
        let token = setting
            .forge
            .changed(|_, all| all["tenant"] = json!("north"));
        let request = http::Request::get("/context")
            .header("authorization", format!("Bearer {token}"))
            .header("x-tenant-id", sent);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let authorized = setting.app.server.authorize(&parts).await.unwrap();
        let told = authorized.tenant_header().unwrap();
        assert_eq!(told.1, TenantHeader::AsItCame, "{sent}");
    }
}

#[tokio::test]
async fn where_the_claim_is_demanded_a_header_alone_is_not_enough() {
    let setting = Setting::start(&settings(ClaimDemand::All)).await;
    let refused = setting.ask(json!({}), &[("X-Tenant-Id", "north")]).await;
    assert_eq!(refused.refusal(), (403, "tenant_mismatch".to_owned()));
    let service = json!({ "sub": "order-service" });
    let refused = setting.ask(service, &[("X-Tenant-Id", "north")]).await;
    assert_eq!(refused.status, 403, "services too");
    let open = [("X-Tenant-Id", "north")];
    let anonymous = setting.send("/open", &open).await;
    assert_eq!(
        anonymous.status, 403,
        "nobody proves that he is of a tenant"
    );
    let proven = setting
        .ask(json!({ "tenant": "north" }), &[("X-Tenant-Id", "north")])
        .await;
    assert_eq!(carried(&proven), ["x-tenant-id=north"]);
    assert_eq!(setting.ask(json!({}), &[]).await.status, 200);
}
