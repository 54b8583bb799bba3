use std::time::Duration;

use hallpass_upstream::{Body, TraceContext};
use http::Request;
use tokio::time::Instant;

use super::{alice, user};
use crate::context::{
    CallContext, InContext, JoinSet, capture, detach, scope, scope_all, spawn, spawn_blocking,
    sync_scope, sync_scope_all,
};

fn of_alice() -> CallContext {
    let tenant = ("x-tenant-id".parse().unwrap(), "north".parse().unwrap());
    CallContext::default()
        .with_identity(user("alice"))
        .with_header(tenant.0, tenant.1)
        .with_trace(TraceContext::of_ids(7, 9, true))
        .with_deadline(Instant::now() + Duration::from_secs(9))
}

/// What of a context is there: user, tenant, trace, and whether there is an end.
type Seen = (Option<String>, Option<String>, bool, bool);

fn seen(context: &CallContext) -> Seen {
    let user = context.identity().map(|it| it.subject().to_string());
    let tenant = context.carried().get("X-Tenant-Id");
    let tenant = tenant.map(|it| it.to_str().unwrap().to_owned());
    let has_end = context.deadline().is_some();
    (user, tenant, context.trace().is_some(), has_end)
}

fn all_here() -> Seen {
    seen(&CallContext::current())
}

const NOTHING: Seen = (None, None, false, false);

#[tokio::test]
async fn the_whole_context_goes_wherever_the_identity_goes() {
    let whole: Seen = (alice(), Some("north".to_owned()), true, true);
    let work = async {
        assert_eq!(all_here(), whole);
        assert_eq!(spawn(async { all_here() }).await.unwrap(), whole);
        assert_eq!(spawn_blocking(all_here).await.unwrap(), whole);
        let mut tasks = JoinSet::new();
        tasks.spawn(async { all_here() });
        tasks.spawn_blocking(all_here);
        while let Some(found) = tasks.join_next().await {
            assert_eq!(found.unwrap(), whole);
        }
        let kept = async { all_here() }.in_current_context();
        assert_eq!(tokio::spawn(kept).await.unwrap(), whole);
        assert_eq!(
            tokio::spawn(async { all_here() }).await.unwrap(),
            NOTHING,
            "raw"
        );
    };
    scope_all(of_alice(), work).await;
    assert_eq!(all_here(), NOTHING);
}

#[tokio::test]
async fn a_switched_user_has_no_tenant_of_the_other() {
    let work = async {
        let switched = scope(user("bob"), async { all_here() }).await;
        assert_eq!(switched, (Some("bob".to_owned()), None, true, true));
        let nobody = sync_scope(None, all_here);
        assert_eq!(nobody, (None, None, true, true));
        let detached = detach(async { all_here() }).await.unwrap();
        assert_eq!(
            detached,
            (None, None, true, false),
            "it outlives the request"
        );
        let nothing = scope_all(CallContext::default(), async { all_here() }).await;
        assert_eq!(nothing, NOTHING);
        assert_eq!(all_here().0, alice(), "and here all is as before");
    };
    scope_all(of_alice(), work).await;
}

#[tokio::test]
async fn a_captured_request_has_the_whole_wherever_it_is_looked_at() {
    let mut request = Request::new(Body::empty());
    sync_scope_all(of_alice(), || capture(&mut request));
    let elsewhere = async move { seen(&CallContext::of(request.extensions())) };
    let found = scope(user("bob"), elsewhere).await;
    assert_eq!(found, (alice(), Some("north".to_owned()), true, true));
}

#[tokio::test]
async fn a_request_of_another_user_takes_of_the_work_alone() {
    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(user("bob"));
    sync_scope_all(of_alice(), || capture(&mut request));
    let found = seen(&CallContext::of(request.extensions()));
    assert_eq!(found, (Some("bob".to_owned()), None, true, true));
}
