//! A secret is in no message, wherever it was put.

use std::path::Path;

use hallpass_config::{Configuration, Key, Kind, Loader, Section};
use proptest::prelude::*;

use crate::{Settings, TOKEN, lines, loader};

/// What no message may hold.
const PLANTED: &str = "InternalSecret123!";

fn assert_hidden(text: &str) {
    let variables = [
        ("A_VARIABLE", PLANTED),
        ("HALLPASS_INTERNALTOKEN_CACHEEXPIRESECONDS", PLANTED),
    ];
    let plain = loader(text);
    let with_flag = loader(text)
        .environment(variables)
        .flag("security.internal-jwt.mode", PLANTED);
    for loader in [plain, with_flag] {
        assert!(!format!("{loader:?}").contains(PLANTED));
        match loader.load::<Settings>() {
            Ok(loaded) => assert!(
                !format!("{:?}", loaded.settings()).contains(PLANTED),
                "{text}"
            ),
            Err(problems) => {
                let shown = format!("{problems} {problems:?}");
                assert!(!shown.contains(PLANTED), "{text}\n{problems}");
            }
        }
    }
}

#[test]
fn a_secret_in_any_position_of_the_file_is_not_repeated() {
    let everything = crate::estate::EVERYTHING;
    for line in everything.lines().filter(|line| line.contains(": ")) {
        let (key, value) = line.split_once(": ").unwrap();
        let value = value.trim_end();
        let indent = " ".repeat(line.len() - line.trim_start().len());
        for instead in [
            format!("{key}: {PLANTED}"),
            format!("{key}: [{PLANTED}]"),
            format!("{key}: {{ {PLANTED}: {PLANTED} }}"),
            format!("{key}: '{PLANTED}"),
            format!("{key}: \"{PLANTED}"),
            format!("{key}: ${{{PLANTED}}}"),
            format!("{key}: ${{{PLANTED}"),
            format!("{key}: ${{A_VARIABLE}}"),
            format!("{key}: ${{NONE:${{{PLANTED}:x}}}}"),
            format!("{key}: &{PLANTED} {value}"),
            format!("{key}: *{PLANTED}"),
            format!("{key}: !{PLANTED} {value}"),
            format!("{key}: http://{PLANTED}@host/{PLANTED}?{PLANTED}#{PLANTED}"),
            format!("{key}: /nonexistent/{PLANTED}"),
            format!("{indent}{PLANTED}"),
            format!("{indent}{PLANTED}: {value}"),
            format!("{indent}- {PLANTED}"),
            format!("{key}:{PLANTED}"),
        ] {
            // What is read as another value is shown in the effective tree; problems show nothing.
            assert_problems_hide(&everything.replace(line, &instead));
        }
    }
}

fn assert_problems_hide(text: &str) {
    if let Err(problems) = loader(text)
        .environment([("A_VARIABLE", PLANTED)])
        .load::<Settings>()
    {
        let shown = format!("{problems} {problems:?}");
        assert!(!shown.contains(PLANTED), "{text}\n{problems}");
    }
}

#[test]
fn a_secret_in_the_environment_or_in_a_flag_is_not_repeated() {
    for text in [
        TOKEN,
        "",
        "hallpass: x",
        "hallpass: { service: { nam: x } }",
    ] {
        assert_hidden(text);
    }
}

#[test]
fn a_secret_can_stand_in_a_file_beside_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = folder.path().join("service.yaml");
    std::fs::create_dir(folder.path().join("secrets")).unwrap();
    std::fs::write(
        folder.path().join("secrets/internal"),
        format!("{PLANTED}\n"),
    )
    .unwrap();
    std::fs::write(
        &yaml,
        TOKEN.replace(
            "client-secret: s3cret",
            "client-secret-file: secrets/internal",
        ),
    )
    .unwrap();

    let loaded = Loader::new("hallpass")
        .file(&yaml)
        .load::<Settings>()
        .unwrap();
    assert!(!loaded.effective().contains(PLANTED));
    let credential = loaded.into_settings().internal_token.unwrap().credential;
    assert_eq!(credential.client_secret.expose(), PLANTED);
}

#[test]
fn a_file_that_holds_no_secret_is_a_problem_without_its_name() {
    let with_file = |path: &Path| {
        let line = format!("client-secret-file: {}", path.display());
        lines(
            &loader(&TOKEN.replace("client-secret: s3cret", &line))
                .load::<Settings>()
                .unwrap_err(),
        )
    };
    let place = "4:25: internal-token.client-secret-file:";
    let missing = Path::new("/nonexistent/file");
    assert_eq!(
        with_file(missing),
        [format!(
            "{place} the file cannot be read: there is none of this name"
        )]
    );

    let file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(
        with_file(file.path()),
        [format!("{place} the file is empty")]
    );
    file.as_file().set_len(64 * 1024 + 1).unwrap();
    assert_eq!(
        with_file(file.path()),
        [format!("{place} the file is larger than 65536 bytes")]
    );
    std::fs::write(file.path(), b"\xff\xfe").unwrap();
    assert_eq!(
        with_file(file.path()),
        [format!("{place} the file is not UTF-8 text")]
    );
}

#[test]
fn a_secret_given_twice_in_one_source_is_a_problem_and_in_two_the_upper_wins() {
    let both = format!("{TOKEN}    client-secret-file: x\n");
    assert_eq!(
        lines(&loader(&both).load::<Settings>().unwrap_err()),
        [
            "6:25: internal-token.client-secret-file: contradicts `client-secret`: give one of the two"
        ]
    );

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), PLANTED).unwrap();
    let path = file.path().to_str().unwrap();
    let settings = loader(TOKEN)
        .environment([("HALLPASS_INTERNALTOKEN_CLIENTSECRETFILE", path)])
        .load::<Settings>();
    let credential = settings
        .unwrap()
        .into_settings()
        .internal_token
        .unwrap()
        .credential;
    assert_eq!(credential.client_secret.expose(), PLANTED);
}

#[test]
fn an_entry_with_a_secret_file_does_not_fall_back_to_the_inherited_secret() {
    let text = format!(
        "{TOKEN}    audience: a\n    clients: [{{name: b, client-secret-file: /nonexistent}}]\n"
    );
    let problems = loader(&text).load::<Settings>().unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(
        problems
            .to_string()
            .contains("clients[0].client-secret-file: the file cannot be read")
    );
}

#[test]
fn an_empty_secret_is_a_problem() {
    assert_eq!(
        lines(
            &loader(&TOKEN.replace("s3cret", "''"))
                .load::<Settings>()
                .unwrap_err()
        ),
        ["4:20: internal-token.client-secret: must not be empty"]
    );
}

/// Keys of a section that holds a secret, in the table of somebody who reads it without `Section::secret`.
const CARELESS_KEYS: &[Key] = &[
    Key::new("own", Kind::Secret, ""),
    Key::new("default", Kind::Secret, "").or(PLANTED),
    Key::new("list", Kind::Secret, ""),
    Key::new("default-list", Kind::Secret, "").or(PLANTED),
    Key::new("derived", Kind::Secret, ""),
    Key::new(
        "entries",
        Kind::Sections(&[Key::new("own", Kind::Secret, "")]),
        "",
    ),
];

#[derive(Debug)]
struct Careless;

impl Configuration for Careless {
    fn keys() -> Vec<Key> {
        vec![Key::new("careless", Kind::Section(CARELESS_KEYS), "")]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let section = root.section("careless");
        assert_eq!(section.name("own")?, PLANTED);
        assert_eq!(section.name("default")?, PLANTED);
        for list in ["list", "default-list"] {
            let texts = section.texts(list, |text| Ok::<_, String>(text.to_owned()));
            assert_eq!(texts?, [PLANTED]);
        }
        section.record_derived("derived", PLANTED, "careless.own");
        for entry in section.sections("entries") {
            assert_eq!(entry.inheriting(&section).name("own")?, PLANTED);
        }
        Some(Self)
    }
}

#[test]
fn a_secret_stays_hidden_whatever_method_reads_it() {
    let text = format!(
        "hallpass: {{ careless: {{ own: {PLANTED}, list: [{PLANTED}], entries: [{{}}] }} }}"
    );
    let effective = loader(&text)
        .load::<Careless>()
        .unwrap()
        .effective()
        .to_owned();
    assert!(!effective.contains(PLANTED), "{effective}");
    assert_eq!(effective.matches("***").count(), 6, "{effective}");
}

/// Pieces of configurations, so that chance gets past the parser.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "hallpass",
        "internal-token",
        "client-secret",
        "client-secret-file",
        "clients",
        "security",
        "internal-jwt",
        "routes",
        "issuers",
        "feign",
        "static",
        "discovery",
        "issuer",
        "enabled",
        "scope",
        "token-url",
        PLANTED,
        "${",
        "}",
        "${A_VARIABLE}",
        "${A:",
        ":",
        ": ",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "'",
        "\"",
        "&a ",
        "*a",
        "!t ",
        "<<: ",
        "#",
        "|\n",
        ">\n",
        "---\n",
        "\\",
        "\t",
        ".",
        "[0]",
        "true",
        "1",
        "~",
        "é",
    ];
    prop_oneof![
        8 => proptest::sample::select(words.map(str::to_owned).to_vec()),
        1 => "\\PC{0,8}",
        1 => any::<char>().prop_map(String::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_makes_the_loader_panic_or_repeat_a_secret(pieces in prop::collection::vec(piece(), 0..40)) {
        let text = pieces.concat();
        assert_problems_hide(&text);
        assert_problems_hide(&format!("{TOKEN}{text}"));
        assert_problems_hide(&format!("hallpass:\n  {text}"));
    }

    #[test]
    fn no_variable_and_no_flag_makes_the_loader_panic(
        name in "[A-Z0-9_]{0,30}", key in "[a-z.\\[\\]0-9-]{0,30}", value in "\\PC{0,20}"
    ) {
        let variables = [(format!("HALLPASS_{name}"), value.clone())];
        let _ = loader(TOKEN).environment(variables).flag(key, value).load::<Settings>();
    }
}
