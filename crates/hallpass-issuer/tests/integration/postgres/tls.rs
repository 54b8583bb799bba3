//! TLS to the database.

use hallpass_issuer::DatabaseTlsSettings;
use hallpass_tls::TestAuthority;

use super::*;

#[tokio::test]
async fn the_server_must_show_a_certificate_for_its_name_by_an_authority_that_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new("database");
    let pair = authority
        .certificate(&["localhost"])
        .write(folder.path(), "server");
    let (ca, other) = (
        folder.path().join("ca.crt"),
        folder.path().join("other.crt"),
    );
    std::fs::write(&ca, authority.pem()).unwrap();
    std::fs::write(&other, TestAuthority::new("another").pem()).unwrap();
    let Some(server) = PostgresServer::start(&[]).await else {
        return;
    };
    let name = server.database().await;
    server
        .speak_tls(&pair.certificate_file, &pair.private_key_file)
        .await;
    let with = |host: &str, ca_file: Option<&std::path::Path>| {
        let mut database = at(&server, name.clone());
        database.host = host.to_owned();
        database.tls = Some(DatabaseTlsSettings {
            ca_file: ca_file.map(Into::into),
            key_pair: None,
        });
        database
    };
    for (database, says) in [
        (with("localhost", Some(&other)), "certificate"),
        (with("localhost", None), "certificate"),
        (with("127.0.0.1", Some(&ca)), "certificate"),
    ] {
        let mut settings = crate::harness::settings(&folder);
        settings.database = Some(database);
        let error = IssuerServer::start(&settings, Arc::new(test_clock())).await;
        let said = error.map(|_| ()).unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
    }
    let harness = start_at(with("localhost", Some(&ca))).await;
    let in_use = "select count(*) > 0 from pg_stat_ssl join pg_stat_activity using (pid) where ssl and application_name = 'hallpass'";
    assert_eq!(server.sql("postgres", in_use).await, "t");
    let token = begin(&harness).await;
    assert_eq!(refresh(&harness, &token).await.status, 200);
}
