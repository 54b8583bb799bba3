//! The layers that [`stack`](crate::stack) and [`method_stack`](crate::method_stack) put together, in the order in which
//! a call meets them.

mod layer;

pub(crate) mod observe;

pub(crate) mod fallback;

pub(crate) mod deadline;

pub(crate) mod retry;

pub(crate) mod choice;

pub(crate) mod admission;

pub(crate) mod receive;

pub(crate) mod sent;

pub(crate) use layer::Layer;
