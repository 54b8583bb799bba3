//! A further attempt while the first one is under way: whichever answers first counts.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hallpass_upstream::{Body, Outcome, RetryBudget, Upstream, try_clone_request};
use http::Request;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::time::{Instant, Sleep, sleep};

use super::choice::Elsewhere;
use super::{CallResult, Layer};
use crate::ongoing_call::OngoingCall;
use crate::settings::HedgeSettings;

/// Makes further attempts of a call that takes long, where its method has a plan for that.
#[derive(Clone, Debug)]
pub(crate) struct Hedge<L> {
    inner: L,
    plan: Option<Arc<HedgePlan>>,
}

/// What the hedges of a method go by.
#[derive(Debug)]
pub(crate) struct HedgePlan {
    pub(crate) settings: HedgeSettings,
    /// Whose instances they go to.
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) budget: Arc<RetryBudget>,
    pub(crate) counters: HedgeCounters,
}

impl<L> Hedge<L> {
    pub(crate) fn new(inner: L, plan: Option<HedgePlan>) -> Self {
        let plan = plan.map(Arc::new);
        Self { inner, plan }
    }
}

impl<L: Layer> Layer for Hedge<L> {
    async fn send(&self, call: &OngoingCall, request: &mut Request<Body>) -> CallResult {
        if let Some(plan) = &self.plan {
            plan.budget.deposit();
            // A body that is a stream is sent once.
            if let Some(spare) = try_clone_request(request) {
                let first = std::mem::take(request);
                // In a box, so that a call without hedges is no larger for it.
                return Box::pin(self.race(plan, call, (first, spare))).await;
            }
        }
        pin!(self.inner.send(call, request)).await
    }
}

impl<L: Layer> Hedge<L> {
    /// All attempts run in the caller's task, so a call that is dropped leaves none behind.
    async fn race(
        &self,
        plan: &HedgePlan,
        call: &OngoingCall,
        (first, spare): (Request<Body>, Request<Body>),
    ) -> CallResult {
        let mut started = Started::new(&plan.counters);
        let mut under_way = FuturesUnordered::new();
        under_way.push(self.attempt(0, call, first));
        let mut failure: Option<CallResult> = None;
        let after = plan.settings.after;
        let timer = pin!(sleep(after));
        let mut patience = Patience::new(call, after, timer);
        let mut may_start = plan.settings.max_extra > 0;
        loop {
            let starts = tokio::select! {
                biased;
                Some((number, result)) = under_way.next() => {
                    let failed = result.instance_failed();
                    // A hedge that is refused (429, or 401 and 404 where an instance lacks the keys or the route) is no reason to
                    // drop an attempt that may be answered.
                    let is_refused =
                        number > 0 && !under_way.is_empty() && result.declined().is_some();
                    if failed == Some(false) && !is_refused {
                        started.won(number);
                        // What is dropped now has failed in nothing, and nobody has lost interest in it.
                        call.lose_others();
                        return result;
                    }
                    failure = Some(match failure {
                        // A hedge that did not get there says less than an attempt that did.
                        Some(before) if number > 0 && (failed.is_none() || is_refused) => before,
                        _ => result,
                    });
                    // Another attempt helps where the instance was at fault.
                    failed == Some(true)
                }
                () = &mut patience, if may_start => true,
            };
            if starts && may_start {
                let next = plan.next(call, &spare);
                may_start = next.is_some();
                if let Some(request) = next {
                    started.hedges += 1;
                    under_way.push(self.attempt(started.hedges, call, request));
                    may_start = started.hedges < plan.settings.max_extra;
                    patience.begin();
                }
            }
            if under_way.is_empty()
                && let Some(failure) = failure
            {
                return failure;
            }
        }
    }

    async fn attempt(
        &self,
        number: u32,
        call: &OngoingCall,
        mut request: Request<Body>,
    ) -> (u32, CallResult) {
        (number, self.inner.send(call, &mut request).await)
    }
}

/// How long a race waits for its next attempt. It begins when the first one is sent: what that waits for (a token, a place) says
/// nothing about its instance, and all calls would wait for it alike.
struct Patience<'a> {
    call: &'a OngoingCall,
    /// Attempts of the call before this race.
    before: usize,
    after: Duration,
    timer: Pin<&'a mut Sleep>,
    has_begun: bool,
}

impl<'a> Patience<'a> {
    fn new(call: &'a OngoingCall, after: Duration, timer: Pin<&'a mut Sleep>) -> Self {
        Self {
            before: call.attempts(),
            call,
            after,
            timer,
            has_begun: false,
        }
    }

    /// Begins, or begins anew.
    fn begin(&mut self) {
        self.has_begun = true;
        self.timer.as_mut().reset(Instant::now() + self.after);
    }
}

impl Future for Patience<'_> {
    type Output = ();

    /// Looks at the attempts each time it is polled: that they are sent happens in this task, or wakes it.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.has_begun {
            if !self.call.was_sent(self.before) {
                return Poll::Pending;
            }
            self.begin();
        }
        ready!(self.timer.as_mut().poll(context));
        if self.call.was_sent(self.before) {
            return Poll::Ready(());
        }
        // Its token was refused, and it waits for another one.
        self.has_begun = false;
        Poll::Pending
    }
}

impl HedgePlan {
    /// The request of a further attempt, if there is an instance for it and the budget allows it.
    fn next(&self, call: &OngoingCall, spare: &Request<Body>) -> Option<Request<Body>> {
        if self.upstream.others_than(&call.tried()) == 0 {
            return None;
        }
        if !self.budget.withdraw() {
            self.counters.no_budget.inc();
            return None;
        }
        let mut request = try_clone_request(spare)?;
        request.extensions_mut().insert(Elsewhere);
        Some(request)
    }
}

/// Counts what became of the hedges of one call, also of one that is dropped.
struct Started<'a> {
    counters: &'a HedgeCounters,
    hedges: u32,
    has_won: bool,
}

impl<'a> Started<'a> {
    fn new(counters: &'a HedgeCounters) -> Self {
        Self {
            counters,
            hedges: 0,
            has_won: false,
        }
    }

    /// The answer of this attempt counts; the first is number 0.
    fn won(&mut self, number: u32) {
        self.has_won = number > 0;
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        let won = u32::from(self.has_won);
        self.counters.won.inc_by(u64::from(won));
        let lost = self.hedges.saturating_sub(won);
        self.counters.lost.inc_by(u64::from(lost));
    }
}

/// Hedges by what became of them. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct HedgeMetrics {
    hedges: Family<HedgeLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HedgeLabels {
    client: &'static str,
    outcome: &'static str,
}

/// The counters of one client, at hand for its calls.
#[derive(Debug)]
pub(crate) struct HedgeCounters {
    won: Counter,
    lost: Counter,
    no_budget: Counter,
}

impl HedgeMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_feign_hedges",
            "Attempts that began while another of the same call was under way, or would have",
            self.hedges.clone(),
        );
    }

    pub(crate) fn of(&self, client: &'static str) -> HedgeCounters {
        let counter = |outcome| {
            let labels = HedgeLabels { client, outcome };
            self.hedges.get_or_create_owned(&labels)
        };
        HedgeCounters {
            won: counter("won"),
            lost: counter("lost"),
            no_budget: counter("no_budget"),
        }
    }
}
