//! The values by which a store recognises its sealing key, and the sealed lists of its rows.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use hallpass_token::Sealer;

use super::database::{Database, begin_write};
use super::query::{Query, query, query_as};
use super::row_list::{RowList, Table, json};
use super::sealed_rows::SealedRows;
use super::transaction::Transaction;
use crate::error::Error;

/// The purpose that the sealing key is derived for.
pub(super) const LABEL: &str = "hallpass issuer store v1";
/// The text of the sealed check value. If it opens, the sealing key is the right one.
const CHECK_TEXT: &[u8] =
    b"hallpass issuer store, rows listed, revocations and refresh tokens sealed, all of them as one";
/// The same in a store whose seals nothing holds together yet: an older version made it, or it is being made.
const APART_CHECK_TEXT: &[u8] =
    b"hallpass issuer store, rows listed, revocations and refresh tokens sealed";
/// The same in a store that has no seal of its refresh tokens yet: an older version made it.
const REVOCATIONS_CHECK_TEXT: &[u8] = b"hallpass issuer store, rows listed, revocations sealed";
/// The same in a store that has no seal of its revocations either: a still older version made it.
const LISTED_CHECK_TEXT: &[u8] = b"hallpass issuer store, rows listed";
/// The same in a store whose rows were never listed: a still older version made it.
const UNLISTED_CHECK_TEXT: &[u8] = b"hallpass issuer store";
const CHECK_ROW: &[u8] = b"store check";

/// Where the seal of all seals stands in `store_meta`.
const WHOLE: &str = "whole";

/// What was found in `store_meta`.
pub(super) struct Seal {
    salt: Vec<u8>,
    check: String,
}

/// A proven sealing key.
pub(super) struct Proven {
    pub(super) sealer: Sealer,
    /// Whether the rows are listed; those of an older store are not.
    pub(super) is_listed: bool,
    /// Which tables have a seal.
    pub(super) sealed_rows: &'static [SealedRows],
    /// Whether a seal holds them and the lists together.
    pub(super) is_whole: bool,
}

impl Seal {
    /// The seal of an initialised store; `None` for an empty file or one whose creation was cut off.
    pub(super) async fn read(name: &str, database: &Database) -> Result<Option<Self>, Error> {
        let read = |source| Error::store(name, source);
        let mut transaction = database.begin().await.map_err(read)?;
        let found = database.has_table(&mut transaction, "store_meta").await;
        if !found.map_err(read)? {
            return Ok(None);
        }
        let rows: Vec<(String, String)> = query_as("select name, value from store_meta")
            .fetch_all(&mut transaction)
            .await
            .map_err(read)?;
        transaction.rollback().await.map_err(read)?;
        let value = |wanted: &str| {
            rows.iter()
                .find(|(key, _)| key == wanted)
                .map(|(_, value)| value.clone())
        };
        let damaged = |problem: &str| Error::StoreDamaged {
            store: name.to_owned(),
            problem: problem.into(),
        };
        match (value("seal_salt"), value("seal_check")) {
            (None, None) => Ok(None),
            (Some(salt), Some(check)) => {
                let salt = BASE64
                    .decode(salt)
                    .map_err(|_| damaged("store_meta.seal_salt is not base64"))?;
                Ok(Some(Self { salt, check }))
            }
            _ => Err(damaged("one half of its seal was taken away")),
        }
    }

    /// `key` says in an error which sealing key was tried.
    pub(super) fn prove(&self, name: &str, material: &str, key: String) -> Result<Proven, Error> {
        let sealer = Sealer::derive(material, &self.salt, LABEL)?;
        let text = sealer.open(&self.check, CHECK_ROW);
        let text = text.as_ref().map(|text| text.as_slice());
        let is_whole = text == Some(CHECK_TEXT);
        let (is_listed, sealed_rows): (_, &[_]) = match text {
            Some(CHECK_TEXT | APART_CHECK_TEXT) => (true, &SealedRows::EVERY),
            Some(REVOCATIONS_CHECK_TEXT) => (true, &[SealedRows::Revocations]),
            Some(LISTED_CHECK_TEXT) => (true, &[]),
            Some(UNLISTED_CHECK_TEXT) => (false, &[]),
            _ => {
                return Err(Error::WrongSealingKey {
                    store: name.to_owned(),
                    key,
                });
            }
        };
        Ok(Proven {
            sealer,
            is_listed,
            sealed_rows,
            is_whole,
        })
    }
}

/// Makes the seal of a new store, with empty lists: rows that stand there already were not written by us.
pub(super) async fn create(
    name: &str,
    database: &Database,
    material: &str,
) -> Result<Proven, Error> {
    let salt = Sealer::generate_salt()?;
    let sealer = Sealer::derive(material, &salt, LABEL)?;
    let mut transaction = begin_write(name, database).await?;
    for table in [Table::SigningKeys, Table::Clients] {
        let sealed = RowList::default().seal(&sealer, table)?;
        put(name, &mut transaction, table.list_name(), &sealed).await?;
    }
    let check = sealer.seal(LISTED_CHECK_TEXT, CHECK_ROW)?;
    // Fails when another process has just made one.
    query("insert into store_meta (name, value) values ('seal_salt', $1), ('seal_check', $2)")
        .bind(BASE64.encode(salt))
        .bind(check)
        .execute(&mut transaction)
        .await
        .map_err(|source| Error::store(name, source))?;
    transaction
        .commit()
        .await
        .map_err(|source| Error::store(name, source))?;
    Ok(Proven {
        sealer,
        is_listed: true,
        sealed_rows: &[],
        is_whole: false,
    })
}

/// A new salt and check value in the place of those that are there, with the sealer that they belong to.
pub(super) async fn renew(
    name: &str,
    connection: &mut Transaction,
    material: &str,
) -> Result<Sealer, Error> {
    let salt = Sealer::generate_salt()?;
    let sealer = Sealer::derive(material, &salt, LABEL)?;
    put(name, connection, "seal_salt", &BASE64.encode(salt)).await?;
    put_check(name, connection, &sealer).await?;
    Ok(sealer)
}

/// Holds the rows `found` against their sealed list.
///
/// # Errors
/// [`Error::StoreDamaged`] when somebody else wrote, changed or took away a row, or the list.
pub(super) async fn check_list(
    name: &str,
    connection: &mut Transaction,
    sealer: &Sealer,
    table: Table,
    found: &RowList,
) -> Result<(), Error> {
    let sealed = value(name, connection, table.list_name()).await?;
    let damaged = |problem| Error::StoreDamaged {
        store: name.to_owned(),
        problem,
    };
    let listed = match sealed {
        None if table.may_be_unlisted() => Some(RowList::default()),
        sealed => sealed.and_then(|sealed| RowList::open(sealer, table, &sealed)),
    };
    let listed = listed.ok_or_else(|| damaged(format!("{} does not open", table.list_name())))?;
    listed
        .problem(found, table)
        .map_or(Ok(()), |problem| Err(damaged(problem)))
}

/// Says that the rows are listed from now on, and that every table of many rows has a seal.
pub(super) async fn put_apart_check(
    name: &str,
    connection: &mut Transaction,
    sealer: &Sealer,
) -> Result<(), Error> {
    let check = sealer.seal(APART_CHECK_TEXT, CHECK_ROW)?;
    put(name, connection, "seal_check", &check).await
}

/// Holds all lists and seals against the one seal over them: none of them, with its table, is of another moment than the rest.
/// Before each of them is believed, and so before each is written: what was put back must not come under a new seal.
///
/// # Errors
/// [`Error::StoreDamaged`].
pub(super) async fn check_whole(
    name: &str,
    connection: &mut Transaction,
    sealer: &Sealer,
) -> Result<(), Error> {
    let found = every_seal(name, connection).await?;
    if connection.proven.is_some() {
        return check_still(name, connection, &found);
    }
    let sealed = value(name, connection, WHOLE).await?;
    let sealed = sealed.and_then(|sealed| sealer.open(&sealed, WHOLE.as_bytes()));
    if sealed.is_none_or(|sealed| *sealed != digest_of(&found).as_ref()) {
        return Err(put_back(name));
    }
    connection.proven = Some(found);
    Ok(())
}

/// Seals all lists and seals: those that were proven in this transaction, with what it has changed of them, and never what stands there now. Only where
/// nothing could be proven, in a store that is being made or is of an older version, they are taken as they are.
///
/// # Errors
/// [`Error::StoreDamaged`] when others stand there: somebody else wrote them meanwhile, or has the database do so.
pub(super) async fn put_whole(
    name: &str,
    connection: &mut Transaction,
    sealer: &Sealer,
) -> Result<(), Error> {
    let digest = match &connection.proven {
        Some(proven) => digest_of(proven),
        None => digest_of(&every_seal(name, connection).await?),
    };
    let sealed = sealer.seal(digest.as_ref(), WHOLE.as_bytes())?;
    put(name, connection, WHOLE, &sealed).await?;
    // What is not noticed here, since it comes later, does not fit what was sealed.
    let found = every_seal(name, connection).await?;
    check_still(name, connection, &found)
}

/// Whether what was `found` is what was proven before, with the changes since then.
fn check_still(
    name: &str,
    connection: &Transaction,
    found: &BTreeMap<String, String>,
) -> Result<(), Error> {
    match connection.proven.as_ref().is_none_or(|it| it == found) {
        true => Ok(()),
        false => Err(put_back(name)),
    }
}

fn put_back(name: &str) -> Error {
    Error::StoreDamaged {
        store: name.to_owned(),
        problem: "a part of it was put back to what it was before, or changed from outside"
            .to_owned(),
    }
}

/// The names of what is under the seal of all.
fn seal_names() -> [&'static str; 5] {
    let [revocations, families] = SealedRows::EVERY.map(SealedRows::seal_name);
    [
        Table::SigningKeys.list_name(),
        Table::Clients.list_name(),
        revocations,
        families,
        Table::CertificateAuthorities.list_name(),
    ]
}

/// All that is under the seal of all, as it stands there.
async fn every_seal(
    name: &str,
    connection: &mut Transaction,
) -> Result<BTreeMap<String, String>, Error> {
    let sql = "select name, value from store_meta where name in ($1, $2, $3, $4, $5)";
    let asked = seal_names().into_iter().fold(query_as(sql), Query::bind);
    let rows: Vec<(String, String)> = asked
        .fetch_all(connection)
        .await
        .map_err(|source| Error::store(name, source))?;
    let mut seals = BTreeMap::new();
    for (key, value) in rows {
        // The database need not keep its own constraints: which of two would be believed is not left to it.
        if seals.insert(key, value).is_some() {
            return Err(put_back(name));
        }
    }
    Ok(seals)
}

/// Each seal is another one whenever it is written, since it is sealed with a new nonce.
fn digest_of(seals: &BTreeMap<String, String>) -> digest::Digest {
    // In the order of their names: not by the database, each of which sorts texts in its own order.
    let rows: Vec<_> = seals.iter().collect();
    digest::digest(&digest::SHA256, json(&rows).as_bytes())
}

/// Says that all of it is under one seal from now on.
async fn put_check(name: &str, connection: &mut Transaction, sealer: &Sealer) -> Result<(), Error> {
    let check = sealer.seal(CHECK_TEXT, CHECK_ROW)?;
    put(name, connection, "seal_check", &check).await
}

/// Says that the rows are listed from now on, in a store where no table of many rows has a seal yet.
pub(super) async fn put_listed_check(
    name: &str,
    connection: &mut Transaction,
    sealer: &Sealer,
) -> Result<(), Error> {
    let check = sealer.seal(LISTED_CHECK_TEXT, CHECK_ROW)?;
    put(name, connection, "seal_check", &check).await
}

/// Seals the list of the rows as they are now; only after [`check_list`] in the same transaction.
pub(super) async fn put_list(
    name: &str,
    connection: &mut Transaction,
    sealer: &Sealer,
    table: Table,
    rows: &RowList,
) -> Result<(), Error> {
    let sealed = rows.seal(sealer, table)?;
    put(name, connection, table.list_name(), &sealed).await
}

/// What `store_meta` has under `key`; of what was proven in this transaction, what that was.
pub(super) async fn value(
    name: &str,
    connection: &mut Transaction,
    key: &str,
) -> Result<Option<String>, Error> {
    if let Some(proven) = connection.proven.as_ref().filter(|_| is_seal(key)) {
        return Ok(proven.get(key).cloned());
    }
    let found: Option<(String,)> = query_as("select value from store_meta where name = $1")
        .bind(key)
        .fetch_optional(connection)
        .await
        .map_err(|source| Error::store(name, source))?;
    Ok(found.map(|(value,)| value))
}

pub(super) async fn put(
    name: &str,
    connection: &mut Transaction,
    key: &str,
    value: &str,
) -> Result<(), Error> {
    query(
        "insert into store_meta (name, value) values ($1, $2) \
         on conflict (name) do update set value = excluded.value",
    )
    .bind(key)
    .bind(value)
    .execute(&mut *connection)
    .await
    .map_err(|source| Error::store(name, source))?;
    if let Some(proven) = connection.proven.as_mut().filter(|_| is_seal(key)) {
        proven.insert(key.to_owned(), value.to_owned());
    }
    Ok(())
}

/// Whether it is under the seal of all.
fn is_seal(key: &str) -> bool {
    seal_names().contains(&key)
}
