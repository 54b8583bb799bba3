//! Where the address of an endpoint leads to.

use hallpass::upstream::{EndpointUrl, Instance, Network};

use super::limits::Limits;

/// Instances of one service that are asked; more are not.
pub(super) const MAX_INSTANCES: usize = 8;

/// The addresses of an endpoint: itself, or behind `lb://` those of the instances.
///
/// # Errors
/// Why there is none, and what to do.
pub(super) async fn places(
    url: &EndpointUrl,
    network: &Network,
    limits: &Limits,
) -> Result<Vec<String>, (String, &'static str)> {
    let (service, path) = match url {
        EndpointUrl::Https(url) | EndpointUrl::LoopbackHttp(url) => {
            return Ok(vec![url.to_string()]);
        }
        EndpointUrl::LoadBalanced { service, path } => (service, path),
    };
    let looked = limits.within(network.discovery.instances(service)).await;
    let instances = match looked {
        Some(Ok(instances)) => instances,
        Some(Err(error)) => return Err((error.to_string(), NO_INSTANCE)),
        None => {
            let says = format!("instances of `{service}` could not be looked up in time");
            return Err((says, NO_INSTANCE));
        }
    };
    let at = |instance: &Instance| format!("{instance}{path}");
    let places: Vec<_> = instances.iter().take(MAX_INSTANCES).map(at).collect();
    match places.is_empty() {
        true => Err((format!("no instance of `{service}` is known"), NO_INSTANCE)),
        false => Ok(places),
    }
}

const NO_INSTANCE: &str = "name instances in `discovery.static`, or see that the service is registered where it is looked for";
