//! What the section `feign` means once it is read.

use std::time::Duration;

use hallpass_client::RenewOn;
use hallpass_config::Loader;
use hallpass_feign::{FeignSettings, Identity, WhenAbsent};

fn everything() -> FeignSettings {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/feign.yaml");
    let loader = Loader::new("hallpass").file(path);
    loader.load().unwrap().into_settings()
}

#[test]
fn clients_of_the_call_layer_are_read_by_name() {
    let feign = everything();
    let logistics = feign.client("logistics-service");
    assert_eq!(logistics.identity, Some(Identity::Relay));
    assert_eq!(logistics.when_absent, Some(WhenAbsent::Fail));
    assert_eq!(logistics.deadline, Some(Duration::from_millis(800)));
    assert_eq!(logistics.breaker, feign.defaults.breaker);
    assert_eq!(feign.client("mail.sender").identity, Some(Identity::None));
    assert_eq!(feign.client("unknown"), &feign.defaults);
}

#[test]
fn what_is_preferred_and_left_out_is_said_for_all_or_for_one_client() {
    let yaml = "
hallpass:
  feign:
    defaults:
      balance: { zone-preference: false, slow-start-ms: 0 }
      eject: { consecutive-failures: 3 }
    clients:
      logistics-service:
        balance: { zone-spill-percent: 90 }
        eject: { base-ms: 10s, max-percent: 100 }
";
    let loader = Loader::new("hallpass").text("hallpass.yaml", yaml);
    let feign: FeignSettings = loader.load().unwrap().into_settings();
    let logistics = feign.client("logistics-service");
    assert!(!logistics.balance.zone_preference);
    assert_eq!(logistics.balance.zone_spill.get(), 90);
    assert_eq!(logistics.balance.slow_start, Duration::ZERO);
    assert_eq!(logistics.eject.consecutive_failures, 3);
    assert_eq!(logistics.eject.base, Duration::from_secs(10));
    assert_eq!(
        (logistics.eject.max.get(), feign.defaults.eject.max.get()),
        (100, 50)
    );
    let nothing: FeignSettings = Loader::new("hallpass").load().unwrap().into_settings();
    assert_eq!(nothing, FeignSettings::default());
}

#[test]
fn which_401_renews_the_token_is_inherited_like_every_other_key() {
    let yaml = "
hallpass:
  feign:
    defaults: { renew-on: any-401 }
    clients:
      logistics-service: { renew-on: invalid-token }
      system-service: { deadline-ms: 100 }
";
    let loader = Loader::new("hallpass").text("hallpass.yaml", yaml);
    let feign: FeignSettings = loader.load().unwrap().into_settings();
    assert_eq!(feign.client("unknown").renew_on, RenewOn::AnyUnauthorized);
    assert_eq!(
        feign.client("system-service").renew_on,
        RenewOn::AnyUnauthorized
    );
    assert_eq!(
        feign.client("logistics-service").renew_on,
        RenewOn::InvalidToken
    );
    assert_eq!(
        FeignSettings::default().defaults.renew_on,
        RenewOn::InvalidToken
    );
}
