//! What the estate's own products are told, in files as their documentation has them, is what calls go by.

mod calls;
mod elsewhere;
mod exceptions;
mod hystrix;
mod limits;
mod names;
mod openfeign;
mod precedence;
mod resilience4j;
mod rounded;
mod sentinel;
mod sources;
mod switches;

use hallpass_config::Loader;
use hallpass_feign::{FeignClientSettings, FeignSettings};
use hallpass_upstream::{BreakerSettings, GuardSettings};

fn loader(yaml: &str) -> Loader {
    let nothing: [(&str, &str); 0] = [];
    Loader::new("hallpass")
        .text("application.yaml", yaml)
        .environment(nothing)
}

fn load(yaml: &str) -> FeignSettings {
    loader(yaml).load().unwrap().into_settings()
}

/// The settings of `logistics-service`.
fn logistics(yaml: &str) -> FeignClientSettings {
    load(yaml).client("logistics-service").clone()
}

/// What guards the service `logistics-service`.
fn guards(yaml: &str) -> GuardSettings {
    logistics(yaml).service
}

/// The one breaker of that service.
fn breaker(yaml: &str) -> BreakerSettings {
    let breakers = guards(yaml).breakers;
    assert_eq!(breakers.len(), 1, "{breakers:?}");
    breakers[0]
}

/// What is wrong where `logistics-service` is a client of ours, one problem a line.
fn problems(yaml: &str) -> Vec<String> {
    let loader = loader(yaml).text("own.yaml", "hallpass.feign.clients.logistics-service: {}");
    let problems = loader.load::<FeignSettings>().unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

/// The one thing that is wrong.
fn problem(yaml: &str) -> String {
    let problems = problems(yaml);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems[0].clone()
}

#[test]
fn the_page_has_the_tables_of_all_keys_as_the_code_has_them() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/resilience.md");
    let page = std::fs::read_to_string(path).unwrap();
    let tables = FeignSettings::estate_tables();
    for table in tables.split("\n\n") {
        assert!(
            page.contains(table.trim()),
            "docs/resilience.md lacks:\n{table}"
        );
    }
    let rows = |text: &str| text.lines().filter(|line| line.starts_with("| `")).count();
    let (_, ours) = page.split_once("## The words of the estate").unwrap();
    let (ours, _) = ours.split_once("### Where a rule stands").unwrap();
    assert_eq!(
        rows(ours),
        rows(&tables),
        "docs/resilience.md has other rows"
    );
}
