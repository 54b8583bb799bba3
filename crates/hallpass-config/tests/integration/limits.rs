//! No source can make the loader work or remember without end.

use hallpass_config::{Loader, MAX_SOURCE_BYTES};

use crate::{Settings, problems};

#[test]
fn aliases_of_aliases_of_aliases_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let problems = problems(&bomb);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].contains("holds more than 10000 values, aliases written out"),
        "{problems:?}"
    );
}

#[test]
fn merge_keys_of_merge_keys_are_counted_too() {
    let mut bomb =
        "a0: &a0 {k0: 1, k1: 1, k2: 1, k3: 1, k4: 1, k5: 1, k6: 1, k7: 1, k8: 1, k9: 1}\n"
            .to_owned();
    for level in 1..12 {
        let maps: Vec<_> = (0..10)
            .map(|at| format!("m{at}: {{<<: *a{}}}", level - 1))
            .collect();
        bomb.push_str(&format!("a{level}: &a{level} {{{}}}\n", maps.join(", ")));
    }
    assert!(problems(&bomb)[0].contains("holds more than 10000 values"));
}

#[test]
fn an_alias_of_itself_is_refused() {
    let problems = problems("hallpass: &a { service: *a }");
    assert_eq!(
        problems,
        ["1:25: an alias names a value that is not complete before it"]
    );
}

#[test]
fn a_huge_text_is_refused_before_it_is_read() {
    let huge = "#".repeat(MAX_SOURCE_BYTES);
    assert!(
        Loader::new("hallpass")
            .text("t", huge.as_str())
            .load::<Settings>()
            .is_ok()
    );
    let problems = Loader::new("hallpass")
        .text("t", huge + "#")
        .load::<Settings>()
        .unwrap_err();
    assert_eq!(problems.to_string(), "t: is larger than 1048576 bytes");
}

#[test]
fn a_huge_file_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(MAX_SOURCE_BYTES as u64 + 1).unwrap();
    let problems = Loader::new("hallpass")
        .file(file.path())
        .load::<Settings>()
        .unwrap_err();
    assert!(
        problems
            .to_string()
            .ends_with("the file is larger than 1048576 bytes")
    );
}

#[test]
fn depth_is_limited() {
    let deep = |levels: usize| format!("spring: {}{}", "[".repeat(levels), "]".repeat(levels));
    let loaded = |text: String| Loader::new("hallpass").text("t", text).load::<Settings>();
    assert!(loaded(deep(64)).is_ok());
    let problems = loaded(deep(65)).unwrap_err().to_string();
    assert!(problems.contains("more than 64 levels deep"), "{problems}");
    assert!(loaded(deep(100_000)).is_err());
    assert!(loaded("- ".repeat(100_000)).is_err());
}

#[test]
fn many_values_are_refused() {
    let values = "- x\n".repeat(10_001);
    assert!(problems(&format!("spring:\n{values}"))[0].contains("holds more than 10000 values"));
}

/// Who reads the configuration and who frees it call themselves for each level.
#[test]
fn keys_with_dots_cannot_go_deeper_than_mappings() {
    let many = 100_000;
    let deep = [
        format!("? \"hallpass{}\"\n: 1\n", ".a".repeat(many)),
        format!("? \"hallpass.service{}\"\n: 1\n", "[0]".repeat(many)),
        format!("hallpass:\n  ? \"a{}\"\n  : 1\n", ".a".repeat(many)),
        format!("? \"spring{}\"\n: 1\n", ".a".repeat(many)),
        // Each level of a mapping with some of its own.
        format!(
            "{}1{}",
            "{\"hallpass.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a\": ".repeat(60),
            "}".repeat(60)
        ),
    ];
    for text in deep {
        let loaded = Loader::new("hallpass").text("t", text).load::<Settings>();
        // A key of that many steps is one key, which beside ours is somebody else's.
        let problems = loaded.err().map_or(String::new(), |it| it.to_string());
        assert!(problems.len() < 4_000, "{} bytes", problems.len());
    }
    let levels = "{\"a.a.a.a\": ".repeat(16);
    let text = format!("hallpass: {levels}1{}", "}".repeat(16));
    assert!(problems(&text)[0].contains("is more than 64 levels deep"));
    let flag = format!("a{}", ".a".repeat(many));
    let loader = Loader::new("hallpass").flag(flag, "1");
    assert!(loader.load::<Settings>().is_err());
    let variable = format!("HALLPASS{}", "_A".repeat(many));
    let loader = Loader::new("hallpass").environment([(variable, "1")]);
    let _any = loader.load::<Settings>().is_ok();
}
