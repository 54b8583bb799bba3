//! The keys of the issuers that an issuer trusts, over the way that it has to each of them.

use hallpass::resource::{KeyLimits, KeysError};
use hallpass_issuer::{
    Error, IssuerSettings, KeyPlace, TrustedIssuerSettings, trusted_issuer_keys,
};

use super::check::Check;
use super::finding::{Finding, SLOW_FILE};
use super::limits::Limits;
use crate::issuer_store::clock;

/// Looks for the keys of each of them, all at once.
pub(super) async fn examine(issuer: Option<&IssuerSettings>, limits: &Limits) -> Vec<Finding> {
    let trusted = issuer.iter().flat_map(|it| &it.trusted_issuers).cloned();
    let asked = trusted.map(|settings| {
        let limits = *limits;
        tokio::spawn(async move { examine_one(&settings, &limits).await })
    });
    let asked: Vec<_> = asked.collect();
    let mut findings = Vec::new();
    for one in asked {
        // One that was given up with the runtime is nobody's.
        findings.extend(one.await);
    }
    findings
}

async fn examine_one(settings: &TrustedIssuerSettings, limits: &Limits) -> Finding {
    let what = format!("{}, {}", settings.name, place(settings));
    let of_keys = KeyLimits {
        // Before the step ends, which does not know what it was that took so long.
        fetch_timeout: limits.inner(),
        ..KeyLimits::default()
    };
    let is_file = matches!(settings.keys, KeyPlace::File(_));
    let clock = clock();
    let looked = async {
        let keys = trusted_issuer_keys(settings, of_keys, &clock).await;
        match keys {
            Ok(keys) => Ok(keys.load().await.map(|it| it.keys().keys().len())),
            Err(error) => Err(error),
        }
    };
    match limits.within(looked).await {
        Some(Ok(Ok(1))) => Finding::ok(Check::KeySet, format!("{what}: 1 key")),
        Some(Ok(Ok(number))) => Finding::ok(Check::KeySet, format!("{what}: {number} keys")),
        Some(Ok(Err(KeysError::Timeout { .. }))) if is_file => slow(&what),
        Some(Ok(Err(error))) => {
            let says = format!("{what}: {error}: its tokens cannot be exchanged or taken");
            Finding::failure(Check::KeySet, says, advice(&error))
        }
        Some(Err(error)) => unusable(&error),
        None => slow(&what),
    }
}

fn slow(what: &str) -> Finding {
    let says = format!("{what}: its keys, or the files of its `tls`, were not read in time");
    Finding::untried(Check::KeySet, says, SLOW_FILE)
}

/// The entry itself.
fn unusable(error: &Error) -> Finding {
    let advice = "correct the entry in `issuer.trusted-issuers`: no issuer starts with it";
    Finding::failure(Check::KeySet, error.to_string(), advice)
}

fn place(settings: &TrustedIssuerSettings) -> String {
    match &settings.keys {
        KeyPlace::Url(url) => url.to_string(),
        KeyPlace::File(file) => file.display().to_string(),
        KeyPlace::Discovered => format!("{}/.well-known/openid-configuration", settings.issuer),
    }
}

const fn advice(error: &KeysError) -> &'static str {
    match error {
        KeysError::Timeout { .. } | KeysError::Transport(_) => {
            "start it, or correct `jwks-url` of that entry in `issuer.trusted-issuers`, or its `tls`; look for a packet filter in between"
        }
        KeysError::File(_) => "correct `jwks-file` of that entry, or write the file",
        KeysError::Status { .. } => {
            "correct `jwks-url` of that entry, or what it proves itself by there (`jwks-bearer-file`)"
        }
        _ => "correct `jwks-url` of that entry, and look at proxies in between",
    }
}
