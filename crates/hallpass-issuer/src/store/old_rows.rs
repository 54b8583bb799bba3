//! The rows of a store that was made before rows were listed.

use hallpass_token::Sealer;

use super::database::{Database, begin_write};
use super::row_list::Table;
use super::{client_rows, key_rows, seal};
use crate::error::Error;

/// Lists the rows of a store that an older version made. Nothing proves those rows, so the log names what is believed
/// from now on without having been sealed; it happens once a store.
pub(super) async fn list(name: &str, database: &Database, sealer: &Sealer) -> Result<(), Error> {
    let mut transaction = begin_write(name, database).await?;
    let keys = key_rows::read(&mut transaction)
        .await
        .map_err(|source| Error::store(name, source))?;
    for row in &keys {
        let record = row.record(name, sealer)?;
        if record.private.is_none() {
            tracing::warn!(store = name, kid = %record.kid, "the store of an older version has a public key that nothing proves; it is published from now on: compare it with what you imported");
        }
    }
    let clients = client_rows::read(&mut transaction)
        .await
        .map_err(|source| Error::store(name, source))?;
    for client in &clients {
        tracing::warn!(
            store = name,
            client_id = client.id(),
            registration = client.shown(),
            "the store of an older version has a client that nothing proves; it counts from now on: compare it with what you registered"
        );
    }
    seal::put_list(
        name,
        &mut transaction,
        sealer,
        Table::SigningKeys,
        &key_rows::list(&keys),
    )
    .await?;
    seal::put_list(
        name,
        &mut transaction,
        sealer,
        Table::Clients,
        &client_rows::list(&clients),
    )
    .await?;
    seal::put_listed_check(name, &mut transaction, sealer).await?;
    transaction
        .commit()
        .await
        .map_err(|source| Error::store(name, source))
}
