//! What can be known of plain http before a connection is made.

use hallpass_config::Section;
use hallpass_upstream::{DiscoverySettings, EndpointUrl, Instance};

/// Complains of instances in `discovery.static` that the transport will refuse to send a secret to: a problem where an
/// endpoint for secrets or keys is behind the service and the instance is an address, a warning else, because a name may
/// mean this machine and a call may carry no identity.
///
/// `endpoints`: where secrets are sent to and keys come from, with their keys.
pub(super) fn check(
    root: &Section<'_>,
    settings: &DiscoverySettings,
    endpoints: &[(&str, &EndpointUrl)],
) {
    let discovery = root.section("discovery");
    for (service, instances) in &settings.instances {
        let mut open = instances
            .iter()
            .filter(|it| may_be_elsewhere(it))
            .peekable();
        if open.peek().is_none() {
            continue;
        }
        let behind = endpoints.iter().find(|(_, url)| is_at(url, service));
        let what = match behind {
            Some((key, _)) => format!("`{key}` leads to it, so it must be https"),
            None => "only calls without an identity can reach it".to_owned(),
        };
        let message = format!(
            "an instance of `{service}` is plain http and not on loopback: {what}; write `https://host:port`, or see `tls.dangerous-plain-http`"
        );
        if behind.is_some() && open.any(Instance::is_address) {
            discovery.problem("static", message);
        } else {
            discovery.warn("static", &message);
        }
    }
}

fn may_be_elsewhere(instance: &Instance) -> bool {
    !instance.is_https() && !instance.is_named_loopback()
}

fn is_at(url: &EndpointUrl, service: &str) -> bool {
    matches!(url, EndpointUrl::LoadBalanced { service: named, .. } if named.eq_ignore_ascii_case(service))
}

#[cfg(test)]
mod tests;
