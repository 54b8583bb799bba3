//! Documents that count under some profiles only.

use hallpass_config::{Configuration, Loader, Production, Section};

use crate::spring::value;
use crate::{Settings, lines, load, loader};

fn profiles(yaml: &str, active: &[&str]) -> Loader {
    let active = active.join(",");
    loader(yaml).environment([("SPRING_PROFILES_ACTIVE", active)])
}

const BY_PROFILE: &str = "\
hallpass: { service: { name: base }, security: { permit-all: false } }
---
spring.config.activate.on-profile: dev
hallpass.security.permit-all: true
---
spring: { config: { activate: { onProfile: [staging, 'qa & !eu'] } } }
hallpass: { service: { name: staged } }
";

#[test]
fn a_document_of_a_profile_counts_under_that_profile_alone() {
    let in_effect = |active: &[&str]| {
        let loader = profiles(BY_PROFILE, active);
        (value(&loader, "permit-all"), value(&loader, "name"))
    };
    let pair = |permit_all: &str, name: &str| (permit_all.to_owned(), name.to_owned());
    assert_eq!(in_effect(&["dev"]), pair("true", "base"));
    assert_eq!(in_effect(&["staging"]), pair("false", "staged"));
    assert_eq!(in_effect(&["qa"]), pair("false", "staged"));
    assert_eq!(in_effect(&["qa", "eu"]), pair("false", "base"));
    assert_eq!(in_effect(&["dev", "staging"]), pair("true", "staged"));
    for nothing in [&[][..], &[""], &["DEV"], &["development"]] {
        assert_eq!(in_effect(nothing), pair("false", "base"), "{nothing:?}");
    }
}

#[test]
fn without_an_active_profile_no_document_of_a_profile_counts() {
    let alone = |on_profile: &str| {
        format!(
            "spring.config.activate.on-profile: '{on_profile}'\nhallpass.security.permit-all: true\n"
        )
    };
    for on_profile in ["dev", "!prod", "default", "dev | !dev"] {
        let text = alone(on_profile);
        assert_eq!(value(&loader(&text), "permit-all"), "false", "{on_profile}");
        let unknown = Loader::new("hallpass").text("a", text);
        assert_eq!(value(&unknown, "permit-all"), "false", "{on_profile}");
    }
    assert_eq!(
        value(&profiles(&alone("!prod"), &["staging"]), "permit-all"),
        "true"
    );
    assert_eq!(
        value(&profiles(&alone("!prod"), &["prod"]), "permit-all"),
        "false"
    );
}

#[test]
fn the_spelling_of_older_springs_is_a_condition_too() {
    let text = "spring: { profiles: dev }\nhallpass: { security: { permit-all: true } }\n";
    assert_eq!(value(&loader(text), "permit-all"), "false");
    assert_eq!(value(&profiles(text, &["dev"]), "permit-all"), "true");
}

#[test]
fn a_file_may_say_which_profiles_are_active_and_the_environment_goes_before_it() {
    let text = format!("spring.profiles: {{ active: '${{STAGE:dev}}' }}\n{BY_PROFILE}");
    assert_eq!(value(&loader(&text), "permit-all"), "true");
    assert_eq!(
        value(&loader(&text).environment([("STAGE", "staging")]), "name"),
        "staged"
    );
    assert_eq!(value(&profiles(&text, &["qa"]), "permit-all"), "false");
    let group = format!(
        "spring.profiles: {{ group: {{ local: [dev, more], more: staging }} }}\n{BY_PROFILE}"
    );
    let local = profiles(&group, &["local"]);
    assert_eq!(
        (value(&local, "permit-all"), value(&local, "name")),
        ("true".into(), "staged".into())
    );
    let include = format!("spring.profiles.include: dev\n{BY_PROFILE}");
    assert_eq!(value(&loader(&include), "permit-all"), "true");
}

#[test]
fn a_profile_in_a_file_is_a_sign_of_production_too() {
    #[derive(Debug)]
    struct Stage(Production);
    impl Configuration for Stage {
        fn keys() -> Vec<hallpass_config::Key> {
            Vec::new()
        }
        fn read(root: &Section<'_>) -> Option<Self> {
            Some(Self(root.production()))
        }
    }
    let stage = |text: &str| loader(text).load::<Stage>().unwrap().settings().0;
    assert_eq!(
        stage("spring.profiles.active: eu, prod"),
        Production::Yes("spring.profiles.active")
    );
    assert_eq!(stage("spring.profiles.active: dev"), Production::No);
}

#[test]
fn a_document_for_a_platform_counts_there() {
    let text = "spring.config.activate.on-cloud-platform: kubernetes\nhallpass.service.name: pod\n---\n\
                hallpass: { service.name: else, security.permit-all: false }\n";
    let in_cluster = loader(text).environment([("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
    assert_eq!(load(text).service.name.as_deref(), Some("else"));
    assert_eq!(
        in_cluster
            .load::<Settings>()
            .unwrap()
            .settings()
            .service
            .name
            .as_deref(),
        Some("else")
    );
    let last = "hallpass.service.name: else\n---\nspring.config.activate: { on-cloud-platform: kubernetes }\nhallpass.service.name: pod\n";
    let in_cluster = loader(last).environment([("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
    assert_eq!(
        in_cluster
            .load::<Settings>()
            .unwrap()
            .settings()
            .service
            .name
            .as_deref(),
        Some("pod")
    );
}

#[test]
fn a_condition_that_is_not_understood_is_a_problem_where_it_is_about_us() {
    for condition in [
        "on-profile: 'a & b | c'",
        "on-profile: '${STAGE}'",
        "on-profile: [[dev]]",
        "on-cloud-platform: heroku",
    ] {
        let text =
            format!("spring.config.activate.{condition}\nhallpass.security.permit-all: true\n");
        let found = lines(&profiles(&text, &["dev"]).load::<Settings>().unwrap_err());
        assert_eq!(found.len(), 1, "{condition}: {found:?}");
        let others = format!("spring.config.activate.{condition}\nserver.port: 80\n");
        assert!(
            profiles(&others, &["dev"]).load::<Settings>().is_ok(),
            "{condition}"
        );
    }
}
