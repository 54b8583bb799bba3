//! Configurations of which a process reads a part.

use hallpass_config::{Configuration, Key, Kind, Loader, Section};

use crate::{lines, loader};

const TEXT: Kind = Kind::Text { what: "" };
const WHERE_KEYS: &[Key] = &[Key::new("address", TEXT, "").required()];
const APP_KEYS: &[Key] = &[Key::new("name", TEXT, "").or("none")];

/// Where the rest comes from.
#[derive(Debug)]
struct Where(String);

/// Everything that this process reads.
#[derive(Debug)]
struct Everything {
    place: Where,
    name: String,
}

impl Configuration for Where {
    fn keys() -> Vec<Key> {
        vec![Key::new("where", Kind::Section(WHERE_KEYS), "")]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let address = root.section("where").required("address", Section::name);
        Some(Self(address?))
    }
}

impl Configuration for Everything {
    fn keys() -> Vec<Key> {
        let own = [
            Key::elsewhere("where"),
            Key::new("app", Kind::Section(APP_KEYS), ""),
            Key::elsewhere("issuer"),
        ];
        [&own[..], &Where::keys()].concat()
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let place = Where::read(root);
        let name = root.section("app").name("name");
        Some(Self {
            place: place?,
            name: name?,
        })
    }
}

fn everything(text: &str) -> Vec<String> {
    lines(&loader(text).load::<Everything>().unwrap_err())
}

#[test]
fn one_section_is_read_first_and_then_everything_from_the_same_sources() {
    let loader = loader("hallpass: { where: { address: a }, ap: { name: '${UNSET}' } }");
    let first = loader.load_part::<Where>().unwrap();
    assert_eq!(first.settings().0, "a");
    assert_eq!(first.effective().lines().count(), 3);
    assert_eq!(
        lines(&loader.load::<Everything>().unwrap_err()),
        [
            "1:36: ap: is not a known key; did you mean `app`?",
            "1:48: ap.name: needs the environment variable UNSET, which is not set and has no default",
        ]
    );
    let whole = Loader::new("hallpass")
        .text("local", "hallpass: { where.address: a }")
        .text("found", "hallpass: { app: { name: x } }");
    let settings = whole.load::<Everything>().unwrap().into_settings();
    assert_eq!(
        (settings.place.0.as_str(), settings.name.as_str()),
        ("a", "x")
    );
}

#[test]
fn what_is_wrong_with_the_part_is_told_when_the_part_is_read() {
    let problems = loader("hallpass: { where: { adress: a }, app: 1 }").load_part::<Where>();
    assert_eq!(
        lines(&problems.unwrap_err()),
        [
            "1:13: where.address: is required",
            "1:22: where.adress: is not a known key; did you mean `address`?",
        ]
    );
}

#[test]
fn a_section_that_another_program_reads_is_left_alone() {
    let text = "hallpass: { where.address: a, issuer: { listen: 1, key: '${UNSET}', x: !y z } }";
    let loader = loader(text).environment([("HALLPASS_ISSUER_LISTEN", "x")]);
    let loaded = loader.load::<Everything>().unwrap();
    assert!(!loaded.effective().contains("issuer"));
}

#[test]
fn a_misspelt_section_is_a_problem_all_the_same() {
    assert_eq!(
        everything("hallpass: { where.address: a, isuer: {} }"),
        ["1:31: isuer: is not a known key; did you mean `issuer`?"]
    );
}

#[test]
fn a_document_below_the_other_root_is_not_dropped_without_a_word() {
    let own = "where: { address: a }";
    let ours = format!("hallpass: {{ {own} }}");
    let other = "scccy: { app: { name: b } }";
    let both = format!("{ours}\n{other}");
    for (prefix, documents, told) in [
        ("hallpass", [ours.as_str(), other], true),
        ("hallpass", [&ours, "estate: { domain: x }"], false),
        ("hallpass", [&both, "estate: {}"], false),
        ("other", [&format!("other: {{ {own} }}"), other], false),
    ] {
        let loader = Loader::new(prefix)
            .text("one", documents[0])
            .text("two", documents[1]);
        let loaded = loader.load::<Everything>();
        assert_eq!(loaded.is_err(), told, "{documents:?}");
        if let Err(problems) = loaded {
            let text = problems.to_string();
            assert!(text.contains("this program reads `hallpass`"), "{text}");
            assert!(text.contains("--config-prefix scccy"), "{text}");
            assert!(format!("{problems:?}").contains(&text), "main shows it so");
        }
    }
}
