//! Who has called, for as long as its connection holds.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::pki_types::CertificateDer;

use crate::peer::{CallerNow, ShownCertificates};
use crate::server::{Listening, ServerTls};
use crate::validity::not_after;

/// A caller, by what it has shown in the handshake of its connection.
///
/// A connection may last for longer than the certificate does, and than anybody trusts who made it. So that is judged anew once the
/// listener has other files or settings, and once a certificate that was shown has ended.
pub struct Caller {
    tls: ServerTls,
    shown: Box<[CertificateDer<'static>]>,
    /// Whether an authority has vouched for it in the handshake.
    is_verified: bool,
    judged: ArcSwap<Judged>,
}

struct Judged {
    by: Arc<Listening>,
    /// Since 1970. Before that the clock was put back.
    at: Duration,
    /// When it must be judged anew.
    until: Duration,
    result: CallerNow,
}

impl Caller {
    /// One whose handshake by `listening` of `tls` has just been finished.
    #[must_use]
    pub fn new(
        tls: &ServerTls,
        listening: Arc<Listening>,
        shown: Option<&[CertificateDer<'static>]>,
    ) -> Self {
        let shown: Box<[_]> = shown.unwrap_or_default().into();
        let judged = Judged::new(listening, &shown, true);
        Self {
            is_verified: is_verified(&judged.result),
            tls: tls.clone(),
            shown,
            judged: ArcSwap::from_pointee(judged),
        }
    }

    /// What is known of it now.
    #[must_use]
    pub fn now(&self) -> CallerNow {
        let by = self.tls.listening();
        let judged = self.judged.load();
        let now = by.seconds();
        if Arc::ptr_eq(&judged.by, &by) && judged.at <= now && now < judged.until {
            return judged.result.clone();
        }
        let mut judged = Judged::new(by, &self.shown, false);
        // It may have another certificate by now, which counts: it has to connect to show that.
        if self.is_verified
            && matches!(
                judged.result,
                CallerNow::Known(ShownCertificates::Unverified(_))
            )
        {
            judged.result = CallerNow::Refused;
        }
        let result = judged.result.clone();
        self.judged.store(Arc::new(judged));
        result
    }
}

impl Judged {
    /// `is_verified`: by a handshake, just now.
    fn new(by: Arc<Listening>, shown: &[CertificateDer<'static>], is_verified: bool) -> Self {
        let now = by.seconds();
        let since_1970 = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).ok();
        let ends = shown.iter().filter_map(not_after).filter_map(since_1970);
        let until = ends.filter(|end| now <= *end).min();
        Self {
            at: now,
            until: until.map_or(Duration::MAX, |end| {
                end.saturating_add(Duration::from_secs(1))
            }),
            result: by.judge(shown, is_verified),
            by,
        }
    }
}

const fn is_verified(result: &CallerNow) -> bool {
    matches!(result, CallerNow::Known(ShownCertificates::Verified(_)))
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("now", &self.judged.load().result)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use hallpass_clock::Clock as _;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;
    use crate::settings::{ClientAuth, ServerTlsSettings};
    use crate::test_authority::{TestAuthority, TestCertificate};
    use crate::test_rig::Rig;

    const NAMES: [&str; 1] = ["a.example"];

    fn der(certificate: &TestCertificate) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(certificate.certificate_pem.as_bytes()).unwrap()
    }

    fn listener(rig: &Rig, client_auth: ClientAuth) -> ServerTls {
        let settings = ServerTlsSettings {
            client_auth,
            ..rig.server_settings()
        };
        ServerTls::load(&settings, rig.clock.clone(), &rig.metrics).unwrap()
    }

    fn caller(tls: &ServerTls, shown: &[CertificateDer<'static>]) -> Caller {
        Caller::new(tls, tls.listening(), Some(shown))
    }

    /// What is known of a caller with this certificate, and what is once something has happened.
    fn before_and_after(
        client_auth: impl Fn(std::path::PathBuf) -> ClientAuth,
        happens: impl Fn(&Rig, &ServerTls),
    ) -> [&'static str; 2] {
        let rig = Rig::new();
        let tls = listener(&rig, client_auth(rig.path("ca.crt")));
        let end = rig.clock.now() + Duration::from_secs(3_600);
        let own = der(&rig.authority.certificate_until(&NAMES, end));
        let caller = caller(&tls, &[own]);
        let known = || match caller.now() {
            CallerNow::Known(ShownCertificates::Verified(_)) => "verified",
            CallerNow::Known(ShownCertificates::Unverified(_)) => "unverified",
            CallerNow::Nobody => "nobody",
            CallerNow::Refused => "refused",
        };
        let before = known();
        happens(&rig, &tls);
        [before, known()]
    }

    fn need(ca_file: std::path::PathBuf) -> ClientAuth {
        ClientAuth::Need { ca_file }
    }

    fn want(ca_file: std::path::PathBuf) -> ClientAuth {
        ClientAuth::Want { ca_file }
    }

    fn any(ca_file: std::path::PathBuf) -> ClientAuth {
        let ca_file = Some(ca_file);
        ClientAuth::Any { ca_file }
    }

    #[test]
    fn a_certificate_that_ends_while_its_connection_holds_counts_no_more() {
        let last_second = |rig: &Rig, _: &ServerTls| rig.clock.advance(Duration::from_secs(3_599));
        let after = |rig: &Rig, _: &ServerTls| rig.clock.advance(Duration::from_secs(3_602));
        assert_eq!(before_and_after(need, last_second), ["verified"; 2]);
        assert_eq!(before_and_after(need, after), ["verified", "refused"]);
        assert_eq!(before_and_after(want, after), ["verified", "refused"]);
        assert_eq!(before_and_after(any, after), ["verified", "refused"]);
        // A clock that was ahead for a moment locks nobody out.
        let ahead = |rig: &Rig, tls: &ServerTls| {
            let now = rig.clock.now();
            let end = now + Duration::from_secs(3_600);
            let other = caller(tls, &[der(&rig.authority.certificate_until(&NAMES, end))]);
            rig.clock.set(end + Duration::from_secs(60));
            assert_eq!(other.now(), CallerNow::Refused);
            rig.clock.set(now);
            assert_ne!(other.now(), CallerNow::Refused);
        };
        assert_eq!(before_and_after(need, ahead), ["verified"; 2]);
    }

    #[test]
    fn an_authority_that_is_trusted_no_more_vouches_for_nobody_whose_connection_holds() {
        let removed = |rig: &Rig, tls: &ServerTls| {
            let other = TestAuthority::new("Another CA");
            std::fs::write(rig.path("ca.crt"), other.pem()).unwrap();
            tls.look();
        };
        assert_eq!(before_and_after(need, removed), ["verified", "refused"]);
        assert_eq!(before_and_after(want, removed), ["verified", "refused"]);
        assert_eq!(before_and_after(any, removed), ["verified", "refused"]);
        // One more, as while authorities are replaced, changes nothing for anybody.
        let added = |rig: &Rig, tls: &ServerTls| {
            let both = format!("{}{}", rig.authority.pem(), TestAuthority::new("b").pem());
            std::fs::write(rig.path("ca.crt"), both).unwrap();
            tls.look();
        };
        assert_eq!(before_and_after(need, added), ["verified"; 2]);
    }

    #[test]
    fn who_has_shown_nothing_is_refused_once_a_certificate_is_demanded() {
        let rig = Rig::new();
        let tls = listener(&rig, ClientAuth::None);
        let caller = Caller::new(&tls, tls.listening(), None);
        assert_eq!(caller.now(), CallerNow::Nobody);
        let demanding = ServerTlsSettings {
            client_auth: need(rig.path("ca.crt")),
            ..rig.server_settings()
        };
        tls.apply(&demanding).unwrap();
        assert_eq!(caller.now(), CallerNow::Refused);
    }
}
