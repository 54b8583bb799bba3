//! The connections of one process to the database: a few, opened when they are needed.
//!
//! Not by the driver's own pool: that asks each connection for a sign of life when it comes back and waits without a limit, so that a server
//! that has stopped, or a machine that is gone, would hold all of them until the system gives up on TCP, a quarter of an hour later.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hallpass_config::{Secret, files};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, error::Elapsed, timeout};

use crate::settings::database::DatabaseSettings;
use crate::store::pg_marks::Marks;

/// Most at once. Writers take turns in any case, and no token needs one.
const MOST: usize = 4;
/// How long opening one may take: name, TCP, TLS and login.
const OPEN_LIMIT: Duration = Duration::from_secs(5);
/// How old one may become: what it was opened with (password, certificate, address of the name) may have changed.
const MAX_AGE: Duration = Duration::from_secs(600);

/// The connections, and how more are opened.
#[derive(Debug)]
pub(in crate::store) struct Connections {
    settings: DatabaseSettings,
    /// The last good one of the file.
    password: Mutex<Secret>,
    idle: Arc<Idle>,
    places: Arc<Semaphore>,
    marks: Arc<Marks>,
}

/// Those that nobody uses.
#[derive(Default)]
pub(in crate::store) struct Idle(Mutex<Vec<Open>>);

/// One that is open.
pub(in crate::store) struct Open {
    pub(in crate::store) connection: PgConnection,
    since: Instant,
    /// Whether it was used before: the server may have closed it meanwhile.
    pub(in crate::store) is_used: bool,
}

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Idle").field(&self.all().len()).finish()
    }
}

impl Idle {
    pub(in crate::store) fn put(&self, mut open: Open) {
        open.is_used = true;
        if open.since.elapsed() < MAX_AGE {
            self.all().push(open);
        }
    }

    /// The one that was used last.
    fn take(&self) -> Option<Open> {
        let mut all = self.all();
        all.retain(|open| open.since.elapsed() < MAX_AGE);
        all.pop()
    }

    /// None of them is used any more: the server has closed one, and so, as a rule, all.
    pub(in crate::store) fn forget(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, Vec<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// # Errors
    /// That of a machine without random numbers.
    pub(super) fn new(settings: &DatabaseSettings) -> Result<Self, sqlx::Error> {
        Ok(Self {
            password: Mutex::new(settings.password.clone()),
            settings: settings.clone(),
            idle: Arc::default(),
            places: Arc::new(Semaphore::new(MOST)),
            marks: Arc::new(Marks::new()?),
        })
    }

    /// A place for one, where there are not too many.
    pub(in crate::store) async fn place(&self) -> Result<OwnedSemaphorePermit, sqlx::Error> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.map_err(|_| sqlx::Error::PoolClosed)
    }

    pub(in crate::store) fn idle(&self) -> &Arc<Idle> {
        &self.idle
    }

    pub(in crate::store) fn marks(&self) -> &Arc<Marks> {
        &self.marks
    }

    /// One that is open already, else a new one.
    pub(in crate::store) async fn take(&self) -> Result<Open, sqlx::Error> {
        match self.idle.take() {
            Some(open) => Ok(open),
            None => Ok(Open {
                connection: self.open().await?,
                since: Instant::now(),
                is_used: false,
            }),
        }
    }

    /// A new one.
    pub(in crate::store) async fn open(&self) -> Result<PgConnection, sqlx::Error> {
        self.read_password_again().await;
        let options = self.options();
        timeout(OPEN_LIMIT, options.connect()).await.map_err(late)?
    }

    /// Whether [`close`](Self::close) was called.
    pub(in crate::store) fn is_closed(&self) -> bool {
        self.places.is_closed()
    }

    /// All that are idle; no other is given out from now on.
    pub(super) fn close(&self) -> Vec<PgConnection> {
        self.places.close();
        let idle = std::mem::take(&mut *self.idle.all());
        idle.into_iter().map(|open| open.connection).collect()
    }

    fn options(&self) -> PgConnectOptions {
        let settings = &self.settings;
        let options = PgConnectOptions::new_without_pgpass()
            .host(&settings.host)
            .port(settings.port)
            .database(&settings.name)
            .username(&settings.username)
            .password(self.password().expose())
            .application_name("hallpass");
        let Some(tls) = &settings.tls else {
            return options.ssl_mode(PgSslMode::Disable);
        };
        let options = options.ssl_mode(PgSslMode::VerifyFull);
        let options = match &tls.ca_file {
            Some(file) => options.ssl_root_cert(file),
            // Never what the environment names.
            None => options.ssl_root_cert_from_pem(Vec::new()),
        };
        match &tls.key_pair {
            Some(pair) => options
                .ssl_client_cert(&pair.certificate_file)
                .ssl_client_key(&pair.private_key_file),
            None => options,
        }
    }

    fn password(&self) -> MutexGuard<'_, Secret> {
        self.password.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What cannot be read leaves the last good one.
    async fn read_password_again(&self) {
        let Some(path) = self.settings.password_file.clone() else {
            return;
        };
        let read = tokio::task::spawn_blocking(move || files::read_secret_again(&path)).await;
        if let Ok(Some(Ok(secret))) = read {
            *self.password() = secret;
        }
    }
}

/// The server did not do in time what it was asked.
pub(in crate::store) fn late(_: Elapsed) -> sqlx::Error {
    let problem = "it did not respond in time";
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, problem))
}
