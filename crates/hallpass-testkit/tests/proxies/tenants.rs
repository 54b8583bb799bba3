//! For which of several customers a request is: what each proxy does with the header that names it.

use crate::client::Ask;
use crate::front::Front;

/// The service gets the tenant that the token names, or that a service passes on; nobody else's word reaches it.
pub(crate) async fn tenants(front: &Front) {
    const TENANT: &str = "X-Tenant-Id";
    let estate = &front.estate;
    let (north, nowhere) = (
        estate.user_of_tenant("north", "orders.read"),
        estate.user("orders.read"),
    );
    let service = estate.service_token();
    let of = |path: &str, token: &str| Ask::get(path).token(token);
    let said = |ask: Ask, tenant: &str| ask.header(TENANT, tenant);
    for (ask, expected) in [
        (said(of("/orders/7", &north), "north"), Ok(Some("north"))),
        (of("/orders/7", &north), Ok(None)),
        (said(of("/orders/7", &north), "south"), Err(403)),
        (said(of("/orders/7", &nowhere), "south"), Err(403)),
        (
            said(of("/admin/users", &service), "south"),
            Ok(Some("south")),
        ),
        // Nobody proves that he is of a tenant.
        (said(Ask::get("/health"), "south"), Ok(None)),
        (said(of("/health", &north), "north"), Ok(Some("north"))),
        // Twice: which one counts is not known. nginx asks about the first alone, or about both.
        (
            said(said(of("/orders/7", &north), "south"), "south"),
            Err(400),
        ),
        (
            of("/orders/7", &north).header("X_Tenant_Id", "south"),
            Ok(None),
        ),
        (
            said(of("/orders/7", &north), "north").header("X.Tenant.Id", "south"),
            Ok(Some("north")),
        ),
    ] {
        let response = ask.send(front.port).await;
        let seen = front.estate.service.take();
        match expected {
            Ok(tenant) => {
                assert_eq!(response.status, 200, "{ask:?}: {}", response.text);
                let got = seen[0].values(TENANT);
                assert_eq!(got, Vec::from_iter(tenant), "{ask:?}: {seen:?}");
            }
            Err(status) => {
                // What each makes of a 400 is its own.
                let is_it = response.status == status || (status == 400 && response.status >= 400);
                assert!(is_it, "{ask:?}: {}", response.text);
                assert!(seen.is_empty(), "{ask:?}: {seen:?}");
            }
        }
    }
    // Some take out what `Connection` names before they ask: then nobody has said anything.
    let ask = said(of("/orders/7", &north), "north").header("Connection", "close, X-Tenant-Id");
    let response = ask.send(front.port).await;
    assert_eq!(response.status, 200, "{ask:?}: {}", response.text);
    let seen = front.estate.service.take();
    let got = seen[0].values(TENANT);
    assert!(got.is_empty() || got == ["north"], "{ask:?}: {seen:?}");
}
