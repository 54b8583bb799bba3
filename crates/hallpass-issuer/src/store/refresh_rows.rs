//! Rows of `refresh_families`: how they are written and made into families.

use hallpass_token::{ClientId, RevocationDigest, RevocationKind, Sealer, Subject, UnixTime};
use serde::Serialize;

use crate::error::Error;
use crate::refresh::family::{Family, Granted};
use crate::refresh::token::{FamilyId, SecretDigest};

/// A row as it stands in the table; in JSON it is what its HMAC is made of.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) seq: i64,
    pub(super) family: String,
    pub(super) client_mark: String,
    pub(super) subject_mark: String,
    pub(super) secret_digest: String,
    pub(super) used_at: Option<i64>,
    pub(super) started_at: i64,
    pub(super) ends_at: i64,
    pub(super) granted: String,
}

/// The columns in their order.
pub(super) type Columns = (
    i64,
    String,
    String,
    String,
    String,
    Option<i64>,
    i64,
    i64,
    String,
);

impl From<Columns> for Row {
    fn from(columns: Columns) -> Self {
        Self {
            seq: columns.0,
            family: columns.1,
            client_mark: columns.2,
            subject_mark: columns.3,
            secret_digest: columns.4,
            used_at: columns.5,
            started_at: columns.6,
            ends_at: columns.7,
            granted: columns.8,
        }
    }
}

impl Row {
    pub(super) fn of(family: &Family, seq: i64, sealer: &Sealer) -> Result<Self, Error> {
        let granted = &family.granted;
        let id = family.id.to_string();
        let text = granted.to_text().ok_or(Error::Internal {
            operation: "writing a refresh token",
        })?;
        Ok(Self {
            seq,
            client_mark: client_mark(&granted.client_id),
            subject_mark: subject_mark(&family.subject()),
            secret_digest: family.digest.to_string(),
            used_at: family.used_at.map(seconds),
            started_at: seconds(family.started_at),
            ends_at: seconds(family.ends_at),
            granted: sealer.seal(text.as_bytes(), id.as_bytes())?,
            family: id,
        })
    }

    pub(super) fn read(&self, sealer: &Sealer) -> Option<Family> {
        let granted = sealer.open(&self.granted, self.family.as_bytes())?;
        let moment = |seconds: i64| u64::try_from(seconds).ok().map(UnixTime::from_secs);
        Some(Family {
            id: FamilyId::parse(&self.family)?,
            digest: SecretDigest::parse(&self.secret_digest)?,
            used_at: match self.used_at {
                Some(at) => Some(moment(at)?),
                None => None,
            },
            started_at: moment(self.started_at)?,
            ends_at: moment(self.ends_at)?,
            granted: Granted::parse(&granted)?,
        })
    }
}

pub(super) fn client_mark(client: &ClientId) -> String {
    RevocationDigest::new(RevocationKind::Client, client.as_str()).to_string()
}

pub(super) fn subject_mark(subject: &Subject) -> String {
    RevocationDigest::new(RevocationKind::Subject, subject.as_str()).to_string()
}

pub(super) fn seconds(moment: UnixTime) -> i64 {
    number(moment.as_secs())
}

pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
