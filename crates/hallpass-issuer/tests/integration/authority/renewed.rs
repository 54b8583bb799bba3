//! A client shows its old certificate and gets a new one: its own, while that counts, of our authority, and of no other.

use std::time::Duration;

use hallpass_tls::KeyPairSettings;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use serde_json::Value;

use super::{ID, PATH, asked, form, order, registered, text};
use crate::harness::{SECRET, basic};
use crate::mutual_tls::{Asks, Estate};

/// An authority that the listener trusts too, as an estate has one of a partner, and which writes any name.
struct Partner(Issuer<'static, KeyPair>);

impl Partner {
    fn new() -> (Self, String) {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        (Self(Issuer::new(params, key)), pem)
    }

    fn forge(&self, id: &str) -> (String, String) {
        let mut params = CertificateParams::new(["order-service".to_owned()]).unwrap();
        let id = SanType::URI(id.try_into().unwrap());
        params.subject_alt_names.push(id);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &self.0).unwrap();
        (made.pem(), key.serialize_pem())
    }
}

async fn start() -> (Estate, Partner) {
    let (partner, pem) = Partner::new();
    let estate = Estate::with(Asks::AnyAndVerified, |settings, folder| {
        registered(settings);
        let mut other = order();
        other.client_id = "other".parse().unwrap();
        other.certificate.as_mut().unwrap().spiffe_id = "spiffe://shop.example/other".into();
        settings.clients.push(other);
        let trusted = folder.path().join("ca.crt");
        let both = std::fs::read_to_string(&trusted).unwrap() + &pem;
        std::fs::write(trusted, both).unwrap();
    })
    .await;
    (estate, partner)
}

fn written(estate: &Estate, name: &str, (certificate, key): (&str, &str)) -> KeyPairSettings {
    let folder = estate.folder.path();
    let pair = KeyPairSettings {
        certificate_file: folder.join(format!("{name}.crt")),
        private_key_file: folder.join(format!("{name}.key")),
    };
    std::fs::write(&pair.certificate_file, certificate).unwrap();
    std::fs::write(&pair.private_key_file, key).unwrap();
    pair
}

/// A certificate of `order`, by its secret.
async fn first(estate: &Estate, name: &str) -> KeyPairSettings {
    let (key, csr) = asked();
    let order = [basic("order", SECRET)];
    let given = estate.post_to(PATH, None, &order, &form(&csr)).await;
    assert_eq!(given.status, 200, "{given:?}");
    let given = given.json();
    let pair = (text(&given, "certificate_chain"), key.serialize_pem());
    written(estate, name, (pair.0, &pair.1))
}

async fn renew(estate: &Estate, id: &str, pair: &KeyPairSettings) -> Result<Value, u16> {
    let form = format!("{}&client_id={id}", form(&asked().1));
    let response = estate.post_to(PATH, Some(pair), &[], &form).await;
    match response.status {
        200 => Ok(response.json()),
        status => Err(status),
    }
}

#[tokio::test]
async fn an_old_certificate_renews_and_an_ended_one_does_not() {
    let (estate, _) = start().await;
    let old = first(&estate, "old").await;
    let renewed = renew(&estate, "order", &old).await.unwrap();
    assert_eq!(text(&renewed, "spiffe_id"), ID);
    let count = |result| super::counted(&estate.harness, result);
    assert_eq!((count("issued"), count("renewed")), (1, 1));
    estate.harness.clock.advance(Duration::from_secs(3_600));
    assert!(
        renew(&estate, "order", &old).await.is_ok(),
        "its last second"
    );
    estate.harness.clock.advance(Duration::from_secs(1));
    assert_eq!(renew(&estate, "order", &old).await, Err(401));
    assert_eq!(count("renewed"), 2);
}

#[tokio::test]
async fn a_certificate_renews_that_of_nobody_else() {
    let (estate, _) = start().await;
    let old = first(&estate, "old").await;
    for id in ["other", "c", "nobody"] {
        assert_eq!(renew(&estate, id, &old).await, Err(401), "{id}");
    }
    // Nor does it stand in for the proof that its client is registered with, where a token is asked for.
    let form = "grant_type=client_credentials&client_id=order";
    let response = estate.post_to("/oauth2/token", Some(&old), &[], form).await;
    assert_eq!(response.status, 401, "{response:?}");
}

#[tokio::test]
async fn a_foreign_authority_cannot_renew() {
    let (estate, partner) = start().await;
    let forged = partner.forge(ID);
    let forged = written(&estate, "forged", (&forged.0, &forged.1));
    assert_eq!(renew(&estate, "order", &forged).await, Err(401));
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([]).unwrap();
    let id = SanType::URI(ID.try_into().unwrap());
    params.subject_alt_names.push(id);
    let own = params.self_signed(&key).unwrap().pem();
    let own = written(&estate, "own", (&own, &key.serialize_pem()));
    assert_eq!(renew(&estate, "order", &own).await, Err(401));
}

#[tokio::test]
async fn a_client_that_is_registered_no_more_or_by_another_name_renews_nothing() {
    let (estate, _) = start().await;
    let old = first(&estate, "old").await;
    let mut settings = estate.harness.settings.clone();
    let names = |settings: &mut hallpass_issuer::IssuerSettings| {
        let client = settings
            .clients
            .iter_mut()
            .find(|it| it.client_id.as_str() == "order");
        client.unwrap().certificate.take().unwrap()
    };
    let mut certificate = names(&mut settings);
    estate.harness.issuer.apply(&settings).await.unwrap();
    assert_eq!(renew(&estate, "order", &old).await, Err(401));
    certificate.spiffe_id = "spiffe://shop.example/renamed".into();
    let place = settings
        .clients
        .iter_mut()
        .find(|it| it.client_id.as_str() == "order");
    place.unwrap().certificate = Some(certificate);
    estate.harness.issuer.apply(&settings).await.unwrap();
    assert_eq!(renew(&estate, "order", &old).await, Err(401));
}

#[tokio::test]
async fn a_certificate_of_a_retired_authority_renews_and_of_one_that_is_trusted_no_more_does_not() {
    let (estate, _) = start().await;
    let old = first(&estate, "old").await;
    let clock = super::clock(&estate.harness);
    let settings = &estate.harness.settings;
    hallpass_issuer::rotate_authority(settings, &clock, true)
        .await
        .unwrap();
    let retired = until(&estate, async |estate| {
        let state = "hallpass_ca_not_after_timestamp_seconds{state=\"retired\"}";
        (estate.harness.metric(state) > 0).then_some(())
    });
    retired.await;
    assert!(renew(&estate, "order", &old).await.is_ok());
    let report = hallpass_issuer::authority_report(settings, &clock).await;
    let report = report.unwrap();
    let retired = report.iter().find(|it| it.state.as_str() == "retired");
    let retired = retired.unwrap();
    hallpass_issuer::distrust_authority(settings, &clock, &retired.id)
        .await
        .unwrap();
    let refused = until(&estate, async |estate| {
        renew(estate, "order", &old).await.err()
    });
    assert_eq!(refused.await, 401);
}

async fn until<T>(estate: &Estate, look: impl AsyncFn(&Estate) -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(seen) = look(estate).await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), looking)
        .await
        .unwrap()
}
