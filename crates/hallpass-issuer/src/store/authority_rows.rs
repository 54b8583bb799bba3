//! Rows of `certificate_authorities`: how they are read, listed, and made into authorities.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use hallpass_token::{Sealer, UnixTime};

use super::query::{query, query_as};
use super::row_list::{RowList, Table, json};
use super::seal;
use super::transaction::Transaction;
use crate::authority::record::{AuthorityRecord, AuthorityState};
use crate::error::Error;

/// A row as it stands in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AuthorityRow {
    pub(super) id: String,
    state: String,
    trust_domain: String,
    certificate: String,
    sealed_private: Option<String>,
    created_at: i64,
    not_after: i64,
    since: i64,
}

/// The columns in their order.
type Columns = (
    String,
    String,
    String,
    String,
    Option<String>,
    i64,
    i64,
    i64,
);

/// All rows, the oldest authority first.
pub(super) async fn read(connection: &mut Transaction) -> Result<Vec<AuthorityRow>, sqlx::Error> {
    let rows: Vec<Columns> = query_as(
        "select id, state, trust_domain, certificate, sealed_private, created_at, not_after, since \
         from certificate_authorities order by created_at, id",
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(AuthorityRow::from).collect())
}

impl From<Columns> for AuthorityRow {
    fn from(columns: Columns) -> Self {
        Self {
            id: columns.0,
            state: columns.1,
            trust_domain: columns.2,
            certificate: columns.3,
            sealed_private: columns.4,
            created_at: columns.5,
            not_after: columns.6,
            since: columns.7,
        }
    }
}

impl AuthorityRow {
    /// The row of `authority`, its private half sealed.
    ///
    /// # Errors
    /// The error of the sealer.
    pub(super) fn of(authority: &AuthorityRecord, sealer: &Sealer) -> Result<Self, Error> {
        let name = row_name(&authority.id);
        let private = authority.private.as_ref();
        let sealed = private.map(|private| sealer.seal(private, name.as_bytes()));
        let seconds = |at: UnixTime| i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
        Ok(Self {
            id: authority.id.clone(),
            state: authority.state.as_str().to_owned(),
            trust_domain: authority.trust_domain.clone(),
            certificate: BASE64.encode(&authority.certificate),
            sealed_private: sealed.transpose()?,
            created_at: seconds(authority.created_at),
            not_after: seconds(authority.not_after),
            since: seconds(authority.since),
        })
    }

    pub(super) fn signs(&self) -> bool {
        self.state == AuthorityState::Signing.as_str()
    }

    /// The authority of the row.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`].
    pub(super) fn record(&self, store: &str, sealer: &Sealer) -> Result<AuthorityRecord, Error> {
        let id = &self.id;
        let damaged = |what: &str| Error::StoreDamaged {
            store: store.to_owned(),
            problem: format!("certificate authority {id:?}: {what}"),
        };
        let private = match &self.sealed_private {
            Some(sealed) => {
                let opened = sealer.open(sealed, row_name(id).as_bytes());
                Some(opened.ok_or_else(|| damaged("its private key does not open"))?)
            }
            None => None,
        };
        let moment = |at: i64| UnixTime::from_secs(u64::try_from(at).unwrap_or_default());
        let certificate = BASE64.decode(&self.certificate);
        Ok(AuthorityRecord {
            id: id.clone(),
            state: AuthorityState::named(&self.state).ok_or_else(|| damaged("unknown state"))?,
            trust_domain: self.trust_domain.clone(),
            certificate: certificate.map_err(|_| damaged("its certificate is not base64"))?,
            private,
            created_at: moment(self.created_at),
            not_after: moment(self.not_after),
            since: moment(self.since),
        })
    }

    /// Writes the row, in the place of the one of its authority.
    pub(super) async fn put(&self, connection: &mut Transaction) -> Result<(), sqlx::Error> {
        query(
            "insert into certificate_authorities (id, state, trust_domain, certificate, sealed_private, created_at, not_after, since) \
             values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (id) do update set state = excluded.state, \
             sealed_private = excluded.sealed_private, since = excluded.since",
        )
        .bind(&self.id)
        .bind(&self.state)
        .bind(&self.trust_domain)
        .bind(&self.certificate)
        .bind(&self.sealed_private)
        .bind(self.created_at)
        .bind(self.not_after)
        .bind(self.since)
        .execute(connection)
        .await
    }
}

/// What [`AuthorityRow::put`] does in the file, for the rows in memory.
pub(super) fn put(rows: &mut Vec<AuthorityRow>, new: AuthorityRow) {
    match rows.iter_mut().find(|row| row.id == new.id) {
        Some(row) => {
            row.state = new.state;
            row.sealed_private = new.sealed_private;
            row.since = new.since;
        }
        None => rows.push(new),
    }
}

pub(super) fn list(rows: &[AuthorityRow]) -> RowList {
    RowList::of(rows, |row| &row.id, content)
}

/// Seals with `incoming` what `outgoing` has sealed, and lists it.
///
/// # Errors
/// [`Error::StoreDamaged`] when a row is not as this issuer wrote it, and those of the store.
pub(super) async fn seal_anew(
    name: &str,
    connection: &mut Transaction,
    rows: &[AuthorityRow],
    (outgoing, incoming): (&Sealer, &Sealer),
) -> Result<(), Error> {
    let failed = |source| Error::store(name, source);
    let table = Table::CertificateAuthorities;
    let mut resealed = Vec::with_capacity(rows.len());
    for row in rows {
        let row = AuthorityRow::of(&row.record(name, outgoing)?, incoming)?;
        row.put(connection).await.map_err(failed)?;
        resealed.push(row);
    }
    let written = read(connection).await.map_err(failed)?;
    let (meant, written) = (list(&resealed), list(&written));
    if let Some(problem) = meant.problem(&written, table) {
        let store = name.to_owned();
        return Err(Error::StoreDamaged { store, problem });
    }
    seal::put_list(name, connection, incoming, table, &meant).await
}

/// All of a row that is believed.
fn content(row: &AuthorityRow) -> String {
    json(&(
        &row.id,
        &row.state,
        &row.trust_domain,
        &row.certificate,
        &row.sealed_private,
        row.created_at,
        row.not_after,
        row.since,
    ))
}

/// Ties a sealed key to its row: moved to another row, it does not open.
fn row_name(id: &str) -> String {
    format!("certificate authority {id}")
}
