//! `hallpass rollout plan`: what would be done.

use clap::Args;
use serde::Serialize;

use crate::output::{self, Exit, Failure};
use crate::rollout::{
    Changed, Configured, Estate, PlannedService, RolloutArguments, Step, Written,
};
use crate::runtime;

/// Show what is left to do of a roll-out, service by service
///
/// For each step: how long the one before it is watched, and which keys of the configuration change. Nothing else of a configuration is shown, and no
/// instance is asked. Exit code 0: nothing is left to do; 2: something is; 1: a configuration cannot be read, and the others are shown.
#[derive(Args, Debug)]
pub(crate) struct RolloutPlan {
    #[command(flatten)]
    rollout: RolloutArguments,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    services: Vec<ShownService>,
}

#[derive(Serialize)]
struct ShownService {
    service: String,
    configuration: String,
    step: Option<Step>,
    steps: Vec<ShownStep>,
    /// Why nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Serialize)]
struct ShownStep {
    step: Step,
    watch_seconds: u64,
    changes: Vec<Changed>,
}

impl RolloutPlan {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        runtime::block_on(async {
            let estate = Estate::open(&self.rollout)?;
            let mut services = Vec::new();
            for service in &estate.plan.services {
                let read = estate.configured(service).await;
                let shown = read.and_then(|(kept, configured)| {
                    left(&estate, service, &kept.written, configured)
                });
                // What the others would change is told all the same.
                services.push(shown.unwrap_or_else(|failure| unreadable(service, &failure)));
            }
            let is_done = services
                .iter()
                .all(|it| it.steps.is_empty() && it.step.is_some());
            let has_problem = services.iter().any(|it| it.problem.is_some());
            match self.json {
                true => output::print_json(&Shown { services })?,
                false => output::print_line(&lines(&services).join("\n"))?,
            }
            Ok(if has_problem {
                Exit::Failed
            } else if is_done {
                Exit::Ok
            } else {
                Exit::Changes
            })
        })?
    }
}

fn left(
    estate: &Estate,
    service: &PlannedService,
    written: &Written,
    configured: Configured,
) -> Result<ShownService, Failure> {
    let failed = |reason| Failure::failed(format_args!("{}: {reason}", service.place));
    let current = configured.step();
    let mut steps = Vec::new();
    let mut latest: Option<Written> = None;
    for step in estate
        .plan
        .steps()
        .filter(|step| current.is_some_and(|it| it < *step))
    {
        let before = latest.as_ref().unwrap_or(written);
        let (after, changes) = before.at(step).map_err(failed)?;
        latest = Some(after);
        steps.push(ShownStep {
            step,
            watch_seconds: match step {
                Step::Report => 0,
                _ => estate.plan.watch_seconds(Some(step)),
            },
            changes,
        });
    }
    Ok(ShownService {
        service: service.name.clone(),
        configuration: service.place.to_string(),
        step: current,
        steps,
        problem: None,
    })
}

fn unreadable(service: &PlannedService, failure: &Failure) -> ShownService {
    ShownService {
        service: service.name.clone(),
        configuration: service.place.to_string(),
        step: None,
        steps: Vec::new(),
        problem: Some(failure.to_string()),
    }
}

fn lines(services: &[ShownService]) -> Vec<String> {
    let mut lines = Vec::new();
    for it in services {
        let (name, place) = (&it.service, &it.configuration);
        let step = it
            .step
            .map_or_else(|| "no step".to_owned(), |step| step.to_string());
        lines.push(format!("{name} ({place}): {step}"));
        lines.extend(it.problem.iter().map(|problem| format!("  {problem}")));
        for next in &it.steps {
            let watched = match next.watch_seconds {
                0 => "at once".to_owned(),
                seconds => format!("after {seconds} seconds"),
            };
            lines.push(format!("  {}, {watched}", next.step));
            lines.extend(next.changes.iter().map(|change| format!("    {change}")));
        }
    }
    lines
}
