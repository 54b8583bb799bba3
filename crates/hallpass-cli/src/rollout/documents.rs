//! The configurations of services, where they are kept: read, and replaced if they are still what was read.

#[cfg(feature = "nacos")]
use std::sync::OnceLock;

use hallpass::config::{Loader, Secret};
#[cfg(feature = "nacos")]
use hallpass::nacos::{self, NacosDocuments, NacosError, ReadDocument};

use super::configured::Written;
use super::file::{self, NotReplaced};
use super::plan::{Place, PlannedService};

/// Where all of them are reached. Needs a runtime.
#[derive(Debug)]
pub(crate) struct Documents {
    #[cfg(feature = "nacos")]
    loader: Loader,
    #[cfg(feature = "nacos")]
    nacos: OnceLock<Result<NacosDocuments, String>>,
}

/// A configuration that was read.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) written: Written,
    #[cfg(feature = "nacos")]
    read: Option<ReadDocument>,
}

/// Why a configuration was not written.
#[derive(Debug)]
pub(crate) enum WriteFault {
    /// Somebody else has changed it since it was read.
    Changed,
    Failed(String),
}

impl Documents {
    /// Nothing is connected before it is needed.
    #[cfg(feature = "nacos")]
    pub(crate) fn new(loader: &Loader) -> Self {
        Self {
            loader: loader.clone(),
            nacos: OnceLock::new(),
        }
    }

    /// Nothing is connected.
    #[cfg(not(feature = "nacos"))]
    pub(crate) fn new(_: &Loader) -> Self {
        Self {}
    }

    /// Connects to Nacos, if one of `services` is kept there.
    ///
    /// # Errors
    /// When there is none, its settings cannot be used, or this executable was built without it.
    pub(crate) fn connect(&self, services: &[PlannedService]) -> Result<(), String> {
        let is_there = |it: &PlannedService| matches!(it.place, Place::Nacos { .. });
        match services.iter().any(is_there) {
            #[cfg(feature = "nacos")]
            true => self.nacos().map(|_| ()),
            #[cfg(not(feature = "nacos"))]
            true => Err("this executable was built without Nacos".to_owned()),
            false => Ok(()),
        }
    }

    /// The configuration of a service.
    ///
    /// # Errors
    /// Why it cannot be read; nothing of it is repeated.
    pub(crate) async fn read(&self, service: &PlannedService) -> Result<Kept, String> {
        let kept = self.read_from(service).await;
        kept.map_err(|reason| format!("{}: {reason}", service.place))
    }

    async fn read_from(&self, service: &PlannedService) -> Result<Kept, String> {
        match &service.place {
            Place::File(path) => {
                let text = file::read(path)?;
                let name = path.to_string_lossy();
                Kept::of_file(Written::new(&name, text, service)?)
            }
            #[cfg(feature = "nacos")]
            Place::Nacos { data_id, group } => {
                let read = self.nacos()?.read(data_id, group).await;
                let read = read.map_err(|error| error.to_string())?;
                let read = read.ok_or("Nacos has no such document")?;
                Ok(Kept {
                    written: Written::new(data_id, read.text().clone(), service)?,
                    read: Some(read),
                })
            }
            #[cfg(not(feature = "nacos"))]
            Place::Nacos { .. } => Err("this executable was built without Nacos".to_owned()),
        }
    }

    /// Writes `text` in place of what was read.
    ///
    /// # Errors
    /// When something else is there now, or it cannot be written.
    pub(crate) async fn replace(
        &self,
        place: &Place,
        kept: &Kept,
        text: &Secret,
    ) -> Result<(), WriteFault> {
        match place {
            Place::File(path) => {
                let replaced = file::replace(path, kept.written.text(), text);
                replaced.map_err(|fault| match fault {
                    NotReplaced::Changed => WriteFault::Changed,
                    NotReplaced::Failed(reason) => WriteFault::Failed(reason),
                })
            }
            #[cfg(feature = "nacos")]
            Place::Nacos { data_id, group } => {
                let nacos = self.nacos().map_err(WriteFault::Failed)?;
                let Some(read) = &kept.read else {
                    return Err(WriteFault::Changed);
                };
                let replaced = nacos.replace(data_id, group, read, text.expose()).await;
                replaced.map_err(|error| match error {
                    NacosError::Changed { .. } => WriteFault::Changed,
                    error => WriteFault::Failed(error.to_string()),
                })
            }
            #[cfg(not(feature = "nacos"))]
            Place::Nacos { .. } => Err(WriteFault::Failed(
                "this executable was built without Nacos".to_owned(),
            )),
        }
    }

    /// The Nacos that the plan names.
    #[cfg(feature = "nacos")]
    fn nacos(&self) -> Result<&NacosDocuments, String> {
        let connect = || match nacos::documents(&self.loader) {
            Ok(Some(nacos)) => Ok(nacos),
            Ok(None) => Err("no Nacos server is named: see `nacos.server-addr`".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        self.nacos
            .get_or_init(connect)
            .as_ref()
            .map_err(Clone::clone)
    }
}

impl Kept {
    #[cfg(feature = "nacos")]
    fn of_file(written: Written) -> Result<Self, String> {
        Ok(Self {
            written,
            read: None,
        })
    }

    #[cfg(not(feature = "nacos"))]
    fn of_file(written: Written) -> Result<Self, String> {
        Ok(Self { written })
    }
}
