//! Discovery by DNS, with a real name server.

#[cfg(test)]
mod addresses;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod name_server;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod services;
