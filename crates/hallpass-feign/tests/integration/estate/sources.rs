//! Where rules of Sentinel stand.

use hallpass_config::{Loader, YamlText};
use hallpass_feign::{FeignSettings, SENTINEL_DOCUMENTS};

use super::loader;
use super::sentinel::{DEGRADE, FLOW};

#[test]
fn rules_stand_in_files_of_ours_and_of_spring_cloud_alibaba() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("degrade.json"), DEGRADE).unwrap();
    std::fs::write(folder.path().join("flow.json"), FLOW).unwrap();
    let path = folder.path().join("application.yaml");
    let ours =
        "hallpass.feign.sentinel: { degrade-rules-file: degrade.json, flow-rules-file: flow.json }";
    let theirs = "
feign.sentinel.enabled: true
spring.cloud.sentinel.datasource:
  ds1.file: { file: degrade.json, rule-type: degrade, data-type: json }
  ds2.file: { file: 'file:flow.json', ruleType: flow }
";
    for yaml in [ours, theirs] {
        std::fs::write(&path, yaml).unwrap();
        let feign: FeignSettings = Loader::new("hallpass")
            .file(&path)
            .load()
            .unwrap()
            .into_settings();
        let service = &feign.client("logistics-service").service;
        assert_eq!(
            (service.breakers.len(), service.rates.len()),
            (1, 1),
            "{yaml}"
        );
    }
    std::fs::write(folder.path().join("flow.json"), "[{").unwrap();
    // A file that our own key names is as strict as any key of ours.
    std::fs::write(&path, ours).unwrap();
    let load = || Loader::new("hallpass").file(&path).load::<FeignSettings>();
    let problems = load().unwrap_err();
    assert!(problems.to_string().contains("flow.json:1:"), "{problems}");
    std::fs::write(&path, theirs).unwrap();
    let loaded = load().unwrap();
    let warning = &loaded.warnings()[0];
    assert!(warning.contains("flow.json:1:"), "{warning}");
    assert!(
        warning.ends_with("; no rule of it is in effect"),
        "{warning}"
    );
    assert_eq!(loaded.settings().skipped_rules.bad, 1);
    let service = &loaded.settings().client("logistics-service").service;
    assert_eq!((service.breakers.len(), service.rates.len()), (1, 0));
    for word in ["false", "FALSE", "off", "'no'"] {
        let off = format!(
            "feign.sentinel.enabled: true\nspring.cloud.sentinel: {{ enabled: {word}, datasource.ds.file: {{ file: gone.json, rule-type: flow }} }}"
        );
        let loaded = loader(&off).load::<FeignSettings>().unwrap();
        assert_eq!(loaded.warnings(), [""; 0], "{word}");
    }
}

#[test]
fn sources_that_are_not_read_stop_nothing() {
    let with = |source: &str| {
        format!("feign.sentinel.enabled: true\nspring.cloud.sentinel.datasource.ds.{source}")
    };
    for (source, expected) in [
        (
            "zk: { rule-type: flow }",
            "ds.zk: is a source of rules that is not read here",
        ),
        (
            "nacos: { data-id: x, rule-type: flow, data-type: xml }",
            "data-type: is another form than json",
        ),
        // The example of Spring Cloud Alibaba.
        (
            "file: { file: 'classpath: flowrule.json', rule-type: flow, data-type: json }",
            "begins with `classpath:`",
        ),
        // What only the bootstrap file of a Spring service fills in.
        (
            "nacos: { data-id: '${spring.application.name}-flow', rule-type: flow }",
            "; this source of rules is not read",
        ),
        (
            "nacos: { data-id: x, rule-type: '${a.b}' }",
            "; this source of rules is not read",
        ),
        (
            "nacos: { data-id: x, data-type: '${a.b}', rule-type: flow }",
            "; it is taken for json",
        ),
        (
            "file: { file: '${a.b}', rule-type: flow }",
            "; no rule of it is in effect",
        ),
    ] {
        let loaded = loader(&with(source)).load::<FeignSettings>().unwrap();
        let warnings = loaded.warnings();
        assert!(warnings[0].contains(expected), "{warnings:?}");
    }
    let others = with("file: { file: x, rule-type: authority }");
    let loaded = loader(&others).load::<FeignSettings>().unwrap();
    assert_eq!(loaded.warnings(), [""; 0]);
    let noted =
        |text: &String| text.contains("rule-type: has rules that are neither `flow` nor `degrade`");
    assert!(
        loaded.left_alone().iter().any(noted),
        "{:?}",
        loaded.left_alone()
    );
}

#[test]
fn documents_of_nacos_are_rules_where_they_are_put() {
    let yaml = "feign.sentinel.enabled: true\nspring.cloud.sentinel.datasource.ds.nacos: { data-id: order-service-degrade-rules, group-id: SENTINEL_GROUP, rule-type: degrade }";
    let name = "SENTINEL_GROUP/order-service-degrade-rules";
    let rules = YamlText::new(format!("nacos {name}"), DEGRADE.into()).below(&[
        SENTINEL_DOCUMENTS,
        "degrade",
        name,
    ]);
    let loaded = loader(yaml).texts([rules]).load::<FeignSettings>().unwrap();
    assert_eq!(loaded.warnings(), [""; 0]);
    assert_eq!(
        loaded
            .settings()
            .client("logistics-service")
            .service
            .breakers
            .len(),
        1
    );
    let without = loader(yaml).load::<FeignSettings>().unwrap();
    assert!(
        without.warnings()[0].contains("is not there, or was not asked for"),
        "{:?}",
        without.warnings()
    );
}
