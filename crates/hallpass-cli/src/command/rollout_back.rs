//! `hallpass rollout back`: nobody is denied any more, at once.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::output::{self, Exit, Failure};
use crate::rollout::{
    Action, Configured, Estate, Instance, Place, PlannedService, RolloutArguments, Step, Taken,
    WriteFault,
};
use crate::runtime;

/// So long it is tried again when somebody else writes at the same time, or Nacos still shows what was before.
const PATIENCE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Take services back: to `report`, unless something else is said
///
/// Writes `mode: report` into the configuration of the service, or of all services of the plan, and then says which instances are at it. It asks nothing before:
/// it is for when something is wrong, and works while no metrics can be had. A service that is there already, or before it, is not written; its instances are asked too. Routes with a mode
/// of their own keep it, and are named. Exit code 0: written, and every instance says that it is at it; 1: something could not be written, or an instance
/// says another step or cannot be asked. What is written stays: whoever has not confirmed it is named, and takes it when it reads its configuration again.
#[derive(Args, Debug)]
pub(crate) struct RolloutBack {
    /// These services; without them, all.
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    #[command(flatten)]
    rollout: RolloutArguments,
    /// How far back.
    #[arg(long, value_name = "STEP", value_enum, default_value_t = To::Report)]
    to: To,
    /// How long to wait for the instances, in seconds.
    #[arg(long, value_name = "N", default_value_t = 15)]
    wait: u32,
    /// Who does this, for the record; default: the user of this process.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum To {
    /// Nobody is denied, and everybody is counted.
    Report,
    /// Nobody is denied, and nobody is counted.
    Off,
    /// The step of the plan before the one in the configuration.
    Previous,
}

/// A service that is taken back.
struct Written {
    service: PlannedService,
    /// Where its instances have to be.
    step: Step,
}

/// How far back, and for whom.
#[derive(Clone)]
struct Way {
    to: To,
    wait: Duration,
    by: Option<String>,
}

impl RolloutBack {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        runtime::block_on(async {
            let estate = Arc::new(Estate::open_plan(&self.rollout)?);
            let mut services = estate.services(&self.services)?;
            // Whoever was rolled out last is taken back first, and files before what a server keeps that may be down.
            services.reverse();
            services.sort_by_key(|it| !matches!(it.place, Place::File(_)));
            let services: Vec<_> = services.into_iter().cloned().collect();
            let way = Way {
                to: self.to,
                wait: Duration::from_secs(u64::from(self.wait)),
                by: self.by.clone(),
            };
            let (written, all) = way.write_all(&estate, services).await;
            // All are written before the first one is asked.
            let there = way.confirm_all(&estate, written).await;
            Ok(if all && there { Exit::Ok } else { Exit::Failed })
        })?
    }
}

impl Way {
    /// Those that are at the step, and whether all are.
    async fn write_all(
        &self,
        estate: &Arc<Estate>,
        services: Vec<PlannedService>,
    ) -> (Vec<Written>, bool) {
        let (mut written, mut all) = (Vec::new(), true);
        let mut writing = JoinSet::new();
        for service in services {
            let (way, estate) = (self.clone(), Arc::clone(estate));
            writing.spawn(async move {
                let step = way.write(&estate, &service).await;
                (service, step)
            });
        }
        while let Some(done) = writing.join_next().await {
            match done {
                Ok((service, Ok(step))) => written.push(Written { service, step }),
                Ok((service, Err(reason))) => {
                    output::complain(&format!("{}: {reason}", service.name));
                    all = false;
                }
                Err(_panic) => all = false,
            }
        }
        (written, all)
    }

    /// Whether every instance says that it is there.
    async fn confirm_all(&self, estate: &Arc<Estate>, written: Vec<Written>) -> bool {
        let mut asking = JoinSet::new();
        for it in written {
            let (way, estate) = (self.clone(), Arc::clone(estate));
            asking.spawn(async move { way.confirm(&estate, &it).await });
        }
        asking.join_all().await.into_iter().all(|there| there)
    }

    /// The step that its instances have to be at: the one that was written, or that stood there.
    async fn write(&self, estate: &Estate, service: &PlannedService) -> Result<Step, String> {
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut is_first = true;
        while began.elapsed() < PATIENCE {
            let kept = estate.documents.read(service).await?;
            let configured = kept.written.step()?;
            let step = self.target(estate, configured);
            if let Some(current) = configured.step().filter(|current| *current <= step) {
                // Nacos shows what was written a moment ago a moment later: what needs no change is looked at twice.
                if !std::mem::take(&mut is_first) {
                    let line = format!("{}: {current} already ({})", service.name, service.place);
                    let _unread = output::print_line(&line);
                    return Ok(current);
                }
                sleep(FIRST_PAUSE).await;
                continue;
            }
            is_first = false;
            let (after, _) = kept.written.at(step)?;
            let replaced = estate
                .documents
                .replace(&service.place, &kept, after.text());
            match replaced.await {
                Ok(()) => {
                    self.written(estate, service, configured, step);
                    return Ok(step);
                }
                Err(WriteFault::Changed) => sleep(pause).await,
                Err(WriteFault::Failed(reason)) => {
                    return Err(format!("{}: {reason}", service.place));
                }
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
        Err(format!(
            "{}: somebody else goes on changing it",
            service.place
        ))
    }

    fn target(&self, estate: &Estate, configured: Configured) -> Step {
        match (self.to, configured.step()) {
            (To::Off, _) => Step::Off,
            (To::Previous, Some(current)) => estate.plan.before(current),
            (To::Report, _) | (To::Previous, None) => Step::Report,
        }
    }

    /// Says it, and writes it down. A record that cannot be written stops nobody here.
    fn written(&self, estate: &Estate, service: &PlannedService, from: Configured, step: Step) {
        let entry = Estate::entry(service, Action::Back, from, step, self.by.as_deref());
        let record = estate.record();
        let added = record.open();
        let added = added.and_then(|mut it| it.add(&entry).map_err(|error| error.to_string()));
        if let Err(reason) = added {
            output::complain(&format!(
                "warning: the change is done, and not recorded: {reason}"
            ));
        }
        let before = from
            .step()
            .map_or_else(|| "no step".to_owned(), |it| it.to_string());
        let line = format!("{}: {before} -> {step} ({})", service.name, service.place);
        // Whoever does not read this must not keep the others from being taken back.
        let _unread = output::print_line(&line);
    }

    /// Whether every instance says that it is at the step.
    async fn confirm(&self, estate: &Estate, it: &Written) -> bool {
        let taken = estate.wait_for(&it.service, it.step, self.wait, true).await;
        let now_at = Configured::Step(it.step);
        let by_whom = self.by.as_deref();
        let mut entry = Estate::entry(&it.service, Action::Confirm, now_at, it.step, by_whom);
        entry.seen = taken.instances.iter().map(Instance::seen).collect();
        if let Ok(mut record) = estate.record().open() {
            let _told = record.add(&entry);
        }
        let name = &it.service.name;
        say_what_is_left(name, it.step, &taken);
        let all = taken.instances.len();
        let there = all - taken.others.len() - taken.silent.len();
        let took = taken.took.as_secs_f32();
        let _unread = output::print_line(&format!(
            "{name}: {} at {there} of {all} instances after {took:.1} s",
            it.step
        ));
        if !taken.silent.is_empty() {
            output::complain(&format!(
                "{name}: the order stands ({} in {}), and {} of {all} instances have not confirmed it: each takes it as soon as it reads its configuration; \
                 until then it may deny as before. See that they run, and ask again with this command",
                it.step,
                it.service.place,
                taken.silent.len()
            ));
        }
        // Nobody knows what one that does not answer still does.
        taken.others.is_empty() && taken.silent.is_empty()
    }
}

fn say_what_is_left(name: &str, step: Step, taken: &Taken) {
    for url in &taken.others {
        output::complain(&format!("{name}: {url} has not taken it"));
    }
    for url in &taken.silent {
        output::complain(&format!(
            "{name}: {url} cannot be asked, and has not confirmed it"
        ));
    }
    let answers = taken
        .instances
        .iter()
        .filter_map(|it| it.answer.as_ref().ok());
    let stricter = answers.flat_map(crate::rollout::others);
    let mut stricter: Vec<_> = stricter
        .filter(|(_, own)| *own > step)
        .map(|(route, own)| {
            format!(
                "warning: {name}: {} has a mode of its own, and stays at {own}",
                route.route
            )
        })
        .collect();
    stricter.sort();
    stricter.dedup();
    stricter.iter().for_each(|line| output::complain(line));
}
