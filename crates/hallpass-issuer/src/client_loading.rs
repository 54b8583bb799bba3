//! Where the clients of an issuer come from: the settings and the store, put together.

use std::collections::HashSet;

use aws_lc_rs::hmac;

use crate::clients::configured;
use crate::clients::key_network::KeyNetwork;
use crate::clients::registration::Registration;
use crate::clients::registry::{ClientMetrics, Registry};
use crate::error::Error;
use crate::settings::IssuerSettings;
use crate::store::Store;

/// What a registry is built with, beside the settings and the store.
pub(crate) struct RegistryContext<'a> {
    known: Option<&'a Registry>,
    process_key: &'a hmac::Key,
    network: &'a KeyNetwork,
    metrics: &'a ClientMetrics,
}

impl<'a> RegistryContext<'a> {
    /// For the first snapshot of an issuer.
    pub(crate) const fn new(
        process_key: &'a hmac::Key,
        network: &'a KeyNetwork,
        metrics: &'a ClientMetrics,
    ) -> Self {
        Self {
            known: None,
            process_key,
            network,
            metrics,
        }
    }

    /// For one in the place of `known`.
    pub(crate) const fn knowing(mut self, known: &'a Registry) -> Self {
        self.known = Some(known);
        self
    }
}

/// The way to the keys of the clients in `settings`.
pub(crate) async fn ready(
    network: &KeyNetwork,
    settings: &IssuerSettings,
) -> Result<KeyNetwork, Error> {
    let is_needed = configured::needs_network(settings);
    network.ready(is_needed, &settings.client_keys_tls).await
}

/// The clients of `settings` and of the store.
pub(crate) async fn load_registry(
    settings: &IssuerSettings,
    store: &Store,
    context: RegistryContext<'_>,
) -> Result<Registry, Error> {
    let RegistryContext {
        known,
        process_key,
        network,
        metrics,
    } = context;
    let mut registrations = configured::registrations(settings, process_key, network)?;
    registrations.extend(store.clients().await?);
    one_of_each_spiffe_id(&mut registrations);
    let registry = Registry::build(registrations, known, metrics)?;
    if registry.is_empty() {
        tracing::warn!("no client is registered: every token request will be refused");
    }
    Ok(registry)
}

/// Of two clients with one SPIFFE id the second gets no certificates: nobody could tell the two apart. In the settings that is a problem
/// at start; a client of the store may come later.
fn one_of_each_spiffe_id(registrations: &mut [Registration]) {
    let mut taken = HashSet::new();
    for registration in registrations {
        let names = registration.certificate_names.as_ref();
        let Some(id) = names.map(|names| names.spiffe_id.clone()) else {
            continue;
        };
        if !taken.insert(id) {
            tracing::error!(
                client_id = registration.client_id.as_str(),
                "the SPIFFE id of this client is that of another one: it gets no certificates"
            );
            registration.certificate_names = None;
        }
    }
}
