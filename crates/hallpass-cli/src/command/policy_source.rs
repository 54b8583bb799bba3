//! The rules that the `policy` commands look at: those of a service's configuration, and those in the routes of a gateway.

use std::path::PathBuf;

use clap::Args;
use hallpass::Hallpass;
use hallpass::resource::ResourceServer;

use crate::output::Failure;
use crate::runtime;
use crate::settings::{self, PrefixArgument};

/// Where rules come from.
#[derive(Args, Debug)]
pub(super) struct PolicySource {
    /// The YAML files that the service reads, in its order; repeatable. Without one, defaults and the environment.
    #[arg(long = "config", value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    prefix: PrefixArgument,
}

impl PolicySource {
    /// Asks the resource server that a service of this configuration has.
    ///
    /// # Errors
    /// A usage failure: the configuration cannot be used.
    pub(super) fn with_server<T>(
        &self,
        ask: impl AsyncFnOnce(ResourceServer) -> T,
    ) -> Result<T, Failure> {
        let loaded = settings::load(&self.prefix.loader_of(&self.files))?;
        let settings = loaded
            .into_settings()
            .service_with_gateway()
            .beside_the_service();
        runtime::block_on(async {
            let hallpass = Hallpass::from_settings(&settings).map_err(Failure::usage)?;
            let server = hallpass.resource_server().build().map_err(Failure::usage)?;
            Ok(ask(server).await)
        })?
    }
}
