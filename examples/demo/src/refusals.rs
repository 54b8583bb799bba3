//! What is refused, and with which response.

use hallpass::BoxError;

use crate::estate::{Estate, Response};
use crate::scene::Scene;
use crate::table::{Column, Table, Tone};

const COLUMNS: &[Column] = &[
    Column::left("what is tried"),
    Column::left("at"),
    Column::right("status"),
    Column::left("error"),
    Column::right("µs"),
];

pub(crate) async fn play(estate: &Estate) -> Result<Scene, BoxError> {
    let mut scene = Scene::new(
        "What is refused",
        "Responses as in RFC 6750. A call whose identity is missing is not even sent.",
        Table::new(COLUMNS),
    );
    let orders = "order-service";
    let response = estate.orders(None).await?;
    refused(&mut scene, ["no token", orders], &response, (401, None));
    let response = estate.orders(Some(&estate.forged_token()?)).await?;
    let invalid = (401, Some("invalid_token"));
    refused(
        &mut scene,
        ["a token signed by a foreign key", orders],
        &response,
        invalid,
    );
    let response = estate.orders(Some(&estate.expired_token()?)).await?;
    refused(&mut scene, ["an expired token", orders], &response, invalid);
    let response = estate.shipment(estate.token()).await?;
    let not_for_it = ["alice's own token at the carrier", "logistics-service"];
    refused(&mut scene, not_for_it, &response, invalid);
    let response = estate.report(estate.token()).await?;
    let internal_only = ["alice's token on the internal endpoint", "service-system"];
    refused(
        &mut scene,
        internal_only,
        &response,
        (403, Some("insufficient_scope")),
    );
    without_identity(&mut scene, estate).await;
    Ok(scene)
}

fn refused(
    scene: &mut Scene,
    [case, at]: [&str; 2],
    response: &Response,
    expected: (u16, Option<&str>),
) {
    let seen = (response.status.as_u16(), response.error.as_deref());
    if seen != expected {
        scene
            .unmet
            .push(format!("{case}: {seen:?} in place of {expected:?}"));
    }
    let error = response.error.clone().unwrap_or_default();
    let elapsed = response.elapsed.as_micros().to_string();
    let cells = [
        case.to_owned(),
        at.to_owned(),
        seen.0.to_string(),
        error,
        elapsed,
    ];
    scene.table.row(Tone::of(seen == expected), cells);
}

/// A call for a customer outside any request: there is nobody whose token could be exchanged.
async fn without_identity(scene: &mut Scene, estate: &Estate) {
    let case = "a call for a customer, and none is there";
    let error = estate.shop.orders.shipment(1001).await.err();
    let calls = estate.calls();
    let sent = calls.iter().any(|call| call.status.is_some());
    let code = error.as_ref().map_or("none", |error| error.code());
    let fine = code == "no_identity" && !sent && calls.len() == 1;
    if !fine {
        scene.unmet.push(format!("{case}: {code}, sent: {sent}"));
    }
    let elapsed = calls
        .first()
        .map(|call| call.elapsed.as_micros().to_string());
    let status = if sent { "sent" } else { "not sent" };
    let [case, at, status, code] = [case, "order-service", status, code].map(str::to_owned);
    scene.table.row(
        Tone::of(fine),
        [case, at, status, code, elapsed.unwrap_or_default()],
    );
}
