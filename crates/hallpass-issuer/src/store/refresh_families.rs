//! The families of refresh tokens, in the store.
//!
//! A process that knows the HMAC of each row finds any row that somebody else has written, changed, taken away or brought back:
//! those it knows must add up to the sum that is sealed.

use std::collections::HashMap;

use aws_lc_rs::hmac;
use hallpass_token::{ClientId, Revocation, Sealer, Subject, UnixTime};
use zeroize::Zeroizing;

use super::Store;
use super::query::{query, query_as};
use super::refresh_rows::{Columns, Row, client_mark, number, seconds, subject_mark};
use super::row_list::json;
use super::row_seal::{RowSeal, Sum};
use super::sealed_rows::SealedRows;
use super::transaction::Transaction;
use crate::error::Error;
use crate::refresh::family::Family;
use crate::refresh::token::FamilyId;

const SEALER_LABEL: &str = "hallpass issuer refresh tokens v1";
/// Purposes of keys: see [`RowSeal::derived`].
const SEALER_PURPOSE: &str = "seal what is granted";
const NAMES_PURPOSE: &str = "name families";
const SUCCESSOR_PURPOSE: &str = "make the successor of a refresh token";
const ALL_AFTER: &str = "select seq, family, client_mark, subject_mark, secret_digest, used_at, started_at, ends_at, granted \
     from refresh_families where seq > $1";
const ONE: &str = "select seq, family, client_mark, subject_mark, secret_digest, used_at, started_at, ends_at, granted \
     from refresh_families where family = $1";

/// What a process knows of each row.
#[derive(Clone, Copy, Debug)]
struct Known {
    mac: hmac::Tag,
    ends_at: i64,
}

/// Every family, as it was proven at one moment.
#[derive(Debug, Default)]
pub(crate) struct KnownFamilies {
    families: HashMap<FamilyId, Known>,
    sum: Sum,
    version: u64,
}

impl KnownFamilies {
    pub(crate) fn len(&self) -> usize {
        self.families.len()
    }

    /// Whether there is this one.
    pub(crate) fn has(&self, id: FamilyId) -> bool {
        self.families.contains_key(&id)
    }

    /// Whether some have ended.
    pub(crate) fn has_ended(&self, now: UnixTime) -> bool {
        let now = seconds(now);
        self.families.values().any(|known| known.ends_at <= now)
    }

    fn take(&mut self, seal: &RowSeal, row: &Row) -> Option<()> {
        let id = FamilyId::parse(&row.family)?;
        let (mac, ends_at) = (seal.mac(row), row.ends_at);
        self.put(id, Some(Known { mac, ends_at }));
        Some(())
    }

    fn put(&mut self, id: FamilyId, known: Option<Known>) {
        let before = match known {
            Some(known) => {
                self.sum.add(&known.mac);
                self.families.insert(id, known)
            }
            None => self.families.remove(&id),
        };
        if let Some(before) = before {
            self.sum.subtract(&before.mac);
        }
    }

    fn fits(&self, seal: &RowSeal) -> bool {
        let count = u64::try_from(self.families.len()).unwrap_or(u64::MAX);
        self.sum == seal.sum && count == seal.count
    }
}

impl Store {
    /// Begins to change families; `known` is brought up to what there is. Until the end nobody else writes.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when the rows are not those that this issuer wrote, or are older than `known`.
    pub(crate) async fn change_families<'s>(
        &'s self,
        known: &mut KnownFamilies,
    ) -> Result<FamilyChange<'s>, Error> {
        let transaction = self.begin_write().await?;
        self.families(transaction, known).await
    }

    /// The same to look at families only.
    ///
    /// # Errors
    /// As of [`change_families`](Self::change_families).
    pub(crate) async fn see_families<'s>(
        &'s self,
        known: &mut KnownFamilies,
    ) -> Result<FamilyChange<'s>, Error> {
        self.check_readers_not_locked()?;
        let transaction = self.begin().await?;
        let seen = self.families(transaction, known).await;
        self.note_reading(seen.as_ref().err());
        seen
    }

    async fn families<'s>(
        &'s self,
        mut transaction: Transaction,
        known: &mut KnownFamilies,
    ) -> Result<FamilyChange<'s>, Error> {
        let seal = self.known_families(&mut transaction, known).await?;
        let material = Zeroizing::new(json(&seal.derived(SEALER_PURPOSE).as_ref()));
        Ok(FamilyChange {
            store: self,
            transaction,
            sealer: Sealer::derive(&material, b"", SEALER_LABEL)?,
            seal,
            changes: Vec::new(),
        })
    }

    async fn known_families(
        &self,
        connection: &mut Transaction,
        known: &mut KnownFamilies,
    ) -> Result<RowSeal, Error> {
        let of = SealedRows::RefreshFamilies;
        let seal = RowSeal::read(&self.name, connection, &self.sealer, of).await?;
        if seal.version < known.version {
            return Err(self.damaged("its refresh tokens were put back to those of before"));
        }
        if seal.version == known.version && known.fits(&seal) {
            return Ok(seal);
        }
        for version in [known.version, 0] {
            let rows: Vec<Columns> = query_as(ALL_AFTER)
                .bind(number(version))
                .fetch_all(&mut *connection)
                .await
                .map_err(|source| self.failed(source))?;
            if version == 0 {
                *known = KnownFamilies::default();
            }
            let mut rows = rows.into_iter().map(Row::from);
            let taken = rows.try_for_each(|row| known.take(&seal, &row));
            if taken.is_some() && known.fits(&seal) {
                known.version = seal.version;
                return Ok(seal);
            }
        }
        Err(self.damaged("its refresh tokens were changed from outside"))
    }
}

/// Changes to families, in one transaction: all or nothing.
pub(crate) struct FamilyChange<'s> {
    store: &'s Store,
    transaction: Transaction,
    seal: RowSeal,
    sealer: Sealer,
    changes: Vec<(FamilyId, Option<Known>)>,
}

impl FamilyChange<'_> {
    /// What makes successors.
    pub(crate) fn successor_key(&self) -> hmac::Key {
        let key = self.seal.derived(SUCCESSOR_PURPOSE);
        hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())
    }

    /// What tells names of families that were made up here from others.
    pub(crate) fn names_key(&self) -> hmac::Key {
        let key = self.seal.derived(NAMES_PURPOSE);
        hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())
    }

    /// How many families there are.
    pub(crate) fn count(&self) -> u64 {
        self.seal.count
    }

    /// The family `id`, when there is one.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when its row is not the one that is `known`.
    pub(crate) async fn find(
        &mut self,
        known: &KnownFamilies,
        id: FamilyId,
    ) -> Result<Option<Family>, Error> {
        let row: Option<Columns> = query_as(ONE)
            .bind(id.to_string())
            .fetch_optional(&mut self.transaction)
            .await
            .map_err(|source| self.store.failed(source))?;
        let row = row.map(Row::from);
        let proven = known.families.get(&id).map(|known| known.mac);
        let found = row.as_ref().map(|row| self.seal.mac(row));
        if proven.as_ref().map(hmac::Tag::as_ref) != found.as_ref().map(hmac::Tag::as_ref) {
            let problem = "a refresh token of its was changed from outside";
            return Err(self.store.damaged(problem));
        }
        let damaged = || self.store.damaged("a refresh token of its cannot be read");
        row.map(|row| row.read(&self.sealer).ok_or_else(damaged))
            .transpose()
    }

    /// Writes `family` in the place of what there is of it.
    pub(crate) async fn put(
        &mut self,
        known: &KnownFamilies,
        family: &Family,
    ) -> Result<(), Error> {
        self.remove(known, family.id).await?;
        self.seal.version += 1;
        self.seal.count += 1;
        let row = Row::of(family, number(self.seal.version), &self.sealer)?;
        query(
            "insert into refresh_families (seq, family, client_mark, subject_mark, secret_digest, used_at, started_at, \
             ends_at, granted) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(row.seq)
        .bind(&row.family)
        .bind(&row.client_mark)
        .bind(&row.subject_mark)
        .bind(&row.secret_digest)
        .bind(row.used_at)
        .bind(row.started_at)
        .bind(row.ends_at)
        .bind(&row.granted)
        .execute(&mut self.transaction)
        .await
        .map_err(|source| self.store.failed(source))?;
        let (mac, ends_at) = (self.seal.mac(&row), row.ends_at);
        self.seal.sum.add(&mac);
        self.changes.push((family.id, Some(Known { mac, ends_at })));
        Ok(())
    }

    /// Deletes the family `id`, if it is there.
    pub(crate) async fn remove(
        &mut self,
        known: &KnownFamilies,
        id: FamilyId,
    ) -> Result<(), Error> {
        // What was never proven was never added to the sum.
        let Some(known) = known.families.get(&id) else {
            return Ok(());
        };
        query("delete from refresh_families where family = $1")
            .bind(id.to_string())
            .execute(&mut self.transaction)
            .await
            .map_err(|source| self.store.failed(source))?;
        self.removed(id, known);
        Ok(())
    }

    fn removed(&mut self, id: FamilyId, known: &Known) {
        self.seal.version += 1;
        self.seal.count = self.seal.count.saturating_sub(1);
        self.seal.sum.subtract(&known.mac);
        self.changes.push((id, None));
    }

    /// Deletes the families that have ended at `now`.
    pub(crate) async fn remove_ended(
        &mut self,
        known: &KnownFamilies,
        now: UnixTime,
    ) -> Result<(), Error> {
        let now = seconds(now);
        // In one statement: of many that end together each would cost the others that wait.
        query("delete from refresh_families where ends_at <= $1")
            .bind(now)
            .execute(&mut self.transaction)
            .await
            .map_err(|source| self.store.failed(source))?;
        let ended = known.families.iter().filter(|(_, it)| it.ends_at <= now);
        ended.for_each(|(id, known)| self.removed(*id, known));
        Ok(())
    }

    /// The oldest families of `client`, for `subject` when that is given, beyond the newest `kept`.
    pub(crate) async fn beyond(
        &mut self,
        client: &ClientId,
        subject: Option<&Subject>,
        kept: u32,
    ) -> Result<Vec<FamilyId>, Error> {
        let ids: Vec<(String,)> = query_as(
            "select family from refresh_families where client_mark = $1 and ($2 is null or subject_mark = $2) \
             order by started_at desc, seq desc limit $4 offset $3",
        )
        .bind(client_mark(client))
        .bind(subject.map(subject_mark))
        .bind(i64::from(kept))
        // SQLite has no offset without a limit, and PostgreSQL no limit below nothing.
        .bind(i64::MAX)
        .fetch_all(&mut self.transaction)
        .await
        .map_err(|source| self.store.failed(source))?;
        Ok(ids.iter().filter_map(|(id,)| FamilyId::parse(id)).collect())
    }

    /// Puts `entries` onto the deny-list as a part of this change.
    ///
    /// # Errors
    /// [`Error::TooManyRevocations`] when there would be more than `most`.
    pub(crate) async fn revoke(
        &mut self,
        entries: &[Revocation],
        most: usize,
    ) -> Result<(), Error> {
        let connection = &mut self.transaction;
        let added = self.store.add_revocations(connection, entries, most);
        added.await.map(|_| ())
    }

    /// Lets all of it count, and notes in `known` what there is now.
    pub(crate) async fn commit(mut self, known: &mut KnownFamilies) -> Result<(), Error> {
        let Store { name, sealer, .. } = self.store;
        self.seal.write(name, &mut self.transaction, sealer).await?;
        let commit = self.transaction.commit().await;
        commit.map_err(|source| self.store.failed(source))?;
        for (id, change) in self.changes {
            known.put(id, change);
        }
        known.version = self.seal.version;
        Ok(())
    }
}
