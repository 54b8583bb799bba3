//! What stands at the root of the documents for other programs, read under their names and under ours.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use hallpass_config::{
    Adopted, Configuration, Foreign, ForeignText, Key, Kind, Loader, Secret, Section,
    WatchedLoader, YamlText,
};

const CLIENT: &[Key] = &[
    Key::new("open-ms", Kind::millis(1, 60_000), "").or("1000"),
    Key::new("calls", Kind::count(1, 100), "").or("10"),
];
const KEYS: &[Key] = &[
    Key::new("one", Kind::Section(CLIENT), ""),
    Key::new("names", Kind::Named(CLIENT), ""),
];

/// Reads `breakers.one` of another program beside the own section `calls.one`.
#[derive(Debug, PartialEq, Eq)]
struct Calls {
    open: Duration,
    calls: u64,
    named: Duration,
}

impl Configuration for Calls {
    fn keys() -> Vec<Key> {
        vec![Key::new("calls", Kind::Section(KEYS), "")]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let section = root.section("calls");
        let mut adopted = Adopted::default();
        adopted.put_default("calls", "20", "Breakers", "volume");
        if let Some(found) = root.foreign(&["breakers"]).and_then(|it| it.get("one")) {
            for (theirs, ours) in [("waitDuration", "open-ms"), ("volume", "calls")] {
                let found = found.get(theirs);
                if let Some((found, text)) = found.and_then(|it| Some((it.clone(), it.text()?))) {
                    adopted.put(ours, text, &found);
                }
            }
        }
        let one = section.section("one");
        let one = one.clone().inheriting(&one.adopted(&adopted));
        let named = section.absent("names", "two");
        let named = named.clone().inheriting(&named.adopted(&adopted));
        let (open, calls) = (one.millis("open-ms"), one.whole("calls"));
        Some(Self {
            open: open?,
            calls: calls?,
            named: named.millis("open-ms")?,
        })
    }
}

fn loader(text: &str) -> Loader {
    Loader::new("hallpass").text("estate.yaml", text)
}

fn load(text: &str) -> Calls {
    loader(text).load().unwrap().into_settings()
}

fn problems(text: &str) -> String {
    loader(text).load::<Calls>().unwrap_err().to_string()
}

type Look = Box<dyn FnOnce(&Section<'_>)>;

thread_local! {
    static LOOK: Cell<Option<Look>> = const { Cell::new(None) };
}

/// Looks at the root and reads nothing.
struct Looking;

impl Configuration for Looking {
    fn keys() -> Vec<Key> {
        Vec::new()
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        if let Some(look) = LOOK.with(Cell::take) {
            look(root);
        }
        Some(Self)
    }
}

/// What `read` finds, and the problems that it leaves.
fn looking<T: 'static>(loader: &Loader, read: fn(&Section<'_>) -> T) -> (T, String) {
    let found = Rc::new(Cell::new(None));
    let into = Rc::clone(&found);
    let look: Look = Box::new(move |root| into.set(Some(read(root))));
    LOOK.with(|cell| cell.set(Some(look)));
    let problems = loader.load::<Looking>().map(|_| ()).err();
    let problems = problems.map(|it| it.to_string()).unwrap_or_default();
    (found.take().unwrap(), problems)
}

#[test]
fn values_of_another_program_are_values_of_our_keys() {
    let calls = load("breakers: { one: { waitDuration: 5s, volume: 7 } }");
    assert_eq!(calls.open, Duration::from_secs(5));
    assert_eq!(calls.calls, 7);
    assert_eq!(calls.named, Duration::from_secs(5));
}

#[test]
fn our_own_key_goes_over_theirs_and_theirs_over_our_default() {
    let yaml = "
hallpass: { calls: { one: { open-ms: 9 } } }
breakers: { one: { wait-duration: PT5S } }
";
    let calls = load(yaml);
    assert_eq!(calls.open, Duration::from_millis(9));
    assert_eq!(calls.named, Duration::from_secs(5));
    assert_eq!(calls.calls, 20, "what that program does by itself");
    assert_eq!(load("{}").open, Duration::from_secs(1));
}

#[test]
fn what_is_wrong_with_a_value_is_said_where_it_stands_under_its_own_name() {
    let yaml = "breakers:\n  one:\n    waitDuration: 5h\n    volume: s3cret\n";
    assert_eq!(
        problems(yaml),
        "estate.yaml:3:19: breakers.one.waitDuration: must be a whole number of milliseconds from 1 to 60000, or a duration such \
         as 250ms, 3s or PT3S\n\
         estate.yaml:4:13: breakers.one.volume: must be a whole number from 1 to 100"
    );
}

#[test]
fn the_effective_tree_names_the_key_that_a_value_comes_from() {
    let loaded = loader("breakers:\n  one:\n    waitDuration: 5s\n");
    let shown = loaded.load::<Calls>().unwrap().effective();
    assert!(
        shown.contains("inherited from breakers.one.waitDuration (estate.yaml:3)"),
        "{shown}"
    );
    assert!(
        shown.contains("inherited from volume (the default of Breakers)"),
        "{shown}"
    );
}

#[test]
fn a_root_that_is_read_is_not_said_to_be_left_alone() {
    let loaded = loader("breakers: { one: {} }\nothers: { a: 1 }").load::<Calls>();
    let loaded = loaded.unwrap();
    let [left] = loaded.left_alone() else {
        panic!("{:?}", loaded.left_alone());
    };
    assert!(left.starts_with("estate.yaml:2: others: "), "{left}");
}

#[test]
fn placeholders_are_filled_in_and_an_unset_one_is_a_problem_where_it_is_read_only() {
    let yaml = "
breakers: { one: { waitDuration: '${WAIT:5s}', volume: '${a.b}', unread: '${NOBODY}' } }
a: { b: 8 }
";
    let calls = load(yaml);
    assert_eq!((calls.open, calls.calls), (Duration::from_secs(5), 8));
    let yaml = "breakers: { one: { volume: '${NOBODY}' } }";
    assert!(problems(yaml).contains("breakers.one.volume: needs the environment variable NOBODY"));
}

#[test]
fn the_environment_goes_over_what_a_file_says_as_in_spring() {
    let yaml = "breakers: { one: { waitDuration: 5s } }";
    for name in ["BREAKERS_ONE_WAITDURATION", "breakers.one.waitDuration"] {
        let loaded = loader(yaml).environment([(name, "6s")]).load::<Calls>();
        assert_eq!(
            loaded.unwrap().settings().open,
            Duration::from_secs(6),
            "{name}"
        );
    }
    let wrong = loader(yaml).environment([("BREAKERS_ONE_WAITDURATION", "s3cret")]);
    let problems = wrong.load::<Calls>().unwrap_err().to_string();
    assert!(
        problems.starts_with(
            "environment, for breakers.one.waitDuration: breakers.one.waitDuration: must be"
        ),
        "{problems}"
    );
    assert!(!problems.contains("s3cret"), "{problems}");
}

#[test]
fn a_path_that_no_file_begins_may_stand_in_the_environment_alone() {
    fn read(root: &Section<'_>) -> Option<(String, String)> {
        let found = root.foreign(&["others", "deep", "isOn"])?;
        Some((found.path().to_owned(), found.text()?))
    }
    let expected = Some(("others.deep.isOn".to_owned(), "true".to_owned()));
    for yaml in [
        "",
        "others: { else: 1 }",
        "others: { deep: { isOn: false } }",
    ] {
        for name in ["OTHERS_DEEP_ISON", "others.deep.isOn"] {
            let loader = loader(yaml).environment([(name, "true")]);
            let (found, problems) = looking(&loader, read);
            assert_eq!(found, expected, "{yaml} {name}: {problems}");
        }
    }
    let (none, _) = looking(&loader("").environment([("OTHERS_DEEP_ISON", "")]), read);
    assert_eq!(none, None);
}

#[test]
fn a_document_of_a_profile_counts_when_it_is_active() {
    let yaml = "
breakers: { one: { waitDuration: 5s } }
---
spring.config.activate.on-profile: test
breakers.one.waitDuration: 6s
";
    assert_eq!(load(yaml).open, Duration::from_secs(5));
    let active = loader(yaml).environment([("SPRING_PROFILES_ACTIVE", "test")]);
    let calls = active.load::<Calls>().unwrap().into_settings();
    assert_eq!(calls.open, Duration::from_secs(6));
}

#[test]
fn a_later_file_goes_over_an_earlier_one_in_whatever_spelling() {
    let loader = loader("breakers: { one: { waitDuration: 5s } }")
        .text("later.yaml", "breakers: { one: { wait-duration: 6s } }");
    let calls = loader.load::<Calls>().unwrap().into_settings();
    assert_eq!(calls.open, Duration::from_secs(6));
}

#[test]
fn one_value_in_two_spellings_is_a_problem_that_names_both_places() {
    let yaml = "breakers:\n  one:\n    waitDuration: 5s\n    wait-duration: 6s\n";
    assert_eq!(
        problems(yaml),
        "estate.yaml:4:5: breakers.one.wait-duration: is given twice, in two spellings, the other one at estate.yaml:3: write it once"
    );
}

#[test]
fn what_is_sealed_or_no_single_value_is_a_problem() {
    let sealed = "breakers: { one: { volume: $sealed$v1$k$AAAA } }";
    assert!(problems(sealed).contains("breakers.one.volume: is sealed, which only secrets"));
    let list = "breakers: { one: { volume: [1, 2] } }";
    assert!(problems(list).contains("breakers.one.volume: must be a single value"));
    let tagged = "breakers: { one: { volume: !cipher x } }";
    assert!(problems(tagged).contains("breakers.one.volume: has a YAML tag"));
}

#[test]
fn lists_and_texts_with_commas_are_lists_of_texts() {
    fn read(root: &Section<'_>) -> Vec<Option<Vec<String>>> {
        let found = root.foreign(&["a"]).unwrap();
        ["list", "text", "nested", "empty"]
            .map(|key| found.get(key).and_then(|it| it.texts()))
            .to_vec()
    }
    let yaml = "a: { list: [x, y], text: 'x, y', nested: [[x], {y: 1}], empty: '' }";
    let (found, problems) = looking(&loader(yaml), read);
    let both = Some(vec!["x".to_owned(), "y".to_owned()]);
    assert_eq!(found, [both.clone(), both, None, None]);
    assert_eq!(problems.lines().count(), 2, "{problems}");
}

#[test]
fn names_are_given_as_they_are_written_and_found_in_any_spelling() {
    fn read(root: &Section<'_>) -> (Vec<String>, bool, Option<Duration>) {
        let found = root.foreign(&["a", "instances"]).unwrap();
        let names = found.entries().map(|(name, _)| name.to_owned()).collect();
        let at = found
            .at(&["DEMO_CLIENT", "wait"])
            .and_then(|it| it.duration());
        (
            names,
            found.get("demo-client").is_some_and(|it| it.is_mapping()),
            at,
        )
    }
    let yaml = "a.instances:\n  demoClient: { wait: 250ms }\n  \"Foo#bar(String)\": {}\n  none:\n";
    let (found, problems) = looking(&loader(yaml), read);
    let names = vec!["demoClient".to_owned(), "Foo#bar(String)".to_owned()];
    assert_eq!(found, (names, true, Some(Duration::from_millis(250))));
    assert_eq!(problems, "");
}

#[test]
fn a_text_below_a_key_says_nothing_about_any_other() {
    fn read(root: &Section<'_>) -> Vec<String> {
        let found = root.foreign(&["documents"]).unwrap();
        let names = found.entries().map(|(name, it)| {
            let items = it.items().unwrap_or_default();
            format!(
                "{name}: {:?} at {}",
                items.iter().map(Foreign::text).collect::<Vec<_>>(),
                it.written_at()
            )
        });
        names.collect()
    }
    let text =
        |name: &str, text: &str| YamlText::new(name, Secret::new(text)).below(&["documents", name]);
    let loader = loader("{}").texts([
        text("a.b-rules", "[1,\n\t'${HOME}']"),
        text("c", "{calls: {one: {open-ms: 7}}, documents.d: []}"),
        text("e", ""),
    ]);
    let (found, problems) = looking(&loader, read);
    assert_eq!(
        found,
        [
            "a.b-rules: [Some(\"1\"), Some(\"${HOME}\")] at a.b-rules:1",
            "c: [] at c:1"
        ]
    );
    assert_eq!(problems, "c:1:1: documents.c: must be a list");
    let two = loader.texts([text("f", "[1]\n---\n[2]")]);
    let problems = two.load::<Looking>().map(|_| ()).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "f:3:1: is a second YAML document, where one value is expected"
    );
}

#[test]
fn a_file_that_a_key_names_is_read_and_followed() {
    fn read(root: &Section<'_>) -> Option<Vec<String>> {
        let found = root.foreign(&["a", "file"])?;
        let text = ForeignText::named_by(&found)?;
        text.value(&found).texts()
    }
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.json");
    std::fs::write(&rules, r#"["x", "y"]"#).unwrap();
    let path = folder.path().join("estate.yaml");
    for name in ["rules.json", "file:rules.json"] {
        std::fs::write(&path, format!("a: {{ file: '{name}' }}")).unwrap();
        let (found, problems) = looking(&Loader::new("hallpass").file(&path), read);
        assert_eq!(
            found,
            Some(vec!["x".to_owned(), "y".to_owned()]),
            "{problems}"
        );
    }
    let mut watched = WatchedLoader::new(Loader::new("hallpass").file(&path));
    LOOK.with(|cell| cell.set(Some(Box::new(|root| assert!(read(root).is_some())))));
    watched.load::<Looking>().unwrap();
    assert!(!watched.has_changed());
    std::fs::write(&rules, "[x, {").unwrap();
    assert!(watched.has_changed());
    let (_, problems) = looking(&Loader::new("hallpass").file(&path), read);
    assert!(problems.contains("rules.json:1:"), "{problems}");
    std::fs::remove_file(&rules).unwrap();
    let (_, problems) = looking(&Loader::new("hallpass").file(&path), read);
    assert!(
        problems.contains("estate.yaml:1:12: a.file: "),
        "{problems}"
    );
    std::fs::write(&path, "a: { file: classpath:rules.json }").unwrap();
    let (_, problems) = looking(&Loader::new("hallpass").file(&path), read);
    assert!(problems.contains("begins with `classpath:`"), "{problems}");
}

#[test]
fn debug_shows_no_value() {
    fn read(root: &Section<'_>) -> String {
        let found: Option<Foreign<'_>> = root.foreign(&["a"]);
        format!("{found:?}")
    }
    let loader = loader("a: { b: s3cret }").environment([("X", "t0ken")]);
    let (shown, _) = looking(&loader, read);
    assert!(
        !shown.contains("s3cret") && !shown.contains("t0ken"),
        "{shown}"
    );
}
