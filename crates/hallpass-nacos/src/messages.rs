//! The bodies of the messages that are used, as Nacos writes them in JSON. What is not read is left out.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// The entry of an instance's metadata that says whether it speaks TLS.
pub(crate) const SECURE: &str = "secure";
/// The entry that says in which zone it runs.
pub(crate) const ZONE: &str = "zone";
/// Code of an answer to a question for a document that is not there.
pub(crate) const NOT_FOUND: i64 = 300;
/// The document is being written at this moment.
pub(crate) const CONFLICT: i64 = 400;
/// The connection has not been set up yet.
pub(crate) const UNREGISTERED: i64 = 301;
/// The credential is refused.
pub(crate) const DENIED: [i64; 2] = [401, 403];

/// A request, its type and the part of the server that answers it.
pub(crate) trait Request: Serialize {
    const KIND: &'static str;
    type Answer: for<'a> Deserialize<'a>;
}

macro_rules! request {
    ($name:ident -> $answer:ty) => {
        impl Request for $name<'_> {
            const KIND: &'static str = stringify!($name);
            type Answer = $answer;
        }
    };
}

/// What every response holds.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Status {
    pub(crate) result_code: i64,
    pub(crate) error_code: i64,
    pub(crate) message: Option<String>,
}

impl Status {
    pub(crate) const fn is_success(&self) -> bool {
        self.result_code == 200
    }

    pub(crate) const fn code(&self) -> i64 {
        match self.error_code {
            0 => self.result_code,
            code => code,
        }
    }
}

/// An answer that says only that all is well.
#[derive(Debug, Deserialize)]
pub(crate) struct Done {}

#[derive(Debug, Serialize)]
pub(crate) struct ServerCheckRequest<'a> {
    pub(crate) headers: BTreeMap<&'a str, &'a str>,
}
request!(ServerCheckRequest -> Done);

#[derive(Debug, Serialize)]
pub(crate) struct HealthCheckRequest<'a> {
    pub(crate) headers: BTreeMap<&'a str, &'a str>,
}
request!(HealthCheckRequest -> Done);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionSetupRequest<'a> {
    pub(crate) client_version: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) labels: BTreeMap<&'a str, &'a str>,
    pub(crate) abilities: BTreeMap<&'a str, &'a str>,
}

impl ConnectionSetupRequest<'_> {
    pub(crate) const KIND: &'static str = "ConnectionSetupRequest";
}

/// A message from the server: which of its fields are there depends on its type.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServerRequest {
    pub(crate) request_id: Option<String>,
    pub(crate) data_id: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) service_info: Option<ServiceInfo>,
}

/// What a message from the server is answered with.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClientResponse<'a> {
    pub(crate) request_id: Option<&'a str>,
    pub(crate) result_code: i64,
    pub(crate) error_code: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfigQueryRequest<'a> {
    pub(crate) data_id: &'a str,
    pub(crate) group: &'a str,
    pub(crate) tenant: &'a str,
}
request!(ConfigQueryRequest -> ConfigQueryResponse);

#[derive(Debug, Deserialize)]
pub(crate) struct ConfigQueryResponse {
    pub(crate) content: Option<String>,
    #[serde(default)]
    pub(crate) md5: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfigPublishRequest<'a> {
    pub(crate) data_id: &'a str,
    pub(crate) group: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) content: &'a str,
    /// The digest of what this may take the place of; without it, whatever is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cas_md5: Option<&'a str>,
    pub(crate) addition_map: BTreeMap<&'a str, &'a str>,
}
request!(ConfigPublishRequest -> Done);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfigRemoveRequest<'a> {
    pub(crate) data_id: &'a str,
    pub(crate) group: &'a str,
    pub(crate) tenant: &'a str,
}
request!(ConfigRemoveRequest -> Done);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfigBatchListenRequest<'a> {
    pub(crate) listen: bool,
    pub(crate) config_listen_contexts: Vec<ListenContext<'a>>,
}
request!(ConfigBatchListenRequest -> ConfigChangeBatchListenResponse);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListenContext<'a> {
    pub(crate) data_id: &'a str,
    pub(crate) group: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) md5: &'a str,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfigChangeBatchListenResponse {
    #[serde(default)]
    pub(crate) changed_configs: Option<Vec<ChangedConfig>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ChangedConfig {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscribeServiceRequest<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) service_name: &'a str,
    pub(crate) group_name: &'a str,
    pub(crate) subscribe: bool,
    pub(crate) clusters: &'a str,
}
request!(SubscribeServiceRequest -> SubscribeServiceResponse);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscribeServiceResponse {
    pub(crate) service_info: ServiceInfo,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InstanceRequest<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) service_name: &'a str,
    pub(crate) group_name: &'a str,
    #[serde(rename = "type")]
    pub(crate) action: &'a str,
    pub(crate) instance: &'a Host,
}
request!(InstanceRequest -> Done);

/// The instances of a service, as the server sees them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServiceInfo {
    pub(crate) name: String,
    pub(crate) group_name: String,
    #[serde(deserialize_with = "hosts")]
    pub(crate) hosts: Vec<Host>,
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Host {
    pub(crate) ip: String,
    pub(crate) port: u16,
    pub(crate) weight: f64,
    pub(crate) healthy: bool,
    pub(crate) enabled: bool,
    pub(crate) ephemeral: bool,
    #[serde(deserialize_with = "or_default")]
    pub(crate) cluster_name: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            ip: String::new(),
            port: 0,
            weight: 1.0,
            healthy: true,
            enabled: true,
            ephemeral: true,
            cluster_name: "DEFAULT".to_owned(),
            metadata: BTreeMap::new(),
        }
    }
}

/// `null` is written for what is not set.
fn or_default<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Most instances of a service that are read, and the longest text of one.
const MAX_HOSTS: usize = 10_000;
const MAX_HOST_TEXT: usize = 255;

/// Those that can be read: what is wrong with one of them is no reason to do without the others. Longer texts among their
/// metadata than these are left out.
fn hosts<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Host>, D::Error> {
    struct Hosts;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Readable {
        Host(Host),
        Other(IgnoredAny),
    }

    impl<'de> Visitor<'de> for Hosts {
        type Value = Vec<Host>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("instances")
        }

        fn visit_unit<E>(self) -> Result<Vec<Host>, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Vec<Host>, A::Error> {
            let mut hosts = Vec::new();
            while let Some(next) = all.next_element()? {
                let Readable::Host(mut host) = next else {
                    continue;
                };
                let longest = host.ip.len().max(host.cluster_name.len());
                if hosts.len() < MAX_HOSTS && longest <= MAX_HOST_TEXT {
                    host.metadata
                        .retain(|name, value| name.len().max(value.len()) <= MAX_HOST_TEXT);
                    hosts.push(host);
                }
            }
            Ok(hosts)
        }
    }

    deserializer.deserialize_any(Hosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(hosts: &str) -> Vec<Host> {
        let info: ServiceInfo = serde_json::from_str(&format!(r#"{{"hosts":{hosts}}}"#)).unwrap();
        info.hosts
    }

    #[test]
    fn an_instance_that_cannot_be_read_spoils_only_itself() {
        let others = [
            r#"{"ip":null}"#,
            r#"{"ip":"10.0.0.2","port":70000}"#,
            r#"{"ip":"10.0.0.2","port":-1}"#,
            r#"{"ip":"10.0.0.2","port":"80"}"#,
            r#"{"ip":"10.0.0.2","weight":"1"}"#,
            r#"{"ip":"10.0.0.2","metadata":{"a":1}}"#,
            "7",
            "null",
            "[[]]",
        ];
        let good = r#"{"ip":"10.0.0.1","port":80,"metadata":{"secure":"true","x":"y"}}"#;
        let hosts = read(&format!("[{},{good}]", others.join(",")));
        assert_eq!(hosts.len(), 1);
        assert_eq!((&*hosts[0].ip, hosts[0].port), ("10.0.0.1", 80));
        let kept: Vec<_> = hosts[0].metadata.keys().collect();
        assert_eq!(kept, ["secure", "x"]);
        assert!(read("null").is_empty() && read("[]").is_empty());
    }

    #[test]
    fn of_a_service_with_any_number_of_instances_and_texts_some_are_kept() {
        let many = vec![r#"{"ip":"10.0.0.1"}"#; MAX_HOSTS + 1].join(",");
        assert_eq!(read(&format!("[{many}]")).len(), MAX_HOSTS);
        for (length, kept) in [(MAX_HOST_TEXT, 1), (MAX_HOST_TEXT + 1, 0)] {
            let text = "a".repeat(length);
            for name in ["ip", "clusterName"] {
                assert_eq!(read(&format!(r#"[{{"{name}":"{text}"}}]"#)).len(), kept);
            }
        }
    }
}
