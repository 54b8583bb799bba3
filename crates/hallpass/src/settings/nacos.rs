//! `nacos` and `discovery.nacos`, beside the rest and before it.

use hallpass_config::{Configuration, Key, Section};
#[cfg(feature = "feign")]
use hallpass_config::{Foreign, Trial};
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
    // Nobody is waiting for rules where Sentinel is not on for calls.
    let say = |found: &Foreign<'_>, message: &str| match document.is_switched_on {
        true => found.warn(message),
        false => found.left_alone(message),
    };
    let mut is_ours = true;
    if let Some((found, servers)) = place(source, "server-addr", |it| it.texts(), say) {
        let mut servers = servers.iter().map(|it| it.parse::<ServerAddress>());
        if !servers.all(|it| it.is_ok_and(|it| known.contains(&it.to_string()))) {
            say(
                &found,
                "is another Nacos than that of `nacos.server-addr`, which is the one that is asked: its rules are not read",
            );
            is_ours = false;
        }
    }
    let other = |text: &str| text != namespace && !(text == "public" && namespace.is_empty());
    if let Some((found, text)) = place(source, "namespace", |it| it.text(), say)
        && other(&text)
    {
        say(
            &found,
            "is another namespace than that of `nacos.config.namespace` (or `nacos.namespace`), which is the one that is asked: its rules are \
             not read",
        );
        is_ours = false;
    }
    is_ours
}

/// What `key` of a source says, read by `read`. What stands there may be a name that only the bootstrap file of a Spring service fills in: then
/// the source is taken for one of the Nacos that is asked.
#[cfg(feature = "feign")]
fn place<'a, T>(
    source: &Foreign<'a>,
    key: &str,
    read: impl FnOnce(&Foreign<'_>) -> Option<T>,
    say: impl FnOnce(&Foreign<'_>, &str),
) -> Option<(Foreign<'a>, T)> {
    let trial = Trial::new();
    let found = source
        .within(&trial)
        .get(key)
        .and_then(|found| read(&found));
    if !trial.into_findings().is_good() {
        say(
            source,
            &format!(
                "has a `{key}` that cannot be read here: it is taken for that of the Nacos that is asked, see `nacos.server-addr`"
            ),
        );
        return None;
    }
    Some((source.get(key)?, found?))
}

#[cfg(test)]
#[cfg(feature = "feign")]
mod tests {
    use hallpass_config::{Loaded, Loader};

    use super::*;

    /// What is known before documents come, of a source of Sentinel with this key over the usual ones.
    fn with_source(key: &str, switch: &str) -> Loaded<NacosStart> {
        let is_over = |usual: &&str| usual.split(':').next() != key.split(':').next();
        let usual = ["data-id: x", "rule-type: flow"]
            .into_iter()
            .filter(is_over);
        let keys: Vec<_> = usual.chain([key]).collect();
        let keys = keys.join(", ");
        let yaml = format!(
            "
hallpass.nacos: {{ server-addr: 'http://127.0.0.1:8848', namespace: here }}
{switch}
spring.cloud.sentinel.datasource:
  ds.nacos: {{ {keys} }}
"
        );
        let nothing: [(&str, &str); 0] = [];
        let loader = Loader::new("hallpass")
            .text("application.yaml", yaml)
            .environment(nothing);
        loader.load_part().unwrap()
    }

    const ON: &str = "feign.sentinel.enabled: true";

    #[test]
    fn a_place_that_only_bootstrap_fills_in_is_that_of_the_nacos_that_is_asked() {
        for key in [
            "namespace: '${spring.cloud.nacos.config.namespace}'",
            "server-addr: '${spring.cloud.nacos.config.server-addr}'",
        ] {
            let loaded = with_source(key, ON);
            assert_eq!(loaded.settings().rules.len(), 1, "{key}");
            let warning = &loaded.warnings()[0];
            assert!(warning.contains("that cannot be read here"), "{warning}");
        }
    }

    #[test]
    fn a_document_whose_name_only_bootstrap_fills_in_is_not_read_and_stops_nothing() {
        for key in [
            "group-id: '${SENTINEL_GROUP_OF_NOBODY}'",
            "data-id: '${spring.application.name}-flow'",
            "rule-type: '${a.b}'",
        ] {
            let name = key.split(':').next().unwrap();
            let loaded = with_source("", ON);
            assert_eq!(loaded.settings().rules.len(), 1);
            let loaded = with_source(key, ON);
            assert_eq!(loaded.settings().rules.len(), 0, "{key}");
            let has = |it: &String| {
                it.contains(name) && it.ends_with("; this source of rules is not read")
            };
            assert!(loaded.warnings().iter().any(has), "{:?}", loaded.warnings());
        }
    }

    #[test]
    fn rules_of_another_place_are_warned_of_where_somebody_waits_for_them() {
        for (key, what) in [
            ("namespace: elsewhere", "is another namespace"),
            ("server-addr: '10.0.0.1:8848'", "is another Nacos"),
            ("group-id: '${SENTINEL_GROUP_OF_NOBODY}'", "not read"),
        ] {
            let loaded = with_source(key, ON);
            assert_eq!(loaded.settings().rules.len(), 0, "{key}");
            let warnings = loaded.warnings();
            assert!(warnings.iter().any(|it| it.contains(what)), "{warnings:?}");
            let loaded = with_source(key, "feign.sentinel.enabled: false");
            assert_eq!(loaded.warnings(), [""; 0], "{key}");
            assert!(loaded.left_alone().iter().any(|it| it.contains(what)));
        }
    }
}
