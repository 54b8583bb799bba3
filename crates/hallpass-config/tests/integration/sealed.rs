//! Secrets that stand sealed in the configuration.

use std::path::Path;

use hallpass_config::{Loader, WatchedLoader};
use hallpass_token::ValueSealer;
use tempfile::TempDir;

use crate::{Settings, TOKEN, lines, loader};

/// The place of the secret in [`TOKEN`].
const PLACE: &str = "internal-token.client-secret";
const SECRET: &str = "InternalSecret123!";
const KEY: &str = "the-key-of-this-year-0123456789abcdef";
const OLD_KEY: &str = "the-key-of-last-year-0123456789abcdef";

fn sealed_by(key: &str, secret: &str, place: &str) -> String {
    let sealer = ValueSealer::new(key).unwrap();
    sealer.seal(secret, place).unwrap().to_string()
}

fn sealed(place: &str) -> String {
    sealed_by(KEY, SECRET, place)
}

/// A folder with both keys.
fn keys() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), format!("{KEY}\n")).unwrap();
    std::fs::write(folder.path().join("old-key"), OLD_KEY).unwrap();
    folder
}

/// A section with this secret.
fn with_secret(secret: &str) -> String {
    TOKEN.replace("s3cret", secret)
}

/// A loader that knows the newer key.
fn knowing(folder: &Path, text: &str) -> Loader {
    let file = folder.join("key").display().to_string();
    loader(text).environment([("HALLPASS_SEALING_KEY_FILE", file)])
}

fn secret_of(loader: &Loader) -> String {
    let loaded = loader.load::<Settings>().unwrap();
    assert!(!loaded.effective().contains(SECRET));
    let token = loaded.into_settings().internal_token.unwrap();
    token.credential.client_secret.expose().to_owned()
}

fn refused(loader: &Loader) -> Vec<String> {
    let problems = loader.load::<Settings>().unwrap_err();
    let shown = format!("{problems} {problems:?}");
    assert!(!shown.contains(SECRET) && !shown.contains("$AQ"), "{shown}");
    lines(&problems)
}

#[test]
fn a_sealed_secret_is_opened_wherever_it_stands() {
    let folder = keys();
    let folder = folder.path();
    let text = sealed(PLACE);
    assert_eq!(secret_of(&knowing(folder, &with_secret(&text))), SECRET);
    // In the environment, in a flag, by a placeholder of each kind.
    let plain = knowing(folder, TOKEN);
    let variable = [("HALLPASS_INTERNAL_TOKEN_CLIENT_SECRET", text.as_str())];
    assert_eq!(secret_of(&plain.clone().environment(variable)), SECRET);
    assert_eq!(secret_of(&plain.flag(PLACE, text.as_str())), SECRET);
    let by_variable = knowing(folder, &with_secret("${SECRET}"));
    let variable = [("SECRET", text.as_str())];
    assert_eq!(secret_of(&by_variable.environment(variable)), SECRET);
    let by_key = format!(
        "{}estate: {{ key: {text} }}\n",
        with_secret("${estate.key}")
    );
    assert_eq!(secret_of(&knowing(folder, &by_key)), SECRET);
    // Under another prefix.
    let scccy = with_secret(&text).replace("hallpass:", "scccy:");
    let file = folder.join("key").display().to_string();
    let loader = Loader::new("scccy").text("test.yaml", scccy);
    let loader = loader.environment([("SCCCY_SEALING_KEY_FILE", file)]);
    assert_eq!(secret_of(&loader), SECRET);
}

#[test]
fn the_key_may_be_named_in_a_file_that_stands_beside_it() {
    let folder = keys();
    let yaml = folder.path().join("service.yaml");
    let text = with_secret(&sealed(PLACE));
    std::fs::write(&yaml, format!("{text}  sealing: {{ keyFile: key }}\n")).unwrap();
    let loader = Loader::new("hallpass").file(&yaml);
    assert_eq!(secret_of(&loader), SECRET);
}

#[test]
fn a_secret_that_was_moved_to_another_place_is_refused() {
    let folder = keys();
    let refused = refused(&knowing(
        folder.path(),
        &with_secret(&sealed("redis.password")),
    ));
    assert_eq!(
        refused,
        [
            "4:20: internal-token.client-secret: does not open: it was sealed for another place, or was altered; seal the \
             secret for `internal-token.client-secret`"
        ]
    );
}

#[test]
fn an_entry_of_a_list_has_a_place_by_its_name_and_not_by_its_number() {
    let folder = keys();
    let token = sealed(PLACE);
    let billing = sealed("internal-token.clients[billing].client-secret");
    let entry =
        |name: &str| format!("{{ name: {name}, audience: {name}, client-secret: {billing} }}");
    let with = |entries: &[&str]| {
        let entries = entries.join(", ");
        let text = format!("{}    clients: [{entries}]\n", with_secret(&token));
        knowing(folder.path(), &text)
    };
    let other = "{ name: other, audience: o }";
    for entries in [[other, &entry("billing")], [&entry("billing"), other]] {
        let token = with(&entries).load::<Settings>().unwrap().into_settings();
        let clients = token.internal_token.unwrap().clients;
        for client in clients {
            assert_eq!(
                client.credential.client_secret.expose(),
                SECRET,
                "{}",
                client.name
            );
        }
    }
    let moved = refused(&with(&[&entry("shipping")]));
    assert!(
        moved[0].ends_with("seal the secret for `internal-token.clients[shipping].client-secret`"),
        "{moved:?}"
    );
}

#[test]
fn what_cannot_be_opened_says_what_is_missing() {
    let folder = keys();
    let folder = folder.path();
    let id = ValueSealer::new(KEY).unwrap().key_id().to_owned();
    let old = ValueSealer::new(OLD_KEY).unwrap().key_id().to_owned();
    let at = "4:20: internal-token.client-secret: ";
    assert_eq!(
        refused(&loader(&with_secret(&sealed(PLACE)))),
        [format!(
            "{at}is sealed with the key {id}, and there is none: name its file with `sealing.key-file`"
        )]
    );
    assert_eq!(
        refused(&knowing(
            folder,
            &with_secret(&sealed_by(OLD_KEY, SECRET, PLACE))
        )),
        [format!(
            "{at}is sealed with the key {old}, which is in no file of `sealing` ({id} is)"
        )]
    );
    let half = sealed(PLACE).split_at(20).0.to_owned() + "=";
    assert_eq!(
        refused(&knowing(folder, &with_secret(&half))),
        [format!(
            "{at}is no whole sealed value: `$sealed$`, the id of a key, `$` and base64; `hallpass client hash --seal` makes one"
        )]
    );
    let nothing = sealed_by(KEY, "", PLACE);
    assert_eq!(
        refused(&knowing(folder, &with_secret(&nothing))),
        [format!("{at}is sealed and has nothing in it")]
    );
    // One problem, not two.
    for (content, message) in [
        (
            "short",
            "the key material has 5 bytes and needs at least 32",
        ),
        ("", "the file is empty"),
    ] {
        std::fs::write(folder.join("key"), content).unwrap();
        let refused = refused(&knowing(folder, &with_secret(&sealed(PLACE))));
        let [problem] = &refused[..] else {
            panic!("{refused:?}")
        };
        assert!(
            problem.ends_with(&format!("sealing.key-file: {message}")),
            "{problem}"
        );
    }
}

#[test]
fn only_a_secret_can_be_sealed_and_none_in_a_file_of_its_own() {
    let folder = keys();
    let id = TOKEN.replace("caller", &sealed("internal-token.client-id"));
    assert_eq!(
        refused(&knowing(folder.path(), &id)),
        ["3:16: internal-token.client-id: is sealed, which only secrets can be"]
    );
    let list = format!("{TOKEN}    feign: {{ skip-clients: [{}] }}\n", sealed("x"));
    assert_eq!(refused(&knowing(folder.path(), &list)).len(), 1);
    let file = folder.path().join("secret");
    std::fs::write(&file, sealed(PLACE)).unwrap();
    let text = TOKEN.replace("client-secret: s3cret", "client-secret-file: FILE");
    let text = text.replace("FILE", &file.display().to_string());
    assert_eq!(
        refused(&knowing(folder.path(), &text)),
        [
            "4:25: internal-token.client-secret-file: the secret in it is sealed: a sealed one stands in the configuration itself"
        ]
    );
}

#[test]
fn what_other_programs_encrypt_is_refused_and_says_what_to_do() {
    for (text, whose) in [
        ("'{cipher}AQATuN2h'", "Spring Cloud Config"),
        ("ENC(G6N718UuyPE5bHyWKyuLQSm02auQPUtm)", "Jasypt"),
    ] {
        let refused = refused(&loader(&with_secret(text)));
        assert!(
            refused[0].contains(whose) && refused[0].contains("hallpass client hash --seal"),
            "{refused:?}"
        );
    }
    // What only looks a little like it is a secret like any other.
    assert_eq!(secret_of(&loader(&with_secret("ENCORE(1)"))), "ENCORE(1)");
}

#[test]
fn keys_change_without_a_moment_at_which_a_secret_does_not_open() {
    let folder = keys();
    let path = |name: &str| folder.path().join(name);
    let before = with_secret(&sealed_by(OLD_KEY, SECRET, PLACE));
    let after = with_secret(&sealed(PLACE));
    let knows = "  sealing: { key-file: current, previous-key-file: previous }\n";
    for text in [before, after] {
        std::fs::write(path("current"), KEY).unwrap();
        std::fs::write(path("previous"), OLD_KEY).unwrap();
        std::fs::write(path("service.yaml"), format!("{text}{knows}")).unwrap();
        let mut watched = WatchedLoader::new(Loader::new("hallpass").file(path("service.yaml")));
        let loaded = watched.load::<Settings>().unwrap().into_settings();
        let token = loaded.internal_token.unwrap();
        assert_eq!(token.credential.client_secret.expose(), SECRET);
        // The files of the keys are followed as well.
        assert!(!watched.has_changed());
        std::fs::write(path("previous"), KEY).unwrap();
        assert!(watched.has_changed());
    }
}
