//! Redis Cluster: which node has which slots, and a connection to each primary.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use redis::{Cmd, ErrorKind, ServerErrorKind, Value};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::slot::{SLOTS, slot_of};
use crate::address::NodeAddress;
use crate::connection::{Connection, Dialer, Login};
use crate::error::RedisError;
use crate::response::{text_of, to_port};

/// How long a node may take to say that it lives, or which slots there are.
const RESPONSE_LIMIT: Duration = Duration::from_millis(300);
/// Primaries beyond this number are not connected to, nor asked which slots there are.
const MAX_NODES: usize = 512;
/// Connected nodes that are asked, one after the other, which slots there are, before others are.
const MAX_ASKED: usize = 4;
/// A node that `ASK` has named, and that has no slots yet, stays connected for so long after it was named last. At most so many do.
const IMPORTING_FOR: Duration = Duration::from_secs(60);
const MAX_IMPORTING: usize = 16;

/// What is known of a cluster at one moment. Cheap to clone; a change makes a new one.
#[derive(Clone)]
pub(crate) struct ClusterRoutes(Arc<Known>);

struct Known {
    slots: Vec<SlotRange>,
    nodes: HashMap<NodeAddress, Connection>,
    /// Nodes that `ASK` has named, and until when they are connected to although they have no slots.
    importing: Mutex<HashMap<NodeAddress, Instant>>,
    /// Told when a node has named another one as the owner of a slot.
    stale: Notify,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SlotRange {
    first: u16,
    last: u16,
    primary: NodeAddress,
}

impl ClusterRoutes {
    /// Asks the cluster which slots there are, and connects to every primary. Connections of `before` that still respond are
    /// kept.
    ///
    /// # Errors
    /// When no node says which slots there are, or when none of their owners can be reached.
    pub(crate) async fn find(
        dialer: &Dialer,
        login: &Login,
        seeds: &[NodeAddress],
        before: Option<&Self>,
    ) -> Result<Self, RedisError> {
        let mut nodes = match before {
            Some(before) => before.responding().await,
            None => HashMap::new(),
        };
        let slots = match slots_by_any(nodes.values()).await {
            Some(slots) => slots,
            None => {
                let known = before.iter().flat_map(|before| before.primaries());
                let mut addresses: Vec<_> = seeds.iter().chain(known).collect();
                addresses.truncate(MAX_NODES);
                addresses.sort();
                addresses.dedup();
                let (node, slots) = slots_by_new(dialer, login, &addresses).await?;
                nodes.insert(node.address().clone(), node);
                slots
            }
        };
        let importing = before.map(Self::importing).unwrap_or_default();
        let primaries = slots.iter().map(|range| &range.primary);
        let wanted: HashSet<_> = primaries.chain(importing.keys()).collect();
        nodes.retain(|address, _| wanted.contains(address));
        connect_missing(dialer, login, &wanted, &mut nodes).await;
        if nodes.is_empty() {
            return Err(RedisError::NoNode);
        }
        Ok(Self(Arc::new(Known {
            slots,
            nodes,
            importing: Mutex::new(importing),
            stale: Notify::new(),
        })))
    }

    /// One command about `key`, sent to the node that has it; once more, if that node names another one.
    pub(crate) async fn call(&self, key: &[u8], command: &Cmd) -> Result<Value, RedisError> {
        let primary = self.primary_of(key).ok_or(RedisError::NoNode)?;
        let node = self.0.nodes.get(primary).ok_or(RedisError::NoNode)?;
        let refused = match node.call(command).await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let Some((named, _)) = refused.redirect_node() else {
            return Err(refused.into());
        };
        let Some(named) = address_from(named, node.address()) else {
            return Err(refused.into());
        };
        let is_ask = refused.kind() == ErrorKind::Server(ServerErrorKind::Ask);
        if is_ask {
            self.will_ask(&named);
        }
        match self.0.nodes.get(&named) {
            Some(other) if is_ask => Ok(other.call_asking(command).await?),
            Some(other) => {
                self.0.stale.notify_one();
                Ok(other.call(command).await?)
            }
            // It is connected to in the background: no call waits for that.
            None => {
                self.0.stale.notify_one();
                Err(refused.into())
            }
        }
    }

    /// The node that has `key`.
    pub(crate) fn primary_of(&self, key: &[u8]) -> Option<&NodeAddress> {
        let slot = slot_of(key);
        let has_slot = |range: &&SlotRange| (range.first..=range.last).contains(&slot);
        let range = self.0.slots.iter().find(has_slot);
        range.map(|range| &range.primary)
    }

    /// Notes a node that a slot moves to.
    fn will_ask(&self, node: &NodeAddress) {
        let importing = self.0.importing.lock();
        let mut importing = importing.unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if !importing.contains_key(node) && importing.len() >= MAX_IMPORTING {
            importing.retain(|_, until| *until > now);
            if importing.len() >= MAX_IMPORTING {
                return;
            }
        }
        importing.insert(node.clone(), now + IMPORTING_FOR);
    }

    fn importing(&self) -> HashMap<NodeAddress, Instant> {
        let importing = self.0.importing.lock();
        let mut importing = importing.unwrap_or_else(PoisonError::into_inner).clone();
        let now = Instant::now();
        importing.retain(|_, until| *until > now);
        importing
    }

    /// Ends when a connection has ended, or a slot has moved.
    pub(crate) async fn changed(&self) {
        let closed = self.0.nodes.values().map(|node| Box::pin(node.closed()));
        let mut closed: FuturesUnordered<_> = closed.collect();
        tokio::select! {
            _ = closed.next() => {}
            () = self.0.stale.notified() => {}
        }
    }

    /// Whether there is a connection to each owner of slots.
    pub(crate) fn is_complete(&self) -> bool {
        let mut ranges = self.0.slots.iter();
        ranges.all(|range| self.0.nodes.contains_key(&range.primary))
    }

    /// Some node that is connected: all hear what is published.
    pub(crate) fn any(&self) -> Option<&NodeAddress> {
        self.0.nodes.keys().min()
    }

    pub(crate) fn is_connected_to(&self, address: &NodeAddress) -> bool {
        self.0.nodes.contains_key(address)
    }

    /// The connections there are.
    pub(crate) fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.0.nodes.values()
    }

    /// Every range of slots: how many slots it has, and its primary.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (u32, &NodeAddress)> {
        let slots = |range: &SlotRange| u32::from(range.last.saturating_sub(range.first)) + 1;
        self.0.slots.iter().map(move |it| (slots(it), &it.primary))
    }

    fn primaries(&self) -> impl Iterator<Item = &NodeAddress> {
        self.0.slots.iter().map(|range| &range.primary)
    }

    async fn responding(&self) -> HashMap<NodeAddress, Connection> {
        let ask = async |(address, node): (&NodeAddress, &Connection)| {
            let responds = node.is_open() && node.responds(RESPONSE_LIMIT).await;
            responds.then(|| (address.clone(), node.clone()))
        };
        let responses = join_all(self.0.nodes.iter().map(ask)).await;
        responses.into_iter().flatten().collect()
    }
}

/// What the first of them says that says anything.
async fn slots_by_any(nodes: impl Iterator<Item = &Connection>) -> Option<Vec<SlotRange>> {
    for node in nodes.take(MAX_ASKED) {
        if let Ok(slots) = slots_by(node).await {
            return Some(slots);
        }
    }
    None
}

/// Asks all of them at once, over new connections.
async fn slots_by_new(
    dialer: &Dialer,
    login: &Login,
    addresses: &[&NodeAddress],
) -> Result<(Connection, Vec<SlotRange>), RedisError> {
    let ask = async |address: &NodeAddress| {
        let node = dialer.open(address, login).await?;
        let slots = slots_by(&node).await?;
        Ok((node, slots))
    };
    let mut responses: FuturesUnordered<_> = addresses.iter().copied().map(ask).collect();
    let mut failure = RedisError::NoNode;
    while let Some(response) = responses.next().await {
        match response {
            Ok(found) => return Ok(found),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn slots_by(node: &Connection) -> Result<Vec<SlotRange>, RedisError> {
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    let response = tokio::time::timeout(RESPONSE_LIMIT, node.call(&command)).await;
    let ranges = match response.map_err(|_| RedisError::TimedOut)?? {
        Value::Array(ranges) if ranges.len() <= usize::from(SLOTS) => ranges,
        _ => return Err(RedisError::Response),
    };
    let ranges = ranges.iter().map(|range| to_range(range, node.address()));
    let ranges: Vec<_> = ranges.collect::<Option<_>>().ok_or(RedisError::Response)?;
    match ranges.is_empty() {
        true => Err(RedisError::NoNode),
        false => Ok(ranges),
    }
}

/// First slot, last slot, primary, replicas.
fn to_range(range: &Value, asked: &NodeAddress) -> Option<SlotRange> {
    let Value::Array(fields) = range else {
        return None;
    };
    let [
        Value::Int(first),
        Value::Int(last),
        Value::Array(primary),
        ..,
    ] = &**fields
    else {
        return None;
    };
    let [host, port, ..] = &**primary else {
        return None;
    };
    // A node that does not know its own name means: where you have asked.
    let host = text_of(host).filter(|host| !host.is_empty() && *host != "?");
    let primary = NodeAddress::new(host.unwrap_or(asked.host()), to_port(port)?).ok()?;
    Some(SlotRange {
        first: u16::try_from(*first).ok()?,
        last: u16::try_from(*last).ok()?,
        primary,
    })
}

async fn connect_missing(
    dialer: &Dialer,
    login: &Login,
    wanted: &HashSet<&NodeAddress>,
    nodes: &mut HashMap<NodeAddress, Connection>,
) {
    let mut missing: Vec<_> = wanted.iter().copied().collect();
    missing.retain(|address| !nodes.contains_key(*address));
    missing.truncate(MAX_NODES.saturating_sub(nodes.len()));
    let opened = join_all(missing.iter().map(|address| dialer.open(address, login))).await;
    for (address, opened) in missing.into_iter().zip(opened) {
        match opened {
            Ok(node) => _ = nodes.insert(address.clone(), node),
            Err(error) => tracing::debug!(%error, "a node of the cluster cannot be reached"),
        }
    }
}

/// What `MOVED` and `ASK` name: `host:port`, or only `:port`, or an IPv6 address without brackets.
fn address_from(named: &str, asked: &NodeAddress) -> Option<NodeAddress> {
    let (host, port) = named.rsplit_once(':')?;
    let host = if host.is_empty() { asked.host() } else { host };
    NodeAddress::new(host, port.parse().ok()?).ok()
}

impl fmt::Debug for ClusterRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.0.nodes.keys();
        f.debug_list().entries(nodes).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> NodeAddress {
        text.parse().unwrap()
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn a_range_names_its_primary_first() {
        let primary = Value::Array(vec![text("10.0.0.2"), Value::Int(7), text("id")]);
        let replica = Value::Array(vec![text("10.0.0.3"), Value::Int(7), text("id")]);
        let range = Value::Array(vec![Value::Int(0), Value::Int(99), primary, replica]);
        let range = to_range(&range, &node("seed:1")).unwrap();
        assert_eq!((range.first, range.last), (0, 99));
        assert_eq!(range.primary, node("10.0.0.2:7"));
    }

    #[test]
    fn a_node_without_a_name_is_where_it_was_asked() {
        for host in [text(""), text("?"), Value::Nil] {
            let primary = Value::Array(vec![host, Value::Int(7)]);
            let range = Value::Array(vec![Value::Int(0), Value::Int(99), primary]);
            let range = to_range(&range, &node("seed:1")).unwrap();
            assert_eq!(range.primary, node("seed:7"));
        }
        assert_eq!(address_from(":7", &node("seed:1")), Some(node("seed:7")));
    }

    #[test]
    fn the_address_in_a_redirection_is_read_in_all_its_forms() {
        let asked = node("seed:1");
        assert_eq!(address_from("10.0.0.2:7", &asked), Some(node("10.0.0.2:7")));
        assert_eq!(address_from("::1:7", &asked), Some(node("[::1]:7")));
        assert_eq!(address_from("10.0.0.2", &asked), None);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for range in [
            Value::Nil,
            Value::Array(vec![Value::Int(0), Value::Int(70_000)]),
        ] {
            assert_eq!(to_range(&range, &node("seed:1")), None);
        }
    }
}
