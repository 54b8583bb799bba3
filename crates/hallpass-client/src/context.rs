//! The identity context: for whom the current work is done.
//!
//! A [`SecurityContext`](hallpass_token::SecurityContext), and what else belongs to the work ([`CallContext`]), travels in two places:
//!
//! * a **task-local**, which code in a handler reads with [`current`] and [`CallContext::current`], and which outgoing clients pick
//!   up without being told;
//! * **request extensions**, into which [`CaptureContextLayer`] copies it *in the caller's task*.
//!   Everything below that layer (retry, breaker, bearer) reads extensions only, so it does not matter
//!   on which task or worker thread it runs.
//!
//! | where the code runs | is the identity found? |
//! |---|---|
//! | the same task: after `.await`, in `timeout`, `join!`, `select!`, `block_in_place` | yes |
//! | [`spawn`], [`spawn_blocking`], [`JoinSet`] of this module | yes, carried over |
//! | a thread of rayon or of another pool, a callback of a server | yes, by [`carry`], [`carry_each`], [`carry_async`] |
//! | a job of a pool that steals work (rayon's), handed over raw | **no, or whoever waits on that thread**: [`carry_nobody`] keeps it nobody's |
//! | tower `Buffer`, a breaker or hedge on another task, below [`CaptureContextLayer`] | yes, by extensions |
//! | a blocking call ([`blocking::wait`]) inside [`spawn_blocking`] | yes |
//! | a response body that streams after the handler returned, an upload that streams | yes, when wrapped by [`body_scope`] |
//! | raw `tokio::spawn`, `tokio::task::spawn_blocking`, `tokio::task::JoinSet::spawn`, `std::thread` | **no** |
//! | [`detach`], [`without_identity`], [`every`], [`carry_nobody`] | no, on purpose |
//! | the next request on the same worker, or the same task after the scope ended | no |
//!
//! A raw `tokio::spawn` starts with an empty context: task-locals belong to one task and tokio does not
//! hand them down. A call made there with a relayed identity therefore fails closed (nothing is sent);
//! it does not run as somebody else, because nothing is stored per thread beyond one poll. What runs *inside* that poll
//! does: a pool that steals work runs other jobs while a carried one waits. See [`carry`].

mod allow_list;
pub mod blocking;
mod body;
mod call_context;
mod capture;
mod carried;
mod carry;
mod join_set;
mod lent;
mod task_local;

pub use allow_list::{AllowList, AllowListError, CarriedFault};
pub use body::{ContextBody, body_scope, body_scope_all};
pub use call_context::CallContext;
pub use capture::{CaptureContext, CaptureContextLayer, capture};
pub use carried::Carried;
pub use carry::{Job, carry, carry_async, carry_each, carry_nobody, every, without_identity};
pub use join_set::JoinSet;
pub use task_local::{
    InContext, WithContext, current, detach, scope, scope_all, spawn, spawn_blocking, sync_scope,
    sync_scope_all,
};

#[cfg(test)]
mod tests;
