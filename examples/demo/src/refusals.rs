//! What is refused, and how it is told.

use hallpass::BoxError;

use crate::estate::{Answer, Estate};
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
        "Answers as RFC 6750 has them. A call whose identity is missing is not even sent.",
        Table::new(COLUMNS),
    );
    let orders = "order-service";
    let answer = estate.orders(None).await?;
    refused(&mut scene, ["no token", orders], &answer, (401, None));
    let answer = estate.orders(Some(&estate.forged_token()?)).await?;
    let invalid = (401, Some("invalid_token"));
    refused(
        &mut scene,
        ["a token signed by a foreign key", orders],
        &answer,
        invalid,
    );
    let answer = estate.orders(Some(&estate.expired_token()?)).await?;
    refused(&mut scene, ["an expired token", orders], &answer, invalid);
    let answer = estate.report(&estate.token()?).await?;
    let internal_only = ["alice's token on the internal endpoint", "service-system"];
    refused(
        &mut scene,
        internal_only,
        &answer,
        (403, Some("insufficient_scope")),
    );
    without_identity(&mut scene, estate).await;
    Ok(scene)
}

fn refused(
    scene: &mut Scene,
    [case, at]: [&str; 2],
    answer: &Answer,
    expected: (u16, Option<&str>),
) {
    let seen = (answer.status.as_u16(), answer.error.as_deref());
    if seen != expected {
        scene
            .unmet
            .push(format!("{case}: {seen:?} in place of {expected:?}"));
    }
    let error = answer.error.clone().unwrap_or_default();
    let elapsed = answer.elapsed.as_micros().to_string();
    let cells = [
        case.to_owned(),
        at.to_owned(),
        seen.0.to_string(),
        error,
        elapsed,
    ];
    scene.table.row(Tone::of(seen == expected), cells);
}

/// A relayed call outside any request: there is nobody whose token could go along.
async fn without_identity(scene: &mut Scene, estate: &Estate) {
    let case = "a relayed call with nobody behind it";
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
