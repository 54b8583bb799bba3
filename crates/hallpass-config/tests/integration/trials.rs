//! Parts of a configuration that are read by themselves.

use hallpass_config::{Configuration, How, Key, Loader, Section, Trial};

/// Reads each of its entries by itself, and leaves out those that cannot be used.
struct Trying(Vec<String>);

impl Configuration for Trying {
    fn keys() -> Vec<Key> {
        Vec::new()
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let found = root.foreign(&["documents"])?;
        let mut good = Vec::new();
        for (name, entry) in found.entries() {
            let trial = Trial::new();
            let span = entry.within(&trial).duration();
            let findings = trial.into_findings();
            assert_eq!(findings.is_good(), span.is_some());
            match name {
                "noted" => root.say(findings, How::LeftAlone("it is for somebody else")),
                "said" => entry.say(findings, How::Said),
                _ => root.say(findings, How::Warned("it is left out")),
            }
            good.extend(span.map(|_| name.to_owned()));
        }
        Some(Self(good))
    }
}

#[test]
fn what_is_wrong_with_a_part_that_is_tried_is_wrong_with_nothing_else() {
    let yaml = "documents: { a: 5s, b: s3cret, noted: s3cret }";
    let loaded = Loader::new("hallpass")
        .text("estate.yaml", yaml)
        .load::<Trying>()
        .unwrap();
    assert_eq!(loaded.settings().0, ["a"]);
    assert_eq!(
        loaded.warnings(),
        [
            "estate.yaml:1:24: documents.b: must be a duration, such as 250ms, 3s or PT3S; it is left out"
        ]
    );
    let noted = "estate.yaml:1:39: documents.noted: must be a duration, such as 250ms, 3s or PT3S; it is for somebody else";
    assert!(
        loaded.left_alone().iter().any(|it| it == noted),
        "{:?}",
        loaded.left_alone()
    );
    let problems = Loader::new("hallpass")
        .text("estate.yaml", "documents: { said: s3cret }")
        .load::<Trying>();
    let problems = problems.map(|_| ()).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(!problems.to_string().contains("s3cret"));
}
