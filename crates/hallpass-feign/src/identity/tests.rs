use super::{Identity, IdentityOverrides, IdentityPlan, SkippedTokens, WhenAbsent};
use crate::spec::{ClientSpec, MethodSpec, SharedSpec, Verb};

const NOTHING: SharedSpec = SharedSpec {
    identity: None,
    when_absent: None,
    audience: None,
    scope: None,
    deadline_ms: None,
    headers: &[],
};

fn identity(identity: Identity) -> SharedSpec {
    SharedSpec {
        identity: Some(identity),
        ..NOTHING
    }
}

fn says(identity: Identity) -> IdentityOverrides {
    IdentityOverrides {
        identity: Some(identity),
        ..IdentityOverrides::default()
    }
}

fn method(shared: SharedSpec) -> MethodSpec {
    MethodSpec {
        name: "get",
        verb: Verb::Get,
        template: "/",
        shared,
        idempotent: true,
        idempotency_key: false,
    }
}

fn client(shared: SharedSpec) -> ClientSpec {
    ClientSpec {
        trait_name: "A",
        name: "service-a",
        url: None,
        shared,
        isolate: false,
        methods: &[],
    }
}

fn decide(
    client: &ClientSpec,
    method: &MethodSpec,
    overrides: &IdentityOverrides,
    configured: &IdentityOverrides,
) -> IdentityPlan {
    IdentityPlan::decide(client, method, overrides, configured, SkippedTokens::None).unwrap()
}

#[test]
fn a_client_that_says_nothing_carries_the_service_and_fails_closed() {
    let plan = decide(
        &client(NOTHING),
        &method(NOTHING),
        &IdentityOverrides::default(),
        &IdentityOverrides::default(),
    );
    assert_eq!(
        (plan.identity, plan.when_absent),
        (Identity::Service, WhenAbsent::Fail)
    );
}

#[test]
fn a_token_is_made_for_the_service_that_is_called() {
    let plan = decide(
        &client(NOTHING),
        &method(NOTHING),
        &IdentityOverrides::default(),
        &IdentityOverrides::default(),
    );
    assert_eq!(plan.audience.as_str(), "service-a");
    let named = SharedSpec {
        audience: Some("estate"),
        scope: Some("a b"),
        ..NOTHING
    };
    let plan = decide(
        &client(named),
        &method(NOTHING),
        &IdentityOverrides::default(),
        &IdentityOverrides::default(),
    );
    assert_eq!(plan.audience.as_str(), "estate");
    assert!(plan.scope.contains("a") && plan.scope.contains("b"));
}

#[test]
fn an_environment_may_call_the_service_by_another_name_in_its_tokens() {
    let declared = client(SharedSpec {
        audience: Some("estate"),
        ..NOTHING
    });
    let renamed = |audience: &str| IdentityOverrides {
        audience: Some(audience.to_owned()),
        ..IdentityOverrides::default()
    };
    let of = |overrides: &IdentityOverrides, configured: &IdentityOverrides| {
        let plan = decide(&declared, &method(NOTHING), overrides, configured);
        plan.audience.to_string()
    };
    assert_eq!(
        of(&IdentityOverrides::default(), &renamed("staging-a")),
        "staging-a"
    );
    assert_eq!(of(&renamed("here"), &renamed("staging-a")), "here");
}

#[test]
fn the_builder_goes_over_the_configuration_and_that_over_method_and_trait() {
    let (service, relay, none) = (Identity::Service, Identity::Relay, Identity::None);
    let nothing = IdentityOverrides::default();
    let relaying = client(identity(relay));
    let of = |method: SharedSpec, overrides: &IdentityOverrides, configured: &IdentityOverrides| {
        decide(&relaying, &self::method(method), overrides, configured).identity
    };
    assert_eq!(of(NOTHING, &nothing, &nothing), relay);
    assert_eq!(of(identity(service), &nothing, &nothing), service);
    assert_eq!(of(identity(service), &nothing, &says(none)), none);
    assert_eq!(of(identity(service), &says(relay), &says(none)), relay);
}

fn plan_without(shared: SharedSpec, skipped: SkippedTokens) -> IdentityPlan {
    let (client, method) = (client(shared), method(NOTHING));
    let nothing = IdentityOverrides::default();
    IdentityPlan::decide(&client, &method, &nothing, &nothing, skipped).unwrap()
}

#[test]
fn a_skipped_client_never_gets_a_token_of_anybody() {
    for shared in [
        NOTHING,
        identity(Identity::Relay),
        identity(Identity::Exchange),
    ] {
        let plan = plan_without(shared, SkippedTokens::All);
        assert_eq!(plan.identity, Identity::None);
        assert!(!plan.is_for_ours(), "a third party");
        assert!(!plan.needs_token_service());
    }
}

#[test]
fn without_service_tokens_callers_are_relayed_all_the_same() {
    let plan = |shared| plan_without(shared, SkippedTokens::ServiceToken);
    let skipped = plan(NOTHING);
    assert_eq!(skipped.identity, Identity::None);
    assert!(skipped.is_for_ours(), "only its tokens are off");
    assert!(!plan(identity(Identity::None)).is_for_ours());
    assert!(!skipped.needs_token_service());
    let relayed = plan(SharedSpec {
        when_absent: Some(WhenAbsent::Service),
        ..identity(Identity::Relay)
    });
    assert_eq!(
        (relayed.identity, relayed.when_absent),
        (Identity::Relay, WhenAbsent::None)
    );
    assert!(!relayed.needs_token_service());
}
