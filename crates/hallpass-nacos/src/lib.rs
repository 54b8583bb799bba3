//! Nacos as a source of configuration and as discovery, with registration of one's own service.
//!
//! * [`NacosConfiguration`] holds the documents that are configuration, and says when they have changed.
//! * [`NacosDiscovery`] is a [`Discover`](hallpass_upstream::Discover): the healthy instances of a service, by their
//!   weights. It also [registers](NacosDiscovery::register) this process, so that others find it.
//! * [`NacosDocuments`] reads and writes single documents, for tools.
//! * [`NacosSettings`] and [`DiscoverySettings`] are the sections that all of them are made from.
//!
//! It speaks gRPC as Nacos 2 and 3 do, on a connection of its own for each half: what changes is pushed by the server. A
//! push can be lost, so that the server is also asked every 10 seconds.
//!
//! **Promise.** Nothing that the server or the way to it does takes away what was good: while no server answers, the last
//! documents and the last instances stay in use, from the disk too where a folder is named for it. Credentials and documents
//! travel over TLS or on loopback, unless a setting with `dangerous` in its name says otherwise. No secret and no line of a
//! document stands in a log, an error or a `Debug` text.
//!
//! **What it does not do**: persistent instances, encrypted documents (`cipher-` data ids), listing of namespaces. Who may
//! write a document may change what this process does: that is up to the rights in Nacos.
//!
//! ```no_run
//! use std::sync::Arc;
//! use hallpass_clock::SystemClock;
//! use hallpass_nacos::{DocumentSettings, NacosConfiguration, NacosParts, NacosSettings};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut settings = NacosSettings::new(["127.0.0.1:8848".parse()?]);
//! settings.config.documents = vec![DocumentSettings::new("service-order.yaml")];
//! let parts = NacosParts::new(settings, None, Arc::new(SystemClock::new()));
//! let mut configuration = NacosConfiguration::start(&parts).await?;
//! for (name, text) in configuration.texts() {
//!     println!("{name}: {} bytes", text.expose().len());
//! }
//! configuration.changed().await;
//! # Ok(())
//! # }
//! ```

mod configuration;
mod connection;
mod credential;
mod discovery;
mod documents;
mod error;
mod messages;
mod metrics;
mod parts;
mod payload;
mod properties;
mod server_address;
mod session;
mod settings;
mod snapshot;

pub use configuration::NacosConfiguration;
pub use credential::Credential;
pub use discovery::{NacosDiscovery, OwnInstance, Registration};
pub use documents::{NacosDocuments, ReadDocument};
pub use error::{NacosError, SnapshotError};
pub use metrics::NacosMetrics;
pub use parts::NacosParts;
pub use properties::{properties_as_yaml, properties_with_values};
pub use server_address::ServerAddress;
pub use settings::{
    ConfigSettings, DiscoverySettings, DocumentSettings, NacosSettings, RegisterSettings,
};
