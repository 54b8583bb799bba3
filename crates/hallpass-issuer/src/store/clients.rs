//! Registered clients in the store.

use std::collections::HashMap;
use std::time::Duration;

use hallpass_token::UnixTime;

use super::Store;
use crate::clients::registration::{GrantType, GrantTypes, Registration};
use crate::clients::secret::LiveSecret;
use crate::error::Error;

type SecretRow = (String, String, String, Option<i64>);

const ADD_AUDIENCE: &str = "insert into client_audiences (client_id, audience) values ($1, $2)";
const ADD_GRANT: &str = "insert into client_grants (client_id, grant_type) values ($1, $2)";

impl Store {
    /// Every client, in four statements whatever their number.
    pub(crate) async fn clients(&self) -> Result<Vec<Registration>, Error> {
        let failed = |source| self.failed(source);
        let clients: Vec<(String, String, i64)> = sqlx::query_as(
            "select client_id, scope, token_life_seconds from clients order by client_id",
        )
        .fetch_all(self.counted())
        .await
        .map_err(failed)?;
        let mut audiences = self
            .lists("select client_id, audience from client_audiences order by client_id, audience")
            .await?;
        let mut grants = self
            .lists("select client_id, grant_type from client_grants order by client_id, grant_type")
            .await?;
        let mut secrets = self.secrets().await?;
        Ok(clients
            .into_iter()
            .map(|(client_id, scope, life)| Registration {
                audiences: audiences.remove(&client_id).unwrap_or_default(),
                grants: read_grants(&grants.remove(&client_id).unwrap_or_default()),
                secrets: secrets.remove(&client_id).unwrap_or_default(),
                token_life: Duration::from_secs(u64::try_from(life).unwrap_or_default()),
                client_id,
                scope,
            })
            .collect())
    }

    /// Adds a client in one transaction.
    pub(crate) async fn add_client(
        &self,
        client: &Registration,
        now: UnixTime,
    ) -> Result<(), Error> {
        let failed = |source| self.failed(source);
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let mut transaction = self.counted().begin().await.map_err(failed)?;
        sqlx::query("insert into clients (client_id, scope, token_life_seconds, created_at) values ($1, $2, $3, $4)")
            .bind(&client.client_id)
            .bind(&client.scope)
            .bind(i64::try_from(client.token_life.as_secs()).unwrap_or(i64::MAX))
            .bind(now)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        let audiences = client.audiences.iter().map(String::as_str);
        let grants = client.grants.iter().map(GrantType::as_str);
        let lists = audiences
            .map(|value| (ADD_AUDIENCE, value))
            .chain(grants.map(|value| (ADD_GRANT, value)));
        for (sql, value) in lists {
            let insert = sqlx::query(sql).bind(&client.client_id).bind(value);
            insert.execute(&mut *transaction).await.map_err(failed)?;
        }
        for secret in &client.secrets {
            let (kind, verifier) = secret.to_stored();
            sqlx::query("insert into client_secrets (client_id, kind, verifier, created_at) values ($1, $2, $3, $4)")
                .bind(&client.client_id)
                .bind(kind)
                .bind(verifier)
                .bind(now)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    async fn lists(&self, sql: &'static str) -> Result<HashMap<String, Vec<String>>, Error> {
        let rows: Vec<(String, String)> = sqlx::query_as(sql)
            .fetch_all(self.counted())
            .await
            .map_err(|source| self.failed(source))?;
        let mut lists: HashMap<String, Vec<String>> = HashMap::new();
        for (client_id, value) in rows {
            lists.entry(client_id).or_default().push(value);
        }
        Ok(lists)
    }

    async fn secrets(&self) -> Result<HashMap<String, Vec<LiveSecret>>, Error> {
        let rows: Vec<SecretRow> = sqlx::query_as(
            "select client_id, kind, verifier, not_after from client_secrets order by client_id, created_at desc",
        )
        .fetch_all(self.counted())
        .await
        .map_err(|source| self.failed(source))?;
        let mut secrets: HashMap<String, Vec<LiveSecret>> = HashMap::new();
        for (client_id, kind, verifier, not_after) in rows {
            let secret = LiveSecret::from_stored(&kind, &verifier).ok_or_else(|| {
                self.damaged(format!("a secret of client {client_id:?} cannot be read"))
            })?;
            let end =
                not_after.map(|end| UnixTime::from_secs(u64::try_from(end).unwrap_or_default()));
            secrets
                .entry(client_id)
                .or_default()
                .push(secret.until(end));
        }
        Ok(secrets)
    }
}

/// A grant that this version does not offer is nothing that a client can use: it is left out.
fn read_grants(names: &[String]) -> GrantTypes {
    names
        .iter()
        .filter_map(|name| GrantType::named(name))
        .collect()
}
