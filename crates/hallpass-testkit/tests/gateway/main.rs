//! The gateway over real sockets: what callers send, what upstreams see, and what comes back.

#[cfg(test)]
mod admin;
#[cfg(test)]
mod caller_places;
#[cfg(test)]
mod cors;
#[cfg(test)]
mod estate;
#[cfg(test)]
mod forwarding;
#[cfg(test)]
mod framing;
#[cfg(test)]
mod gray;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod issuers;
#[cfg(test)]
mod logout;
#[cfg(test)]
mod mesh;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod rates;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod sidecar;
#[cfg(test)]
mod slow_callers;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod upgrades;
