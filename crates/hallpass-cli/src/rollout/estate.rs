//! The services of a plan as they are now.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use hallpass::config::Loader;
use hallpass::token::UnixTime;
use hallpass::upstream::HttpTransport;
use tokio::time::{Instant, sleep};

use super::arguments::{RolloutArguments, by};
use super::configured::{Configured, Written};
use super::denials;
use super::documents::{Documents, Kept};
use super::instances::{self, Instance};
use super::plan::{Plan, PlannedService};
use super::record::{Action, Entry, Record};
use super::step::Step;
use super::verdict::Verdict;
use crate::issuer_store::clock;
use crate::moment;
use crate::output::Failure;
use crate::readiness::Terms;
use crate::settings::transport;

/// How often instances are asked whether they are at a step.
const PAUSE: Duration = Duration::from_millis(200);
/// So often an instance may give no answer until nobody waits for it.
const SILENCES: u32 = 2;

/// A plan, and the ways to what it names.
#[derive(Debug)]
pub(crate) struct Estate {
    pub(crate) plan: Plan,
    /// The file of the plan.
    pub(crate) file: PathBuf,
    pub(crate) documents: Documents,
    loader: Loader,
    transport: OnceLock<Result<HttpTransport, String>>,
}

/// A service as it is now.
#[derive(Debug)]
pub(crate) struct View<'e> {
    pub(crate) service: &'e PlannedService,
    pub(crate) kept: Kept,
    pub(crate) configured: Configured,
    pub(crate) next: Option<Step>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) verdict: Verdict,
    /// The one of its reasons that whoever goes on may leave aside.
    pub(crate) jump: Option<String>,
}

/// What became of a step that was written.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) instances: Vec<Instance>,
    pub(crate) took: Duration,
    /// Those that say another step.
    pub(crate) others: Vec<String>,
    /// Those that cannot be asked.
    pub(crate) silent: Vec<String>,
}

impl Estate {
    /// Needs a runtime.
    ///
    /// # Errors
    /// When the plan, or the way to what it names, cannot be used.
    pub(crate) fn open(arguments: &RolloutArguments) -> Result<Self, Failure> {
        let estate = Self::open_plan(arguments)?;
        let nacos = estate.documents.connect(&estate.plan.services);
        nacos.map_err(Failure::usage)?;
        estate.transport().map_err(Failure::usage)?;
        Ok(estate)
    }

    /// The plan alone. What it names is reached when it is needed, so that what is wrong with one service keeps no other from being
    /// taken back.
    ///
    /// # Errors
    /// When the plan cannot be used.
    pub(crate) fn open_plan(arguments: &RolloutArguments) -> Result<Self, Failure> {
        let (plan, loader) = arguments.load()?;
        Ok(Self {
            documents: Documents::new(&loader),
            loader,
            transport: OnceLock::new(),
            file: arguments.file().to_owned(),
            plan,
        })
    }

    fn transport(&self) -> Result<&HttpTransport, String> {
        let made = || transport(&self.loader).map_err(|it| it.to_string());
        self.transport
            .get_or_init(made)
            .as_ref()
            .map_err(Clone::clone)
    }

    pub(crate) fn record(&self) -> Record {
        Record::new(self.plan.record(&self.file))
    }

    /// Those with these names; without names, all.
    ///
    /// # Errors
    /// A usage failure for a name that the plan does not have.
    pub(crate) fn services(&self, names: &[String]) -> Result<Vec<&PlannedService>, Failure> {
        let named = |name: &String| {
            let found = self.plan.services.iter().find(|it| it.name == *name);
            found.ok_or_else(|| {
                let (file, name) = (self.file.display(), name.escape_debug());
                Failure::usage(format_args!("{file}: has no service `{name}`"))
            })
        };
        match names {
            [] => Ok(self.plan.services.iter().collect()),
            names => names.iter().map(named).collect(),
        }
    }

    /// The step in the configuration of a service.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn configured(
        &self,
        service: &PlannedService,
    ) -> Result<(Kept, Configured), Failure> {
        let kept = self
            .documents
            .read(service)
            .await
            .map_err(Failure::failed)?;
        let step = Written::step(&kept.written);
        let step = step.map_err(|it| Failure::failed(format_args!("{}: {it}", service.place)))?;
        Ok((kept, step))
    }

    /// Everything about a service.
    ///
    /// # Errors
    /// When its configuration cannot be read.
    pub(crate) async fn view<'e>(
        &'e self,
        service: &'e PlannedService,
    ) -> Result<View<'e>, Failure> {
        let (kept, configured) = self.configured(service).await?;
        let next = configured.step().and_then(|step| self.plan.after(step));
        let watch_seconds = self.plan.watch_seconds(next);
        let counts_seconds = self.plan.counts_seconds(next);
        let windows = (watch_seconds, counts_seconds);
        let instances = self.ask(service, windows, None).await;
        let terms = (watch_seconds, service.allows_idle);
        let mut verdict = Verdict::of(configured, next, &instances, terms);
        let names = self.plan.services.iter().map(|it| it.name.as_str());
        let others = names.filter(|name| *name != service.name);
        verdict.placed(&service.name, others, &instances);
        let seen: Vec<_> = instances.iter().map(Instance::seen).collect();
        // Nothing is written without it, so that it cannot be read is said there.
        let entries = self.record().readable(&service.name);
        let jump = denials::jump(&entries, &seen);
        verdict.why_not.extend(jump.clone());
        Ok(View {
            service,
            kept,
            configured,
            next,
            instances,
            verdict,
            jump,
        })
    }

    /// What the instances of a service say.
    async fn ask(
        &self,
        service: &PlannedService,
        (window_seconds, counts_seconds): (u64, u64),
        until: Option<Instant>,
    ) -> Vec<Instance> {
        let terms = Terms {
            now: now(),
            window_seconds,
            counts_seconds,
            accepted: service.accepted.clone(),
        };
        match self.transport() {
            Ok(transport) => instances::ask(transport, &service.metrics, &terms, until).await,
            Err(reason) => {
                let urls = service.metrics.iter();
                let unasked = |url: &String| Instance {
                    url: url.clone(),
                    answer: Err(reason.clone()),
                };
                urls.map(unasked).collect()
            }
        }
    }

    /// Waits until all instances say that they are at `step`, at most for so long. `leaves_silent`: not for those that give no answer.
    pub(crate) async fn wait_for(
        &self,
        service: &PlannedService,
        step: Step,
        limit: Duration,
        leaves_silent: bool,
    ) -> Taken {
        let began = Instant::now();
        let mut silences = 0;
        loop {
            let instances = self.ask(service, (0, 0), Some(began + limit)).await;
            let names = |holds: &dyn Fn(Option<Step>) -> bool| -> Vec<String> {
                let these = instances.iter().filter(|it| holds(it.step()));
                these.map(|it| it.url.clone()).collect()
            };
            let silent = names(&|said| said.is_none());
            let others = names(&|said| said.is_some_and(|said| said != step));
            silences += u32::from(!silent.is_empty());
            let is_done =
                others.is_empty() && (silent.is_empty() || (leaves_silent && silences >= SILENCES));
            if is_done || began.elapsed() >= limit {
                return Taken {
                    instances,
                    took: began.elapsed(),
                    others,
                    silent,
                };
            }
            sleep(PAUSE).await;
        }
    }

    /// A line of the record about now.
    pub(crate) fn entry(
        service: &PlannedService,
        action: Action,
        from: Configured,
        to: Step,
        by_whom: Option<&str>,
    ) -> Entry {
        Entry {
            at: moment::text(now()),
            by: by(by_whom),
            action,
            service: service.name.clone(),
            configuration: service.place.to_string(),
            from: from.step().map(|step| step.to_string()),
            to: to.to_string(),
            accepted: service.accepted.clone(),
            seen: Vec::new(),
        }
    }

    /// The command that takes a service back.
    pub(crate) fn back(&self, service: &PlannedService) -> String {
        format!(
            "hallpass rollout back {} --plan {}",
            service.name,
            self.file.display()
        )
    }
}

impl View<'_> {
    /// For how long all instances have been at their step, in seconds.
    pub(crate) fn watched_seconds(&self) -> u64 {
        let answers = self
            .instances
            .iter()
            .filter_map(|it| it.answer.as_ref().ok());
        let watched = answers.map(|it| it.watched_seconds(self.next));
        watched.min().unwrap_or(0)
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    UnixTime::from(clock().now()).as_secs()
}
