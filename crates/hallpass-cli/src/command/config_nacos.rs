//! `hallpass config push`, `pull` and `diff`: documents between a folder and Nacos.

mod folder;

use std::path::PathBuf;

use clap::Args;
use hallpass::nacos::{self, NacosDocuments};

use crate::output::{self, Exit, Failure};
use crate::runtime;
use crate::settings::CallerArguments;
use folder::Folder;

/// Write the documents of a folder into Nacos
///
/// The folder has a folder for each group, and in it a file for each document, as an export of Nacos has them:
/// `DEFAULT_GROUP/service-order.yaml`. A document that is the same in Nacos is left alone; one that is only in Nacos stays.
/// Every file must be readable before the first one is written.
#[derive(Args, Debug)]
pub(crate) struct ConfigPush {
    #[command(flatten)]
    nacos: NacosArguments,
}

/// Read the documents of a folder from Nacos
///
/// Every file of the folder is replaced by what Nacos has under its name; `--data-id` brings further ones. A document that
/// Nacos does not have is a failure, and its file stays.
#[derive(Args, Debug)]
pub(crate) struct ConfigPull {
    #[command(flatten)]
    nacos: NacosArguments,
    /// A further document; may be given several times.
    #[arg(long, value_name = "GROUP/DATA-ID")]
    data_id: Vec<String>,
}

/// Compare the documents of a folder with those in Nacos
///
/// Prints a line for each document: `same`, `differs` or `only in the folder`. What differs is not shown: it may be a
/// secret. Exits with 1 when something is not the same.
#[derive(Args, Debug)]
pub(crate) struct ConfigDiff {
    #[command(flatten)]
    nacos: NacosArguments,
}

/// Where Nacos is. Options win over the environment (`HALLPASS_NACOS_...`), which wins over the section `nacos` of the file.
#[derive(Args, Debug)]
struct NacosArguments {
    /// The folder with a folder for each group.
    folder: PathBuf,
    #[command(flatten)]
    caller: CallerArguments,
    /// The server: `host:port`, or `https://host:port`; several with commas (`nacos.server-addr`).
    #[arg(long, value_name = "ADDR")]
    nacos: Option<String>,
    /// The id of the namespace; without it, the public one (`nacos.namespace`).
    #[arg(long, value_name = "ID")]
    namespace: Option<String>,
    /// Only the documents of this group.
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// The user (`nacos.username`).
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// A file with the user's password; or the variable `HALLPASS_NACOS_PASSWORD`.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Let documents go to another host without TLS (`nacos.dangerous-plain-text`).
    #[arg(long)]
    dangerous_plain_text: bool,
}

impl ConfigPush {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let folder = self.nacos.folder()?;
        let texts = folder.read()?;
        runtime::block_on(async {
            let documents = self.nacos.connect()?;
            for (document, text) in texts {
                let (group, data_id) = (&document.group, &document.data_id);
                let there = documents.get(data_id, group).await;
                let there = there.map_err(Failure::failed)?;
                let is_same = there.is_some_and(|there| there.expose() == text.expose());
                if !is_same {
                    let written = documents.publish(data_id, group, text.expose()).await;
                    written.map_err(Failure::failed)?;
                }
                let what = if is_same { "same" } else { "written" };
                output::print_line(&format!("{what:8} {group}/{data_id}"))?;
            }
            Ok(Exit::Ok)
        })?
    }
}

impl ConfigPull {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let mut folder = self.nacos.folder()?;
        for name in &self.data_id {
            folder.add(name)?;
        }
        runtime::block_on(async {
            let documents = self.nacos.connect()?;
            let mut exit = Exit::Ok;
            for document in folder.documents() {
                let (group, data_id) = (&document.group, &document.data_id);
                let there = documents.get(data_id, group).await;
                let what = match there.map_err(Failure::failed)? {
                    Some(text) => match folder.write(document, &text)? {
                        true => "written",
                        false => "same",
                    },
                    None => {
                        exit = Exit::Failed;
                        "absent"
                    }
                };
                output::print_line(&format!("{what:8} {group}/{data_id}"))?;
            }
            Ok(exit)
        })?
    }
}

impl ConfigDiff {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let folder = self.nacos.folder()?;
        let texts = folder.read()?;
        runtime::block_on(async {
            let documents = self.nacos.connect()?;
            let mut exit = Exit::Ok;
            for (document, text) in texts {
                let (group, data_id) = (&document.group, &document.data_id);
                let there = documents.get(data_id, group).await;
                let what = match there.map_err(Failure::failed)? {
                    Some(there) if there.expose() == text.expose() => "same",
                    Some(_) => "differs",
                    None => "only in the folder",
                };
                if what != "same" {
                    exit = Exit::Failed;
                }
                output::print_line(&format!("{group}/{data_id}: {what}"))?;
            }
            Ok(exit)
        })?
    }
}

impl NacosArguments {
    fn folder(&self) -> Result<Folder, Failure> {
        Folder::open(&self.folder, self.group.as_deref())
    }

    /// Needs a runtime.
    fn connect(&self) -> Result<NacosDocuments, Failure> {
        let mut loader = self.caller.loader();
        let file = self.password_file.as_ref();
        let file = file.map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone()));
        let file = file.map(|file| file.display().to_string());
        let flags = [
            ("nacos.server-addr", self.nacos.as_ref()),
            ("nacos.namespace", self.namespace.as_ref()),
            ("nacos.username", self.username.as_ref()),
            ("nacos.password-file", file.as_ref()),
        ];
        for (key, value) in flags {
            if let Some(value) = value {
                loader = loader.flag(key, value);
            }
        }
        if self.dangerous_plain_text {
            loader = loader.flag("nacos.dangerous-plain-text", "true");
        }
        let documents = nacos::documents(&loader).map_err(Failure::usage)?;
        documents.ok_or_else(|| {
            Failure::usage("no Nacos server is named: see --nacos and `nacos.server-addr`")
        })
    }
}
