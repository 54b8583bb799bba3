//! Files of certificates.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use hallpass::clock::{Clock as _, SystemClock};
use hallpass_tls::TestAuthority;

use super::rig::Estate;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn write_all(folder: &Path) {
    let now: SystemTime = SystemClock::new().now();
    let authority = TestAuthority::new("Private CA");
    fs::write(folder.join("ca.crt"), authority.pem()).unwrap();
    for (name, end) in [
        ("good", now + 100 * DAY),
        ("other", now + 100 * DAY),
        ("soon", now + 3 * DAY),
        ("over", now - DAY),
    ] {
        let certificate = authority.certificate_until(&[name], end);
        let _settings = certificate.write(folder, name);
    }
    fs::write(folder.join("empty.crt"), "").unwrap();
}

#[test]
fn certificates_that_have_ended_or_soon_will_and_files_that_do_not_fit_are_named() {
    let estate = Estate::start();
    write_all(estate.path());
    let listener = |tls: &str| {
        let section = format!("name: order-service, tls: {{ {tls} }}");
        estate.with("name: order-service", &section)
    };
    let pair = |certificate: &str, key: &str| {
        listener(&format!(
            "certificate-file: {certificate}.crt, private-key-file: {key}.key"
        ))
    };
    let good = pair("good", "good");
    estate.doctor(&good).is(0, &[]);
    for (yaml, code, expected) in [
        (
            pair("over", "over"),
            65,
            ("certificates", "failure", "over.crt: it has expired"),
        ),
        (
            pair("soon", "soon"),
            0,
            ("certificates", "warning", "soon.crt: good until"),
        ),
        (
            pair("good", "other"),
            65,
            ("certificates", "failure", "do not belong together"),
        ),
        (
            pair("absent", "good"),
            65,
            ("certificates", "failure", "absent.crt"),
        ),
        (
            pair("empty", "good"),
            65,
            ("certificates", "failure", "holds no certificate"),
        ),
        (
            listener(
                "certificate-file: good.crt, private-key-file: good.key, client-auth: need, client-ca-file: absent.crt",
            ),
            65,
            ("authorities", "failure", "absent.crt"),
        ),
    ] {
        let found = estate.doctor(&yaml);
        found.is(code, &[expected]);
    }
    // Nobody can be asked without it.
    let found = estate.doctor(&estate.and("tls: { ca-file: absent.crt }"));
    found.is(65, &[("authorities", "failure", "absent.crt")]);
    assert_eq!(found.outcome("credential"), "skipped", "{found}");
    assert_eq!(found.outcome("key-set"), "skipped", "{found}");
}
