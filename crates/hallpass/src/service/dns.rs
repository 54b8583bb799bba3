//! `discovery.dns`, where it is switched on.

use hallpass_dns::DnsDiscovery;
use hallpass_upstream::HttpTransportBuilder;

use crate::{Error, Settings};

/// Names are looked up as `discovery.dns` says, unless the service finds its instances by itself.
pub(super) fn dns(settings: &Settings, is_wanted: bool) -> Result<Option<DnsDiscovery>, Error> {
    let settings = &settings.discovery_dns;
    match settings.enabled && is_wanted {
        true => Ok(Some(DnsDiscovery::from_settings(settings)?)),
        false => Ok(None),
    }
}

/// With the domain name system that instances are looked up in, for the names of their hosts too.
pub(super) fn looking_up(
    builder: HttpTransportBuilder,
    dns: Option<&DnsDiscovery>,
) -> HttpTransportBuilder {
    let Some(dns) = dns.cloned() else {
        return builder;
    };
    builder.look_up(move |host| {
        let dns = dns.clone();
        async move { dns.look_up(host).await }
    })
}
