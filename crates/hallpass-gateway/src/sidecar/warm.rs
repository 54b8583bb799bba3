//! Tokens that are there before they are asked for: what is injected into a call is renewed without one.

use std::sync::Arc;
use std::time::Duration;

use hallpass_client::{AuthTokenService, TokenHandle};
use tokio::task::JoinSet;

use crate::readiness::Readiness;
use crate::settings::sidecar::OutboundSettings;

/// How often a token is looked at that is there.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long until the next try where there is none yet.
const TRY_EVERY: Duration = Duration::from_millis(500);

/// A task for each token of this service's own. Readiness waits for the first of each.
pub(super) fn keep(
    settings: &OutboundSettings,
    tokens: &AuthTokenService,
    readiness: &Arc<Readiness>,
) -> JoinSet<()> {
    let own = own_tokens(settings, tokens).into_iter();
    let tasks = own.map(|handle| {
        let awaited = readiness.awaits_token();
        async move {
            first(&handle).await;
            drop(awaited);
            renew(handle).await;
        }
    });
    tasks.collect()
}

/// The same after a change of settings: what was ready stays so, and what waits goes on waiting, for the tokens of the new settings.
pub(super) fn keep_on(
    settings: &OutboundSettings,
    tokens: &AuthTokenService,
    readiness: &Arc<Readiness>,
) -> JoinSet<()> {
    if readiness.awaits_tokens() {
        return keep(settings, tokens, readiness);
    }
    let own = own_tokens(settings, tokens).into_iter();
    let tasks = own.map(|handle| async move {
        first(&handle).await;
        renew(handle).await;
    });
    tasks.collect()
}

fn own_tokens(settings: &OutboundSettings, tokens: &AuthTokenService) -> Vec<TokenHandle> {
    let own = settings.services.iter();
    let own = own.filter(|it| it.needs_own_token());
    own.map(|it| tokens.handle(&it.audience, &it.scope))
        .collect()
}

/// Why there is none is said by who asks for it.
async fn first(handle: &TokenHandle) {
    while handle.token().await.is_err() {
        tokio::time::sleep(TRY_EVERY).await;
    }
}

async fn renew(handle: TokenHandle) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if let Err(error) = handle.refresh_if_needed().await {
            tracing::debug!(%error, "a token could not be renewed ahead");
        }
    }
}
