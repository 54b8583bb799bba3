//! Another sealing key for a store: everything in it is sealed anew, in one transaction.

use hallpass_token::Sealer;

use super::database::{Database, begin_write};
use super::key_rows::{self, KeyRow};
use super::row_list::Table;
use super::row_seal::RowSeal;
use super::sealed_rows::SealedRows;
use super::transaction::Transaction;
use super::{authority_rows, client_rows, row_seal, seal};
use crate::error::Error;

/// Seals what `outgoing` has sealed, all of it as one when it is whole, with a key made of `material`, which is the store's from then
/// on.
///
/// # Errors
/// [`Error::StoreDamaged`] when a row is not as this issuer wrote it, and those of the store; nothing is changed then.
pub(super) async fn seal_anew(
    name: &str,
    database: &Database,
    (outgoing, is_whole): (&Sealer, bool),
    material: &str,
) -> Result<Sealer, Error> {
    let failed = |source| Error::store(name, source);
    let mut transaction = begin_write(name, database).await?;
    if is_whole {
        seal::check_whole(name, &mut transaction, outgoing).await?;
    }
    let keys = key_rows::read(&mut transaction).await.map_err(failed)?;
    let sealed_clients = sealed_clients(name, &mut transaction, outgoing).await?;
    let found_authorities = authority_rows::read(&mut transaction)
        .await
        .map_err(failed)?;
    let mut found = vec![
        (Table::SigningKeys, key_rows::list(&keys)),
        (
            Table::CertificateAuthorities,
            authority_rows::list(&found_authorities),
        ),
    ];
    let listed_clients = match &sealed_clients {
        Some(_) => None,
        None => {
            let rows = client_rows::read(&mut transaction).await.map_err(failed)?;
            found.push((Table::Clients, client_rows::list(&rows)));
            Some(client_rows::list(&rows))
        }
    };
    for (table, found) in &found {
        seal::check_list(name, &mut transaction, outgoing, *table, found).await?;
    }
    let sealer = seal::renew(name, &mut transaction, material).await?;
    row_seal::seal_anew(name, &mut transaction, outgoing, &sealer).await?;
    let mut resealed = Vec::with_capacity(keys.len());
    for row in &keys {
        let row = KeyRow::of(&row.record(name, outgoing)?, &sealer)?;
        row.put(&mut transaction).await.map_err(failed)?;
        resealed.push(row);
    }
    let written = key_rows::read(&mut transaction).await.map_err(failed)?;
    let (meant, written) = (key_rows::list(&resealed), key_rows::list(&written));
    if let Some(problem) = meant.problem(&written, Table::SigningKeys) {
        let store = name.to_owned();
        return Err(Error::StoreDamaged { store, problem });
    }
    seal::put_list(name, &mut transaction, &sealer, Table::SigningKeys, &meant).await?;
    if let Some(clients) = sealed_clients {
        clients.write_alone(name, &mut transaction, &sealer).await?;
    }
    if let Some(clients) = listed_clients {
        seal::put_list(name, &mut transaction, &sealer, Table::Clients, &clients).await?;
    }
    let sealers = (outgoing, &sealer);
    authority_rows::seal_anew(name, &mut transaction, &found_authorities, sealers).await?;
    seal::put_whole(name, &mut transaction, &sealer).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(sealer)
}

/// What is sealed of the clients; `None` in a store that still has a list of them. Each is held against it whenever it is read.
async fn sealed_clients(
    name: &str,
    connection: &mut Transaction,
    sealer: &Sealer,
) -> Result<Option<RowSeal>, Error> {
    let of = SealedRows::Clients;
    let sealed = seal::value(name, connection, of.seal_name()).await?;
    Ok(sealed.and_then(|sealed| RowSeal::open(sealer, &sealed, of)))
}
