//! A value that is made of files, and made again when they change.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use hallpass_clock::Clock;
use tokio::runtime::Handle;

use crate::error::TlsError;
use crate::files::Contents;
use crate::metrics::{Expiry, TlsMetrics};
use crate::validity::Validity;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Settings that name files, and what is made of what they hold.
pub(crate) trait Source: Clone + PartialEq + Debug + Send + Sync + 'static {
    /// What is made.
    type Config: Send + Sync + 'static;
    /// What the own certificate is used for, in the log and among the metrics.
    const USED_FOR: &'static str;
    /// All that the certificates are used for.
    const ALL_USES: &'static [&'static str];

    /// What users write of it.
    type Settings;

    /// Of these settings, for the first time.
    fn of(settings: &Self::Settings) -> Self;

    /// The same source by other settings.
    fn with(&self, settings: &Self::Settings) -> Self;

    /// The files, each once.
    fn files(&self) -> Vec<&Path>;

    /// Makes it.
    ///
    /// # Errors
    /// When a file cannot be read, is not what it should be, or does not fit another.
    fn build(
        &self,
        files: &Contents,
        clock: &Arc<dyn Clock>,
    ) -> Result<Built<Self::Config>, TlsError>;
}

/// What a [`Source`] has made.
pub(crate) struct Built<C> {
    config: C,
    expiries: Vec<Expiry>,
    /// The file of the own certificate, and from when to when it is valid.
    own: Option<(PathBuf, Validity)>,
}

impl<C> Built<C> {
    /// Of authorities that end then.
    pub(crate) fn new(config: C, authorities: Option<Expiry>) -> Self {
        Self {
            config,
            expiries: authorities.into_iter().collect(),
            own: None,
        }
    }

    /// With a certificate of its own, used for that, from this file: when its chain ends, and when it is valid itself.
    pub(crate) fn with_own(
        mut self,
        used_for: &'static str,
        file: &Path,
        (ends, validity): (Option<SystemTime>, Option<Validity>),
    ) -> Self {
        self.expiries.extend(ends.map(|at| Expiry { used_for, at }));
        self.own = validity.map(|validity| (file.to_owned(), validity));
        self
    }
}

/// The config in use. It is replaced as a whole: a connection that has begun goes on with the one it began with.
pub(crate) struct Followed<S: Source> {
    current: ArcSwap<S::Config>,
    /// Locked while files are read and a config is made, never by who only uses it.
    state: Mutex<State<S>>,
    /// Without files there is nothing to watch.
    has_files: AtomicBool,
    watching: AtomicBool,
    clock: Arc<dyn Clock>,
    metrics: TlsMetrics,
}

struct State<S> {
    source: S,
    /// What was last looked at, usable or not: each content is complained of once.
    seen: Contents,
    own: Option<Validity>,
    /// When what was seen and not taken can be taken, although it is the same.
    begins: Option<SystemTime>,
}

impl<S: Source> Followed<S> {
    /// Reads the files for the first time. Blocks the thread.
    ///
    /// # Errors
    /// As [`Source::build`].
    pub(crate) fn load(
        source: S,
        clock: Arc<dyn Clock>,
        metrics: TlsMetrics,
    ) -> Result<Self, TlsError> {
        let has_files = AtomicBool::new(!source.files().is_empty());
        let seen = Contents::read(source.files());
        let built = source.build(&seen, &clock)?;
        metrics.show(S::ALL_USES, &built.expiries);
        say_when_not_valid(S::USED_FOR, built.own.as_ref(), clock.now());
        Ok(Self {
            current: ArcSwap::from_pointee(built.config),
            state: Mutex::new(State {
                source,
                seen,
                own: built.own.map(|(_, validity)| validity),
                begins: None,
            }),
            has_files,
            watching: AtomicBool::new(false),
            clock,
            metrics,
        })
    }

    /// The config for a connection that begins now. Inside a tokio runtime, the files are followed from the first call
    /// on, for as long as somebody holds this.
    pub(crate) fn current(self: &Arc<Self>) -> Arc<S::Config> {
        self.watch();
        self.current.load_full()
    }

    /// Looks at the files at once: takes what has changed and can be used, complains of what cannot. Blocks the thread.
    pub(crate) fn look(&self) {
        let mut state = self.lock();
        let contents = Contents::read(state.source.files());
        let begins_now = state.begins.is_some_and(|at| at <= self.clock.now());
        if contents == state.seen && !begins_now {
            return;
        }
        let source = state.source.clone();
        if let Err(error) = self.take(&mut state, source, contents) {
            tracing::error!(
                used_for = S::USED_FOR,
                %error,
                "changed TLS files cannot be used; what they held before stays in effect"
            );
        }
    }

    /// Takes other settings, and what the files hold now. The same ones with the same content change nothing. Blocks the
    /// thread.
    ///
    /// # Errors
    /// As [`Source::build`]; then nothing has changed.
    pub(crate) fn apply(&self, source: &S) -> Result<(), TlsError> {
        let mut state = self.lock();
        let contents = Contents::read(source.files());
        if *source == state.source && contents == state.seen {
            return Ok(());
        }
        self.take(&mut state, source.clone(), contents)
    }

    /// Whether [`apply`](Self::apply) would take `source` now. Blocks the thread.
    ///
    /// # Errors
    /// As [`Source::build`].
    pub(crate) fn check(&self, source: &S) -> Result<(), TlsError> {
        let contents = Contents::read(source.files());
        source.build(&contents, &self.clock).map(|_| ())
    }

    /// The source in use, by other settings.
    pub(crate) fn source_with(&self, settings: &S::Settings) -> S {
        self.lock().source.with(settings)
    }

    /// The source in use.
    pub(crate) fn source(&self) -> S {
        self.lock().source.clone()
    }

    fn take(&self, state: &mut State<S>, source: S, contents: Contents) -> Result<(), TlsError> {
        let built = source.build(&contents, &self.clock);
        let now = self.clock.now();
        let built = built.and_then(|built| not_worse(built, state.own, now));
        // Of files that are named anew nothing is remembered before they are taken.
        if built.is_ok() || source == state.source {
            state.seen = contents;
            state.begins = match &built {
                Err(TlsError::NotYetValid { begins_in, .. }) => now.checked_add(*begins_in),
                _ => None,
            };
        }
        let built = built.inspect_err(|_| self.metrics.reloaded(S::USED_FOR, "refused"))?;
        self.current.store(Arc::new(built.config));
        self.metrics.show(S::ALL_USES, &built.expiries);
        self.metrics.reloaded(S::USED_FOR, "taken");
        say_when_not_valid(S::USED_FOR, built.own.as_ref(), now);
        tracing::info!(
            used_for = S::USED_FOR,
            "changed TLS files are in use for new connections"
        );
        let has_files = !source.files().is_empty();
        self.has_files.store(has_files, Ordering::Relaxed);
        state.source = source;
        state.own = built.own.map(|(_, validity)| validity);
        Ok(())
    }

    fn watch(self: &Arc<Self>) {
        if self.watching.load(Ordering::Relaxed) || !self.has_files.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if !self.watching.swap(true, Ordering::Relaxed) {
            let watching = Watching(Arc::downgrade(self));
            runtime.spawn(watching.run());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        // A panic leaves the state of before: it is replaced last.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What each direction offers of its [`Followed`], beside what it makes: `$name` is a newtype around it, `$settings` the
/// [`Source`].
///
/// A macro, and not a generic type: then `Source` and all that it names would be public too.
macro_rules! offer {
    ($name:ident, $settings:ident) => {
        impl $name {
            /// Reads the files; blocks the thread. Their expiry is shown among `metrics`.
            ///
            /// # Errors
            /// [`TlsError`] when one of them cannot be used. An expired certificate is an error line in the log only.
            pub fn load(
                settings: &$settings,
                clock: Arc<dyn Clock>,
                metrics: &TlsMetrics,
            ) -> Result<Self, TlsError> {
                let source = Source::of(settings);
                let followed = Followed::load(source, clock, metrics.clone())?;
                Ok(Self {
                    followed: Arc::new(followed),
                })
            }

            /// Looks at the files at once. Blocks the thread for as long as they are read.
            pub fn look(&self) {
                self.followed.look();
            }

            /// Takes other settings for new connections. Blocks the thread for as long as files are read.
            ///
            /// # Errors
            /// As [`load`](Self::load); then nothing has changed.
            pub fn apply(&self, settings: &$settings) -> Result<(), TlsError> {
                self.followed.apply(&self.followed.source_with(settings))
            }

            /// Whether [`apply`](Self::apply) would take them now.
            ///
            /// # Errors
            /// As [`load`](Self::load).
            pub fn check(&self, settings: &$settings) -> Result<(), TlsError> {
                self.followed.check(&self.followed.source_with(settings))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use offer;

/// The task that looks at the files. When its runtime ends, the next use in another one starts a new one.
struct Watching<S: Source>(Weak<Followed<S>>);

impl<S: Source> Watching<S> {
    async fn run(self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(followed) = self.0.upgrade() else {
                return;
            };
            let look = tokio::task::spawn_blocking(move || followed.look());
            if let Err(error) = look.await
                && error.is_panic()
            {
                tracing::error!(used_for = S::USED_FOR, %error, "looking at TLS files ended in a panic");
            }
        }
    }
}

impl<S: Source> Drop for Watching<S> {
    fn drop(&mut self) {
        if let Some(followed) = self.0.upgrade() {
            followed.watching.store(false, Ordering::Relaxed);
        }
    }
}

/// A certificate that has ended, or has not begun, does not replace a valid one.
fn not_worse<C>(
    built: Built<C>,
    current: Option<Validity>,
    now: SystemTime,
) -> Result<Built<C>, TlsError> {
    let replaces_valid = current.is_some_and(|current| current.contains(now));
    match &built.own {
        Some((path, new)) if replaces_valid && new.ends < now => {
            Err(TlsError::Expired { path: path.clone() })
        }
        Some((path, new)) if replaces_valid && now < new.begins => Err(TlsError::NotYetValid {
            path: path.clone(),
            begins_in: new.begins.duration_since(now).unwrap_or_default(),
        }),
        _ => Ok(built),
    }
}

fn say_when_not_valid(used_for: &str, own: Option<&(PathBuf, Validity)>, now: SystemTime) {
    let Some((path, validity)) = own else {
        return;
    };
    let file = path.display();
    if validity.ends < now {
        tracing::error!(
            used_for,
            %file,
            "the certificate has expired: peers will refuse it; renew the file, which is taken without a restart"
        );
    } else if now < validity.begins {
        let begins_in = validity.begins.duration_since(now).unwrap_or_default();
        tracing::error!(
            used_for,
            %file,
            begins_in_seconds = begins_in.as_secs(),
            "the certificate is not valid yet: peers will refuse it until then; the clock of its authority may be ahead, or that of this machine behind"
        );
    }
}
