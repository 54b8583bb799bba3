//! `hallpass ca request`: a certificate of the issuer's authority, for programs that read files.

use std::path::PathBuf;

use clap::Args;
use hallpass::certificates::{CertificateAgent, CertificateError, CertificateSettings};
use hallpass::client::Credential;
use hallpass::listen::StopSignals;
use hallpass::tls::IssuedFiles;
use hallpass::upstream::EndpointUrl;
use hallpass::{Hallpass, Settings};

use crate::output::{self, Exit, Failure};
use crate::runtime;
use crate::settings::{self, CallerArguments};

/// Get a certificate from the issuer's authority
///
/// Asks as a service would, as the client of `internal-token` of the configuration, which must be registered with `certificate`. Writes
/// `current/tls.crt`, `current/tls.key` and `current/ca.crt` into the folder, and prints their names; all three change in one step. A service,
/// sidecar or gateway of Hallpass does the same by itself, by the section `certificates`.
#[derive(Args, Debug)]
pub(crate) struct CaRequest {
    #[command(flatten)]
    caller: CallerArguments,
    /// The authority, such as `https://service-auth.example:9443/ca/v1/certificate`; default: `certificates.from`.
    #[arg(long, value_name = "URL")]
    from: Option<EndpointUrl>,
    /// Where the files are written; default: `certificates.folder`.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Go on: renew it when half of its life is over, and follow the bundle, until a signal ends this.
    #[arg(long)]
    follow: bool,
}

impl CaRequest {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let settings = settings::load(&self.caller.loader())?;
        let settings = settings.into_settings().service;
        let certificates = self.certificates(&settings)?;
        let credential = credential(&settings)?;
        // Connections that show nothing of the folder, which may hold one that has ended.
        let way = Settings {
            tls: hallpass::upstream::TlsSettings {
                client: certificates.tls.clone(),
                ..settings.tls
            },
            discovery: settings.discovery,
            discovery_dns: settings.discovery_dns,
            transport: settings.transport,
            ..Settings::default()
        };
        runtime::block_on(async {
            let mut stop = StopSignals::install()
                .map_err(|error| Failure::failed(format_args!("no signal handler: {error}")))?;
            let hallpass = Hallpass::from_settings(&way).map_err(Failure::usage)?;
            let mut agent = CertificateAgent::new(certificates, credential, hallpass.network());
            let first: Result<IssuedFiles, CertificateError> = tokio::select! {
                first = agent.start() => first,
                _ = stop.received() => return Ok(Exit::Ok),
            };
            print(&first.map_err(Failure::failed)?)?;
            if self.follow {
                tokio::select! {
                    () = agent.run() => {}
                    _ = stop.received() => {}
                }
            }
            Ok(Exit::Ok)
        })?
    }

    /// What the command line says wins over the configuration.
    fn certificates(&self, settings: &Settings) -> Result<CertificateSettings, Failure> {
        let configured = settings.certificates.as_ref();
        let from = self.from.clone();
        let from = from.or_else(|| configured.map(|it| it.from.clone()));
        let folder = self.folder.clone();
        let folder = folder.or_else(|| configured.map(|it| it.folder.clone()));
        let (Some(from), Some(folder)) = (from, folder) else {
            return Err(Failure::usage(
                "`--from` and `--folder` are required where the configuration has no section `certificates`",
            ));
        };
        Ok(match configured {
            Some(configured) => CertificateSettings {
                from,
                folder,
                ..configured.clone()
            },
            None => CertificateSettings::new(from, folder).by(&settings.tls.client),
        })
    }
}

fn credential(settings: &Settings) -> Result<Credential, Failure> {
    let tokens = settings.internal_token.token_service.as_ref();
    let tokens = tokens.ok_or_else(|| {
        Failure::usage("there is no section `internal-token`: it says as which client to ask")
    })?;
    Ok(Credential::from(&tokens.credential))
}

fn print(files: &IssuedFiles) -> Result<(), Failure> {
    for file in [
        &files.key_pair.certificate_file,
        &files.key_pair.private_key_file,
        &files.ca_file,
    ] {
        output::print_line(&file.display().to_string())?;
    }
    Ok(())
}
