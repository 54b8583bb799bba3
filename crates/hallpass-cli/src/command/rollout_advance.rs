//! `hallpass rollout advance`: the next step, if it is safe.

use std::time::Duration;

use clap::Args;

use crate::output::{self, Exit, Failure};
use crate::rollout::{
    Acceptance, Action, Changed, Configured, Entry, Estate, Instance, Phase, PlannedService,
    RolloutArguments, Seen, Step, View, WriteFault, by, now,
};
use crate::runtime;

/// Take the next step of a roll-out, if it is safe
///
/// Writes the next step of the plan into the configuration of a service, in its place, and waits until all of its instances say that they are at it. Nothing
/// is written while somebody would be denied who is not accepted, an instance cannot be asked or is at another step, the step before was not watched long
/// enough, or more calls are denied since it than before. Without SERVICE: first every service is brought to `report`, which denies nobody, then one after the other goes its way. Each change is a line of
/// the change record; the end of a phase (`report`, the percentages, `enforce`) leaves an acceptance report. Exit code 0: done; 65: it is not safe, and nothing
/// was written; 1: it failed, or not all instances took it in time.
#[derive(Args, Debug)]
pub(crate) struct RolloutAdvance {
    /// The service; without it, the one whose turn it is.
    #[arg(value_name = "SERVICE")]
    service: Option<String>,
    #[command(flatten)]
    rollout: RolloutArguments,
    /// Who does this, for the record; default: the user of this process.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Also when more calls are denied since the last step than before it.
    #[arg(long)]
    despite_denials: bool,
}

impl RolloutAdvance {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        runtime::block_on(async {
            let estate = Estate::open(&self.rollout)?;
            let Some(service) = self.chosen(&estate).await? else {
                output::print_line("nothing is left to do")?;
                return Ok(Exit::Ok);
            };
            let mut view = estate.view(service).await?;
            if self.despite_denials
                && let Some(jump) = view.jump.take()
            {
                view.verdict.why_not.retain(|it| *it != jump);
                view.verdict.notes.push(jump);
            }
            if !view.verdict.is_safe() {
                let mut lines = vec![format!("{}: not safe to go on", service.name)];
                lines.extend(view.verdict.why_not.iter().map(|it| format!("  {it}")));
                lines.extend(notes(&view));
                output::print_line(&lines.join("\n"))?;
                return Ok(Exit::NotValid);
            }
            match view.next {
                Some(next) => self.take(&estate, &view, next).await,
                None => self.accept(&estate, &view),
            }
        })?
    }

    /// The one that is named, or whose turn it is.
    async fn chosen<'e>(&self, estate: &'e Estate) -> Result<Option<&'e PlannedService>, Failure> {
        if let Some(name) = &self.service {
            let named = estate.services(std::slice::from_ref(name))?;
            return Ok(named.first().copied());
        }
        let mut steps = Vec::new();
        for service in &estate.plan.services {
            let (_, configured) = estate.configured(service).await?;
            steps.push((service, configured.step()));
        }
        let is_silent = |step: Option<Step>| step == Some(Step::Off);
        let has_next = |step: Option<Step>| step.is_none_or(|it| estate.plan.after(it).is_some());
        let first = |holds: &dyn Fn(Option<Step>) -> bool| {
            let found = steps.iter().find(|(_, step)| holds(*step));
            found.map(|(service, _)| *service)
        };
        if let Some(service) = first(&is_silent).or_else(|| first(&has_next)) {
            return Ok(Some(service));
        }
        for (service, _) in steps {
            if !is_accepted(&entries(estate, service)?) {
                return Ok(Some(service));
            }
        }
        Ok(None)
    }

    async fn take(&self, estate: &Estate, view: &View<'_>, next: Step) -> Result<Exit, Failure> {
        // Opened first: nothing is done that cannot be written down.
        let mut record = estate.record().open().map_err(Failure::failed)?;
        let (service, by_whom) = (view.service, self.by.as_deref());
        let before = entries(estate, service);
        let mut entry = Estate::entry(service, Action::Intend, view.configured, next, by_whom);
        record.add(&entry).map_err(|error| {
            let path = estate.record().path().display().to_string();
            Failure::failed(format_args!("{path}: {error}; nothing was written"))
        })?;
        let changes = Self::write(estate, view, next).await?;
        entry.action = Action::Advance;
        entry.seen = view.instances.iter().map(Instance::seen).collect();
        let recorded = record.add(&entry);
        // Whoever does not read this must not keep it from being confirmed and recorded.
        let lines = self.said(estate, view, (next, &changes), (before, &entry.seen));
        let _unread = output::print_line(&lines.join("\n"));

        let limit = Duration::from_secs(estate.plan.wait_seconds);
        let taken = estate.wait_for(service, next, limit, false).await;
        let now_at = Configured::Step(next);
        let mut entry = Estate::entry(service, Action::Confirm, now_at, next, by_whom);
        entry.seen = taken.instances.iter().map(Instance::seen).collect();
        let recorded = recorded.and_then(|()| record.add(&entry));
        recorded.map_err(|error| {
            let path = estate.record().path().display().to_string();
            Failure::failed(format_args!(
                "{path}: the change is done, and not recorded: {error}"
            ))
        })?;
        let (all, back) = (taken.instances.len(), estate.back(service));
        let missing: Vec<_> = taken.others.iter().chain(&taken.silent).collect();
        if missing.is_empty() {
            let took = taken.took.as_secs_f32();
            output::print_line(&format!(
                "  taken by {all} of {all} instances after {took:.1} s\n  back: {back}"
            ))?;
            return Ok(Exit::Ok);
        }
        let names: Vec<_> = missing.iter().map(|it| it.as_str()).collect();
        Err(Failure::failed(format_args!(
            "{}: not taken within {} seconds by {}; back: {back}",
            service.name,
            limit.as_secs(),
            names.join(", ")
        )))
    }

    /// Writes the step into the configuration; what has changed in it.
    async fn write(estate: &Estate, view: &View<'_>, next: Step) -> Result<Vec<Changed>, Failure> {
        let service = view.service;
        let failed = |reason: String| Failure::failed(format_args!("{}: {reason}", service.place));
        let (after, changes) = view.kept.written.at(next).map_err(failed)?;
        let replaced = estate
            .documents
            .replace(&service.place, &view.kept, after.text());
        replaced.await.map_err(|fault| match fault {
            WriteFault::Changed => {
                let message = "somebody else has changed it meanwhile; nothing was written";
                failed(message.to_owned())
            }
            WriteFault::Failed(reason) => failed(reason),
        })?;
        Ok(changes)
    }

    /// What was done, with the report of a phase that ends with it.
    fn said(
        &self,
        estate: &Estate,
        view: &View<'_>,
        (next, changes): (Step, &[Changed]),
        (before, seen): (Result<Vec<Entry>, Failure>, &[Seen]),
    ) -> Vec<String> {
        let service = view.service;
        let from = view.configured.step();
        let from = from.map_or_else(String::new, |it| it.to_string());
        let (name, place) = (&service.name, &service.place);
        let mut lines = vec![format!("{name}: {from} -> {next} ({place})")];
        lines.extend(changes.iter().map(|change| format!("  {change}")));
        lines.extend(notes(view));
        if let Some(phase) = ended(view.configured, Some(next)) {
            // The step is taken: that its report cannot be written must not end this here.
            let report = before.and_then(|it| self.report(estate, view, phase, (&it, seen)));
            lines.push(match report {
                Ok(path) => format!("  acceptance report: {path}"),
                Err(failure) => format!("  no acceptance report: {failure}"),
            });
        }
        lines
    }

    /// The last step was watched to its end.
    fn accept(&self, estate: &Estate, view: &View<'_>) -> Result<Exit, Failure> {
        let service = view.service;
        let (Some(step), Some(phase)) = (view.configured.step(), ended(view.configured, None))
        else {
            return Ok(Exit::Ok);
        };
        let before = entries(estate, service)?;
        if is_accepted(&before) {
            output::print_line(&format!("{}: {step}, accepted already", service.name))?;
            return Ok(Exit::Ok);
        }
        let seen: Vec<Seen> = view.instances.iter().map(Instance::seen).collect();
        let report = self.report(estate, view, phase, (&before, &seen))?;
        let by_whom = self.by.as_deref();
        let mut entry = Estate::entry(service, Action::Accept, view.configured, step, by_whom);
        entry.seen = seen;
        let mut record = estate.record().open().map_err(Failure::failed)?;
        record.add(&entry).map_err(Failure::failed)?;
        let mut lines = vec![format!("{}: {step}, accepted", service.name)];
        lines.extend(notes(view));
        lines.push(format!("  acceptance report: {report}"));
        output::print_line(&lines.join("\n"))?;
        Ok(Exit::Ok)
    }

    /// Writes the acceptance report of a phase; its file.
    fn report(
        &self,
        estate: &Estate,
        view: &View<'_>,
        phase: Phase,
        (entries, seen): (&[Entry], &[Seen]),
    ) -> Result<String, Failure> {
        let record = estate.record();
        let acceptance = Acceptance {
            service: view.service,
            phase,
            entries,
            seen,
            now: now(),
            watched_seconds: view.watched_seconds(),
            by: &by(self.by.as_deref()),
            back: &estate.back(view.service),
            record: record.path(),
        };
        let folder = estate.plan.reports(&estate.file);
        let written = acceptance.write(&folder);
        let failed = |error| Failure::failed(format_args!("{}: {error}", folder.display()));
        Ok(written.map_err(failed)?.display().to_string())
    }
}

fn notes(view: &View<'_>) -> impl Iterator<Item = String> {
    let notes = view.verdict.notes.iter();
    notes.map(|note| format!("  note: {note}"))
}

/// What was done, and what came of it.
fn entries(estate: &Estate, service: &PlannedService) -> Result<Vec<Entry>, Failure> {
    let mut entries = estate.record().of(&service.name).map_err(Failure::failed)?;
    entries.retain(|it| it.action != Action::Intend);
    Ok(entries)
}

/// Whether nothing was written since it was accepted.
fn is_accepted(entries: &[Entry]) -> bool {
    let last = entries
        .iter()
        .rev()
        .find(|it| it.is_change() || it.action == Action::Accept);
    last.is_some_and(|it| it.action == Action::Accept)
}

/// The phase that is over once `next` is taken.
fn ended(configured: Configured, next: Option<Step>) -> Option<Phase> {
    let phase = configured.step()?.phase()?;
    (next.and_then(Step::phase) != Some(phase)).then_some(phase)
}
