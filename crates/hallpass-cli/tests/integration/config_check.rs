//! `hallpass config check`

use crate::process::{Keys, command, run};
use hallpass::token::Algorithm;

/// The estate's own file, as it stands.
const SEED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../examples/shop/config/internal-token.yaml"
);

#[test]
fn the_estates_file_is_accepted_as_it_stands_and_its_secret_is_hidden() {
    for arguments in [
        &["config", "check", SEED][..],
        &["config", "check", SEED, "--config-prefix", "scccy"],
    ] {
        let outcome = run(arguments);
        assert_eq!(
            (outcome.code, outcome.stderr.as_str()),
            (0, ""),
            "{outcome:?}"
        );
        assert!(
            outcome.stdout.contains("internal-service-client"),
            "{outcome:?}"
        );
        assert!(
            outcome.stdout.contains("lb://service-auth/oauth2/token"),
            "{outcome:?}"
        );
        assert!(
            !outcome.stdout.contains("InternalSecret123!"),
            "{outcome:?}"
        );
        assert!(outcome.stdout.contains("***"), "{outcome:?}");
    }
}

/// What a service of the shop reads, in its order.
fn of_order_service() -> [String; 3] {
    ["internal-token", "shop", "order-service"].map(|name| SEED.replace("internal-token", name))
}

#[test]
fn files_that_a_service_reads_together_are_checked_together() {
    let files = of_order_service();
    let files = files.each_ref().map(String::as_str);
    let check = |files: &[&str]| {
        let mut command = command(&[&["config", "check"], files].concat());
        // The shop's program gives each service its name.
        command
            .env("SCCCY_SERVICE_NAME", "order-service")
            .output()
            .unwrap()
    };
    let together = check(&files);
    assert!(
        together.status.success() && together.stderr.is_empty(),
        "{together:?}"
    );
    let shown = String::from_utf8(together.stdout).unwrap();
    for file in ["internal-token.yaml:", "shop.yaml:", "order-service.yaml:"] {
        assert!(shown.contains(file), "{file}: {shown}");
    }
    let alone = check(&files[2..]);
    assert_eq!(alone.status.code(), Some(64), "{alone:?}");
}

#[test]
fn a_later_file_wins_and_all_have_the_same_key_at_their_top() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let first = write(
        "first.yaml",
        "hallpass:\n  security:\n    internal-jwt:\n      leeway-seconds: 4\n",
    );
    let later = write(
        "later.yaml",
        "hallpass:\n  security:\n    internal-jwt:\n      leeway-seconds: 7\n",
    );
    let other = write(
        "other.yaml",
        "scccy:\n  security:\n    internal-jwt:\n      leeway-seconds: 5\n",
    );
    let mistyped = write(
        "mistyped.yaml",
        "halpass:\n  security:\n    internal-jwt:\n      leeway-seconds: 5\n",
    );
    let both = run(&["config", "check", &first, &later]);
    assert!(both.stdout.contains("leeway-seconds: 7"), "{both:?}");
    for (file, problem) in [
        (
            &other,
            "other.yaml:1:1: scccy: would have no effect: this program reads `hallpass`",
        ),
        (
            &mistyped,
            "mistyped.yaml: has neither `hallpass` nor `scccy` at its top",
        ),
    ] {
        let outcome = run(&["config", "check", &first, file]);
        assert_eq!(outcome.code, 64, "{outcome:?}");
        assert!(outcome.stderr.contains(problem), "{outcome:?}");
    }
}

#[test]
fn the_environment_wins_and_the_origin_is_shown() {
    let mut command = command(&["config", "check", SEED]);
    let output = command
        .env("SCCCY_INTERNALTOKEN_SCOPE", "from-environment")
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let line = shown
        .lines()
        .find(|line| line.contains("from-environment"))
        .unwrap();
    assert!(line.contains("SCCCY_INTERNALTOKEN_SCOPE"), "{line}");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf_8_is_a_problem_and_leaves_nothing_to_the_default() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let value = OsStr::from_bytes(b"st\xe9.db");
    for (name, yaml) in [
        ("HALLPASS_ISSUER_STORE", "hallpass: { issuer: { } }"),
        ("STORE", "hallpass: { issuer: { store: '${STORE:a.db}' } }"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("issuer.yaml");
        std::fs::write(&file, yaml).unwrap();
        let mut command = command(&["config", "check", file.to_str().unwrap()]);
        let output = command.env(name, value).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{name}: {said}");
        assert!(said.contains("is not UTF-8 text"), "{name}: {said}");
    }
}

#[test]
fn a_file_without_a_known_key_at_its_top_is_a_problem_and_not_checked_in_silence() {
    let files = Keys::new(Algorithm::EdDsa);
    let path = files.beside("typo.yaml", b"sccy:\n  internal-token:\n    client-id: a\n");
    let outcome = run(&["config", "check", &path]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (64, ""));
    assert!(outcome.stderr.contains("--config-prefix"), "{outcome:?}");
    let outcome = run(&["config", "check", &path, "--config-prefix", "sccy"]);
    assert_eq!(outcome.code, 64, "{outcome:?}");
    assert!(outcome.stderr.contains("client-secret"), "{outcome:?}");
}

#[test]
fn all_problems_are_told_at_once_without_the_secret_and_exit_64() {
    let files = Keys::new(Algorithm::EdDsa);
    let yaml = "scccy:\n  internal-token:\n    client-id: a\n    client-secret: Sehr_Geheim\n    \
                clinet-secret: Sehr_Geheim\n    token-url: http://issuer.example/token\n    \
                cache-expire-seconds: soon\n";
    let file = files.beside("bad.yaml", yaml.as_bytes());
    let outcome = run(&["config", "check", &file]);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (64, ""),
        "{outcome:?}"
    );
    for expected in [
        "clinet-secret",
        "client-secret",
        "token-url",
        "cache-expire-seconds",
        ":7:",
    ] {
        assert!(outcome.stderr.contains(expected), "{expected}: {outcome:?}");
    }
    assert!(!outcome.stderr.contains("Sehr_Geheim"), "{outcome:?}");
}

#[test]
fn what_is_no_configuration_exits_64() {
    let files = Keys::new(Algorithm::EdDsa);
    let binary = files.beside("binary.yaml", b"\xff\xfe\x00");
    let broken = files.beside("broken.yaml", b"a: [1\n");
    for file in ["/no/such/file", &binary, &broken, "/"] {
        let outcome = run(&["config", "check", file]);
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (64, ""),
            "{file} {outcome:?}"
        );
        assert!(!outcome.stderr.is_empty());
    }
}

#[test]
fn the_section_of_the_issuer_is_checked_with_the_others() {
    let files = Keys::new(Algorithm::EdDsa);
    let yaml =
        b"hallpass:\n  service: { name: a/b }\n  issuer: { listen: nowhere, algoritm: ES256 }\n";
    let path = files.beside("both.yaml", yaml);
    let outcome = run(&["config", "check", &path]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (64, ""));
    for key in ["service.name", "issuer.listen", "issuer.algoritm"] {
        assert!(outcome.stderr.contains(key), "{outcome:?}");
    }
}

#[test]
fn what_has_no_effect_is_a_warning_and_what_is_not_read_is_explained_on_demand() {
    let files = Keys::new(Algorithm::EdDsa);
    let yaml = b"scccy:\n  service.name: a\n  redis-cache: { host: x }\n---\n\
                 spring.config.activate.on-profile: dev\nscccy.security.permit-all: true\n";
    let path = files.beside("estate.yaml", yaml);
    let check = |arguments: &[&str]| {
        let mut command = command(&[&["config", "check", &path], arguments].concat());
        command.env("SCCCY_SERVICE_NAMES", "x").output().unwrap()
    };
    let said = |arguments: &[&str]| String::from_utf8(check(arguments).stderr).unwrap();
    let warning = "hallpass: warning: environment SCCCY_SERVICE_NAMES: names no key and has no effect; \
                   did you mean SCCCY_SERVICE_NAME?\n";
    assert_eq!(said(&[]), warning);
    let shown = String::from_utf8(check(&[]).stdout).unwrap();
    assert!(shown.contains("permit-all: false"), "{shown}");
    let explained = said(&["--explain"]);
    assert!(explained.starts_with(warning));
    assert!(
        explained.contains("estate.yaml:3: scccy.redis-cache: is not a key of Hallpass"),
        "{explained}"
    );
    assert!(
        explained.contains(": scccy: stands in a document for another profile or platform"),
        "{explained}"
    );
}

#[test]
fn a_configuration_that_comes_through_a_pipe_is_read_once_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let writer = pipe.clone();
    std::thread::spawn(move || std::fs::write(writer, "hallpass: { service: { name: orders } }"));
    let checked = run(&[
        "config",
        "check",
        pipe.to_str().unwrap(),
        "--config-prefix",
        "hallpass",
    ]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    assert!(
        checked.stdout.contains("name: orders"),
        "{}",
        checked.stdout
    );
}

#[test]
fn two_listeners_of_one_program_at_one_address_are_a_problem_that_names_both() {
    let files = Keys::new(Algorithm::EdDsa);
    let check = |text: &str| {
        let file = files.beside("listeners.yaml", text.as_bytes());
        run(&["config", "check", &file])
    };
    let gateway = "hallpass:\n  gateway: { listen: ['ONE'], management: { listen: 'OTHER' } }\n";
    let gateway = |one: &str, other: &str| gateway.replace("ONE", one).replace("OTHER", other);
    for (one, other) in [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("0.0.0.0:8080", "127.0.0.1:8080"),
        ("[::1]:8080", "[::]:8080"),
        ("[::]:8080", "0.0.0.0:8080"),
        ("127.0.0.1:8080", "[::]:8080"),
        ("[::ffff:127.0.0.1]:8080", "127.0.0.1:8080"),
    ] {
        let said = check(&gateway(one, other));
        assert_eq!(said.code, 64, "{one} {other}: {said:?}");
        let part = format!(
            "listeners.yaml:2:{}: hallpass.gateway.management.listen: wants the port that `gateway.listen` has",
            50 + one.len()
        );
        assert!(said.stderr.contains(&part), "{part}: {said:?}");
    }
    for (one, other) in [
        ("127.0.0.1:8080", "127.0.0.1:8081"),
        ("127.0.0.1:8080", "127.0.0.2:8080"),
        ("0.0.0.0:8080", "[::1]:8080"),
        ("127.0.0.1:0", "127.0.0.1:0"),
    ] {
        let said = check(&gateway(one, other));
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{one} {other}");
    }
    // Others that no key is written for, and those of a list.
    let sidecar = "hallpass: { sidecar: { outbound: { listen: '127.0.0.1:15001', services: [
        { name: a, identity: none, listen: '127.0.0.1:15002' }, { name: b, identity: none, listen: '127.0.0.1:15001' }] } } }";
    let said = check(sidecar);
    let part = "hallpass.sidecar.outbound.services[1].listen: wants the port that `sidecar.outbound.listen` has";
    assert!(said.code == 64 && said.stderr.contains(part), "{said:?}");
    let list = "hallpass: { gateway: { listen: ['127.0.0.1:1', '[::]:1', '127.0.0.1:9901'] } }";
    let said = check(list);
    for part in [
        "hallpass.gateway.listen: wants the port that `gateway.listen[0]` has",
        "hallpass.gateway.management.listen: wants the port that `gateway.listen[2]` has",
    ] {
        assert!(said.code == 64 && said.stderr.contains(part), "{said:?}");
    }
}

#[test]
fn two_programs_of_one_file_at_one_address_are_a_warning() {
    let files = Keys::new(Algorithm::EdDsa);
    let text = "hallpass: { service: { name: a, listen: '0.0.0.0:9000' }, issuer: { listen: '127.0.0.1:9000' } }";
    let file = files.beside("both.yaml", text.as_bytes());
    let said = run(&["config", "check", &file]);
    assert!(
        said.code == 0 && said.stderr.contains("warning: "),
        "{said:?}"
    );
    let part = "hallpass.issuer.listen: wants the port that `service.listen` has";
    assert!(said.stderr.contains(part), "{said:?}");
}
