//! `nacos` and `discovery.nacos`, beside the rest and before it.

#[cfg(feature = "feign")]
use hallpass_config::Trial;
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

impl RuleDocument {
    /// Whether both are one document of Nacos.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.group, &self.data_id) == (&other.group, &other.data_id)
    }
}

/// Where such documents stand among the others.
#[cfg(feature = "feign")]
pub(crate) use hallpass_feign::{SENTINEL_DOCUMENTS, UNREADABLE_RULES};
#[cfg(not(feature = "feign"))]
pub(crate) const SENTINEL_DOCUMENTS: &str = "nacos-sentinel-rules";
#[cfg(not(feature = "feign"))]
pub(crate) const UNREADABLE_RULES: &str = "unreadable";

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
            discovery: discovery?,
            tls: tls?,
            rules: match &nacos {
                Some(nacos) => rules(root, nacos),
                None => Vec::new(),
            },
            nacos: nacos?,
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
        for document in hallpass_feign::RuleDocument::all(root) {
            let _is_ours = is_ours(&document, nacos);
        }
    }
    (nacos, discovery)
}

/// The documents that data sources of Spring Cloud Alibaba name.
#[cfg(feature = "feign")]
fn rules(root: &Section<'_>, nacos: &NacosSettings) -> Vec<RuleDocument> {
    let named = hallpass_feign::RuleDocument::all(root).into_iter();
    let named = named.filter(|document| is_ours(document, nacos));
    let rules = named.map(|it| RuleDocument {
        group: it.group,
        data_id: it.data_id,
        path: it.path.into(),
    });
    rules.collect()
}

/// None: nothing here calls anybody by them.
#[cfg(not(feature = "feign"))]
const fn rules(_root: &Section<'_>, _nacos: &NacosSettings) -> Vec<RuleDocument> {
    Vec::new()
}

/// Whether the document is in the Nacos that is asked. One is asked, for one namespace: rules of another one would be those of somebody
/// else. They are warned of and not read, which is no reason not to start.
#[cfg(feature = "feign")]
fn is_ours(document: &hallpass_feign::RuleDocument<'_>, nacos: &NacosSettings) -> bool {
    let source = &document.source;
    let namespace = nacos.config.namespace.as_ref();
    let namespace = namespace.unwrap_or(&nacos.namespace).as_str();
    let known: Vec<_> = nacos.servers.iter().map(ToString::to_string).collect();
    let mut is_ours = true;
    if let Some(found) = source.get("server-addr") {
        // What stands there may be a name that only the bootstrap file of a Spring service fills in.
        let trial = Trial::new();
        let servers = found.within(&trial).texts();
        if !trial.into_findings().is_good() {
            found.warn("cannot be read here: it is taken for the Nacos of `nacos.server-addr`, which is the one that is asked");
        }
        let servers = servers.unwrap_or_default();
        let mut servers = servers.iter().map(|it| it.parse::<ServerAddress>());
        if !servers.all(|it| it.is_ok_and(|it| known.contains(&it.to_string()))) {
            found.warn("is another Nacos than that of `nacos.server-addr`, which is the one that is asked: its rules are not read");
            is_ours = false;
        }
    }
    let other = |text: &str| text != namespace && !(text == "public" && namespace.is_empty());
    if let Some(found) = source.get("namespace")
        && found.text().is_some_and(|text| other(&text))
    {
        found.warn("is another namespace than that of `nacos.config.namespace` (or `nacos.namespace`), which is the one that is asked: its rules are not read");
        is_ours = false;
    }
    is_ours
}
