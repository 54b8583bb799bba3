//! What the environment says; the names and defaults are in `README.md`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use hallpass::client::{Credential, TargetParameter};
use hallpass::config::Loader;
use hallpass::config::environment::Environment;
use hallpass::token::{Audience, Scope};
use hallpass::upstream::EndpointUrl;
use hallpass::{BoxError, Hallpass};

/// Who asks whom for what.
pub(crate) struct Settings {
    pub(crate) credential: Credential,
    pub(crate) audience: Audience,
    pub(crate) scope: Scope,
    pub(crate) resource: EndpointUrl,
    pub(crate) listen: SocketAddr,
    config: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn read(environment: &Environment) -> Option<Self> {
        // All are read before any is missed, so that all problems are told at once.
        let url = "an https URL, plain http on loopback";
        let token_url = environment.required::<EndpointUrl>("TOKEN_URL", url);
        let client_id = environment.required("CLIENT_ID", "the name of the client");
        let secret = environment.secret("CLIENT_SECRET");
        let scope = environment.or("SCOPE", Scope::empty(), "scopes");
        let audience = environment.required("AUDIENCE", "the service that the token is for");
        let resource = environment.required("RESOURCE_URL", url);
        let parameter = environment.or(
            "AUDIENCE_PARAMETER",
            Parameter(TargetParameter::Audience),
            "audience or resource",
        );
        let listen = SocketAddr::from(([127, 0, 0, 1], 9420));
        let listen = environment.or("LISTEN", listen, "an address and a port");
        let config = environment.optional("CONFIG", "a path");
        let credential = Credential::new(client_id?, secret?, token_url?);
        Some(Self {
            credential: credential.with_target_parameter(parameter?.0),
            audience: audience?,
            scope: scope?,
            resource: resource?,
            listen: listen?,
            config,
        })
    }

    /// TLS and addresses of services: the sections `tls`, `service.tls`, `transport` and `discovery` of the file, and
    /// variables such as `HALLPASS_TLS_CA_FILE`.
    pub(crate) fn hallpass(&self) -> Result<Hallpass, BoxError> {
        let loader = Loader::new("hallpass").process_environment();
        let loader = match &self.config {
            Some(file) => loader.file(file),
            None => loader,
        };
        let settings = loader.load::<hallpass::Settings>()?.into_settings();
        Ok(Hallpass::from_settings(&settings)?)
    }
}

/// How the issuer is told for whom the token is.
struct Parameter(TargetParameter);

impl FromStr for Parameter {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "audience" => Ok(Self(TargetParameter::Audience)),
            "resource" => Ok(Self(TargetParameter::Resource)),
            _ => Err(()),
        }
    }
}
