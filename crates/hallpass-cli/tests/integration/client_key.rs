//! `hallpass client key`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use hallpass::token::{AssertionSigner, JwkSet};

use crate::process::run;

#[test]
fn a_new_private_key_is_for_its_owner_alone_and_only_the_public_one_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    for (algorithm, named) in [("ES256", None), ("EdDSA", Some("2026-11")), ("RS256", None)] {
        let path = folder.path().join(format!("{algorithm}.pem"));
        let file = path.to_str().unwrap();
        let mut arguments = vec!["client", "key", "--private-key-file", file];
        arguments.extend(["--algorithm", algorithm]);
        if let Some(name) = named {
            arguments.extend(["--key-id", name]);
        }
        let made = run(&arguments);
        assert_eq!((made.code, made.stderr.as_str()), (0, ""), "{algorithm}");
        let pem = fs::read_to_string(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let shown = JwkSet::parse(made.stdout.as_bytes()).unwrap();
        let signer = AssertionSigner::from_pem(&pem).unwrap();
        let signer = match named {
            Some(name) => signer.with_key_id(name.parse().unwrap()),
            None => signer,
        };
        assert_eq!(shown, JwkSet::new([signer.public_jwk()]));
        assert!(!made.stdout.contains("\"d\""), "{}", made.stdout);
        // A second time nothing is overwritten.
        let again = run(&arguments);
        assert_eq!(again.code, 1, "{again:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), pem);
        let mut existing = vec!["client", "key", "--private-key-file", file, "--existing"];
        if let Some(name) = named {
            existing.extend(["--key-id", name]);
        }
        assert_eq!(run(&existing).stdout, made.stdout);
    }
    let missing = run(&[
        "client",
        "key",
        "--private-key-file",
        "absent.pem",
        "--existing",
    ]);
    assert_eq!(missing.code, 64, "{missing:?}");
    let verified_only = folder.path().join("no.pem");
    let file = verified_only.to_str().unwrap();
    let refused = run(&[
        "client",
        "key",
        "--private-key-file",
        file,
        "--algorithm",
        "PS256",
    ]);
    assert_eq!(refused.code, 64, "{refused:?}");
    assert!(!verified_only.exists());
}
