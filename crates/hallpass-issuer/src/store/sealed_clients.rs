//! The seal of the clients: each by an HMAC of its own, and all of them by a sum.
//!
//! The HMAC of a client is over all that belongs to it, its name, and the number of the change that wrote it; it stands beside it. Under the seal of the
//! store stand how many clients there are, the number of the last change, and the sum of a second HMAC of each, over its name and its first one. So a
//! change costs the same whatever their number, and who follows reads only what has a higher number.
//!
//! Who writes, changes, exchanges, doubles, takes away or brings back a client without the sealing key makes either an HMAC or the sum wrong. A sum
//! is enough, where a list of hashes without a key would need more than that (Clarke et al., "Incremental Multiset Hash Functions", MSet-Add-Hash): what
//! is added looks random to who does not have the key, the sum itself is sealed, so another set of clients with the same sum can be found by chance
//! alone, one in 2 to the 256th. What is added is bound to the first HMAC and not to the number alone: after a backup was brought back, the same number
//! is given a second time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hallpass_token::Sealer;
use std::collections::HashMap;

use super::client_rows::found::{self, FoundClient};
use super::client_rows::{self, ClientRow};
use super::database::{Database, begin_write};
use super::query::query;
use super::row_list::Table;
use super::row_seal::RowSeal;
use super::seal;
use super::sealed_rows::SealedRows;
use super::transaction::Transaction;
use crate::error::Error;

/// 128 bits: nobody can try them out without the key.
const MAC_BYTES: usize = 16;
/// How many rows are read at once.
pub(super) const PAGE: i64 = 2_000;
const UPDATE: &str = "update clients set seq = $1, mac = $2 where client_id = $3";

/// The HMAC of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowMac([u8; MAC_BYTES]);

impl RowMac {
    /// As it stands in the table.
    pub(super) fn to_text(self) -> String {
        BASE64URL.encode(self.0)
    }
}

impl RowSeal {
    /// Of a client that change number `seq` has written.
    pub(super) fn mac_of_client(&self, seq: i64, row: &ClientRow) -> RowMac {
        let mut bytes = [0; MAC_BYTES];
        let tag = self.mac(&(seq, row));
        for (byte, of_tag) in bytes.iter_mut().zip(tag.as_ref()) {
            *byte = *of_tag;
        }
        RowMac(bytes)
    }

    /// What it adds to the sum. No HMAC of a client is one of this text: those are over a list that begins with a number.
    pub(super) fn tag_of_client(&self, client_id: &str, mac: RowMac) -> aws_lc_rs::hmac::Tag {
        self.mac(&("client", client_id, mac.to_text()))
    }

    /// The HMAC of a client that was found, if it is the one that stands beside it.
    pub(super) fn proven_mac(&self, found: &FoundClient) -> Option<RowMac> {
        let mac = self.mac_of_client(found.seq, &found.row);
        (found.mac.as_deref() == Some(mac.to_text().as_str())).then_some(mac)
    }
}

/// Seals each client by itself in a store whose clients are on a list: an older version made it, or it is being made. All of them were on that
/// list.
pub(super) async fn begin(name: &str, database: &Database, sealer: &Sealer) -> Result<(), Error> {
    let failed = |source| Error::store(name, source);
    if has_begun(name, database, sealer).await? {
        return Ok(());
    }
    let mut transaction = begin_write(name, database).await?;
    seal::check_whole(name, &mut transaction, sealer).await?;
    if is_begun(name, &mut transaction, sealer).await? {
        return Ok(());
    }
    let rows = client_rows::read(&mut transaction).await.map_err(failed)?;
    let listed = client_rows::list(&rows);
    seal::check_list(name, &mut transaction, sealer, Table::Clients, &listed).await?;
    let mut seal = RowSeal::new(SealedRows::Clients)?;
    let mut meant = HashMap::new();
    for row in &rows {
        let (seq, mac) = seal.add_client(row);
        let update = query(UPDATE).bind(seq).bind(mac.to_text()).bind(row.id());
        update.execute(&mut transaction).await.map_err(failed)?;
        meant.insert(row.id().to_owned(), mac);
    }
    check_written(name, &mut transaction, (&seal, 0), &meant).await?;
    seal.write(name, &mut transaction, sealer).await?;
    transaction.commit().await.map_err(failed)
}

/// Whether each client is sealed by itself already.
pub(super) async fn has_begun(
    name: &str,
    database: &Database,
    sealer: &Sealer,
) -> Result<bool, Error> {
    let failed = |source| Error::store(name, source);
    let mut looking = database.begin().await.map_err(failed)?;
    let is_begun = is_begun(name, &mut looking, sealer).await?;
    looking.rollback().await.map_err(failed)?;
    Ok(is_begun)
}

async fn is_begun(
    name: &str,
    connection: &mut Transaction,
    sealer: &Sealer,
) -> Result<bool, Error> {
    let of = SealedRows::Clients;
    let sealed = seal::value(name, connection, of.seal_name()).await?;
    Ok(sealed.is_some_and(|sealed| RowSeal::open(sealer, &sealed, of).is_some()))
}

/// Whether the clients that changes after `after` have written are those that were `meant`, and there are as many in all as are sealed: a database
/// can hold triggers of somebody else, which write more than they are told.
pub(super) async fn check_written(
    name: &str,
    connection: &mut Transaction,
    (seal, after): (&RowSeal, u64),
    meant: &HashMap<String, RowMac>,
) -> Result<(), Error> {
    let failed = |source| Error::store(name, source);
    let damaged = |problem: String| Error::StoreDamaged {
        store: name.to_owned(),
        problem,
    };
    let mut cursor = number(after);
    let mut found = 0;
    loop {
        let rows = found::read_after(connection, cursor, PAGE).await;
        let rows = rows.map_err(failed)?;
        for row in &rows {
            let mac = seal.proven_mac(row);
            if mac.is_none() || mac != meant.get(row.row.id()).copied() {
                let id = row.row.id();
                return Err(damaged(format!("client {id:?} was changed from outside")));
            }
        }
        found += rows.len();
        match rows.last() {
            Some(last) if rows.len() >= usize::try_from(PAGE).unwrap_or_default() => {
                cursor = last.seq;
            }
            _ => break,
        }
    }
    let all = found::count(connection).await.map_err(failed)?;
    match found == meant.len() && u64::try_from(all) == Ok(seal.count) {
        true => Ok(()),
        false => Err(damaged(
            "its clients were not those that this issuer wrote".to_owned(),
        )),
    }
}

impl RowSeal {
    /// One more client, by one more change.
    pub(super) fn add_client(&mut self, row: &ClientRow) -> (i64, RowMac) {
        self.version += 1;
        let seq = number(self.version);
        let mac = self.mac_of_client(seq, row);
        self.sum.add(&self.tag_of_client(row.id(), mac));
        self.count += 1;
        (seq, mac)
    }

    /// One client less. Of one that somebody else wrote nothing was ever added: the sum fits no more then, and that is noticed.
    pub(super) fn take_client(&mut self, client_id: &str, mac: RowMac) {
        self.sum.subtract(&self.tag_of_client(client_id, mac));
        self.count = self.count.saturating_sub(1);
    }
}

pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
