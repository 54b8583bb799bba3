//! What a listener shows.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::{
    Caller, CallerNow, ClientAuth, ServerTls, ServerTlsSettings, ShownCertificates, TestAuthority,
    TestCertificate, TlsError,
};

use hallpass_clock::Clock as _;

use crate::test_rig::Rig;

#[test]
fn a_file_that_cannot_be_used_is_named_with_what_to_do_and_nothing_of_its_content() {
    let key = TestAuthority::new("Other")
        .certificate(&["b.example"])
        .private_key_pem;
    let certificate = TestAuthority::new("Other").pem().to_owned();
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let half = &key[..key.len() / 2];
    let cases: [(&str, &[u8], &str); 8] = [
        ("server.crt", b"", "server.crt: holds no certificate"),
        (
            "server.crt",
            key.as_bytes(),
            "server.crt: holds no certificate",
        ),
        (
            "server.crt",
            b"\x30\x82\x09\x0a",
            "server.crt: is a keystore",
        ),
        (
            "server.crt",
            &certificate.as_bytes()[..99],
            "server.crt: is not whole PEM",
        ),
        (
            "server.key",
            certificate.as_bytes(),
            "server.key: holds no private key",
        ),
        (
            "server.key",
            encrypted.as_bytes(),
            "server.key: holds an encrypted private key",
        ),
        (
            "server.key",
            half.as_bytes(),
            "server.key: is not whole PEM",
        ),
        (
            "server.key",
            key.as_bytes(),
            "server.key do not belong together",
        ),
    ];
    for (name, content, expected) in cases {
        let rig = Rig::new();
        rig.write(name, content);
        let error = rig.server().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        for line in key
            .lines()
            .chain(certificate.lines())
            .filter(|line| !line.starts_with("-----"))
        {
            assert!(!error.contains(line), "{error}");
        }
    }
}

#[test]
fn a_file_that_is_missing_or_cannot_be_read_is_named() {
    for name in ["server.crt", "server.key", "ca.crt"] {
        let rig = Rig::new();
        std::fs::remove_file(rig.path(name)).unwrap();
        let settings = ServerTlsSettings {
            client_auth: ClientAuth::Need {
                ca_file: rig.path("ca.crt"),
            },
            ..rig.server_settings()
        };
        let error = ServerTls::load(&settings, rig.clock.clone(), &rig.metrics);
        let error = error.unwrap_err();
        assert!(
            matches!(&error, TlsError::File { path, .. } if *path == rig.path(name)),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .contains("must be readable by the user that runs this process")
        );
    }
}

#[test]
fn a_pair_that_is_half_written_changes_nothing_until_it_is_whole() {
    let rig = Rig::new();
    let tls = rig.server().unwrap();
    let before = tls.config();
    let other = rig.authority.certificate(&["a.example"]);
    rig.write("server.crt", &other.certificate_pem);
    for _again in 0..3 {
        tls.look();
        assert!(Arc::ptr_eq(&tls.config(), &before));
    }
    // Each content counts once, however often it is looked at.
    let refused = r#"tls_reloads_total{used_for="server",result="refused"} 1"#;
    assert_eq!(rig.shown("tls_reloads_total"), [refused]);
    std::fs::remove_file(rig.path("server.key")).unwrap();
    tls.look();
    assert!(Arc::ptr_eq(&tls.config(), &before));
    rig.write("server.key", &other.private_key_pem);
    tls.look();
    assert!(!Arc::ptr_eq(&tls.config(), &before));
    let taken = r#"tls_reloads_total{used_for="server",result="taken"} 1"#;
    assert!(rig.shown("tls_reloads_total").contains(&taken.to_owned()));
}

#[test]
fn a_look_at_files_that_did_not_change_keeps_the_same_config() {
    let rig = Rig::new();
    let tls = rig.server().unwrap();
    let before = tls.config();
    tls.look();
    tls.apply(&rig.server_settings()).unwrap();
    assert!(Arc::ptr_eq(&tls.config(), &before));
    assert!(rig.shown("tls_reloads_total").is_empty());
}

#[tokio::test]
async fn files_that_change_are_taken_within_seconds_although_nobody_asks() {
    let rig = Rig::new();
    let tls = rig.server().unwrap();
    let before = tls.config();
    rig.renew();
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(!Arc::ptr_eq(&tls.config(), &before));
}

#[test]
fn files_are_followed_again_in_another_runtime_after_the_first_has_ended() {
    let rig = Rig::new();
    let tls = rig.server().unwrap();
    for _runtime in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let before = tls.config();
            rig.renew();
            tokio::time::sleep(Duration::from_secs(6)).await;
            assert!(!Arc::ptr_eq(&tls.config(), &before));
        });
    }
}

#[test]
fn an_expired_certificate_does_not_replace_a_valid_one_but_a_start_takes_it() {
    let rig = Rig::new();
    rig.renew_until(rig.in_days(10));
    let tls = rig.server().unwrap();
    let before = tls.config();
    rig.clock.advance(Duration::from_secs(2 * 86_400));
    rig.renew_until(rig.in_days(0) - Duration::from_secs(86_400));
    tls.look();
    assert!(Arc::ptr_eq(&tls.config(), &before));
    let expired = TlsError::Expired {
        path: rig.path("server.crt"),
    };
    // An operator who asks for it is told.
    let other = ServerTlsSettings {
        client_auth: ClientAuth::Want {
            ca_file: rig.path("ca.crt"),
        },
        ..rig.server_settings()
    };
    assert_eq!(tls.apply(&other), Err(expired));
    assert!(rig.server().is_ok(), "a process must come up, to be mended");
}

#[test]
fn a_certificate_that_is_not_valid_yet_replaces_a_valid_one_when_it_is() {
    let rig = Rig::new();
    let tls = rig.server().unwrap();
    let before = tls.config();
    let begins = rig.in_days(0) + Duration::from_secs(40);
    let early = rig
        .authority
        .certificate_between(&["a.example"], begins, rig.in_days(90));
    let _settings = early.write(rig.folder.path(), "server");
    for _ in 0..2 {
        tls.look();
        assert!(Arc::ptr_eq(&tls.config(), &before));
    }
    let refused = "tls_reloads_total{used_for=\"server\",result=\"refused\"} 1";
    assert_eq!(rig.shown("tls_reloads_total"), [refused]);
    rig.clock.advance(Duration::from_secs(41));
    tls.look();
    assert!(
        !Arc::ptr_eq(&tls.config(), &before),
        "the files are as they were"
    );
    assert_eq!(rig.shown("tls_reloads_total").len(), 2);
}

#[test]
fn a_certificate_that_is_not_valid_yet_replaces_one_that_has_ended() {
    let rig = Rig::new();
    rig.renew_until(rig.in_days(1));
    let tls = rig.server().unwrap();
    let before = tls.config();
    rig.clock.advance(Duration::from_secs(2 * 86_400));
    let early = rig
        .authority
        .certificate_between(&["a.example"], rig.in_days(1), rig.in_days(90));
    let _settings = early.write(rig.folder.path(), "server");
    tls.look();
    assert!(
        !Arc::ptr_eq(&tls.config(), &before),
        "the clock here may be the one that is wrong"
    );
    assert!(rig.server().is_ok(), "a process must come up, to be mended");
}

#[test]
fn an_old_authority_in_the_file_does_not_keep_a_renewed_certificate_out() {
    let rig = Rig::new();
    let tls = rig.server().unwrap();
    let before = tls.config();
    rig.clock.advance(Duration::from_secs(2 * 86_400));
    rig.renew();
    let renewed = std::fs::read_to_string(rig.path("server.crt")).unwrap();
    let ended = rig.in_days(0) - Duration::from_secs(86_400);
    let old = rig.authority.certificate_until(&["Old CA"], ended);
    rig.write("server.crt", renewed + &old.certificate_pem);
    tls.look();
    assert!(!Arc::ptr_eq(&tls.config(), &before));
}

#[test]
fn the_end_of_each_certificate_is_a_metric_that_follows_the_files() {
    let rig = Rig::new();
    let first = rig.in_days(10);
    rig.renew_until(first);
    let with_authority = ServerTlsSettings {
        client_auth: ClientAuth::Need {
            ca_file: rig.path("ca.crt"),
        },
        ..rig.server_settings()
    };
    let tls = ServerTls::load(&with_authority, rig.clock.clone(), &rig.metrics);
    let tls = tls.unwrap();
    let shown = rig.shown("tls_certificate_expiry_timestamp_seconds");
    let line = |at: std::time::SystemTime| {
        let seconds = at.duration_since(UNIX_EPOCH).unwrap().as_secs();
        format!(r#"tls_certificate_expiry_timestamp_seconds{{used_for="server"}} {seconds}"#)
    };
    assert_eq!(shown.len(), 2);
    assert!(
        shown[0].contains(r#"used_for="client_authority""#),
        "{shown:?}"
    );
    assert_eq!(shown[1], line(first));
    let second = rig.in_days(90);
    rig.renew_until(second);
    tls.apply(&rig.server_settings()).unwrap();
    let shown = rig.shown("tls_certificate_expiry_timestamp_seconds");
    assert_eq!(shown, [line(second)]);
}

#[test]
fn no_debug_text_shows_a_key() {
    let rig = Rig::new();
    let shown = format!("{:?} {:?}", rig.server().unwrap(), rig.server_settings());
    let key = std::fs::read_to_string(rig.path("server.key")).unwrap();
    assert!(!shown.contains(key.lines().nth(1).unwrap()));
}

fn der(certificate: &TestCertificate) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(certificate.certificate_pem.as_bytes()).unwrap()
}

#[test]
fn a_certificate_counts_as_verified_when_a_trusted_authority_has_made_it_and_never_else() {
    let rig = Rig::new();
    let ca_file = rig.path("ca.crt");
    let names = ["a.example"];
    let own = der(&rig.authority.certificate(&names));
    let expired = rig.clock.now() - Duration::from_secs(1);
    let old = der(&rig.authority.certificate_until(&names, expired));
    let namesake = TestAuthority::new("Test CA");
    let stranger = der(&namesake.certificate(&names));
    let alone = der(&TestCertificate::self_signed(&names));
    let know = |client_auth: ClientAuth, shown: &[CertificateDer<'static>]| {
        let settings = ServerTlsSettings {
            client_auth,
            ..rig.server_settings()
        };
        let tls = ServerTls::load(&settings, rig.clock.clone(), &rig.metrics).unwrap();
        match Caller::new(&tls, tls.listening(), Some(shown)).now() {
            CallerNow::Nobody => "nothing",
            CallerNow::Refused => "refused",
            CallerNow::Known(ShownCertificates::Verified(shown)) => {
                assert_eq!(
                    shown.sha256(),
                    crate::PeerCertificates::new(Some(std::slice::from_ref(&own)))
                        .unwrap()
                        .sha256()
                );
                "verified"
            }
            CallerNow::Known(ShownCertificates::Unverified(_)) => "unverified",
        }
    };
    let any = |ca_file: Option<_>| ClientAuth::Any { ca_file };
    let trusted = || any(Some(ca_file.clone()));
    assert_eq!(know(trusted(), std::slice::from_ref(&own)), "verified");
    assert_eq!(know(any(None), std::slice::from_ref(&own)), "unverified");
    assert_eq!(
        know(ClientAuth::None, std::slice::from_ref(&own)),
        "nothing"
    );
    assert_eq!(know(trusted(), &[]), "nothing");
    for unverified in [&old, &stranger, &alone] {
        assert_eq!(
            know(trusted(), std::slice::from_ref(unverified)),
            "unverified"
        );
        // What stands behind the own certificate makes nobody of it.
        let chain = [unverified.clone(), own.clone()];
        assert_eq!(know(trusted(), &chain), "unverified");
    }
}

#[test]
fn what_an_authority_has_made_counts_for_what_it_was_made_for_and_when() {
    use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose as Usage, IsCa};
    let rig = Rig::new();
    let pair = || rcgen::KeyPair::generate().unwrap();
    let params = |usages: &[Usage]| {
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.extended_key_usages = usages.to_vec();
        params.not_before = rcgen::date_time_ymd(1970, 1, 2);
        params
    };
    let mut of_authority = params(&[]);
    of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = pair();
    let pem = of_authority.self_signed(&key).unwrap().pem();
    let authority = rcgen::Issuer::new(of_authority, key);
    std::fs::write(rig.path("made.crt"), pem).unwrap();
    let settings = ServerTlsSettings {
        client_auth: ClientAuth::Any {
            ca_file: Some(rig.path("made.crt")),
        },
        ..rig.server_settings()
    };
    let tls = ServerTls::load(&settings, rig.clock.clone(), &rig.metrics).unwrap();
    let is_verified = |chain: &[CertificateDer<'static>]| {
        let known = Caller::new(&tls, tls.listening(), Some(chain)).now();
        matches!(known, CallerNow::Known(ShownCertificates::Verified(_)))
    };
    let made = |params: CertificateParams, by: &rcgen::Issuer<'_, rcgen::KeyPair>| {
        params.signed_by(&pair(), by).unwrap().der().clone()
    };
    let mut later = params(&[Usage::ClientAuth]);
    (later.not_before, later.not_after) = (
        rcgen::date_time_ymd(2100, 1, 1),
        rcgen::date_time_ymd(2101, 1, 1),
    );
    let mut an_authority = params(&[]);
    an_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for (params, expected, what) in [
        (params(&[Usage::ClientAuth]), true, "for clients"),
        (params(&[]), true, "for anything"),
        (params(&[Usage::ServerAuth]), false, "for servers alone"),
        (later, false, "not yet"),
        (an_authority, false, "for making others"),
    ] {
        assert_eq!(is_verified(&[made(params, &authority)]), expected, "{what}");
    }
    // Who was given one makes no further ones.
    let (own, key) = (params(&[Usage::ClientAuth]), pair());
    let given = own.signed_by(&key, &authority).unwrap().der().clone();
    let made_by_it = made(params(&[Usage::ClientAuth]), &rcgen::Issuer::new(own, key));
    assert!(is_verified(std::slice::from_ref(&given)));
    assert!(!is_verified(&[made_by_it, given]));
}
