//! `hallpass doctor`: a sound estate, and a table of broken ones, in each of which it names the cause and nothing else.

mod certificates;
mod configuration;
mod issuers;
mod peers;
mod pipes;
mod redis;
mod rig;
mod store;
mod targets;
mod way;
