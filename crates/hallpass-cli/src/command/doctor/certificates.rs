//! The own certificates and the authorities of every section.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hallpass::tls::{
    CertificateSpan, ClientAuth, ClientTlsSettings, KeyPairSettings, ServerTlsSettings,
    examine_authorities, examine_key_pair,
};
use hallpass::token::UnixTime;

use super::check::Check;
use super::finding::Finding;
use crate::moment;
use crate::settings::Everything;

/// Who renews certificates by hand needs some days.
const NOTICE: Duration = Duration::from_secs(14 * 24 * 60 * 60);
const RENEW: &str = "renew it, and see why what should have renewed it has not";

/// The files that the settings name, each with the section that does. A service brings its own files where it gets its certificate by itself.
pub(super) struct Files {
    pairs: Vec<(&'static str, KeyPairSettings)>,
    authorities: Vec<(&'static str, PathBuf)>,
    /// What the service itself brings, and may not have brought yet.
    issued: Option<PathBuf>,
}

impl Files {
    pub(super) fn of(everything: &Everything) -> Self {
        let service = &everything.service;
        let issued = service.issued_files();
        let mut files = Self {
            pairs: Vec::new(),
            authorities: Vec::new(),
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
        let of_clients = issuer.map(|it| &it.client_keys_tls);
        files.add_client("issuer.client-keys-tls", of_clients);
        files
    }

    fn add_client(&mut self, key: &'static str, tls: Option<&ClientTlsSettings>) {
        let Some(tls) = tls else {
            return;
        };
        self.pairs.extend(tls.key_pair.clone().map(|it| (key, it)));
        self.authorities
            .extend(tls.ca_file.clone().map(|it| (key, it)));
    }

    fn add_server(&mut self, key: &'static str, tls: Option<&ServerTlsSettings>) {
        let Some(tls) = tls else {
            return;
        };
        self.pairs.push((key, tls.key_pair.clone()));
        let file = match &tls.client_auth {
            ClientAuth::None => None,
            ClientAuth::Want { ca_file } | ClientAuth::Need { ca_file } => Some(ca_file),
            ClientAuth::Any { ca_file } => ca_file.as_ref(),
        };
        self.authorities.extend(file.cloned().map(|it| (key, it)));
    }

    /// Reads all of them. Blocks the thread.
    pub(super) fn examine(&self, now: SystemTime) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (key, pair) in &self.pairs {
            findings.push(self.pair(key, pair, now));
        }
        for (key, file) in &self.authorities {
            findings.push(self.authority(key, file, now));
        }
        let none = [
            (
                Check::Certificates,
                self.pairs.is_empty(),
                "no section names a certificate",
            ),
            (
                Check::Authorities,
                self.authorities.is_empty(),
                "no section names authorities",
            ),
        ];
        let none = none.into_iter().filter(|(_, is_empty, _)| *is_empty);
        findings.extend(none.map(|(check, _, why)| Finding::skipped(check, why)));
        findings
    }

    fn pair(&self, key: &str, pair: &KeyPairSettings, now: SystemTime) -> Finding {
        let check = Check::Certificates;
        let file = &pair.certificate_file;
        if self.comes_later(file) {
            return Finding::skipped(check, format!("{key}: the service gets it when it starts"));
        }
        let what = format!("{key}: {}", file.display());
        match examine_key_pair(pair) {
            Ok(Some(span)) => judge(check, &what, span, now),
            Ok(None) => Finding::ok(check, format!("{what}: it does not say when it ends")),
            Err(error) => {
                let advice = format!("correct the files of `{key}`, or write them");
                Finding::failure(check, format!("{key}: {error}"), advice)
            }
        }
    }

    fn authority(&self, key: &str, file: &Path, now: SystemTime) -> Finding {
        let check = Check::Authorities;
        if self.comes_later(file) {
            return Finding::skipped(check, format!("{key}: the service gets it when it starts"));
        }
        let what = format!("{key}: {}", file.display());
        match examine_authorities(file) {
            // A bundle may keep an old authority beside the new one.
            Ok(spans) => match spans.into_iter().max_by_key(|it| it.ends) {
                Some(span) => judge(check, &what, span, now),
                None => Finding::ok(check, format!("{what}: it does not say when it ends")),
            },
            Err(error) => {
                let advice = format!("correct the file of `{key}`, or write it");
                Finding::failure(check, format!("{key}: {error}"), advice)
            }
        }
    }

    fn comes_later(&self, file: &Path) -> bool {
        let is_issued = self.issued.as_ref().is_some_and(|it| file.starts_with(it));
        is_issued && !file.exists()
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
