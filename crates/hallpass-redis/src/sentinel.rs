//! Where the primary is, as the sentinels say.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::Value;

use crate::address::NodeAddress;
use crate::connection::{Connection, Dialer, Login};
use crate::error::RedisError;
use crate::response::{text_of, to_port};
use crate::settings::SentinelSettings;

/// How long one sentinel may think.
const RESPONSE_LIMIT: Duration = Duration::from_millis(500);

/// The address that most sentinels name; all are asked at once, and as soon as more than half agree no other is waited for.
///
/// # Errors
/// When none of them names one.
pub(crate) async fn primary(
    dialer: &Dialer,
    settings: &SentinelSettings,
    login: &Login,
) -> Result<NodeAddress, RedisError> {
    let ask = |node| ask(dialer, node, &settings.master, login);
    let mut responses: FuturesUnordered<_> = settings.nodes.iter().map(ask).collect();
    let mut votes: HashMap<NodeAddress, usize> = HashMap::new();
    let mut failure = RedisError::NoPrimary;
    while let Some(response) = responses.next().await {
        match response {
            Ok(address) => {
                let of_this = votes.entry(address.clone()).or_default();
                *of_this = of_this.saturating_add(1);
                if *of_this > settings.nodes.len() / 2 {
                    return Ok(address);
                }
            }
            Err(error) => failure = error,
        }
    }
    let most = votes.into_iter().max_by_key(|(_, votes)| *votes);
    most.map(|(address, _)| address).ok_or(failure)
}

/// Which server one sentinel calls the primary.
pub(crate) async fn ask(
    dialer: &Dialer,
    node: &NodeAddress,
    master: &str,
    login: &Login,
) -> Result<NodeAddress, RedisError> {
    let sentinel = dialer.open(node, login).await?;
    let mut command = redis::cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
    let response = tokio::time::timeout(RESPONSE_LIMIT, sentinel.call(&command)).await;
    match response.map_err(|_| RedisError::TimedOut)?? {
        Value::Nil => Err(RedisError::NoPrimary),
        Value::Array(fields) => named(&fields).ok_or(RedisError::Response),
        _ => Err(RedisError::Response),
    }
}

fn named(fields: &[Value]) -> Option<NodeAddress> {
    let [host, port] = fields else {
        return None;
    };
    NodeAddress::new(text_of(host)?, to_port(port)?).ok()
}

/// Whether the server calls itself a primary. One that does not let its user ask is believed to be one.
pub(crate) async fn is_primary(server: &Connection) -> bool {
    let role = redis::cmd("ROLE");
    match tokio::time::timeout(RESPONSE_LIMIT, server.call(&role)).await {
        Ok(Ok(Value::Array(fields))) => fields.first().and_then(text_of) == Some("master"),
        Ok(Err(error)) => RedisError::from(error).is_denied(),
        Ok(Ok(_)) | Err(_) => false,
    }
}
