//! `nacos` and `discovery.nacos`, beside the rest and before it.

use hallpass_config::{Configuration, Key, Section};
use hallpass_nacos::{DiscoverySettings as NacosDiscoverySettings, NacosSettings};
use hallpass_upstream::TlsSettings;

use super::discovery;

/// What has to be known before documents can come from Nacos.
#[derive(Debug)]
pub(crate) struct NacosStart {
    pub(crate) nacos: NacosSettings,
    pub(crate) discovery: NacosDiscoverySettings,
    pub(crate) tls: TlsSettings,
}

impl Configuration for NacosStart {
    fn keys() -> Vec<Key> {
        [
            NacosSettings::keys(),
            vec![discovery::KEY],
            TlsSettings::keys(),
        ]
        .concat()
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let (nacos, discovery) = read(root);
        let tls = TlsSettings::read(root);
        Some(Self {
            nacos: nacos?,
            discovery: discovery?,
            tls: tls?,
        })
    }
}

/// Both sections; a discovery without a server is a problem.
pub(super) fn read(root: &Section<'_>) -> (Option<NacosSettings>, Option<NacosDiscoverySettings>) {
    let nacos = NacosSettings::read(root);
    let section = root.section("discovery");
    let discovery = NacosDiscoverySettings::read(&section);
    if let (Some(nacos), Some(discovery)) = (&nacos, &discovery)
        && discovery.enabled
        && !nacos.is_used()
    {
        section.problem("nacos", "needs a server: see `nacos.server-addr`");
    }
    (nacos, discovery)
}
