use hallpass_config::{Loaded, Loader, Problems};

use super::*;

fn load(text: &str) -> Result<NacosSettings, Vec<String>> {
    let loaded = Loader::new("hallpass").text("t", text).load();
    let lines = |problems: Problems| problems.iter().map(ToString::to_string).collect();
    loaded.map(Loaded::into_settings).map_err(lines)
}

#[test]
fn without_the_section_nacos_is_not_used() {
    let settings = load("hallpass: {}").unwrap();
    assert!(!settings.is_used());
    let defaults = NacosSettings::default();
    assert_eq!(settings.timeout, defaults.timeout);
    assert_eq!(settings.config, defaults.config);
}

#[test]
fn shared_documents_come_before_further_ones_and_those_before_the_own() {
    let text = "
hallpass:
  nacos:
    server-addr: 127.0.0.1:8848,localhost:8849
    username: nacos
    password: InternalSecret123!
    config:
      group: SHOP
      data-ids: [service-order.yaml, late.properties]
      shared-configs: [{ data-id: internal-token.yaml, refresh: false, optional: true }]
      extension-configs: [{ data-id: b.yml, group: G }]
";
    let settings = load(text).unwrap();
    let shown: Vec<_> = settings
        .config
        .documents
        .iter()
        .map(|it| format!("{}/{}", it.group, it.data_id))
        .collect();
    assert_eq!(
        shown,
        [
            "DEFAULT_GROUP/internal-token.yaml",
            "G/b.yml",
            "SHOP/service-order.yaml",
            "SHOP/late.properties"
        ]
    );
    assert!(settings.config.documents[0].optional && !settings.config.documents[0].refresh);
    assert_eq!(settings.servers.len(), 2);
    assert!(!format!("{settings:?}").contains("InternalSecret"));
}

#[test]
fn a_server_elsewhere_needs_tls_or_a_loud_word() {
    let open = "hallpass: { nacos: { server-addr: 'nacos.shop:8848' } }";
    assert!(load(open).unwrap_err()[0].contains("dangerous-plain-text"));
    let tls = "hallpass: { nacos: { server-addr: 'https://nacos.shop:8848' } }";
    assert!(load(tls).is_ok());
    let loud = "hallpass: { nacos: { server-addr: nacos.shop, dangerous-plain-text: true } }";
    assert!(load(loud).is_ok());
}

#[test]
fn what_cannot_be_meant_is_a_problem() {
    for (section, word) in [
        ("username: a", "password"),
        ("access-key: a, username: b", "together"),
        ("password: a", "no effect"),
        ("config: { data-ids: [a.yaml] }", "server-addr"),
        (
            "server-addr: localhost, config: { data-ids: [a.xml] }",
            ".yaml",
        ),
        (
            "server-addr: localhost, config: { data-ids: [a.yaml, a.yaml] }",
            "twice",
        ),
        ("namespace: 'a b'", "letters"),
        ("server-addr: 'http://u:p@h'", "is not a server"),
    ] {
        let problems = load(&format!("hallpass: {{ nacos: {{ {section} }} }}")).unwrap_err();
        assert!(problems[0].contains(word), "{section}: {problems:?}");
    }
}

#[test]
fn only_other_settings_differ_and_another_password_does_not() {
    let one = |more: &str| {
        load(&format!(
            "hallpass: {{ nacos: {{ server-addr: a, dangerous-plain-text: true, {more} }} }}"
        ))
        .unwrap()
    };
    let user = |password: &str| one(&format!("username: u, password: {password}"));
    assert!(!one("").differs_from(&one("")));
    assert!(!user("InternalSecret123!").differs_from(&user("OtherSecret4567!")));
    for other in [
        "namespace: n",
        "timeout-ms: 1000",
        "config: { data-ids: [a.yaml] }",
    ] {
        assert!(one("").differs_from(&one(other)), "{other}");
    }
}
