//! Rows of `clients` and of the tables below it: how they are read, listed, and made into registrations.

pub(super) mod found;

use std::cmp::Ordering;
use std::collections::HashMap;
use std::time::Duration;

use hallpass_token::{ClientId, UnixTime};
use serde::Serialize;

use super::query::{query, query_as};
use super::row_list::{RowList, json};
use super::transaction::Transaction;
use crate::clients::authentication::Authentication;
use crate::clients::registration::{GrantType, GrantTypes, Registration};
use crate::clients::registry::MAX_REFRESH_LIFE;
use crate::clients::revision::Revision;
use crate::clients::secret::LiveSecret;
use crate::clients::secret_digest::SecretDigest;
use crate::clients::stored_registration::StoredRegistration;

const ADD_AUDIENCE: &str = "insert into client_audiences (client_id, audience) values ($1, $2)";
const ADD_GRANT: &str = "insert into client_grants (client_id, grant_type) values ($1, $2)";

const AUDIENCES: &str = "select client_id, audience from client_audiences";
const GRANTS: &str = "select client_id, grant_type from client_grants";
const DELETE: [&str; 5] = [
    "delete from client_registrations where client_id = $1",
    "delete from client_secrets where client_id = $1",
    "delete from client_grants where client_id = $1",
    "delete from client_audiences where client_id = $1",
    "delete from clients where client_id = $1",
];

/// A client and all that belongs to it, as it stands in the tables; in JSON it is what its digest is made of.
#[derive(Serialize)]
pub(super) struct ClientRow {
    client_id: String,
    scope: String,
    token_life_seconds: i64,
    created_at: i64,
    audiences: Vec<String>,
    grants: Vec<String>,
    secrets: Vec<SecretRow>,
    /// What it was registered with; else it is the first client, and what it may do stands in the tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    registration: Option<StoredRegistration>,
}

#[derive(Serialize)]
struct SecretRow {
    kind: String,
    verifier: String,
    not_after: Option<i64>,
    created_at: i64,
}

impl SecretRow {
    /// The newest first.
    fn order(&self, other: &Self) -> Ordering {
        let newest = other.created_at.cmp(&self.created_at);
        newest.then_with(|| self.verifier.cmp(&other.verifier))
    }
}

impl ClientRow {
    /// The row of a new client; `None` when it, or one of its secrets, is of the settings and not for a store.
    pub(super) fn of(client: &Registration, now: i64) -> Option<Self> {
        let secret = |secret: &LiveSecret| {
            let (kind, verifier) = secret.to_stored()?;
            Some(SecretRow {
                kind: kind.to_owned(),
                verifier,
                not_after: None,
                created_at: now,
            })
        };
        let authentication = &client.authentication;
        if authentication.key().is_some() || authentication.certificate().is_some() {
            return None;
        }
        let secrets: Option<Vec<_>> = client.authentication.secrets().iter().map(secret).collect();
        let sorted = |mut names: Vec<String>| {
            names.sort_unstable();
            names
        };
        let mut secrets = secrets?;
        secrets.sort_unstable_by(SecretRow::order);
        let grants = client.grants.iter();
        Some(Self {
            client_id: client.client_id.to_string(),
            scope: client.scope.as_str().to_owned(),
            token_life_seconds: i64::try_from(client.token_life.as_secs()).unwrap_or(i64::MAX),
            created_at: now,
            audiences: sorted(client.audiences.iter().map(ToString::to_string).collect()),
            grants: sorted(grants.map(|it| it.as_str().to_owned()).collect()),
            secrets,
            registration: None,
        })
    }

    /// The row of a client that was registered; what it may do is in its registration.
    pub(super) fn registered(
        client_id: &ClientId,
        registration: StoredRegistration,
        now: i64,
    ) -> Self {
        Self {
            client_id: client_id.to_string(),
            scope: String::new(),
            token_life_seconds: 0,
            created_at: now,
            audiences: Vec::new(),
            grants: Vec::new(),
            secrets: Vec::new(),
            registration: Some(registration),
        }
    }

    /// Its name and registration, if it was registered.
    pub(super) fn into_stored(self) -> Option<(String, StoredRegistration)> {
        Some((self.client_id, self.registration?))
    }

    /// Which state of the client it is: the digest of all that its row is believed by.
    pub(super) fn revision(&self) -> Revision {
        Revision::of(&json(self))
    }

    /// What is registered, of the first client too; `None` when it cannot be read.
    pub(super) fn to_registration(&self) -> Option<StoredRegistration> {
        if let Some(registration) = &self.registration {
            return Some(registration.clone());
        }
        let secret = self.secrets.first()?;
        let live = LiveSecret::from_stored(&secret.kind, &secret.verifier)?;
        let digest = SecretDigest::from_live(live)?;
        let client = serde_json::json!({
            "client-id": self.client_id,
            "scopes": self.scope.split_whitespace().collect::<Vec<_>>(),
            "audiences": self.audiences,
            "grant-types": self.grants,
            "token-life-seconds": self.token_life_seconds,
        });
        let settings = serde_json::json!({ "hallpass": { "issuer": { "clients": [client] } } });
        Some(StoredRegistration {
            settings: settings.to_string(),
            secret_digest: Some(digest.to_string()),
        })
    }

    pub(super) const fn created_at(&self) -> i64 {
        self.created_at
    }

    pub(super) const fn is_registered(&self) -> bool {
        self.registration.is_some()
    }

    /// Writes a client that is not there, with the number of the change that writes it and its HMAC.
    pub(super) async fn insert(
        &self,
        connection: &mut Transaction,
        (seq, mac): (i64, String),
    ) -> Result<(), sqlx::Error> {
        query("insert into clients (client_id, scope, token_life_seconds, created_at, seq, mac) values ($1, $2, $3, $4, $5, $6)")
            .bind(&self.client_id)
            .bind(&self.scope)
            .bind(self.token_life_seconds)
            .bind(self.created_at)
            .bind(seq)
            .bind(mac)
            .execute(&mut *connection)
            .await?;
        let audiences = self.audiences.iter().map(|value| (ADD_AUDIENCE, value));
        let grants = self.grants.iter().map(|value| (ADD_GRANT, value));
        for (sql, value) in audiences.chain(grants) {
            let insert = query(sql).bind(&self.client_id).bind(value);
            insert.execute(&mut *connection).await?;
        }
        for secret in &self.secrets {
            query("insert into client_secrets (client_id, kind, verifier, created_at) values ($1, $2, $3, $4)")
                .bind(&self.client_id)
                .bind(&secret.kind)
                .bind(&secret.verifier)
                .bind(secret.created_at)
                .execute(&mut *connection)
                .await?;
        }
        if let Some(registration) = &self.registration {
            query("insert into client_registrations (client_id, settings, secret_digest) values ($1, $2, $3)")
                .bind(&self.client_id)
                .bind(&registration.settings)
                .bind(&registration.secret_digest)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }

    /// Takes the client away, with all that belongs to it.
    pub(super) async fn delete(
        client_id: &str,
        connection: &mut Transaction,
    ) -> Result<(), sqlx::Error> {
        for sql in DELETE {
            let delete = query(sql).bind(client_id);
            delete.execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// `None` when a secret, the name, the scope or an audience cannot be read.
    pub(super) fn into_registration(self) -> Option<Registration> {
        let secret = |secret: &SecretRow| {
            let end = secret
                .not_after
                .map(|end| u64::try_from(end).unwrap_or_default());
            let live = LiveSecret::from_stored(&secret.kind, &secret.verifier)?;
            Some(live.until(end.map(UnixTime::from_secs)))
        };
        let secrets: Option<Vec<_>> = self.secrets.iter().map(secret).collect();
        let audiences = self.audiences.iter().map(|audience| audience.parse());
        Some(Registration {
            authentication: Authentication::by_secrets(secrets?),
            refresh_life: MAX_REFRESH_LIFE,
            // Rules of trust stand in the settings only.
            exchange: Vec::new(),
            may_revoke: Vec::new(),
            calls: Vec::new(),
            claims: serde_json::Map::new(),
            certificate_names: None,
            client_id: self.client_id.parse().ok()?,
            scope: self.scope.parse().ok()?,
            audiences: audiences.collect::<Result<_, _>>().ok()?,
            grants: read_grants(&self.grants),
            is_dpop_bound: false,
            is_certificate_bound: false,
            profile: None,
            token_life: Duration::from_secs(
                u64::try_from(self.token_life_seconds).unwrap_or_default(),
            ),
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.client_id
    }

    /// What it may do, for a person to compare; no secret.
    pub(super) fn shown(&self) -> String {
        format!(
            "scope {:?}, audiences {:?}, {} secrets",
            self.scope,
            self.audiences,
            self.secrets.len()
        )
    }
}

pub(super) fn list(rows: &[ClientRow]) -> RowList {
    RowList::of(rows, ClientRow::id, json)
}

/// Every client with all that belongs to it.
pub(super) async fn read(connection: &mut Transaction) -> Result<Vec<ClientRow>, sqlx::Error> {
    let mut clients: Vec<(String, String, i64, i64)> =
        query_as("select client_id, scope, token_life_seconds, created_at from clients")
            .fetch_all(&mut *connection)
            .await?;
    clients.sort_unstable();
    let mut audiences = lists(connection, AUDIENCES).await?;
    let mut grants = lists(connection, GRANTS).await?;
    let mut secrets = secrets(connection).await?;
    let mut registrations = registrations(connection).await?;
    let row = |(client_id, scope, token_life_seconds, created_at): (String, _, _, _)| ClientRow {
        audiences: audiences.remove(&client_id).unwrap_or_default(),
        grants: grants.remove(&client_id).unwrap_or_default(),
        secrets: secrets.remove(&client_id).unwrap_or_default(),
        registration: registrations.remove(&client_id),
        client_id,
        scope,
        token_life_seconds,
        created_at,
    };
    Ok(clients.into_iter().map(row).collect())
}

async fn registrations(
    connection: &mut Transaction,
) -> Result<HashMap<String, StoredRegistration>, sqlx::Error> {
    let rows: Vec<(String, String, Option<String>)> =
        query_as("select client_id, settings, secret_digest from client_registrations")
            .fetch_all(connection)
            .await?;
    let row = |(client_id, settings, secret_digest)| {
        let registration = StoredRegistration {
            settings,
            secret_digest,
        };
        (client_id, registration)
    };
    Ok(rows.into_iter().map(row).collect())
}

async fn lists(
    connection: &mut Transaction,
    sql: &'static str,
) -> Result<HashMap<String, Vec<String>>, sqlx::Error> {
    let rows: Vec<(String, String)> = query_as(sql).fetch_all(connection).await?;
    let mut lists: HashMap<String, Vec<String>> = HashMap::new();
    for (client_id, value) in rows {
        lists.entry(client_id).or_default().push(value);
    }
    // Not by the database, each of which sorts texts in its own order: it is what the digest of a row is made of.
    lists.values_mut().for_each(|values| values.sort_unstable());
    Ok(lists)
}

async fn secrets(
    connection: &mut Transaction,
) -> Result<HashMap<String, Vec<SecretRow>>, sqlx::Error> {
    let rows: Vec<(String, String, String, Option<i64>, i64)> =
        query_as("select client_id, kind, verifier, not_after, created_at from client_secrets")
            .fetch_all(connection)
            .await?;
    let mut secrets: HashMap<String, Vec<SecretRow>> = HashMap::new();
    for (client_id, kind, verifier, not_after, created_at) in rows {
        secrets.entry(client_id).or_default().push(SecretRow {
            kind,
            verifier,
            not_after,
            created_at,
        });
    }
    for secrets in secrets.values_mut() {
        secrets.sort_unstable_by(SecretRow::order);
    }
    Ok(secrets)
}

/// A grant that this version does not offer is nothing that a client can use: it is left out.
fn read_grants(names: &[String]) -> GrantTypes {
    names
        .iter()
        .filter_map(|name| GrantType::named(name))
        .collect()
}
