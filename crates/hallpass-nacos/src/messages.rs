//! The bodies of the messages that are used, as Nacos writes them in JSON. What is not read is left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
    #[serde(deserialize_with = "or_default")]
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
