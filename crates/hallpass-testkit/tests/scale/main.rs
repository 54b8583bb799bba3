//! How it grows: an estate of thousands of instances on paused time, over a network without sockets. `docs/scale.md` has its figures.
//!
//! The token service, its memory, the key source and the deny-list are the real ones; the network, the issuer's queue and Redis are not.

#[cfg(test)]
mod counts;
#[cfg(test)]
mod estate;
#[cfg(test)]
mod instance;
#[cfg(test)]
mod issuer;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod series;
#[cfg(test)]
mod shared_cache;
#[cfg(test)]
mod small;
#[cfg(test)]
mod whole;
