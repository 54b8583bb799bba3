//! Whom outgoing connections trust.

use std::sync::Arc;

use crate::{ClientTls, ClientTlsSettings, KeyPairSettings, TlsError};

use crate::test_rig::Rig;

fn settings(rig: &Rig) -> ClientTlsSettings {
    ClientTlsSettings {
        system_roots: false,
        ca_file: Some(rig.path("ca.crt")),
        key_pair: Some(KeyPairSettings {
            certificate_file: rig.path("server.crt"),
            private_key_file: rig.path("server.key"),
        }),
    }
}

#[test]
fn authorities_and_certificate_are_replaced_when_their_files_change() {
    let rig = Rig::new();
    let tls = ClientTls::load(&settings(&rig), rig.clock.clone(), &rig.metrics).unwrap();
    let shown = rig.shown("tls_certificate_expiry_timestamp_seconds");
    assert!(shown[0].contains(r#"{used_for="client"}"#), "{shown:?}");
    assert!(
        shown[1].contains(r#"{used_for="server_authority"}"#),
        "{shown:?}"
    );
    let mut before = tls.config();
    for change in [Rig::renew as fn(&Rig), |rig| {
        let other = crate::TestAuthority::new("Another CA");
        rig.write("ca.crt", other.pem());
    }] {
        change(&rig);
        tls.look();
        assert!(!Arc::ptr_eq(&tls.config(), &before));
        before = tls.config();
    }
    rig.write("ca.crt", "");
    tls.look();
    assert!(Arc::ptr_eq(&tls.config(), &before));
}

#[test]
fn settings_that_cannot_be_used_are_refused_before_and_change_nothing() {
    let rig = Rig::new();
    let tls = ClientTls::load(&settings(&rig), rig.clock.clone(), &rig.metrics).unwrap();
    let before = tls.config();
    let missing = ClientTlsSettings {
        ca_file: Some(rig.path("other.crt")),
        ..settings(&rig)
    };
    assert!(matches!(tls.check(&missing), Err(TlsError::File { .. })));
    assert!(matches!(tls.apply(&missing), Err(TlsError::File { .. })));
    assert!(Arc::ptr_eq(&tls.config(), &before));
    // The files of before are still the ones that are followed.
    rig.renew();
    tls.look();
    assert!(!Arc::ptr_eq(&tls.config(), &before));
}

#[test]
fn a_bundle_is_trusted_beside_the_file_of_the_settings_and_followed_whatever_the_settings_become() {
    let rig = Rig::new();
    let other = crate::TestAuthority::new("Estate CA");
    rig.write("bundle.crt", other.pem());
    let tls = ClientTls::load(&settings(&rig), rig.clock.clone(), &rig.metrics).unwrap();
    let missing = tls.trust_bundle(&rig.path("no.crt"));
    assert!(matches!(missing, Err(TlsError::File { .. })));
    let before = tls.config();
    tls.trust_bundle(&rig.path("bundle.crt")).unwrap();
    assert!(!Arc::ptr_eq(&tls.config(), &before));
    let (both, by_file) = (tls.config(), settings(&rig));
    // What a reload does.
    tls.apply(&by_file).unwrap();
    assert!(Arc::ptr_eq(&tls.config(), &both));
    rig.write("bundle.crt", crate::TestAuthority::new("Next CA").pem());
    tls.look();
    assert!(!Arc::ptr_eq(&tls.config(), &both));
    rig.write("bundle.crt", "");
    assert!(matches!(tls.check(&by_file), Err(TlsError::Content { .. })));
}
