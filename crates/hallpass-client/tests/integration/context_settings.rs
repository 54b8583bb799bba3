//! `context` and `trace`: what travels beside the identity.

use hallpass_client::context::AllowList;
use hallpass_client::{ClaimDemand, ContextSettings, TenantSettings};
use hallpass_config::{Loader, Percent, Problems};
use hallpass_upstream::TrustSampled;

fn load(yaml: &str) -> Result<ContextSettings, Problems> {
    let loader = Loader::new("hallpass").text("hallpass.yaml", yaml);
    Ok(loader.load::<ContextSettings>()?.into_settings())
}

#[test]
fn nothing_is_carried_unless_the_settings_say_so() {
    for yaml in ["hallpass: {}", "hallpass: { context: {}, trace: {} }"] {
        let settings = load(yaml).unwrap();
        assert_eq!(settings, ContextSettings::default());
        assert!(settings.headers.is_empty() && settings.tenant.is_none());
        assert_eq!(settings.sampled, Percent::ALL);
        assert_eq!(settings.trust_sampled, TrustSampled::Authenticated);
    }
}

#[test]
fn the_names_of_an_estate_are_read_as_they_stand() {
    let yaml = "
hallpass:
  context:
    headers: [X-Tenant-Id, X-Gray-Tag, Accept-Language, TX_XID, dubbo.tag, shop.region]
    max-value-bytes: 64
    max-bytes: 128
    tenant: { header: X-Tenant-Id, claim: tenant_id, demand-claim: true }
    gray-header: x-gray-tag
  trace: { sample-percent: 10, trust-sampled: none }
";
    let settings = load(yaml).unwrap();
    let names = [
        "X-Tenant-Id",
        "X-Gray-Tag",
        "Accept-Language",
        "TX_XID",
        "dubbo.tag",
        "shop.region",
    ];
    let headers = AllowList::new(names).unwrap().limits(64, 128);
    assert_eq!(settings.headers, headers);
    let tenant = TenantSettings {
        header: "x-tenant-id".parse().unwrap(),
        claim: "tenant_id".to_owned(),
        demand: ClaimDemand::All,
    };
    assert_eq!(settings.tenant, Some(tenant));
    assert_eq!(settings.gray_header, Some("x-gray-tag".parse().unwrap()));
    assert_eq!(settings.sampled, Percent::TENTH);
    assert_eq!(settings.trust_sampled, TrustSampled::None);
}

#[test]
fn all_that_cannot_be_carried_is_told_at_once_with_its_key() {
    let yaml = "
hallpass:
  context:
    headers: [X-Tenant-Id, Authorization, Cookie, X-User-Id, Content-Length, 'no name']
    tenant: { claim: '' }
    max-bytes: 0
  trace: { sample-percent: 101, trust-sampled: some }
";
    let problems = load(yaml).unwrap_err().to_string();
    for expected in [
        "context.headers[1]",
        "context.headers[2]",
        "context.headers[3]",
        "context.headers[4]",
        "context.headers[5]",
        "context.tenant.header",
        "context.tenant.claim",
        "context.max-bytes",
        "trace.sample-percent",
        "trace.trust-sampled",
    ] {
        assert!(problems.contains(expected), "{expected}: {problems}");
    }
    let unlisted = "hallpass: { context: { headers: TX_XID, tenant: { header: X-Tenant-Id }, gray-header: X-Gray-Tag } }";
    let problems = load(unlisted).unwrap_err().to_string();
    assert_eq!(problems.matches("must stand in context.headers").count(), 2);
}

/// What is refused under one name would go on under the other.
#[test]
fn a_second_spelling_of_a_name_on_the_list_is_a_problem_of_the_load() {
    let twice = "hallpass: { context: { headers: [X-Tenant-Id, X_Tenant_Id], tenant: { header: X-Tenant-Id } } }";
    let problems = load(twice).unwrap_err().to_string();
    assert!(problems.contains("context.headers"), "{problems}");
    assert!(problems.contains("two spellings"), "{problems}");
    let other =
        "hallpass: { context: { headers: [X_Tenant_Id], tenant: { header: X-Tenant-Id } } }";
    let problems = load(other).unwrap_err().to_string();
    assert!(problems.contains("context.tenant.header"), "{problems}");
}

#[test]
fn whose_token_must_name_the_tenant_is_read_by_its_old_words_too() {
    let read = |demand: &str| {
        let tenant = format!("tenant: {{ header: X-Tenant-Id{demand} }}");
        let yaml = format!("hallpass: {{ context: {{ headers: [X-Tenant-Id], {tenant} }} }}");
        load(&yaml).map(|it| it.tenant.unwrap().demand)
    };
    for (written, demand) in [
        ("", ClaimDemand::Users),
        (", demand-claim: users", ClaimDemand::Users),
        (", demand-claim: all", ClaimDemand::All),
        (", demand-claim: true", ClaimDemand::All),
        (", demand-claim: none", ClaimDemand::None),
        (", demand-claim: false", ClaimDemand::None),
    ] {
        assert_eq!(read(written).unwrap(), demand, "{written}");
    }
    let problems = read(", demand-claim: some").unwrap_err().to_string();
    assert!(
        problems.contains("context.tenant.demand-claim"),
        "{problems}"
    );
}

#[test]
fn a_claim_that_every_token_has_names_no_tenant() {
    for claim in ["client_id", "iss", "sub", "aud", "scope", "act", "cnf"] {
        let tenant = format!("tenant: {{ header: X-Tenant-Id, claim: {claim} }}");
        let yaml = format!("hallpass: {{ context: {{ headers: [X-Tenant-Id], {tenant} }} }}");
        let problems = load(&yaml).unwrap_err().to_string();
        assert!(problems.contains("context.tenant.claim"), "{problems}");
    }
}
