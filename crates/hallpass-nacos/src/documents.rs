//! Single documents of Nacos.

use std::collections::BTreeMap;
use std::time::Duration;

use hallpass_config::Secret;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::connection::{Module, Push};
use crate::credential::Resource;
use crate::error::NacosError;
use crate::messages::{
    CONFLICT, ConfigBatchListenRequest, ConfigPublishRequest, ConfigQueryRequest,
    ConfigRemoveRequest, ListenContext, NOT_FOUND,
};
use crate::parts::NacosParts;
use crate::session::Session;

/// While a document is being written, the server wants to be asked again.
const MAX_CONFLICTS: u32 = 20;
const CONFLICT_PAUSE: Duration = Duration::from_millis(50);

/// Reads and writes documents, in the namespace of the settings. Connects when it is made, and is connected until it is
/// dropped.
#[derive(Debug)]
pub struct NacosDocuments {
    pub(crate) session: Session,
    namespace: String,
}

/// A document as the server has it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) text: Secret,
    pub(crate) md5: String,
}

/// A document as it was read, for whoever writes another one in place of this one alone.
#[derive(Debug)]
pub struct ReadDocument(Found);

impl ReadDocument {
    /// What it says.
    #[must_use]
    pub const fn text(&self) -> &Secret {
        &self.0.text
    }
}

impl NacosDocuments {
    /// Begins to connect. Needs a runtime.
    ///
    /// # Errors
    /// When the files of the section `tls` cannot be used.
    pub fn connect(parts: &NacosParts) -> Result<Self, NacosError> {
        Ok(Self::following(parts)?.0)
    }

    /// The same, and what the server says by itself.
    pub(crate) fn following(
        parts: &NacosParts,
    ) -> Result<(Self, mpsc::Receiver<Push>), NacosError> {
        let settings = &parts.settings;
        let namespace = settings.config.namespace.as_ref();
        let namespace = namespace.unwrap_or(&settings.namespace);
        let (session, pushes) = Session::start(parts.session(Module::Config, namespace)?);
        let namespace = namespace.clone();
        Ok((Self { session, namespace }, pushes))
    }

    /// The text of a document; `None` when there is none of this name.
    ///
    /// # Errors
    /// When no server answers, or it refuses.
    pub async fn get(&self, data_id: &str, group: &str) -> Result<Option<Secret>, NacosError> {
        let found = self.find(data_id, group).await?;
        Ok(found.map(|found| found.text))
    }

    /// As [`get`](Self::get), to be given to [`replace`](Self::replace).
    ///
    /// # Errors
    /// When no server answers, or it refuses.
    pub async fn read(
        &self,
        data_id: &str,
        group: &str,
    ) -> Result<Option<ReadDocument>, NacosError> {
        Ok(self.find(data_id, group).await?.map(ReadDocument))
    }

    pub(crate) async fn find(
        &self,
        data_id: &str,
        group: &str,
    ) -> Result<Option<Found>, NacosError> {
        let tenant = &self.namespace;
        let request = ConfigQueryRequest {
            data_id,
            group,
            tenant,
        };
        for _try in 0..MAX_CONFLICTS {
            match self.session.ask(&request, self.resource(group)).await {
                Ok(answer) => {
                    return Ok(Some(Found {
                        text: Secret::new(answer.content.unwrap_or_default()),
                        md5: answer.md5.unwrap_or_default(),
                    }));
                }
                Err(NacosError::Refused {
                    code: NOT_FOUND, ..
                }) => return Ok(None),
                Err(NacosError::Refused { code: CONFLICT, .. }) => sleep(CONFLICT_PAUSE).await,
                Err(error) => return Err(error),
            }
        }
        Err(NacosError::unavailable(
            "the document is being written for long",
        ))
    }

    /// Writes a document in place of the one before. Its type, which the console shows, comes from the end of its name.
    ///
    /// # Errors
    /// When no server answers, or it refuses. A moment may pass before [`get`](Self::get) shows it.
    pub async fn publish(&self, data_id: &str, group: &str, text: &str) -> Result<(), NacosError> {
        self.write(data_id, group, text, None).await
    }

    /// Writes a document in place of the one that was read, if that is there still: what somebody else has written meanwhile is
    /// not lost. One that was deleted meanwhile is written anew.
    ///
    /// # Errors
    /// [`NacosError::Changed`] when another one is there, and as [`publish`](Self::publish). Just after a document was written, the server may
    /// have shown the one before it: then this is refused too, and may be tried again.
    pub async fn replace(
        &self,
        data_id: &str,
        group: &str,
        before: &ReadDocument,
        text: &str,
    ) -> Result<(), NacosError> {
        let ReadDocument(before) = before;
        if before.md5.is_empty() {
            return Err(NacosError::protocol("the digest of a document"));
        }
        let written = self.write(data_id, group, text, Some(&before.md5)).await;
        let error = match written {
            // It has no code of its own for this, and one of these is what it says of its own troubles too.
            Err(error @ (NacosError::Refused { .. } | NacosError::Unavailable { .. })) => error,
            other => return other,
        };
        let there = self.find(data_id, group).await?;
        let there = there.as_ref().map(|found| found.text.expose());
        if there == Some(text) {
            return Ok(());
        }
        // What is read may be older than what it compares with.
        let is_other = there != Some(before.text.expose());
        if is_other || error.to_string().contains("md5 may have changed") {
            let document = format!("{group}/{data_id}").into();
            return Err(NacosError::Changed { document });
        }
        Err(error)
    }

    async fn write(
        &self,
        data_id: &str,
        group: &str,
        text: &str,
        cas_md5: Option<&str>,
    ) -> Result<(), NacosError> {
        let kind = match data_id.rsplit_once('.') {
            Some((_, "yml" | "yaml")) => "yaml",
            Some((_, "json")) => "json",
            Some((_, "properties")) => "properties",
            _ => "text",
        };
        let request = ConfigPublishRequest {
            data_id,
            group,
            tenant: &self.namespace,
            content: text,
            cas_md5,
            addition_map: BTreeMap::from([("type", kind)]),
        };
        let done = self.session.ask(&request, self.resource(group)).await;
        done.map(|_| ())
    }

    /// Deletes a document; that there is none is no error.
    ///
    /// # Errors
    /// When no server answers, or it refuses.
    pub async fn remove(&self, data_id: &str, group: &str) -> Result<(), NacosError> {
        let tenant = &self.namespace;
        let request = ConfigRemoveRequest {
            data_id,
            group,
            tenant,
        };
        let done = self.session.ask(&request, self.resource(group)).await;
        done.map(|_| ())
    }

    /// Whether one of these, each a data id, a group and the digest that is known of it, is another now. From here on the
    /// server says so by itself, until this connection ends.
    pub(crate) async fn have_changed<'a>(
        &self,
        known: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
    ) -> Result<bool, NacosError> {
        let tenant = &self.namespace;
        let context = |(data_id, group, md5): (&'a str, &'a str, &'a str)| ListenContext {
            data_id,
            group,
            tenant,
            md5,
        };
        let config_listen_contexts: Vec<_> = known.map(context).collect();
        let Some(first) = config_listen_contexts.first() else {
            return Ok(false);
        };
        let resource = self.resource(first.group);
        let request = ConfigBatchListenRequest {
            listen: true,
            config_listen_contexts,
        };
        let answer = self.session.ask(&request, resource).await?;
        Ok(answer.changed_configs.is_some_and(|them| !them.is_empty()))
    }

    fn resource<'a>(&'a self, group: &'a str) -> Resource<'a> {
        let namespace = &self.namespace;
        Resource::Config { namespace, group }
    }
}
