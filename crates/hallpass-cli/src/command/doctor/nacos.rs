//! Nacos: whether it answers, has the documents, and knows this service.

use hallpass::config::{Loaded, Loader};
use hallpass::nacos::{
    self, DocumentSettings, Nacos, NacosDocuments, NacosError, NacosSettings, NacosStartError,
};
use hallpass::upstream::{Discover, DiscoverError};

use super::check::Check;
use super::finding::{Finding, SLOW_FILE};
use super::limits::Limits;
use super::listening::is_served;
use super::report::Report;
use crate::settings::Everything;

const BOTH: [Check; 2] = [Check::Nacos, Check::NacosDocuments];

/// What there is of Nacos.
pub(super) enum Opened {
    /// Documents that were read, or a way to find services.
    With(Box<Nacos>),
    /// The configuration names no server, or cannot be read so far.
    Without,
    /// It is named, and of no use.
    Broken,
}

/// Looks at the server and at each document, then reads them as a service does at its start. Nothing is kept on the disk.
pub(super) async fn open(loader: &Loader, limits: &Limits, report: &Report) -> Opened {
    let part = loader.clone();
    let load = move || part.load_part::<NacosSettings>().map(Loaded::into_settings);
    let Some(Ok(settings)) = limits.blocking(load).await else {
        // Whoever reads all of it says what is wrong.
        report.add(Finding::skipped_all(
            &BOTH,
            "the section `nacos` cannot be read",
        ));
        return Opened::Without;
    };
    if !settings.is_used() {
        report.add(Finding::skipped_all(&BOTH, "there is no section `nacos`"));
        return Opened::Without;
    }
    let (findings, is_good) = documents(loader, &settings, limits).await;
    report.add(findings);
    if !is_good {
        return Opened::Broken;
    }
    match limits
        .within(Nacos::examine(loader.clone(), limits.inner()))
        .await
    {
        Some(Ok(nacos)) => Opened::With(Box::new(nacos)),
        // Whoever reads all of it says what is wrong.
        Some(Err(NacosStartError::Settings(_))) => Opened::Without,
        Some(Err(NacosStartError::Nacos(error))) => {
            report.add(refused(&servers(&settings), &error));
            Opened::Broken
        }
        Some(Err(error)) => {
            report.add([Finding::failure(Check::Nacos, error.to_string(), ANSWER)]);
            Opened::Broken
        }
        None => {
            report.add([Finding::failure(Check::Nacos, "no answer in time", ANSWER)]);
            Opened::Broken
        }
    }
}

const ANSWER: &str =
    "start Nacos, or correct `nacos.server-addr`; gRPC needs the port that is higher by 1000 too";

fn servers(settings: &NacosSettings) -> String {
    let all: Vec<_> = settings.servers.iter().map(ToString::to_string).collect();
    all.join(", ")
}

/// Asks for each document; whether all that have to be there are.
async fn documents(
    loader: &Loader,
    settings: &NacosSettings,
    limits: &Limits,
) -> (Vec<Finding>, bool) {
    let servers = servers(settings);
    let mut findings = Vec::new();
    let timeout = limits.inner().min(settings.timeout).as_millis().max(100);
    let loader = loader.clone().flag("nacos.timeout-ms", timeout.to_string());
    let connected = match limits.blocking(move || nacos::documents(&loader)).await {
        Some(Ok(Some(connected))) => connected,
        Some(Ok(None)) => return (findings, true),
        Some(Err(NacosStartError::Nacos(error))) => return (refused(&servers, &error), false),
        None => {
            let why = "the files of `tls` are not read in time";
            findings.extend(BOTH.map(|it| Finding::untried(it, why, SLOW_FILE)));
            return (findings, false);
        }
        // Whoever reads all of it says what is wrong.
        Some(Err(_)) => {
            findings.extend(Finding::skipped_all(
                &BOTH,
                "the sections for Nacos cannot be read",
            ));
            return (findings, true);
        }
    };
    let asked = limits.within(ask_for_each(&connected, settings)).await;
    let Some(asked) = asked else {
        let says = format!("{servers}: no answer in time");
        findings.push(Finding::failure(Check::Nacos, says, ANSWER));
        findings.push(Finding::skipped(
            Check::NacosDocuments,
            "Nacos does not answer",
        ));
        return (findings, false);
    };
    let there = match asked {
        Ok(there) => there,
        Err(error) => return (refused(&servers, &error), false),
    };
    findings.push(Finding::ok(Check::Nacos, format!("{servers}: it answers")));
    let of_each = there
        .iter()
        .map(|(document, is_there)| one(settings, document, *is_there));
    let of_each: Vec<_> = of_each.collect();
    let is_good = of_each.iter().all(|it| it.advice.is_none());
    match of_each.is_empty() {
        true => findings.push(Finding::skipped(
            Check::NacosDocuments,
            "`nacos.config` names none",
        )),
        false => findings.extend(of_each),
    }
    (findings, is_good)
}

/// Whether each is there. Where none is named, one that there is not: the server has to answer all the same.
async fn ask_for_each<'a>(
    connected: &NacosDocuments,
    settings: &'a NacosSettings,
) -> Result<Vec<(&'a DocumentSettings, bool)>, NacosError> {
    let documents = &settings.config.documents;
    if documents.is_empty() {
        connected.get("hallpass-doctor", "DEFAULT_GROUP").await?;
    }
    let mut there = Vec::with_capacity(documents.len());
    for document in documents {
        let found = connected.get(&document.data_id, &document.group).await?;
        there.push((document, found.is_some()));
    }
    Ok(there)
}

fn one(settings: &NacosSettings, document: &DocumentSettings, is_there: bool) -> Finding {
    let namespace = settings.config.namespace.as_ref();
    let namespace = match namespace.unwrap_or(&settings.namespace).as_str() {
        "" => "the public namespace".to_owned(),
        id => format!("the namespace `{id}`"),
    };
    let name = format!("{}/{}", document.group, document.data_id);
    match (is_there, document.optional) {
        (true, _) => Finding::ok(Check::NacosDocuments, format!("{name} is in {namespace}")),
        (false, true) => {
            let says = format!("{name} is not in {namespace}, and may be absent");
            Finding::ok(Check::NacosDocuments, says)
        }
        (false, false) => Finding::failure(
            Check::NacosDocuments,
            format!("{name} is not in {namespace}"),
            "write the document (`hallpass config push`), or correct `nacos.namespace` (the id, not the display name), the group or the data id",
        ),
    }
}

/// Why Nacos is of no use.
fn refused(servers: &str, error: &NacosError) -> Vec<Finding> {
    let why = "Nacos is of no use, as said above";
    let documents = || Finding::skipped(Check::NacosDocuments, why);
    let says = format!("{servers}: {error}");
    let advice = match error {
        NacosError::Denied { .. } => {
            "correct `nacos.username` and `nacos.password`, or give the user the right to read this namespace"
        }
        NacosError::NoDocument { .. } => {
            let advice = "write the document (`hallpass config push`), or make it `optional`";
            return vec![Finding::failure(Check::NacosDocuments, says, advice)];
        }
        NacosError::Tls(_) => "correct the files of `tls`",
        NacosError::Refused { .. } | NacosError::Protocol { .. } => {
            "see that the server is Nacos 2 or 3, and look at its log"
        }
        _ => ANSWER,
    };
    vec![Finding::failure(Check::Nacos, says, advice), documents()]
}

/// Whether others find this service, where it runs.
pub(super) async fn registration(
    nacos: Option<&Nacos>,
    everything: &Everything,
    limits: &Limits,
) -> Finding {
    let check = Check::Registration;
    let service = &everything.service;
    let register = &service.discovery_nacos.register;
    let discovery = nacos
        .and_then(Nacos::discovery)
        .filter(|_| register.enabled);
    let (Some(discovery), Some(name)) = (discovery, &service.service.name) else {
        return Finding::skipped(
            check,
            "no service is registered with Nacos by this configuration",
        );
    };
    let listen = service.service.listen;
    let Some(port) = register.port.or(listen.map(|it| it.port())) else {
        return Finding::skipped(
            check,
            "neither `service.listen` nor `register.port` says at which port",
        );
    };
    let is_running = match listen {
        Some(address) => is_served(address).await,
        None => false,
    };
    let found = limits.within(discovery.instances(name)).await;
    let known = match found {
        Some(Ok(instances)) => instances.iter().any(|it| it.port() == port),
        // That there is none is an answer too.
        Some(Err(DiscoverError::NoInstance { .. })) => false,
        Some(Err(_)) | None => {
            return Finding::skipped(check, "Nacos does not say which instances there are");
        }
    };
    match (known, is_running) {
        (true, _) => Finding::ok(
            check,
            format!("Nacos names an instance of `{name}` at port {port}"),
        ),
        (false, false) => Finding::skipped(check, format!("`{name}` does not run here")),
        (false, true) => Finding::failure(
            check,
            format!(
                "a process listens at port {port}, and Nacos names no healthy instance of `{name}` there"
            ),
            "see that the service registers itself (its log), and that `discovery.nacos.group` and `namespace` are those that are looked at",
        ),
    }
}
