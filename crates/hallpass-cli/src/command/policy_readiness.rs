//! `hallpass policy readiness`: who would be denied, before anybody is.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use hallpass::token::UnixTime;
use serde::Serialize;

use crate::issuer_store::clock;
use crate::output::{self, Exit, Failure};
use crate::readiness::{MAX_METRICS_BYTES, Service, Terms, fetch};
use crate::settings::CallerArguments;
use crate::{input, runtime};

/// Longest wait for the metrics of one service, connecting included.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(10);

/// Say from the metrics of services whether it is safe to go on with a roll-out
///
/// Names for each route who would be denied, why, how often and when last, what to do about it, what is enforced already, and the
/// next step. Exit code 0: it is safe to go on everywhere; 65: it is not. Counters begin anew when a service starts, and each
/// instance has its own: name them all.
#[derive(Args, Debug)]
pub(crate) struct PolicyReadiness {
    /// Where the metrics are: URLs, files with what such a URL gave, or `-`.
    #[arg(required = true, value_name = "URL|FILE")]
    sources: Vec<String>,
    /// Only what came in the last so many hours counts, and each route must have been watched as long; 0: all counts since the
    /// service started, however long that is.
    #[arg(long, value_name = "N", default_value_t = 24)]
    hours: u32,
    /// A caller that is to be denied, and does not count (`_unauthenticated`: those without a good token), or `ROUTE REASON` of a handler
    /// that is to refuse. May be repeated.
    #[arg(long, value_name = "CALLER")]
    accept: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    caller: CallerArguments,
}

#[derive(Serialize)]
struct Shown {
    safe: bool,
    services: Vec<Service>,
}

impl PolicyReadiness {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let terms = Terms {
            now: UnixTime::from(clock().now()).as_secs(),
            window_seconds: u64::from(self.hours) * 3_600,
            counts_seconds: u64::from(self.hours) * 3_600,
            accepted: self.accept.clone(),
        };
        let mut services = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            let text = self.text(source)?;
            let service = Service::read(source, &text, &terms);
            services.push(service.ok_or_else(|| {
                Failure::failed(format_args!(
                    "{source}: these are not the metrics of a service that verifies its callers: no hallpass_rollout_ratio"
                ))
            })?);
        }
        let safe = services.iter().all(|service| service.safe);
        if self.json {
            output::print_json(&Shown { safe, services })?;
        } else {
            let mut lines: Vec<_> = services.iter().flat_map(Service::lines).collect();
            lines.push(match safe {
                true => "safe to go on".to_owned(),
                false => "not safe to go on".to_owned(),
            });
            output::print_line(&lines.join("\n"))?;
        }
        Ok(if safe { Exit::Ok } else { Exit::NotValid })
    }

    fn text(&self, source: &str) -> Result<String, Failure> {
        let bytes = if source.contains("://") {
            self.download(source)?
        } else {
            let input = input::read(Path::new(source), MAX_METRICS_BYTES)?;
            if input.cut {
                return Err(Failure::usage(format_args!(
                    "{source}: more than {MAX_METRICS_BYTES} bytes"
                )));
            }
            input.bytes
        };
        String::from_utf8(bytes).map_err(|_| Failure::failed(format_args!("{source}: not UTF-8")))
    }

    fn download(&self, url: &str) -> Result<Vec<u8>, Failure> {
        let usable = url.parse::<http::Uri>();
        usable.map_err(|error| Failure::usage(format_args!("{url}: {error}")))?;
        let transport = self.caller.transport()?;
        let fetched = runtime::block_on(fetch(transport, url, DOWNLOAD_LIMIT))?;
        let fetched = fetched.map(|it| it.bytes);
        fetched.map_err(|reason| Failure::failed(format_args!("{url}: {reason}")))
    }
}
