//! The seal of a table with many rows: of each row an HMAC, added up.
//!
//! One more row must not cost a walk through all; so no list of them is sealed but this sum, with
//! the key of the HMAC and the number of rows. Who writes, changes, takes away or brings back a row without the sealing key cannot
//! make the sum fit. A new row is added to the sum that was sealed, never to one of the rows that are found.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use hallpass_token::Sealer;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::database::{Database, begin_write};
use super::row_list::json;
use super::seal;
use super::sealed_rows::SealedRows;
use super::transaction::Transaction;
use crate::error::Error;

const KEY_BYTES: usize = 32;
const SUM_BYTES: usize = 32;

/// What is sealed of the rows.
pub(super) struct RowSeal {
    of: SealedRows,
    key: Zeroizing<[u8; KEY_BYTES]>,
    hmac_key: hmac::Key,
    pub(super) sum: Sum,
    pub(super) count: u64,
    /// Grows with each change; the `seq` of a row is the version at which it was written.
    pub(super) version: u64,
}

/// The same as it is written.
#[derive(Serialize, Deserialize)]
struct SealText {
    key: String,
    sum: String,
    count: u64,
    version: u64,
}

/// HMACs added up, modulo 2 to the 256th.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum([u8; SUM_BYTES]);

/// Seals that a store has no rows in the tables `of`: it was just made, or an older version made it. From then on each seal is
/// missed when it is gone.
pub(super) async fn begin(
    name: &str,
    database: &Database,
    sealer: &Sealer,
    of: impl Iterator<Item = SealedRows>,
) -> Result<(), Error> {
    let failed = |source| Error::store(name, source);
    let mut transaction = begin_write(name, database).await?;
    for of in of {
        let seal = RowSeal::new(of)?;
        seal.write_alone(name, &mut transaction, sealer).await?;
    }
    seal::put_apart_check(name, &mut transaction, sealer).await?;
    transaction.commit().await.map_err(failed)
}

/// Seals with `incoming` what `outgoing` sealed; the rows stay as they are.
pub(super) async fn seal_anew(
    name: &str,
    connection: &mut Transaction,
    outgoing: &Sealer,
    incoming: &Sealer,
) -> Result<(), Error> {
    for of in SealedRows::EVERY {
        let seal = RowSeal::read_alone(name, connection, outgoing, of).await?;
        seal.write_alone(name, connection, incoming).await?;
    }
    Ok(())
}

impl RowSeal {
    /// Of no rows, with a key that is made now.
    pub(super) fn new(of: SealedRows) -> Result<Self, Error> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        aws_lc_rs::rand::fill(key.as_mut_slice()).map_err(|_| Error::Internal {
            operation: "drawing random bytes",
        })?;
        Ok(Self {
            of,
            hmac_key: hmac_key(&key),
            key,
            sum: Sum::default(),
            count: 0,
            version: 0,
        })
    }

    /// # Errors
    /// [`Error::StoreDamaged`] when there is none, or `sealer` did not seal it, or it is of another moment than the rest of the
    /// store.
    pub(super) async fn read(
        name: &str,
        connection: &mut Transaction,
        sealer: &Sealer,
        of: SealedRows,
    ) -> Result<Self, Error> {
        seal::check_whole(name, connection, sealer).await?;
        Self::read_alone(name, connection, sealer, of).await
    }

    async fn read_alone(
        name: &str,
        connection: &mut Transaction,
        sealer: &Sealer,
        of: SealedRows,
    ) -> Result<Self, Error> {
        let sealed = seal::value(name, connection, of.seal_name()).await?;
        let opened = sealed.and_then(|sealed| Self::open(sealer, &sealed, of));
        opened.ok_or_else(|| Error::StoreDamaged {
            store: name.to_owned(),
            problem: format!("the seal of its {} does not open", of.rows()),
        })
    }

    /// `None` when it is another kind of seal, or `sealer` did not seal it.
    pub(super) fn open(sealer: &Sealer, sealed: &str, of: SealedRows) -> Option<Self> {
        let text = sealer.open(sealed, of.seal_name().as_bytes())?;
        let text: SealText = serde_json::from_slice(&text).ok()?;
        let key = Zeroizing::new(BASE64.decode(text.key).ok()?);
        let key = Zeroizing::new(key.as_slice().try_into().ok()?);
        Some(Self {
            of,
            hmac_key: hmac_key(&key),
            key,
            sum: Sum(BASE64.decode(text.sum).ok()?.try_into().ok()?),
            count: text.count,
            version: text.version,
        })
    }

    /// Puts it in its place, and under the seal of all.
    pub(super) async fn write(
        &self,
        name: &str,
        connection: &mut Transaction,
        sealer: &Sealer,
    ) -> Result<(), Error> {
        self.write_alone(name, connection, sealer).await?;
        seal::put_whole(name, connection, sealer).await
    }

    /// Puts it in its place; it is not under the seal of all.
    pub(super) async fn write_alone(
        &self,
        name: &str,
        connection: &mut Transaction,
        sealer: &Sealer,
    ) -> Result<(), Error> {
        let text = Zeroizing::new(json(&SealText {
            key: BASE64.encode(self.key.as_slice()),
            sum: BASE64.encode(self.sum.0),
            count: self.count,
            version: self.version,
        }));
        let seal_name = self.of.seal_name();
        let sealed = sealer.seal(text.as_bytes(), seal_name.as_bytes())?;
        seal::put(name, connection, seal_name, &sealed).await
    }

    /// The HMAC of a row: all its columns, in their order.
    pub(super) fn mac(&self, row: &impl Serialize) -> hmac::Tag {
        hmac::sign(&self.hmac_key, json(row).as_bytes())
    }

    /// A key for another purpose, which lives as long as the rows do. It tells nothing of any other: a row begins with a
    /// bracket, and no purpose does.
    pub(super) fn derived(&self, purpose: &str) -> hmac::Tag {
        hmac::sign(&self.hmac_key, purpose.as_bytes())
    }
}

fn hmac_key(key: &[u8; KEY_BYTES]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key)
}

impl Sum {
    pub(super) fn add(&mut self, tag: &hmac::Tag) {
        let mut carry = 0;
        for (byte, added) in self.0.iter_mut().zip(tag.as_ref()) {
            let sum = u16::from(*byte) + u16::from(*added) + carry;
            let [high, low] = sum.to_be_bytes();
            (*byte, carry) = (low, u16::from(high));
        }
    }

    pub(super) fn subtract(&mut self, tag: &hmac::Tag) {
        let mut borrow = false;
        for (byte, taken) in self.0.iter_mut().zip(tag.as_ref()) {
            let (rest, under) = byte.overflowing_sub(*taken);
            let (rest, under_again) = rest.overflowing_sub(u8::from(borrow));
            (*byte, borrow) = (rest, under || under_again);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_does_not_depend_on_the_order_and_what_is_taken_away_is_gone() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let tag = |text: &str| hmac::sign(&key, text.as_bytes());
        let sum = |texts: &[&str]| {
            let mut sum = Sum::default();
            texts.iter().for_each(|text| sum.add(&tag(text)));
            sum
        };
        assert_eq!(sum(&["a", "b", "c"]), sum(&["c", "a", "b"]));
        assert_ne!(sum(&["a", "b"]), sum(&["a", "c"]));
        assert_ne!(sum(&["a"]), sum(&["a", "a"]));
        let mut rest = sum(&["a", "b", "c"]);
        rest.subtract(&tag("b"));
        assert_eq!(rest, sum(&["a", "c"]));
        let mut below = Sum::default();
        below.subtract(&tag("a"));
        below.add(&tag("a"));
        assert_eq!(below, Sum::default());
    }
}
