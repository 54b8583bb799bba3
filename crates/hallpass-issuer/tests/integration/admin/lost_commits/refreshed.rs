//! Refresh tokens whose use is committed while nobody waits any more.

use super::*;

fn refresh_token(response: &Response) -> String {
    let token = response.json()["refresh_token"].clone();
    let token = token.as_str().map(str::to_owned);
    token.unwrap_or_else(|| panic!("{response:?}"))
}

#[tokio::test]
async fn the_use_of_a_refresh_token_that_may_count_is_not_called_undone_and_the_same_token_brings_its_successor()
 {
    let Some((_server, network, rig)) = rig().await else {
        return;
    };
    let refresh = async |token: &str| {
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        rig.harness.ask(&form).await
    };
    let form = "grant_type=client_credentials&scope=read&audience=service-system";
    let first = refresh_token(&rig.harness.ask(form).await);
    network.goes(Way::HoldsResponse);
    let unheard = loop {
        let response = refresh(&first).await;
        // On a slow machine the store may be given up before that.
        if network.has_lost() {
            break response;
        }
    };
    let refused = unheard.refusal();
    assert_eq!(refused, (503, "temporarily_unavailable".to_owned()));
    assert!(!unheard.body.contains("nothing was changed"), "{unheard:?}");
    let reason = "hallpass_token_requests_refused_total{reason=\"outcome_unknown\"}";
    assert_eq!(rig.harness.metric(reason), 1);
    let told = |told| told == 200;
    let next = rig.harness.until_told(told, || refresh(&first)).await;
    let next = refresh_token(&next);
    assert_ne!(next, first);
    let after = rig.harness.until_told(told, || refresh(&next)).await;
    assert_ne!(refresh_token(&after), next);
}
