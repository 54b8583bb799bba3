//! Rules that others write while the process runs.

use hallpass_config::YamlText;
use hallpass_feign::{FeignSettings, SENTINEL_DOCUMENTS};

use super::loader;
use super::sentinel::DEGRADE;

#[test]
fn rules_of_data_sources_bound_no_client_where_sentinel_is_not_on_for_feign() {
    let yaml = "spring.cloud.sentinel.datasource.ds.nacos: { data-id: x, rule-type: degrade }";
    let rules = || {
        YamlText::new("nacos DEFAULT_GROUP/x", DEGRADE.into()).below(&[
            SENTINEL_DOCUMENTS,
            "degrade",
            "DEFAULT_GROUP/x",
        ])
    };
    let off = loader(yaml)
        .texts([rules()])
        .load::<FeignSettings>()
        .unwrap();
    assert!(
        off.warnings()[0].contains("as `feign.sentinel.enabled` is not true"),
        "{:?}",
        off.warnings()
    );
    let breakers =
        |settings: &FeignSettings| settings.client("logistics-service").service.breakers.len();
    assert_eq!(breakers(off.settings()), 0);
    for on in [
        "feign.sentinel.enabled: true",
        "hallpass.feign.estate: [sentinel]",
    ] {
        let loaded = loader(&format!("{yaml}\n{on}")).texts([rules()]);
        let loaded = loaded.load::<FeignSettings>().unwrap();
        assert_eq!(breakers(loaded.settings()), 1, "{on}");
    }
}

/// What the dashboard has published as flow rules.
fn published(rules: &str) -> hallpass_config::Loaded<FeignSettings> {
    published_beside("", rules)
}

/// The same beside this in our files.
fn published_beside(own: &str, rules: &str) -> hallpass_config::Loaded<FeignSettings> {
    let yaml = "
feign: { sentinel: { enabled: true }, hystrix: { enabled: true } }
spring.cloud.sentinel.datasource.ds.nacos: { data-id: x, rule-type: flow }
hystrix.command.order-service.execution.isolation.strategy: SEMAPHORE
";
    let text = YamlText::new("nacos DEFAULT_GROUP/x", rules.to_owned().into()).below(&[
        SENTINEL_DOCUMENTS,
        "flow",
        "DEFAULT_GROUP/x",
    ]);
    let loader = loader(yaml).text("own.yaml", own).texts([text]);
    loader.load().unwrap()
}

#[test]
fn whoever_writes_rules_elsewhere_cannot_make_a_configuration_unusable() {
    const GOOD: &str = r#"{"resource": "logistics-service", "count": 3}"#;
    for bad in [
        r#"{"resource": "logistics-service", "count": 1, "clusterMode": true}"#,
        r#"{"resource": "logistics-service", "count": 1, "limitApp": "s3cret"}"#,
        r#"{"resource": "logistics-service", "count": 1, "strategy": 2}"#,
        r#"{"resource": "logistics-service", "count": "s3cret"}"#,
        r#"{"resource": "logistics-service", "count": {"a": "s3cret"}}"#,
        r#"{"resource": "logistics-service", "count": "${s3cret}"}"#,
        r#"{"resource": "logistics-service", "count": 1, "Count": 2}"#,
        r#"{"resource": "logistics-service"}"#,
        r#"{"resource": "", "count": 1}"#,
        r#"{"count": 1}"#,
        r#"{"resource": "logistics-service", "grade": 0, "count": 99999999999999999}"#,
        r#"["s3cret"]"#,
        r#""s3cret""#,
    ] {
        let loaded = published(&format!("[{bad}, {GOOD}]"));
        let settings = loaded.settings();
        let rates = &settings.client("logistics-service").service.rates;
        assert_eq!(rates.len(), 1, "{bad}: {rates:?}");
        assert_eq!(rates[0].calls, 3, "{bad}");
        let skipped = settings.skipped_rules;
        assert_eq!((skipped.bad, skipped.others), (1, 0), "{bad}");
        let warnings = loaded.warnings();
        assert!(
            warnings[0].ends_with("; the rule is left out"),
            "{bad}: {warnings:?}"
        );
        assert!(!warnings.concat().contains("s3cret"), "{warnings:?}");
    }
    let stopped = published(
        r#"[{"resource": "logistics-service", "grade": 0, "count": 0}, {"resource": "logistics-service", "count": 3}]"#,
    );
    let rates = &stopped.settings().client("logistics-service").service.rates;
    assert!(rates.iter().any(|it| it.calls == 0), "{rates:?}");
    assert_eq!(stopped.settings().skipped_rules.bad, 0);
    for none in [
        "{}",
        "\"s3cret\"",
        "7",
        "{\"hallpass\": {\"feign\": {\"estate\": []}}}",
    ] {
        let loaded = published(none);
        assert_eq!(loaded.settings().skipped_rules.bad, 1, "{none}");
        assert!(!loaded.warnings().concat().contains("s3cret"));
    }
}

#[test]
fn rules_of_requests_that_arrive_and_what_another_product_says_stop_nothing() {
    let rules = r#"[
        {"resource": "/hello", "count": 1}, {"resource": "GET:/test", "count": 1},
        {"resource": "logistics-service", "count": 3},
        {"resource": "order-service", "grade": 0, "count": 5}
    ]"#;
    let loaded = published(rules);
    let settings = loaded.settings();
    assert_eq!(
        settings.client("logistics-service").service.rates[0].calls,
        3
    );
    let skipped = settings.skipped_rules;
    assert_eq!((skipped.bad, skipped.others), (0, 2));
    let bulkhead = settings.client("order-service").service.bulkhead.unwrap();
    assert_eq!(bulkhead.max_concurrent, 10, "Hystrix's, in our own files");
    let has = |text: &str| loaded.warnings().iter().any(|it| it.contains(text));
    assert!(
        has(
            "does not count: hystrix.command.order-service says it already; `feign.estate: [sentinel, hystrix]`"
        ),
        "{:?}",
        loaded.warnings()
    );
    assert!(has(
        "has rules that bound something that no declared client calls"
    ));
}

#[test]
fn of_many_bad_rules_the_log_names_a_few() {
    let bad = r#"{"resource": "logistics-service", "count": 1, "clusterMode": true}"#;
    let loaded = published(&format!("[{}]", vec![bad; 1_000].join(",")));
    assert_eq!(loaded.settings().skipped_rules.bad, 1_000);
    assert!(loaded.warnings().len() < 30, "{}", loaded.warnings().len());
}

#[test]
fn whoever_writes_rules_decides_neither_how_long_the_log_is_nor_how_much_is_kept() {
    let strange = |count: usize| {
        let rule =
            |index| format!(r#"{{"resource": "logistics-service", "count": {index}, "x": 1}}"#);
        let rules: Vec<_> = (1..=count).map(rule).collect();
        published(&format!("[{}]", rules.join(",")))
    };
    let loaded = strange(2);
    assert_eq!(loaded.warnings().len(), 2, "{:?}", loaded.warnings());
    let loaded = strange(1_000);
    assert_eq!(loaded.warnings().len(), 21, "{}", loaded.warnings().len());
    let rates = &loaded.settings().client("logistics-service").service.rates;
    assert_eq!(rates.len(), 1_000, "all are taken");
    let noted = loaded.left_alone().iter();
    let noted = noted.filter(|it| it.contains("is no key of such a rule"));
    assert_eq!(noted.count(), 1_000 - 20);
    // One rule with as many keys as one likes.
    let keys: String = (0..3_000).map(|key| format!(r#", "x{key}": 1"#)).collect();
    let rule = format!(r#"[{{"resource": "logistics-service", "count": 3 {keys}}}]"#);
    let loaded = published(&rule);
    assert!(loaded.warnings().len() < 5, "{}", loaded.warnings().len());
    assert_eq!(loaded.settings().skipped_rules.bad, 0);
}

#[test]
fn rules_about_names_that_nobody_has_are_bounded_and_shown_nowhere() {
    let rule = |index: usize| format!(r#"{{"resource": "stranger-{index}", "count": 1}}"#);
    let rules: Vec<_> = (0..1_500).map(rule).collect();
    let late = r#"{"resource": "logistics-service", "count": 7}"#;
    let text = format!("[{}, {late}]", rules.join(","));
    let loaded = published(&text);
    let settings = loaded.settings();
    assert_eq!(settings.skipped_rules.bad, 501, "not declared, and late");
    let is_stranger = |name: &&String| name.starts_with("stranger-");
    assert_eq!(settings.clients.keys().filter(is_stranger).count(), 1_000);
    assert_eq!(settings.client("stranger-0").service.rates[0].calls, 1);
    assert!(!loaded.effective().contains("stranger-"));
    let has = |it: &String| it.contains("is about more than 1000 names");
    assert!(loaded.warnings().iter().any(has), "{:?}", loaded.warnings());
    let own = "hallpass.feign.clients.logistics-service: {}";
    let loaded = published_beside(own, &text);
    let settings = loaded.settings();
    assert_eq!(settings.skipped_rules.bad, 500);
    let client = settings.client("logistics-service");
    assert_eq!(client.service.rates[0].calls, 7, "a client of ours");
    assert!(loaded.effective().contains("logistics-service"));
}

#[test]
fn a_rule_cannot_name_what_it_must_not_know() {
    let folder = tempfile::tempdir().unwrap();
    let rules = r#"[{"resource": "GET:http://logistics-service/${SECRET}", "count": 1}]"#;
    std::fs::write(folder.path().join("flow.json"), rules).unwrap();
    let path = folder.path().join("application.yaml");
    let yaml = "
feign.sentinel.enabled: true
spring.cloud.sentinel.datasource:
  ds1.file: { file: flow.json, rule-type: flow }
  ds2.nacos: { data-id: x, rule-type: flow }
";
    std::fs::write(&path, yaml).unwrap();
    let document = YamlText::new("nacos DEFAULT_GROUP/x", rules.to_owned().into()).below(&[
        SENTINEL_DOCUMENTS,
        "flow",
        "DEFAULT_GROUP/x",
    ]);
    let loader = hallpass_config::Loader::new("hallpass")
        .file(&path)
        .texts([document])
        .environment([("SECRET", "s3cret")]);
    let loaded = loader.load::<FeignSettings>().unwrap();
    let shown = format!("{loaded:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
    let client = loaded.settings().client("logistics-service");
    let rates: usize = client.methods.values().map(|it| it.rates.len()).sum();
    assert_eq!(rates, 2);
}
