//! `issuer.database`.

use hallpass_issuer::DatabaseTlsSettings;

use crate::settings::{load, problems};

fn yaml(database: &str, beside: &str) -> String {
    format!("hallpass: {{ issuer: {{ database: {{ {database} }}, {beside} }} }}")
}

const SEALED: &str = "key-encryption-key: 0123456789abcdef0123456789abcdef";

#[test]
fn connections_to_other_machines_are_tls_unless_a_dangerous_setting_says_otherwise() {
    let tls = |database: &str| {
        let text = format!("username: u, password: p, {database}");
        load(&yaml(&text, SEALED)).database.unwrap().tls
    };
    let usual = Some(DatabaseTlsSettings::default());
    assert_eq!(tls("url: 'postgres://db/auth'"), usual);
    assert_eq!(tls("url: 'postgres://localhost/auth'"), None);
    assert_eq!(tls("url: 'postgres://localhost/auth', tls: {}"), usual);
    let with_ca = tls("url: 'postgres://db/auth', tls: { ca-file: ca.crt }").unwrap();
    assert!(with_ca.ca_file.unwrap().ends_with("ca.crt"));
    assert_eq!(
        tls("url: 'postgres://db/auth', dangerous-plain-tcp: true"),
        None
    );
}

#[test]
fn what_spring_users_write_gets_advice_and_everything_wrong_is_said_at_once() {
    let all = problems(&yaml(
        "url: 'jdbc:postgresql://db/auth', jdbc-url: x, user: u",
        "store: a.db",
    ));
    let text = all.join("\n");
    for says in [
        "issuer.database.url: must be `postgres://host:5432/name`, without `jdbc:`",
        "here it is `url`, without `jdbc:`",
        "here it is `username`",
        "issuer.database.username",
        "issuer.database.password: is required, or `password-file`",
        "issuer.store: has no effect beside `database`",
        "issuer.key-encryption-key: is required with `database`",
    ] {
        assert!(text.contains(says), "{says}:\n{text}");
    }
    let text = problems("hallpass: { issuer: { datasource: { url: x } } }").join("\n");
    assert!(text.contains("here it is `database`"), "{text}");
    let both =
        "url: 'postgres://db/auth', username: u, password: p, tls: {}, dangerous-plain-tcp: true";
    let text = problems(&yaml(both, SEALED)).join("\n");
    assert!(text.contains("contradicts `tls`"), "{text}");
}
