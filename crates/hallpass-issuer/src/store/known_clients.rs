//! Following the clients of the store: only what has changed is read, in pages that are short enough for others to come between.

use std::collections::{BTreeMap, HashMap, HashSet};

use hallpass_token::ClientId;

use super::Store;
use super::client_rows::ClientRow;
use super::client_rows::found::{self, FoundClient};
use super::client_writing::MAX_CLIENTS;
use super::query::query_as;
use super::row_seal::{RowSeal, Sum};
use super::sealed_clients::{PAGE, RowMac, number};
use super::transaction::Transaction;
use crate::clients::registration::Registration;
use crate::clients::stored_registration::StoredRegistration;
use crate::error::Error;

/// What a process knows of each client of the store: enough to tell whether those it has are all that there are, and no others.
#[derive(Debug, Default)]
pub(crate) struct KnownClients {
    macs: HashMap<ClientId, RowMac>,
    sum: Sum,
    version: u64,
}

/// One that is being brought up to date. What is known stays as it is until the end.
#[derive(Debug)]
pub(crate) struct ClientReading<'k> {
    known: &'k KnownClients,
    /// Whether all clients are read, whatever is known.
    is_anew: bool,
    /// All before that change was read; `None` before the first page.
    cursor: Option<i64>,
    /// Removals until that change say nothing of what is read.
    begun_at: u64,
    macs: HashMap<ClientId, RowMac>,
    gone: HashSet<ClientId>,
    sum: Sum,
    count: u64,
    version: u64,
}

/// What was read, for [`KnownClients::take`].
#[derive(Debug)]
pub(crate) struct ReadClients {
    is_anew: bool,
    macs: HashMap<ClientId, RowMac>,
    gone: HashSet<ClientId>,
    sum: Sum,
    version: u64,
}

/// What one look has brought.
#[derive(Debug)]
pub(crate) enum ClientPage<T> {
    /// What was read until now counts for nothing: all of the store's clients follow, so many.
    Anew {
        /// How many.
        count: u64,
    },
    /// Changes, in their order. There are more.
    Part(Vec<T>),
    /// The last changes: these are all.
    Last(Vec<T>),
}

/// A client that was written or taken away. As long as the last page is not there, it is not proven that it is not an older state of itself.
#[derive(Debug)]
pub(crate) enum FollowedClient {
    /// It was registered with a text.
    Registered(ClientId, StoredRegistration),
    /// The issuer has made it itself.
    MadeHere(Box<Registration>),
    /// It is not there any more.
    Gone(ClientId),
}

/// The same before it is looked at what is registered.
enum RowChange {
    Put(Box<ClientRow>),
    Gone(ClientId),
}

impl KnownClients {
    /// Begins to bring it up to date; `is_anew`: by reading all.
    pub(crate) fn reading(&self, is_anew: bool) -> ClientReading<'_> {
        ClientReading {
            known: self,
            is_anew,
            cursor: None,
            begun_at: self.version,
            macs: HashMap::new(),
            gone: HashSet::new(),
            sum: self.sum,
            count: u64::try_from(self.macs.len()).unwrap_or(u64::MAX),
            version: self.version,
        }
    }

    /// Knows what was read.
    pub(crate) fn take(&mut self, read: ReadClients) {
        self.sum = read.sum;
        self.version = read.version;
        if read.is_anew {
            self.macs = read.macs;
            return;
        }
        self.macs.extend(read.macs);
        for id in read.gone {
            self.macs.remove(&id);
        }
    }
}

impl ClientReading<'_> {
    pub(crate) const fn is_anew(&self) -> bool {
        self.is_anew
    }

    /// How many clients there are, as far as was read.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// What was read, once the last page is there.
    pub(crate) fn finish(self) -> ReadClients {
        ReadClients {
            is_anew: self.is_anew,
            macs: self.macs,
            gone: self.gone,
            sum: self.sum,
            version: self.version,
        }
    }

    fn begin_anew(&mut self, seal: &RowSeal) -> ClientPage<RowChange> {
        let count = seal.count;
        self.begun_at = seal.version;
        self.is_anew = true;
        self.cursor = Some(i64::MIN);
        self.macs =
            HashMap::with_capacity(usize::try_from(count).unwrap_or_default().min(MAX_CLIENTS));
        self.gone = HashSet::new();
        (self.sum, self.count) = (Sum::default(), 0);
        ClientPage::Anew { count }
    }

    fn put(&mut self, seal: &RowSeal, client_id: ClientId, mac: RowMac) {
        self.forget(seal, &client_id);
        self.sum.add(&seal.tag_of_client(client_id.as_str(), mac));
        self.count += 1;
        self.gone.remove(&client_id);
        self.macs.insert(client_id, mac);
    }

    fn take_away(&mut self, seal: &RowSeal, client_id: ClientId) {
        self.forget(seal, &client_id);
        self.macs.remove(&client_id);
        if !self.is_anew {
            self.gone.insert(client_id);
        }
    }

    fn forget(&mut self, seal: &RowSeal, client_id: &ClientId) {
        let known = (!self.is_anew && !self.gone.contains(client_id))
            .then(|| self.known.macs.get(client_id))
            .flatten();
        if let Some(mac) = self.macs.get(client_id).or(known) {
            self.sum
                .subtract(&seal.tag_of_client(client_id.as_str(), *mac));
            self.count = self.count.saturating_sub(1);
        }
    }

    fn fits(&self, seal: &RowSeal) -> bool {
        self.sum == seal.sum && self.count == seal.count
    }
}

impl Store {
    /// The next page. Each is one transaction; whoever writes between two of them is read later, since every change has a higher number than
    /// all before it.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when the clients are not those that this issuer wrote, or are older than those that are known.
    pub(crate) async fn read_clients(
        &self,
        reading: &mut ClientReading<'_>,
    ) -> Result<ClientPage<FollowedClient>, Error> {
        let read = |changes: Vec<RowChange>| {
            let changes = changes.into_iter().map(|change| self.followed(change));
            changes.collect::<Result<Vec<_>, _>>()
        };
        Ok(match self.next_rows(reading).await? {
            ClientPage::Anew { count } => ClientPage::Anew { count },
            ClientPage::Part(changes) => ClientPage::Part(read(changes)?),
            ClientPage::Last(changes) => ClientPage::Last(read(changes)?),
        })
    }

    async fn next_rows(
        &self,
        reading: &mut ClientReading<'_>,
    ) -> Result<ClientPage<RowChange>, Error> {
        let mut transaction = self.begin().await?;
        let page = self.client_page(&mut transaction, reading).await?;
        let ended = transaction.rollback().await;
        ended.map_err(|source| self.failed(source))?;
        Ok(page)
    }

    async fn client_page(
        &self,
        transaction: &mut Transaction,
        reading: &mut ClientReading<'_>,
    ) -> Result<ClientPage<RowChange>, Error> {
        let seal = self.client_seal(transaction).await?;
        if seal.version < reading.known.version {
            return Err(self.damaged("its clients were put back to those of before"));
        }
        let Some(cursor) = reading.cursor else {
            if reading.is_anew {
                return Ok(reading.begin_anew(&seal));
            }
            if seal.version == reading.version && reading.fits(&seal) {
                return Ok(ClientPage::Last(Vec::new()));
            }
            reading.cursor = Some(number(reading.version));
            return Box::pin(self.client_page(transaction, reading)).await;
        };
        let failed = |source| self.failed(source);
        let rows = found::read_after(transaction, cursor, PAGE).await;
        let rows = rows.map_err(failed)?;
        let is_last = rows.len() < usize::try_from(PAGE).unwrap_or_default();
        let until = match rows.last() {
            Some(last) if !is_last => last.seq,
            _ => i64::MAX,
        };
        let removed: Vec<(i64, String)> = query_as(
            "select seq, client_id from removed_clients where seq > $1 and seq <= $2 order by seq",
        )
        .bind(cursor.max(number(reading.begun_at)))
        .bind(until.min(number(seal.version)))
        .fetch_all(transaction)
        .await
        .map_err(failed)?;
        let changes = self.take_rows(reading, &seal, (rows, removed))?;
        reading.cursor = Some(until);
        if !is_last {
            return Ok(ClientPage::Part(changes));
        }
        if reading.fits(&seal) {
            reading.version = seal.version;
            return Ok(ClientPage::Last(changes));
        }
        if reading.is_anew {
            return Err(self.damaged("its clients were changed from outside"));
        }
        // More was taken away than is remembered of that, or somebody else has written.
        Ok(reading.begin_anew(&seal))
    }

    /// In the order of the changes that wrote them, and that took clients away.
    fn take_rows(
        &self,
        reading: &mut ClientReading<'_>,
        seal: &RowSeal,
        (rows, removed): (Vec<FoundClient>, Vec<(i64, String)>),
    ) -> Result<Vec<RowChange>, Error> {
        let mut changes = Vec::with_capacity(rows.len() + removed.len());
        let mut removed = removed.into_iter().peekable();
        for found in rows {
            while let Some((_, id)) = removed.next_if(|(seq, _)| *seq < found.seq) {
                changes.extend(take_removed(reading, seal, &id));
            }
            let mac = self.proven_mac(seal, &found)?;
            let row = Box::new(found.row);
            let damaged = || self.damaged(format!("client {:?} cannot be read", row.id()));
            let id = row.id().parse().map_err(|_| damaged())?;
            reading.put(seal, id, mac);
            changes.push(RowChange::Put(row));
        }
        for (_, id) in removed {
            changes.extend(take_removed(reading, seal, &id));
        }
        Ok(changes)
    }

    fn followed(&self, change: RowChange) -> Result<FollowedClient, Error> {
        let row = match change {
            RowChange::Put(row) => *row,
            RowChange::Gone(id) => return Ok(FollowedClient::Gone(id)),
        };
        let damaged = self.damaged(format!("client {:?} cannot be read", row.id()));
        if !row.is_registered() {
            let read = row.into_registration().map(Box::new);
            return read.map(FollowedClient::MadeHere).ok_or(damaged);
        }
        let read = row.into_stored();
        let read = read.and_then(|(id, stored)| Some((id.parse().ok()?, stored)));
        read.map(|(id, stored)| FollowedClient::Registered(id, stored))
            .ok_or(damaged)
    }

    /// Every client by its name, of those that `wanted` makes something of. All are read, page by page, and proven.
    ///
    /// # Errors
    /// As [`read_clients`](Self::read_clients), and those of `wanted`.
    pub(super) async fn every_client<T>(
        &self,
        wanted: impl Fn(ClientRow) -> Result<Option<T>, Error>,
    ) -> Result<BTreeMap<String, T>, Error> {
        let known = KnownClients::default();
        let mut reading = known.reading(true);
        let mut all = BTreeMap::new();
        loop {
            let (changes, is_last) = match self.next_rows(&mut reading).await? {
                ClientPage::Anew { .. } => (Vec::new(), false),
                ClientPage::Part(changes) => (changes, false),
                ClientPage::Last(changes) => (changes, true),
            };
            for change in changes {
                let (id, made) = match change {
                    RowChange::Put(row) => (row.id().to_owned(), wanted(*row)?),
                    RowChange::Gone(id) => (id.to_string(), None),
                };
                match made {
                    Some(made) => all.insert(id, made),
                    None => all.remove(&id),
                };
            }
            if is_last {
                return Ok(all);
            }
        }
    }
}

/// `None` for what is no name of a client: none was called so.
fn take_removed(
    reading: &mut ClientReading<'_>,
    seal: &RowSeal,
    client_id: &str,
) -> Option<RowChange> {
    let client_id: ClientId = client_id.parse().ok()?;
    reading.take_away(seal, client_id.clone());
    Some(RowChange::Gone(client_id))
}
