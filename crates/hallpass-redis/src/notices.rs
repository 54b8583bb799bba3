//! Notices of other processes: a subscription of its own for each channel, which follows the connections that calls use.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_core::stream::BoxStream;
use futures_util::stream::unfold;
use hallpass_upstream::Reminders;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use crate::connection::Connection;
use crate::error::RedisError;
use crate::link::{Core, LinkState};
use crate::metrics::Subscription;
use crate::routes::Routes;

/// Notices that wait to be looked at; what comes beyond is as if it was missed.
const MAX_WAITING: usize = 256;
/// A larger message is none of ours.
const MAX_NOTICE_BYTES: usize = 8 * 1024;
/// How often a quiet server is asked whether it is there, and for how long.
const PING_EVERY: Duration = Duration::from_secs(1);
const PING_LIMIT: Duration = Duration::from_millis(500);
/// Shortest and longest pause between attempts to subscribe.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A subscription that was good for so long was a good one: the next pause is the first again.
const STEADY_AFTER: Duration = Duration::from_secs(5);
/// Floods of messages are told at this distance at least: each time all tokens in memory are compared with the tier.
const FLOOD_PAUSE: Duration = Duration::from_secs(1);
/// The pause after a server has said that this user may not subscribe.
const DENIED_PAUSE: Duration = Duration::from_secs(10);

/// What is published on one channel, as those understand it who listen.
#[derive(Clone, Copy)]
pub(crate) struct Topic<T> {
    /// Reads a message; `None` when it is none of ours.
    pub(crate) parse: fn(&[u8]) -> Option<T>,
    /// What is told when notices may have been missed.
    pub(crate) missed: fn() -> T,
    /// Which subscription it is in metrics.
    pub(crate) subscription: Subscription,
    /// What it means that there is none.
    pub(crate) without: &'static str,
}

/// What is published on `channel`, and that something may have been missed after each subscription, the first one too. It ends when
/// the tier is dropped.
pub(crate) fn follow<T: 'static>(
    core: Arc<Core>,
    channel: String,
    topic: Topic<T>,
) -> BoxStream<'static, T> {
    let listener = Listener {
        state: core.watch(),
        core,
        channel,
        topic,
        line: None,
        may_have_missed: true,
        pause: FIRST_PAUSE,
        said: Reminders::default(),
    };
    Box::pin(unfold(listener, async |mut listener| {
        let event = listener.next().await?;
        Some((event, listener))
    }))
}

struct Listener<T> {
    core: Arc<Core>,
    state: watch::Receiver<LinkState>,
    channel: String,
    topic: Topic<T>,
    line: Option<Line>,
    /// Whether nothing was heard for a while: from the call that made this until the first subscription too, a time in which
    /// something may have happened.
    may_have_missed: bool,
    pause: Duration,
    said: Reminders,
}

/// A subscription under way.
struct Line {
    connection: Connection,
    messages: mpsc::Receiver<Vec<u8>>,
    has_overflowed: Arc<AtomicBool>,
    /// Told when the server says what only an impostor does.
    foreign: Arc<Notify>,
    since: Instant,
    /// When a flood may be told again.
    flood_from: Instant,
}

/// What happened on a line.
enum Heard {
    Message(Vec<u8>),
    Overflow,
    /// Another server should be asked from now on, or this one again.
    Lost,
    Nothing,
    Ended,
}

impl<T> Listener<T> {
    /// The next event; `None` at the end of the tier.
    async fn next(&mut self) -> Option<T> {
        loop {
            let Some(line) = &mut self.line else {
                let routes = self.connected().await?;
                self.subscribe(&routes).await;
                if self.line.is_some() && std::mem::take(&mut self.may_have_missed) {
                    return Some((self.topic.missed)());
                }
                continue;
            };
            match line.hear(&mut self.state).await {
                Heard::Message(bytes) => {
                    if let Some(notice) = (self.topic.parse)(&bytes) {
                        return Some(notice);
                    }
                    tracing::debug!(
                        channel = self.channel,
                        "a message that is no notice was left alone"
                    );
                }
                Heard::Overflow => return Some((self.topic.missed)()),
                Heard::Lost => {
                    let was_steady = line.since.elapsed() >= STEADY_AFTER;
                    self.line = None;
                    self.may_have_missed = true;
                    self.is_subscribed(false);
                    if was_steady {
                        self.pause = FIRST_PAUSE;
                        self.said.over();
                    } else {
                        self.pause(None).await;
                    }
                }
                Heard::Nothing => {}
                Heard::Ended => return None,
            }
        }
    }

    fn is_subscribed(&self, is: bool) {
        let metrics = &self.core.metrics;
        metrics.is_subscribed(self.topic.subscription, is);
    }

    /// Waits for connections.
    async fn connected(&mut self) -> Option<Routes> {
        loop {
            match &*self.state.borrow_and_update() {
                LinkState::Up(routes) => return Some(routes.clone()),
                LinkState::Ended => return None,
                LinkState::Starting | LinkState::Down => {}
            }
            self.state.changed().await.ok()?;
        }
    }

    async fn subscribe(&mut self, routes: &Routes) {
        let failure = match self.open(routes).await {
            Ok(line) => {
                self.line = Some(line);
                self.is_subscribed(true);
                return;
            }
            Err(failure) => failure,
        };
        let (channel, without) = (&self.channel, self.topic.without);
        if self.said.is_due(failure.kind()) {
            tracing::warn!(channel, error = %failure, "notices cannot be received: {without}");
        } else {
            tracing::debug!(channel, error = %failure, "notices cannot be received");
        }
        self.pause(failure.is_denied().then_some(DENIED_PAUSE))
            .await;
    }

    /// Before the next attempt: `longer`, or longer each time.
    async fn pause(&mut self, longer: Option<Duration>) {
        let pause = longer.unwrap_or(self.pause);
        self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
        tokio::time::sleep(pause).await;
    }

    async fn open(&self, routes: &Routes) -> Result<Line, RedisError> {
        let address = routes.listen_at().ok_or(RedisError::NotConnected)?;
        let (sender, messages) = mpsc::channel(MAX_WAITING);
        let has_overflowed = Arc::new(AtomicBool::new(false));
        let overflow = Arc::clone(&has_overflowed);
        let foreign = Arc::new(Notify::new());
        let (stranger, is_confirmed) = (Arc::clone(&foreign), AtomicBool::new(false));
        let pushes = move |push: PushInfo| {
            let is_usual = match push.kind {
                PushKind::Message | PushKind::Disconnection => true,
                // One channel was asked for. Of each that is confirmed the connection keeps the name.
                PushKind::Subscribe => !is_confirmed.swap(true, Ordering::Relaxed),
                _ => false,
            };
            if !is_usual {
                stranger.notify_one();
            }
            let message = message_of(push);
            if message.is_some_and(|message| sender.try_send(message).is_err()) {
                overflow.store(true, Ordering::Relaxed);
            }
            Ok::<(), Infallible>(())
        };
        let plan = &self.core.plan;
        let connection = plan
            .dialer
            .open_for_pushes(address, &plan.login, pushes)
            .await?;
        let mut command = redis::cmd("SUBSCRIBE");
        command.arg(&self.channel);
        let subscribed = tokio::time::timeout(PING_LIMIT, connection.call(&command)).await;
        subscribed.map_err(|_| RedisError::TimedOut)??;
        Ok(Line {
            connection,
            messages,
            has_overflowed,
            foreign,
            since: Instant::now(),
            flood_from: Instant::now(),
        })
    }
}

impl Line {
    async fn hear(&mut self, state: &mut watch::Receiver<LinkState>) -> Heard {
        let is_flooded = self.has_overflowed.load(Ordering::Relaxed);
        if is_flooded && self.flood_from <= Instant::now() {
            self.has_overflowed.store(false, Ordering::Relaxed);
            self.flood_from = Instant::now() + FLOOD_PAUSE;
            return Heard::Overflow;
        }
        tokio::select! {
            biased;
            () = self.foreign.notified() => Heard::Lost,
            () = tokio::time::sleep_until(self.flood_from), if is_flooded => Heard::Nothing,
            message = self.messages.recv() => message.map_or(Heard::Lost, Heard::Message),
            () = self.connection.closed() => Heard::Lost,
            changed = state.changed() => match (changed, &*state.borrow_and_update()) {
                (Err(_), _) | (Ok(()), LinkState::Ended) => Heard::Ended,
                (Ok(()), LinkState::Up(routes)) if !routes.lead_to(self.connection.address()) => Heard::Lost,
                (Ok(()), _) => Heard::Nothing,
            },
            () = tokio::time::sleep(PING_EVERY) => match self.connection.responds(PING_LIMIT).await {
                true => Heard::Nothing,
                false => Heard::Lost,
            },
        }
    }
}

fn message_of(push: PushInfo) -> Option<Vec<u8>> {
    let [_channel, Value::BulkString(message)] = <[Value; 2]>::try_from(push.data).ok()? else {
        return None;
    };
    let is_notice = push.kind == PushKind::Message && message.len() <= MAX_NOTICE_BYTES;
    is_notice.then_some(message)
}

impl<T> Drop for Listener<T> {
    fn drop(&mut self) {
        if self.line.is_some() {
            self.is_subscribed(false);
        }
    }
}

impl<T> fmt::Debug for Listener<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}
