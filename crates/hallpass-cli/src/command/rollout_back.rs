//! `hallpass rollout back`: nobody is denied any more, at once.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::output::{self, Exit, Failure};
use crate::rollout::{
    Action, Configured, Estate, Instance, PlannedService, RolloutArguments, Step, Taken, WriteFault,
};
use crate::runtime;

/// So often it is tried again when somebody else writes at the same time.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(300);

/// Take services back: to `report`, unless something else is said
///
/// Writes `mode: report` into the configuration of the service, or of all services of the plan, and then says which instances are at it. It asks nothing before:
/// it is for when something is wrong, and works while no metrics can be had. A service that is there already, or before it, is left alone. Routes with a mode
/// of their own keep it, and are named. Exit code 0: written, and every instance that can be asked is at it; 1: something could not be written, or an instance
/// says another step.
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

/// A service that was written.
struct Written<'e> {
    service: &'e PlannedService,
    step: Step,
}

impl RolloutBack {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        runtime::block_on(async {
            let estate = Estate::open(&self.rollout)?;
            let mut services = estate.services(&self.services)?;
            // Whoever was rolled out last is taken back first.
            services.reverse();
            let (mut exit, mut written) = (Exit::Ok, Vec::new());
            for service in services {
                match self.write(&estate, service).await {
                    Ok(Some(step)) => written.push(Written { service, step }),
                    Ok(None) => {}
                    Err(reason) => {
                        output::complain(&format!("{}: {reason}", service.name));
                        exit = Exit::Failed;
                    }
                }
            }
            // All are written before the first one is asked.
            for it in &written {
                if !self.confirm(&estate, it).await? {
                    exit = Exit::Failed;
                }
            }
            Ok(exit)
        })?
    }

    /// The step that was written; none where nothing had to be.
    async fn write(
        &self,
        estate: &Estate,
        service: &PlannedService,
    ) -> Result<Option<Step>, String> {
        for attempt in 0..TRIES {
            let kept = estate.documents.read(service).await?;
            let configured = kept.written.step()?;
            let step = self.target(estate, configured);
            if configured.step().is_some_and(|current| current <= step) {
                // Nacos shows what was written a moment ago a moment later: what needs no change is looked at twice.
                if attempt == 0 {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                let current = configured
                    .step()
                    .map_or_else(String::new, |it| it.to_string());
                let line = format!("{}: {current} already ({})", service.name, service.place);
                output::print_line(&line).map_err(|it| it.to_string())?;
                return Ok(None);
            }
            let (after, _) = kept.written.at(step)?;
            match estate
                .documents
                .replace(&service.place, &kept, after.text())
                .await
            {
                Ok(()) => {
                    self.written(estate, service, configured, step);
                    return Ok(Some(step));
                }
                Err(WriteFault::Changed) => tokio::time::sleep(PAUSE).await,
                Err(WriteFault::Failed(reason)) => {
                    return Err(format!("{}: {reason}", service.place));
                }
            }
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

    /// Whether no instance says that it is at another step.
    async fn confirm(&self, estate: &Estate, it: &Written<'_>) -> Result<bool, Failure> {
        let limit = Duration::from_secs(u64::from(self.wait));
        let taken = estate.wait_for(it.service, it.step, limit, true).await;
        let mut entry = Estate::entry(
            it.service,
            Action::Confirm,
            Configured::Step(it.step),
            it.step,
            self.by.as_deref(),
        );
        entry.seen = taken.instances.iter().map(Instance::seen).collect();
        if let Ok(mut record) = estate.record().open() {
            let _told = record.add(&entry);
        }
        let name = &it.service.name;
        say_what_is_left(name, it.step, &taken);
        let all = taken.instances.len();
        let there = all - taken.others.len() - taken.silent.len();
        let took = taken.took.as_secs_f32();
        output::print_line(&format!(
            "{name}: {} at {there} of {all} instances after {took:.1} s",
            it.step
        ))?;
        Ok(taken.others.is_empty())
    }
}

fn say_what_is_left(name: &str, step: Step, taken: &Taken) {
    for url in &taken.others {
        output::complain(&format!("{name}: {url} has not taken it"));
    }
    for url in &taken.silent {
        output::complain(&format!("warning: {name}: {url} cannot be asked"));
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
