//! The own certificates and the authorities of every section.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hallpass::tls::{
    CertificateSpan, ClientAuth, ClientTlsSettings, KeyPairSettings, ServerTlsSettings,
    examine_authorities, examine_key_pair,
};
use hallpass::token::UnixTime;

use super::check::Check;
use super::finding::{Finding, SLOW_FILE};
use super::limits::Limits;
use crate::issuer_store::clock;
use crate::moment;
use crate::settings::Everything;

/// Who renews certificates by hand needs some days.
const NOTICE: Duration = Duration::from_secs(14 * 24 * 60 * 60);
const RENEW: &str = "renew it, and see why what should have renewed it has not";

/// Reads all of them, each on a thread of its own: what one of them waits for is nothing to the others.
pub(super) async fn examine(everything: &Everything, limits: &Limits) -> Vec<Finding> {
    let files = Files::of(everything);
    let now = clock().now();
    let none = [
        (Check::Certificates, "no section names a certificate"),
        (Check::Authorities, "no section names authorities"),
    ];
    let is_absent = |check: Check| files.all.iter().all(|it| it.check() != check);
    let none = none.into_iter().filter(|(check, _)| is_absent(*check));
    let none: Vec<_> = none.map(|(it, why)| Finding::skipped(it, why)).collect();
    let looked = files.all.into_iter().map(|named| {
        let (issued, limits) = (files.issued.clone(), *limits);
        tokio::spawn(async move {
            let (check, key) = (named.check(), named.key);
            let looked = limits.blocking(move || named.examine(issued.as_deref(), now));
            looked.await.unwrap_or_else(|| {
                let says = format!("{key}: its files are not read in time");
                Finding::untried(check, says, SLOW_FILE)
            })
        })
    });
    let looked: Vec<_> = looked.collect();
    let mut findings = Vec::new();
    for one in looked {
        // One that was given up with the runtime is nobody's.
        findings.extend(one.await);
    }
    findings.extend(none);
    findings
}

/// The files that the settings name. A service brings its own files where it gets its certificate by itself.
struct Files {
    all: Vec<Named>,
    /// What the service itself brings, and may not have brought yet.
    issued: Option<PathBuf>,
}

/// What a section names.
struct Named {
    key: &'static str,
    what: What,
}

enum What {
    Pair(KeyPairSettings),
    Authorities(PathBuf),
}

impl Files {
    fn of(everything: &Everything) -> Self {
        let service = &everything.service;
        let issued = service.issued_files();
        let mut files = Self {
            all: Vec::new(),
            issued: issued.and_then(|it| Some(it.ca_file.parent()?.to_owned())),
        };
        files.add_client("tls", Some(&service.tls.client));
        files.add_server("service.tls", service.service.tls.as_ref());
        let redis = service.redis.redis.as_ref();
        files.add_client("redis.ssl", redis.and_then(|it| it.tls.as_ref()));
        let gateway = everything.gateway.as_ref();
        files.add_server("gateway.tls", gateway.and_then(|it| it.tls.as_ref()));
        let authz = everything.authz.as_ref();
        files.add_server("authz.tls", authz.and_then(|it| it.tls.as_ref()));
        let sidecar = everything
            .sidecar
            .as_ref()
            .and_then(|it| it.inbound.as_ref());
        files.add_server(
            "sidecar.inbound.tls",
            sidecar.and_then(|it| it.tls.as_ref()),
        );
        let issuer = everything.issuer.as_ref();
        files.add_server("issuer.tls", issuer.and_then(|it| it.tls.as_ref()));
        let admin = issuer.and_then(|it| it.admin.as_ref());
        files.add_server("issuer.admin.tls", admin.and_then(|it| it.tls.as_ref()));
        let of_clients = issuer.map(|it| &it.client_keys_tls);
        files.add_client("issuer.client-keys-tls", of_clients);
        files
    }

    fn add(&mut self, key: &'static str, what: impl IntoIterator<Item = What>) {
        let named = |what| Named { key, what };
        self.all.extend(what.into_iter().map(named));
    }

    fn add_client(&mut self, key: &'static str, tls: Option<&ClientTlsSettings>) {
        let Some(tls) = tls else {
            return;
        };
        self.add(key, tls.key_pair.clone().map(What::Pair));
        self.add(key, tls.ca_file.clone().map(What::Authorities));
    }

    fn add_server(&mut self, key: &'static str, tls: Option<&ServerTlsSettings>) {
        let Some(tls) = tls else {
            return;
        };
        self.add(key, [What::Pair(tls.key_pair.clone())]);
        let file = match &tls.client_auth {
            ClientAuth::None => None,
            ClientAuth::Want { ca_file } | ClientAuth::Need { ca_file } => Some(ca_file),
            ClientAuth::Any { ca_file } => ca_file.as_ref(),
        };
        self.add(key, file.cloned().map(What::Authorities));
    }
}

impl Named {
    const fn check(&self) -> Check {
        match self.what {
            What::Pair(_) => Check::Certificates,
            What::Authorities(_) => Check::Authorities,
        }
    }

    fn file(&self) -> &Path {
        match &self.what {
            What::Pair(pair) => &pair.certificate_file,
            What::Authorities(file) => file,
        }
    }

    /// Reads it. Blocks the thread.
    fn examine(&self, issued: Option<&Path>, now: SystemTime) -> Finding {
        let (check, key, file) = (self.check(), self.key, self.file());
        // It may come later.
        if issued.is_some_and(|it| file.starts_with(it)) && !file.exists() {
            return Finding::skipped(check, format!("{key}: the service gets it when it starts"));
        }
        let what = format!("{key}: {}", file.display());
        let span = match &self.what {
            What::Pair(pair) => examine_key_pair(pair),
            // A bundle may keep an old authority beside the new one.
            What::Authorities(file) => {
                examine_authorities(file).map(|it| it.into_iter().max_by_key(|it| it.ends))
            }
        };
        match span {
            Ok(Some(span)) => judge(check, &what, span, now),
            Ok(None) => Finding::ok(check, format!("{what}: it does not say when it ends")),
            Err(error) => {
                let advice = format!("correct the files of `{key}`, or write them");
                Finding::failure(check, format!("{key}: {error}"), advice)
            }
        }
    }
}

fn judge(check: Check, what: &str, span: CertificateSpan, now: SystemTime) -> Finding {
    let at = |time: SystemTime| moment::text(UnixTime::from(time).as_secs());
    if now < span.begins {
        let says = format!("{what}: it is not valid before {}", at(span.begins));
        return Finding::failure(
            check,
            says,
            "set the clock of this machine, or of the authority",
        );
    }
    let Ok(left) = span.ends.duration_since(now) else {
        let says = format!("{what}: it has expired, at {}", at(span.ends));
        return Finding::failure(check, says, RENEW);
    };
    let life = span.ends.duration_since(span.begins).unwrap_or_default();
    let says = format!("{what}: good until {}", at(span.ends));
    match left < NOTICE.min(life / 3) {
        true => Finding::warning(check, says, RENEW),
        false => Finding::ok(check, says),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::finding::Outcome;

    #[test]
    fn long_certificates_are_warned_of_two_weeks_ahead_and_short_ones_in_their_last_third() {
        const DAY: u64 = 24 * 60 * 60;
        let at = |days: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(days * DAY);
        let of = |life: u64, left: u64| {
            let (begins, ends) = (at(100), at(100 + life));
            let span = CertificateSpan { begins, ends };
            judge(Check::Certificates, "it", span, at(100 + life - left)).outcome
        };
        assert_eq!(of(365, 15), Outcome::Ok);
        assert_eq!(of(365, 13), Outcome::Warning);
        assert_eq!(of(9, 4), Outcome::Ok);
        assert_eq!(of(9, 2), Outcome::Warning);
        let span = CertificateSpan {
            begins: at(100),
            ends: at(101),
        };
        for (now, says) in [(at(99), "not valid before"), (at(102), "has expired")] {
            let found = judge(Check::Certificates, "it", span, now);
            assert_eq!(found.outcome, Outcome::Failure);
            assert!(found.says.contains(says), "{}", found.says);
        }
    }
}
