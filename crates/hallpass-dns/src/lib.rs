//! Discovery over the domain name system: `A` and `AAAA` records, or `SRV` records as a headless service of Kubernetes and
//! Consul give them.
//!
//! * [`DnsDiscovery`] is a [`Discover`](hallpass_upstream::Discover), and looks host names up for the transport.
//! * [`DnsSettings`] is the section `discovery.dns` that it is made from.
//!
//! **Promise.** An answer is used for as long as its records say, within limits of one's own. That there is no instance is an
//! answer; a name server that fails or is silent is none, upon which the last known instances go on for a while. Each name is
//! looked up once at a time, in a task of its own.
//!
//! **What it does not do**: `/etc/hosts` is not read; answers are not checked by DNSSEC, and questions go over UDP and TCP
//! without TLS. Who can forge answers can send calls elsewhere: TLS to the instances is what protects them, since their
//! certificates must name the host.
//!
//! ```no_run
//! use hallpass_dns::{DnsDiscovery, DnsSettings};
//! use hallpass_upstream::Discover;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut settings = DnsSettings::default();
//! settings.suffix = Some("shop.svc.cluster.local".to_owned());
//! let discovery = DnsDiscovery::from_settings(&settings)?;
//! for instance in discovery.instances("orders").await?.iter() {
//!     println!("{instance}");
//! }
//! # Ok(())
//! # }
//! ```

mod answer;
mod discovery;
mod error;
mod hosts;
mod known;
mod metrics;
mod name_servers;
mod question;
mod settings;

pub use discovery::DnsDiscovery;
pub use error::DnsError;
pub use metrics::DnsMetrics;
pub use settings::{DnsRecords, DnsScheme, DnsSettings};
