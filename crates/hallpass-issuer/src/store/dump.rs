//! All rows of a store, as they stand there: read from one database, and written into an empty one of whichever kind.

use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;

use super::database::{Column, Database};
use super::pg_marks::PREFIX;
use super::query::{Value, query, query_as};
use super::transaction::Transaction;

/// Every table, each after those to whose rows its rows belong.
pub(super) const TABLES: [&str; 14] = [
    "store_meta",
    "signing_keys",
    "clients",
    "client_audiences",
    "client_grants",
    "client_secrets",
    "client_registrations",
    "removed_clients",
    "verifiers",
    "refresh_families",
    "revocations",
    "certificate_authorities",
    "secret_uses",
    "edge_uses",
];

/// Where the steps stand that the tables have gone through.
pub(super) const STEPS: &str = "_sqlx_migrations";

/// The rows of a store at one moment.
#[derive(Serialize, Deserialize)]
pub(super) struct Dump {
    /// The steps that its tables have gone through.
    pub(super) steps: Vec<i64>,
    tables: Vec<TableRows>,
}

#[derive(Serialize, Deserialize)]
struct TableRows {
    name: String,
    columns: Vec<String>,
    rows: Vec<Vec<Option<Cell>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Cell {
    Number(i64),
    Text(String),
}

/// Why rows could not be written.
pub(super) enum Unwritten {
    /// They are not those of a store.
    Foreign,
    Failed(sqlx::Error),
}

impl From<sqlx::Error> for Unwritten {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

/// Which steps the tables have gone through, in their order.
pub(super) async fn steps(
    database: &Database,
    transaction: &mut Transaction,
) -> Result<Vec<i64>, sqlx::Error> {
    if !database.has_table(transaction, STEPS).await? {
        return Ok(Vec::new());
    }
    let steps = query_as("select version from _sqlx_migrations order by version");
    let steps: Vec<(i64,)> = steps.fetch_all(transaction).await?;
    Ok(steps.into_iter().map(|(version,)| version).collect())
}

impl Dump {
    /// Those of `database`, all of them as they were at one moment.
    pub(super) async fn read(database: &Database) -> Result<Self, sqlx::Error> {
        let mut transaction = database.begin().await?;
        let steps = steps(database, &mut transaction).await?;
        let mut tables = Vec::new();
        for name in TABLES {
            let columns = database.columns(&mut transaction, name).await?;
            if columns.is_empty() {
                continue;
            }
            let columns: Vec<_> = columns.into_iter().map(|column| column.name).collect();
            let mut sql = database.rows_as_json(name, &columns);
            if name == "store_meta" {
                // Of commits to the one database: nobody asks after them in another.
                sql = format!("{sql} where name not like '{PREFIX}%'");
            }
            let rows: Vec<(String,)> = query_as(AssertSqlSafe(sql))
                .fetch_all(&mut transaction)
                .await?;
            let read = |(row,): &(String,)| serde_json::from_str(row);
            let rows = rows.iter().map(read).collect::<Result<_, _>>();
            tables.push(TableRows {
                name: name.to_owned(),
                columns,
                rows: rows.map_err(|error| sqlx::Error::Decode(error.into()))?,
            });
        }
        transaction.rollback().await?;
        Ok(Self { steps, tables })
    }

    /// Whether `database` has none of the rows of a store.
    pub(super) async fn may_go_into(database: &Database) -> Result<bool, sqlx::Error> {
        let mut transaction = database.begin().await?;
        for name in TABLES {
            if !database.has_table(&mut transaction, name).await? {
                continue;
            }
            let count = AssertSqlSafe(format!("select count(*) from {name}"));
            let count: Option<(i64,)> = query_as(count).fetch_optional(&mut transaction).await?;
            if count.is_some_and(|(count,)| count > 0) {
                return Ok(false);
            }
        }
        transaction.rollback().await?;
        Ok(true)
    }

    /// Writes all of it into `database`, whose tables have gone through the same steps, or nothing.
    pub(super) async fn write(&self, database: &Database) -> Result<(), Unwritten> {
        let mut transaction = database.begin_write().await?;
        for name in TABLES {
            let of_name = self.tables.iter().find(|table| table.name == name);
            let Some(table) = of_name else {
                continue;
            };
            let there = database.columns(&mut transaction, name).await?;
            let columns = table.columns.iter().map(|name| {
                let found = there.iter().find(|column| column.name == *name);
                found.ok_or(Unwritten::Foreign)
            });
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let sql = insert(name, &columns);
            for row in &table.rows {
                let mut insert = query(AssertSqlSafe(sql.clone()));
                if row.len() != columns.len() {
                    return Err(Unwritten::Foreign);
                }
                for (column, cell) in columns.iter().zip(row) {
                    insert = insert.bind(value(column, cell.as_ref()).ok_or(Unwritten::Foreign)?);
                }
                insert.execute(&mut transaction).await?;
            }
        }
        Ok(transaction.commit().await?)
    }
}

fn insert(table: &str, columns: &[&Column]) -> String {
    let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    let places: Vec<_> = (1..=columns.len())
        .map(|place| format!("${place}"))
        .collect();
    let (names, places) = (names.join(", "), places.join(", "));
    format!("insert into {table} ({names}) values ({places})")
}

/// `None` when it is not of the column's type.
fn value(column: &Column, cell: Option<&Cell>) -> Option<Value> {
    match (cell, column.is_number) {
        (Some(Cell::Number(number)), true) => Some(Value::Number(Some(*number))),
        (Some(Cell::Text(text)), false) => Some(Value::Text(Some(text.clone()))),
        (None, true) => Some(Value::Number(None)),
        (None, false) => Some(Value::Text(None)),
        (Some(_), _) => None,
    }
}
