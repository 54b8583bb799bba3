//! `nacos` and `discovery.nacos`, beside the rest and before it.

use hallpass_config::{Configuration, Key, Section};
#[cfg(feature = "feign")]
use hallpass_nacos::ServerAddress;
use hallpass_nacos::{DiscoverySettings as NacosDiscoverySettings, NacosSettings};
use hallpass_upstream::TlsSettings;

use super::discovery;

/// What has to be known before documents can come from Nacos.
#[derive(Debug)]
pub(crate) struct NacosStart {
    pub(crate) nacos: NacosSettings,
    pub(crate) discovery: NacosDiscoverySettings,
    pub(crate) tls: TlsSettings,
    /// Documents that hold rules of Sentinel.
    pub(crate) rules: Vec<RuleDocument>,
}

/// A document that is no configuration itself, but the value of one key.
#[derive(Clone, Debug)]
pub(crate) struct RuleDocument {
    pub(crate) group: String,
    pub(crate) data_id: String,
    /// Which key.
    pub(crate) path: Vec<String>,
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
            rules: rules(root),
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
    #[cfg(feature = "feign")]
    if let Some(nacos) = nacos.as_ref().filter(|nacos| nacos.is_used()) {
        check_rules(root, nacos);
    }
    (nacos, discovery)
}

/// The documents that data sources of Spring Cloud Alibaba name.
#[cfg(feature = "feign")]
fn rules(root: &Section<'_>) -> Vec<RuleDocument> {
    let named = hallpass_feign::RuleDocument::all(root).into_iter();
    let rules = named.map(|it| RuleDocument {
        group: it.group,
        data_id: it.data_id,
        path: it.path.into(),
    });
    rules.collect()
}

/// None: nothing here calls anybody by them.
#[cfg(not(feature = "feign"))]
const fn rules(_root: &Section<'_>) -> Vec<RuleDocument> {
    Vec::new()
}

/// One Nacos is asked, for one namespace: rules of another one would be those of somebody else.
#[cfg(feature = "feign")]
fn check_rules(root: &Section<'_>, nacos: &NacosSettings) {
    let namespace = nacos.config.namespace.as_ref();
    let namespace = namespace.unwrap_or(&nacos.namespace).as_str();
    let known: Vec<_> = nacos.servers.iter().map(ToString::to_string).collect();
    for document in hallpass_feign::RuleDocument::all(root) {
        let source = document.source;
        if let Some(found) = source.get("server-addr") {
            let servers = found.texts().unwrap_or_default();
            let mut servers = servers.iter().map(|it| it.parse::<ServerAddress>());
            if !servers.all(|it| it.is_ok_and(|it| known.contains(&it.to_string()))) {
                found.problem("is another Nacos than that of `nacos.server-addr`, which is the one that is asked: write the same addresses in both");
            }
        }
        if let Some(found) = source.get("namespace")
            && found
                .text()
                .is_some_and(|it| it != namespace && !(it == "public" && namespace.is_empty()))
        {
            found.problem("is another namespace than that of `nacos.config.namespace` (or `nacos.namespace`), which is the one that is asked");
        }
    }
}
