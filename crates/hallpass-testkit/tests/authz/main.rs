//! External authorization over real sockets: what each kind of proxy sends, and what it is told.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod bound;
#[cfg(test)]
mod estate;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod protocols;
#[cfg(test)]
mod tenants;
#[cfg(test)]
mod tls;
