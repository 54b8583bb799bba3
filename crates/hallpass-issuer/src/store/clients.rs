//! Registered clients in the store.

use hallpass_token::UnixTime;
use sqlx::sqlite::SqliteConnection;

use super::client_rows::{self, ClientRow};
use super::row_list::Table;
use super::{Store, seal};
use crate::clients::registration::{GrantType, Registration};
use crate::error::Error;

const ADD_AUDIENCE: &str = "insert into client_audiences (client_id, audience) values ($1, $2)";
const ADD_GRANT: &str = "insert into client_grants (client_id, grant_type) values ($1, $2)";

impl Store {
    /// Every client, in five statements whatever their number.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when a client is not as this issuer wrote it.
    pub(crate) async fn clients(&self) -> Result<Vec<Registration>, Error> {
        let failed = |source| self.failed(source);
        let mut transaction = self.counted().begin().await.map_err(failed)?;
        let rows = self.checked_clients(&mut transaction).await?;
        transaction.rollback().await.map_err(failed)?;
        let read = |row: ClientRow| {
            let damaged = self.damaged(format!("client {:?} cannot be read", row.id()));
            row.into_registration().ok_or(damaged)
        };
        rows.into_iter().map(read).collect()
    }

    async fn checked_clients(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<Vec<ClientRow>, Error> {
        let rows = client_rows::read(connection)
            .await
            .map_err(|source| self.failed(source))?;
        let (table, found) = (Table::Clients, client_rows::list(&rows));
        seal::check_list(&self.name, connection, &self.sealer, table, &found).await?;
        Ok(rows)
    }

    /// Adds a client in one transaction.
    pub(crate) async fn add_client(
        &self,
        client: &Registration,
        now: UnixTime,
    ) -> Result<(), Error> {
        let failed = |source| self.failed(source);
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let mut transaction = self.begin_write().await?;
        // Before anything is listed anew: what somebody else wrote must not come onto the list with it.
        self.checked_clients(&mut transaction).await?;
        sqlx::query("insert into clients (client_id, scope, token_life_seconds, created_at) values ($1, $2, $3, $4)")
            .bind(client.client_id.as_str())
            .bind(client.scope.as_str())
            .bind(i64::try_from(client.token_life.as_secs()).unwrap_or(i64::MAX))
            .bind(now)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        let audiences = client.audiences.iter().map(AsRef::as_ref);
        let grants = client.grants.iter().map(GrantType::as_str);
        let lists = audiences
            .map(|value| (ADD_AUDIENCE, value))
            .chain(grants.map(|value| (ADD_GRANT, value)));
        for (sql, value) in lists {
            let insert = sqlx::query(sql).bind(client.client_id.as_str()).bind(value);
            insert.execute(&mut *transaction).await.map_err(failed)?;
        }
        for secret in &client.secrets {
            let (kind, verifier) = secret.to_stored().ok_or(Error::Internal {
                operation: "storing a secret of the settings",
            })?;
            sqlx::query("insert into client_secrets (client_id, kind, verifier, created_at) values ($1, $2, $3, $4)")
                .bind(client.client_id.as_str())
                .bind(kind)
                .bind(verifier)
                .bind(now)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        let rows = client_rows::read(&mut transaction).await.map_err(failed)?;
        let (table, rows) = (Table::Clients, client_rows::list(&rows));
        seal::put_list(&self.name, &mut transaction, &self.sealer, table, &rows).await?;
        transaction.commit().await.map_err(failed)
    }
}
