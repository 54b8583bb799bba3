//! The guide for Spring estates: its blocks are tried, and what it shows of programs is cut from them.

use std::fs;
use std::path::Path;

const GUIDE: &str = include_str!("../../../../docs/migration-from-spring.md");

/// The YAML below the heading that begins like this.
pub(crate) fn block(heading: &str) -> String {
    yaml_below(GUIDE, heading)
}

/// The first YAML of a page below the heading that begins like this.
pub(crate) fn yaml_below(page: &str, heading: &str) -> String {
    let (_, section) = page.split_once(heading).unwrap();
    let (_, block) = section.split_once("```yaml\n").unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

#[test]
fn java_in_the_guide_is_cut_from_programs_that_tests_run() {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/spring");
    let sources = [
        "resource-server/src/main/java/hallpass/AtJwt.java",
        "client/src/main/java/hallpass/Audience.java",
        "feign-service/src/main/java/hallpass/TrustedIssuers.java",
        "feign-service/src/main/java/hallpass/Identities.java",
        "feign-service/src/main/java/hallpass/Outgoing.java",
    ];
    let sources = sources.map(|name| fs::read_to_string(programs.join(name)).unwrap());
    let blocks: Vec<_> = GUIDE.split("```java\n").skip(1).collect();
    assert_eq!(blocks.len(), sources.len());
    for block in blocks {
        let (block, _) = block.split_once("```").unwrap();
        // Methods of a class stand further to the right there.
        let is_in = |source: &String| {
            let lines = source.lines().map(|line| line.strip_prefix("    "));
            let lines: Vec<_> = lines.map(Option::unwrap_or_default).collect();
            lines.join("\n").contains(block.trim_end())
        };
        assert!(sources.iter().any(is_in), "{block}");
    }
}
