//! Configuration for the commands that take one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use hallpass::config::{
    Configuration, Key, Loaded, Loader, MAX_SOURCE_BYTES, Section, detect_prefix, files, sealing,
};
use hallpass::upstream::{HttpTransport, TlsSettings};
use hallpass::{Hallpass, Settings};
use hallpass_gateway::{AuthzSettings, BesideGateway, GatewaySettings, SidecarSettings};
use hallpass_issuer::IssuerSettings;

use crate::output::{self, Failure};

/// The prefix when a file has none of the known ones.
const DEFAULT_PREFIX: &str = "hallpass";

/// Every section there is: those of a service, and those of the servers of this executable.
#[derive(Debug)]
pub(crate) struct Everything {
    /// What a service reads.
    pub(crate) service: Settings,
    /// `issuer`; `None` when the section is absent.
    pub(crate) issuer: Option<IssuerSettings>,
    /// `authz`; `None` when the section is absent.
    pub(crate) authz: Option<AuthzSettings>,
    /// `gateway`; `None` when the section is absent.
    pub(crate) gateway: Option<GatewaySettings>,
    /// `sidecar`; `None` when the section is absent.
    pub(crate) sidecar: Option<SidecarSettings>,
}

impl Everything {
    /// What a service reads, with the rules that stand in the routes of a gateway: those are rules of the policy like others.
    pub(crate) fn service_with_gateway(&self) -> Settings {
        let mut service = self.service.clone();
        let rules = self.gateway.iter().flat_map(GatewaySettings::rules);
        service.security.internal_jwt.routes.extend(rules);
        service
    }
}

impl Configuration for Everything {
    fn keys() -> Vec<Key> {
        [
            Settings::keys(),
            IssuerSettings::keys(),
            AuthzSettings::keys(),
            GatewaySettings::keys(),
            SidecarSettings::keys(),
            vec![sealing::SECTION],
        ]
        .concat()
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let service = Settings::read(root);
        let issued = service.as_ref().and_then(Settings::issued_files);
        let issuer = root
            .section("issuer")
            .is_given()
            .then(|| IssuerSettings::read(root));
        let authz = root
            .section("authz")
            .is_given()
            .then(|| AuthzSettings::read_or_issued(root, issued.as_ref()));
        let gateway = root
            .section("gateway")
            .is_given()
            .then(|| GatewaySettings::read_or_issued(root, issued.as_ref()));
        let sidecar = root
            .section("sidecar")
            .is_given()
            .then(|| SidecarSettings::read_or_issued(root, issued.as_ref()));
        if let Some(Some(gateway)) = &gateway {
            let services = service.as_ref().and_then(|it| all_services(root, it));
            let beside = BesideGateway {
                // What cannot be used is there all the same, and has its own problem.
                has_redis: match &service {
                    Some(service) => service.redis.redis.is_some(),
                    None => root.section("redis").is_given(),
                },
                security: service.as_ref().map(|it| &it.security),
                services: services.as_ref(),
            };
            gateway.check_beside(root, beside);
        }
        Some(Self {
            service: service?,
            issuer: issuer.map_or(Some(None), |issuer| issuer.map(Some))?,
            authz: authz.map_or(Some(None), |authz| authz.map(Some))?,
            gateway: gateway.map_or(Some(None), |gateway| gateway.map(Some))?,
            sidecar: sidecar.map_or(Some(None), |sidecar| sidecar.map(Some))?,
        })
    }
}

/// The services that can be found, where that is known: documents in Nacos may bring a list, or none is kept here.
fn all_services(root: &Section<'_>, service: &Settings) -> Option<BTreeSet<String>> {
    let asks = service.discovery_nacos.enabled || service.discovery_dns.enabled;
    let is_all = !asks && !root.section("nacos").is_given();
    is_all.then(|| service.discovery.instances.keys().cloned().collect())
}

/// Where a command's configuration comes from: declared once, flattened into every command that reads one.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConfigArguments {
    /// The YAML file with the configuration; without one, defaults and the environment.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    prefix: PrefixArgument,
}

/// The configuration of a command that calls an issuer, and what it says of the way there.
#[derive(Args, Clone, Debug)]
pub(crate) struct CallerArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// PEM: authorities that the issuer's certificate may come from, beside those of the operating system (`tls.ca-file`).
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// The top-level key of a configuration.
#[derive(Args, Clone, Debug)]
pub(crate) struct PrefixArgument {
    /// The top-level key of the configuration; default: `hallpass` or `scccy`, whichever the file has.
    #[arg(long, value_name = "PREFIX")]
    config_prefix: Option<String>,
}

impl ConfigArguments {
    /// A loader for the file with the environment of this process; flags may be added to it.
    pub(crate) fn loader(&self) -> Loader {
        self.prefix.loader(self.config.as_deref())
    }

    /// The `issuer` section of the file; without a file the defaults, changed by the environment.
    ///
    /// # Errors
    /// A usage failure, also when the file has no such section.
    pub(crate) fn issuer(&self) -> Result<IssuerSettings, Failure> {
        self.issuer_of(load(&self.loader())?.into_settings())
    }

    /// The `issuer` section of what was loaded for these arguments.
    ///
    /// # Errors
    /// A usage failure when a file was given and has no such section.
    pub(crate) fn issuer_of(&self, everything: Everything) -> Result<IssuerSettings, Failure> {
        match (everything.issuer, &self.config) {
            (Some(section), _) => Ok(section),
            (None, None) => Ok(IssuerSettings::default()),
            (None, Some(file)) => Err(Failure::usage(format_args!(
                "{}: there is no section `issuer` below `hallpass` (`scccy`, or what `--config-prefix` says)",
                file.display()
            ))),
        }
    }
}

impl CallerArguments {
    /// As [`ConfigArguments::loader`], and the options count.
    pub(crate) fn loader(&self) -> Loader {
        let loader = self.config.loader();
        match &self.ca_file {
            Some(file) => loader.flag("tls.ca-file", file.display().to_string()),
            None => loader,
        }
    }

    /// The way to an issuer, as the section `tls` says. No other section is read, so any service's file will do.
    ///
    /// # Errors
    /// A usage failure: a file, or what it says of TLS, cannot be used.
    pub(crate) fn transport(&self) -> Result<HttpTransport, Failure> {
        transport(&self.loader())
    }
}

/// The way to other programs, as the section `tls` of `loader` says.
///
/// # Errors
/// A usage failure: a file, or what it says of TLS, cannot be used.
pub(crate) fn transport(loader: &Loader) -> Result<HttpTransport, Failure> {
    let loaded: Loaded<TlsSettings> = loader.load_part().map_err(Failure::usage)?;
    let settings = Settings {
        tls: say_warnings(loaded).into_settings(),
        ..Settings::default()
    };
    let hallpass = Hallpass::from_settings(&settings).map_err(Failure::usage)?;
    Ok(hallpass.transport().clone())
}

impl PrefixArgument {
    /// Whether the command line gives it.
    pub(crate) const fn is_given(&self) -> bool {
        self.config_prefix.is_some()
    }

    /// A loader for `file` with the environment of this process.
    ///
    /// Unless given, the first known prefix at the top of `file` is used, or `hallpass` when it has none or is a pipe.
    pub(crate) fn loader(&self, file: Option<&Path>) -> Loader {
        self.loader_of(file.as_slice())
    }

    /// As [`loader`](Self::loader), for several files: later ones win over earlier ones.
    pub(crate) fn loader_of(&self, files: &[impl AsRef<Path>]) -> Loader {
        let prefix = self.config_prefix.as_deref();
        let detected = || files.iter().find_map(|file| detect(file.as_ref()));
        let prefix = prefix.or_else(detected).unwrap_or(DEFAULT_PREFIX);
        let loader = Loader::new(prefix).process_environment();
        let files = files.iter().map(AsRef::as_ref);
        files.fold(loader, Loader::file)
    }
}

/// Loads everything, or reports everything that is wrong with it. Warnings go to standard error.
///
/// # Errors
/// A usage failure with a line for each problem.
pub(crate) fn load(loader: &Loader) -> Result<Loaded<Everything>, Failure> {
    Ok(say_warnings(loader.load().map_err(Failure::usage)?))
}

/// Warnings go to standard error.
pub(crate) fn say_warnings<T>(mut loaded: Loaded<T>) -> Loaded<T> {
    for warning in loaded.take_warnings() {
        output::complain(&format!("warning: {warning}"));
    }
    loaded
}

/// The first known prefix that `file` has at its top.
pub(crate) fn detect(file: &Path) -> Option<&'static str> {
    // What comes through a pipe comes once, and the loader needs it.
    if !file.is_file() {
        return None;
    }
    // A file that cannot be read is reported by the loader.
    detect_prefix(&files::read_text(file, MAX_SOURCE_BYTES).ok()?)
}

#[cfg(test)]
mod tests;
