//! The server is another one by the time when it can be asked: started again, or one that has taken over.

use super::*;

/// The database is asked as soon as this has come back.
async fn lost(rig: &Rig, token: &str, network: &Network, meanwhile: impl Future) -> Response {
    let line = format!("POST {PATH}");
    let (key, order) = ([KEY.to_owned()], order());
    network.goes(Way::LosesResponseAndGoes);
    let asked = rig.send(&line, token, &key, &order);
    let meanwhile = async {
        network.has_lost_soon().await;
        meanwhile.await;
        network.goes(Way::Good);
    };
    tokio::join!(asked, meanwhile).0
}

#[tokio::test]
async fn a_change_that_counts_is_done_although_the_database_was_started_again_before_it_could_be_asked()
 {
    for is_crash in [false, true] {
        let Some(mut server) = PostgresServer::start(&[]).await else {
            return;
        };
        let name = server.database().await;
        let (network, rig) = behind(&server, name).await;
        let token = rig.ops().await;
        let restart = async {
            match is_crash {
                false => server.stop().await,
                true => server.kill().await,
            }
            server.start_again().await;
        };
        let mut added = lost(&rig, &token, &network, restart).await;
        if added.status == 503 {
            // It took longer than a request waits.
            assert_eq!(problem(&added), refused(503, "outcome_unknown"));
            added = again(&rig, &token).await;
        }
        assert_eq!(added.status, 201, "{added:?}");
        works(&rig, &secret(&added)).await;
        let outcomes = outcomes(&rig, "client_add").await;
        assert!(outcomes.contains(&"done".to_owned()), "{outcomes:?}");
        assert!(!outcomes.contains(&"outcome_unknown".to_owned()));
    }
}

#[tokio::test]
async fn a_change_that_whoever_took_over_does_not_have_is_not_done_although_it_counted_before() {
    let Some((server, network, rig)) = rig().await else {
        return;
    };
    let name = rig.harness.settings.database.as_ref().unwrap().name.clone();
    let sql = async |sql: String| {
        let sql = sql.replace("NAME", &name);
        server.sql("postgres", &sql).await
    };
    let end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = 'NAME'";
    let shut = async || {
        sql("alter database NAME with allow_connections false".to_owned()).await;
        sql(end.to_owned()).await;
    };
    // A replica that is a little behind.
    shut().await;
    sql("create database NAME_behind template NAME".to_owned()).await;
    sql("alter database NAME with allow_connections true".to_owned()).await;
    let token = rig.ops().await;
    rig.harness
        .until_told(|told| told == 200, || async { rig.get(PATH, &token).await })
        .await;
    let taken_over = async {
        shut().await;
        sql("alter database NAME rename to NAME_before".to_owned()).await;
        sql("alter database NAME_behind rename to NAME".to_owned()).await;
    };
    let lost = lost(&rig, &token, &network, taken_over).await;
    assert_eq!(
        problem(&lost),
        refused(503, "store_unavailable"),
        "{lost:?}"
    );
    let again = again(&rig, &token).await;
    assert_eq!(again.status, 201, "{again:?}");
    works(&rig, &secret(&again)).await;
}
