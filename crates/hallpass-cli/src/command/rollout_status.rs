//! `hallpass rollout status`: how far it is, and whether it is safe to go on.

use clap::Args;
use serde::Serialize;

use crate::output::{self, Exit, Failure};
use crate::readiness::Service;
use crate::rollout::{Estate, PlannedService, RolloutArguments, Step, View};
use crate::runtime;

/// Say how far a roll-out is, who would be denied, and whether it is safe to go on
///
/// For each service: the step in its configuration, the step that each of its instances says it is at, who would be denied by the next one and why, and what
/// to do about it. Exit code 0: it is safe to go on everywhere, or nothing is left to do; 65: it is not, or a configuration cannot be read.
#[derive(Args, Debug)]
pub(crate) struct RolloutStatus {
    /// Only these services.
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    #[command(flatten)]
    rollout: RolloutArguments,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    safe: bool,
    services: Vec<ShownService>,
}

#[derive(Serialize)]
struct ShownService {
    service: String,
    configuration: String,
    step: Option<Step>,
    next: Option<Step>,
    safe: bool,
    why_not: Vec<String>,
    notes: Vec<String>,
    instances: Vec<ShownInstance>,
}

#[derive(Serialize)]
struct ShownInstance {
    instance: String,
    step: Option<Step>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreachable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Service>,
}

impl RolloutStatus {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        runtime::block_on(async {
            let estate = Estate::open(&self.rollout)?;
            let mut services = Vec::new();
            for service in estate.services(&self.services)? {
                // One that cannot be read is told beside the others: in an outage they are what is asked for.
                services.push(match estate.view(service).await {
                    Ok(view) => shown(view),
                    Err(failure) => unreadable(service, &failure),
                });
            }
            let safe = services.iter().all(|it| it.safe);
            match self.json {
                true => output::print_json(&Shown { safe, services })?,
                false => output::print_line(&lines(&services).join("\n"))?,
            }
            Ok(if safe { Exit::Ok } else { Exit::NotValid })
        })?
    }
}

fn shown(view: View<'_>) -> ShownService {
    let instances = view.instances.into_iter();
    let instances = instances.map(|it| match it.answer {
        Ok(answer) => ShownInstance {
            instance: it.url,
            step: Some(answer.step),
            unreachable: None,
            metrics: Some(answer.service),
        },
        Err(reason) => ShownInstance {
            instance: it.url,
            step: None,
            unreachable: Some(reason),
            metrics: None,
        },
    });
    ShownService {
        service: view.service.name.clone(),
        configuration: view.service.place.to_string(),
        step: view.configured.step(),
        next: view.next,
        safe: view.verdict.is_safe(),
        why_not: view.verdict.why_not,
        notes: view.verdict.notes,
        instances: instances.collect(),
    }
}

fn unreadable(service: &PlannedService, failure: &Failure) -> ShownService {
    ShownService {
        service: service.name.clone(),
        configuration: service.place.to_string(),
        step: None,
        next: None,
        safe: false,
        why_not: vec![failure.to_string()],
        notes: Vec::new(),
        instances: Vec::new(),
    }
}

fn lines(services: &[ShownService]) -> Vec<String> {
    let mut lines = Vec::new();
    for it in services {
        let step = it
            .step
            .map_or_else(|| "no step".to_owned(), |step| step.to_string());
        lines.push(format!("{} ({}): {step}", it.service, it.configuration));
        for instance in &it.instances {
            let said = match (&instance.step, &instance.unreachable) {
                (Some(step), _) => step.to_string(),
                (None, reason) => reason.clone().unwrap_or_default(),
            };
            lines.push(format!("  {}: {said}", instance.instance));
        }
        lines.extend(it.notes.iter().map(|note| format!("  {note}")));
        lines.extend(
            it.why_not
                .iter()
                .map(|reason| format!("  not safe: {reason}")),
        );
        if it.safe {
            lines.push(match it.next {
                Some(next) => format!("  safe to go on: {next}"),
                None => "  done, and watched".to_owned(),
            });
        }
    }
    lines
}
