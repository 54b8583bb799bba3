//! The layers that [`stack`](crate::stack) puts together, in the order in which a call meets them.

pub(crate) mod observe;

pub(crate) mod fallback;

pub(crate) mod deadline;

pub(crate) mod retry;

pub(crate) mod choice;

pub(crate) mod admission;

pub(crate) mod receive;

pub(crate) mod sent;
