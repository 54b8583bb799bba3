//! Calls at a constant rate, and what became of them.
//!
//! An open model: when a call is to begin is planned beforehand, and a target that is slow makes no later call begin later. A time counts from the planned
//! moment, else a target that stalls would hide its stall: while it stalls, a loop that waits for each response sends nothing that could be slow
//! (coordinated omission). Both times are kept, from the planned moment and from the sending.

mod arguments;
mod dispatcher;
mod ended;
mod measured;
mod report;
mod run;

pub(crate) use arguments::LoadArguments;
pub(crate) use ended::{Ended, of_transport};
pub(crate) use run::run;
