//! The way to the token endpoints.

use hallpass::client::TokenServiceSettings;
use hallpass::upstream::{EndpointUrl, Network};

use super::check::Check;
use super::clock::Offsets;
use super::finding::Finding;
use super::limits::Limits;
use super::places::places;
use super::probe::{Probed, get_each};

/// What was found on the way, and where it leads to nobody.
#[derive(Debug, Default)]
pub(super) struct Ways {
    pub(super) findings: Vec<Finding>,
    /// Endpoints of which no instance responds.
    pub(super) dead: Vec<EndpointUrl>,
    pub(super) offsets: Offsets,
}

/// Looks at every token endpoint of the settings, each once, all at once.
pub(super) async fn examine(
    tokens: &TokenServiceSettings,
    network: &Network,
    limits: &Limits,
) -> Ways {
    let asked = urls(tokens).into_iter().cloned().map(|url| {
        let (network, limits) = (network.clone(), *limits);
        tokio::spawn(async move { examine_one(url, &network, &limits).await })
    });
    let asked: Vec<_> = asked.collect();
    let mut ways = Ways::default();
    for one in asked {
        // One that was given up with the runtime is nobody's.
        if let Ok(one) = one.await {
            ways.findings.extend(one.findings);
            ways.dead.extend(one.dead);
            ways.offsets.extend(one.offsets);
        }
    }
    ways
}

async fn examine_one(url: EndpointUrl, network: &Network, limits: &Limits) -> Ways {
    let mut ways = Ways::default();
    let places = match places(&url, network, limits).await {
        Ok(places) => places,
        Err((says, advice)) => {
            ways.fail(format!("{url}: {says}"), advice);
            ways.dead.push(url);
            return ways;
        }
    };
    let mut responds = false;
    for (place, probed) in get_each(&places, network, limits).await {
        match probed {
            Ok(probed) => {
                responds = true;
                ways.findings.push(response(&place, &probed));
                ways.offsets.extend(probed.offset().map(|it| (it, place)));
            }
            Err(told) => ways.fail(format!("{place}: {}", told.says), told.advice),
        }
    }
    if !responds {
        ways.dead.push(url);
    }
    ways
}

impl Ways {
    fn fail(&mut self, says: String, advice: &str) {
        let finding = Finding::failure(Check::TokenEndpoint, says, advice);
        self.findings.push(finding);
    }
}

fn urls(tokens: &TokenServiceSettings) -> Vec<&EndpointUrl> {
    let further = tokens.clients.iter().map(|client| &client.credential);
    let all = std::iter::once(&tokens.credential).chain(further);
    let mut urls: Vec<_> = all.map(|it| &it.token_url).collect();
    let mut known = Vec::new();
    urls.retain(|url| {
        let is_new = !known.contains(url);
        known.push(*url);
        is_new
    });
    urls
}

/// What it responds to a GET is of no interest, unless it says itself that it is out of order.
fn response(place: &str, probed: &Probed) -> Finding {
    let status = probed.response.status();
    match status.is_server_error() {
        true => Finding::warning(
            Check::TokenEndpoint,
            format!("{place}: the response is {}", status.as_u16()),
            "look at the log there, and at proxies in between",
        ),
        false => Finding::ok(Check::TokenEndpoint, format!("{place} is reached")),
    }
}
