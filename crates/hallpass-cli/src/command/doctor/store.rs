//! The store of an issuer, by its own configuration.

use hallpass_issuer::{Error, InspectedStore, IssuerSettings, StoreReport};

use super::check::Check;
use super::finding::Finding;
use super::limits::Limits;
use crate::issuer_store::clock;

/// A larger store is not read: an issuer could not write into its file meanwhile.
const MOST_ROWS: u32 = 10_000;
const READ_IT: &str =
    "read it whole with `hallpass store check`, when its issuer can be without it for so long";

/// Nothing is changed there.
pub(super) async fn examine(issuer: Option<&IssuerSettings>, limits: &Limits) -> Finding {
    let Some(settings) = issuer else {
        return Finding::skipped(Check::Store, "there is no section `issuer`");
    };
    let store = settings.store_name();
    let opened = match limits.within(InspectedStore::open(settings)).await {
        Some(Ok(opened)) => opened,
        Some(Err(error)) => return not_opened(&error),
        None if settings.database.is_none() => {
            return Finding::untried(
                Check::Store,
                format!("{store}: it is not opened in time"),
                "another process opens it, or restores or migrates it, or the disk is slow: ask again, or give more time with --timeout",
            );
        }
        None => {
            return Finding::failure(
                Check::Store,
                format!("{store}: it does not respond in time"),
                "look at its server and the way there (`issuer.database.url`); or give more time with --timeout",
            );
        }
    };
    let clock = clock();
    let read = opened.report_of_at_most(MOST_ROWS, &clock);
    match limits.within(read).await {
        Some(Ok(Some(report))) => judge(&report),
        Some(Ok(None)) => Finding::untried(
            Check::Store,
            format!(
                "{store}: it opens; it has more than {MOST_ROWS} rows, which were not held against their seals"
            ),
            READ_IT,
        ),
        Some(Err(error)) => not_opened(&error),
        None => Finding::untried(
            Check::Store,
            format!("{store}: it opens; its rows were not read in time"),
            READ_IT,
        ),
    }
}

fn judge(report: &StoreReport) -> Finding {
    let (store, contents) = (&report.store, &report.contents);
    match contents.problems.is_empty() {
        true => Finding::ok(
            Check::Store,
            format!(
                "{store}: {} keys, {} clients, all as an issuer wrote it",
                contents.keys, contents.clients
            ),
        ),
        false => Finding::failure(
            Check::Store,
            format!("{store}: {}", contents.problems.join("; ")),
            "see `hallpass store check`, and restore a backup",
        ),
    }
}

fn not_opened(error: &Error) -> Finding {
    let says = error.to_string();
    match error {
        Error::StoreMissing { store } => Finding::warning(
            Check::Store,
            format!("{store} is not there yet"),
            "the first start makes it; after that it must not be missing",
        ),
        Error::StoreBehind { .. } => {
            Finding::warning(Check::Store, says, "the next start brings it up to date")
        }
        Error::StoreBusy { .. } => {
            Finding::untried(Check::Store, says, "ask again when that has ended")
        }
        _ => Finding::failure(
            Check::Store,
            says,
            "no issuer starts with it: mend what the message names",
        ),
    }
}
