//! A store that somebody looks at who has little time.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_issuer::{InspectedStore, IssuerServer};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::harness::{Harness, test_clock};

/// Rows of a table that nothing seals.
const ROWS: &str = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) \
                    insert into verifiers select 'v' || i, i, '' from n";

#[tokio::test]
async fn a_large_store_is_not_read_and_a_look_keeps_no_issuer_from_starting() {
    let harness = Harness::start().await;
    let (settings, folder) = (harness.settings.clone(), harness.folder);
    harness.issuer.shutdown().await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(test_clock());
    let open = async || InspectedStore::open(&settings).await.unwrap();
    let sound = open().await.report_of_at_most(4_000, &clock).await.unwrap();
    assert_eq!(sound.unwrap().contents.problems, [""; 0]);
    let inspected = open().await;
    let second = IssuerServer::start(&settings, clock.clone()).await;
    second.unwrap().shutdown().await.unwrap();
    drop(inspected);

    let file = SqliteConnectOptions::new().filename(&settings.store);
    let mut file = file.connect().await.unwrap();
    sqlx::query(ROWS).execute(&mut file).await.unwrap();
    sqlx::Connection::close(file).await.unwrap();
    let report = async |most| open().await.report_of_at_most(most, &clock).await.unwrap();
    assert_eq!(report(4_000).await, None);
    let whole = report(6_000).await.unwrap();
    assert_eq!(whole.contents.verifiers, 5_000);
    drop(folder);
}
