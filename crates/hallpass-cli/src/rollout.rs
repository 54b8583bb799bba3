//! Rolling verification out by a plan: which step each service is at, whether the next one is safe, and the way there and back.

mod acceptance;
mod arguments;
mod configured;
mod denials;
mod documents;
mod estate;
mod file;
mod instances;
mod plan;
mod record;
mod step;
mod verdict;

pub(crate) use acceptance::Acceptance;
pub(crate) use arguments::{RolloutArguments, by};
pub(crate) use configured::{Changed, Configured, Written};
pub(crate) use documents::WriteFault;
pub(crate) use estate::{Estate, Taken, View, now};
pub(crate) use instances::{Instance, Seen};
pub(crate) use plan::{Place, PlannedService};
pub(crate) use record::{Action, Entry};
pub(crate) use step::{Phase, Step};
pub(crate) use verdict::others;
