//! From the name of a service to the names that are asked for.

use hickory_resolver::proto::rr::Name;

use crate::settings::{DnsRecords, DnsScheme, DnsSettings, SERVICE};

/// The name that `service` is asked for by, in lower case and without a dot at the end.
pub(crate) fn of_service(service: &str, settings: &DnsSettings) -> String {
    let pattern = match (&settings.name, settings.records, settings.scheme) {
        (Some(name), ..) => name,
        (None, DnsRecords::Address, _) => SERVICE,
        (None, DnsRecords::Srv, DnsScheme::Http) => "_http._tcp.{service}",
        (None, DnsRecords::Srv, DnsScheme::Https) => "_https._tcp.{service}",
    };
    let name = pattern.replace(SERVICE, service);
    let name = match &settings.suffix {
        Some(suffix) => format!("{name}.{suffix}"),
        None => name,
    };
    name.to_ascii_lowercase()
}

/// What a name without a suffix may be short for: `search` and `options ndots` of `/etc/resolv.conf`.
#[derive(Clone, Debug, Default)]
pub(crate) struct SearchList {
    /// A name with fewer dots is short for one in `domains` first.
    pub(crate) ndots: usize,
    pub(crate) domains: Vec<Name>,
}

impl SearchList {
    /// The whole names that `text` may stand for, in the order in which they are tried; none when it is no name. A dot at the
    /// end says that it is whole already.
    pub(crate) fn names(&self, text: &str) -> Vec<Name> {
        let Ok(name) = Name::from_ascii(text) else {
            return Vec::new();
        };
        let mut whole = name.clone();
        whole.set_fqdn(true);
        if name.is_fqdn() {
            return vec![whole];
        }
        let longer = self.domains.iter().filter_map(|domain| {
            let mut longer = name.clone().append_domain(domain).ok()?;
            longer.set_fqdn(true);
            Some(longer)
        });
        let mut names: Vec<Name> = longer.collect();
        let is_short = text.matches('.').count() < self.ndots;
        names.insert(if is_short { names.len() } else { 0 }, whole);
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(settings: &DnsSettings) -> String {
        of_service("Orders", settings)
    }

    #[test]
    fn a_service_is_asked_for_as_kubernetes_and_consul_serve_it() {
        let suffix = Some("shop.svc.cluster.local".to_owned());
        let address = DnsSettings {
            suffix,
            ..DnsSettings::default()
        };
        assert_eq!(asked(&address), "orders.shop.svc.cluster.local");
        let srv = DnsSettings {
            records: DnsRecords::Srv,
            ..address
        };
        assert_eq!(asked(&srv), "_https._tcp.orders.shop.svc.cluster.local");
        let plain = DnsSettings {
            scheme: DnsScheme::Http,
            ..srv.clone()
        };
        assert_eq!(asked(&plain), "_http._tcp.orders.shop.svc.cluster.local");
        let consul = DnsSettings {
            suffix: Some("service.consul".to_owned()),
            name: Some("_{service}._tcp".to_owned()),
            ..srv
        };
        assert_eq!(asked(&consul), "_orders._tcp.service.consul");
    }

    #[test]
    fn a_short_name_is_tried_in_the_domains_of_the_search_list_first() {
        let search = SearchList {
            ndots: 2,
            domains: vec![Name::from_ascii("shop.test").unwrap()],
        };
        let shown =
            |text| -> Vec<String> { search.names(text).iter().map(ToString::to_string).collect() };
        assert_eq!(shown("orders"), ["orders.shop.test.", "orders."]);
        assert_eq!(shown("a.b.c"), ["a.b.c.", "a.b.c.shop.test."]);
        assert_eq!(shown("orders."), ["orders."]);
        assert_eq!(shown(&"x".repeat(64)), [""; 0]);
    }
}
