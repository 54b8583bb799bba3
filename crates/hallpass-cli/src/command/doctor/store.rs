//! The store of an issuer, by its own configuration.

use hallpass_issuer::{Error, IssuerSettings, check_store};

use super::check::Check;
use super::finding::Finding;
use super::limits::Limits;
use crate::issuer_store::clock;

/// Nothing is changed there.
pub(super) async fn examine(issuer: Option<&IssuerSettings>, limits: &Limits) -> Finding {
    let Some(settings) = issuer else {
        return Finding::skipped(Check::Store, "there is no section `issuer`");
    };
    let clock = clock();
    let Some(looked) = limits.within(check_store(settings, &clock)).await else {
        return Finding::failure(
            Check::Store,
            "it does not respond in time",
            "look at its server and the way there (`issuer.database.url`), or at the disk; or give more time with --timeout",
        );
    };
    match looked {
        Ok(report) if report.contents.problems.is_empty() => Finding::ok(
            Check::Store,
            format!(
                "{}: {} keys, {} clients, all as an issuer wrote it",
                report.store, report.contents.keys, report.contents.clients
            ),
        ),
        Ok(report) => Finding::failure(
            Check::Store,
            format!("{}: {}", report.store, report.contents.problems.join("; ")),
            "see `hallpass store check`, and restore a backup",
        ),
        Err(Error::StoreMissing { store }) => Finding::warning(
            Check::Store,
            format!("{store} is not there yet"),
            "the first start makes it; after that it must not be missing",
        ),
        Err(error @ Error::StoreBehind { .. }) => Finding::warning(
            Check::Store,
            error.to_string(),
            "the next start brings it up to date",
        ),
        Err(error @ Error::StoreBusy { .. }) => Finding::warning(
            Check::Store,
            error.to_string(),
            "ask again when that has ended",
        ),
        Err(error) => Finding::failure(
            Check::Store,
            error.to_string(),
            "no issuer starts with it: mend what the message names",
        ),
    }
}
