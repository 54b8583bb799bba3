use super::*;
use crate::rollout::plan::Place;

fn service(prefix: Option<&str>) -> PlannedService {
    PlannedService {
        name: "a".to_owned(),
        place: Place::File("a.yaml".into()),
        prefix: prefix.map(str::to_owned),
        metrics: Vec::new(),
        allows_idle: false,
        accepted: Vec::new(),
    }
}

fn written(name: &str, text: &str) -> Written {
    Written::new(name, Secret::new(text), &service(None)).unwrap()
}

#[test]
fn the_step_is_read_as_a_service_reads_it() {
    for (text, step) in [
        ("hallpass: { service: { name: a } }", Step::LAST),
        (
            "hallpass: { security: { internal-jwt: { mode: report, enforce-percent: 50 } } }",
            Step::Report,
        ),
        (
            "scccy: { security: { internal-jwt: { mode: enforce, enforce-percent: 50 } } }",
            Step::Enforce(50),
        ),
        (
            "hallpass: { security: { internal-jwt: { enforce-percent: 7 } } }",
            Step::Enforce(7),
        ),
        (
            "hallpass: { security: { internal-jwt: { mode: enforce, enforce-percent: 0 } } }",
            Step::Report,
        ),
        ("hallpass: { security: { internal-jwt: off } }", Step::Off),
        ("hallpass: { security: { internal-jwt: true } }", Step::LAST),
        ("hallpass.security.internal-jwt.mode: off", Step::Off),
        ("", Step::LAST),
    ] {
        let said = written("a.yaml", text).step().unwrap();
        assert_eq!(said, Configured::Step(step), "{text}");
    }
    for text in [
        "hallpass:\n  security: { internal-jwt: { mode: '${MODE:report}' } }",
        "hallpass:\n  security: { internal-jwt: { mode: InternalSecret123! } }",
        "hallpass:\n  security: { internal-jwt: { mode: enforce, enforce-percent: '${P}' } }",
    ] {
        let said = written("a.yaml", text).step().unwrap();
        assert_eq!(said, Configured::Unclear { line: 2 }, "{text}");
    }
}

/// Every step and the way back, under both roots, in YAML and as properties.
#[test]
fn each_step_changes_the_mode_and_the_percentage_and_nothing_else() {
    let yaml = "# ours\nscccy:\n  internal-token: { client-secret: InternalSecret123! } # theirs\n  security:\n    internal-jwt:\n      mode: off # why\n      routes: [{ path: /a, mode: enforce }]\n";
    let properties = "# ours\nscccy.internal-token.client-secret=InternalSecret123!\nscccy.security.internal-jwt.mode=off\n";
    for (name, text) in [
        ("a.yaml", yaml.to_owned()),
        ("a.yaml", yaml.replace("scccy", "hallpass")),
        ("a.properties", properties.to_owned()),
        ("a.properties", properties.replace("scccy", "hallpass")),
    ] {
        let mut now = written(name, &text);
        for step in [
            Step::Report,
            Step::Enforce(1),
            Step::Enforce(50),
            Step::LAST,
            Step::Report,
            Step::Off,
        ] {
            let (next, changes) = now.at(step).unwrap();
            assert_eq!(next.step().unwrap(), Configured::Step(step), "{name}");
            assert!(!changes.is_empty());
            assert!(!format!("{changes:?}{next:?}").contains("Secret123"));
            now = next;
        }
        // The percentage stays; it means nothing beside another mode.
        let left = now
            .text()
            .expose()
            .replace("\n      enforce-percent: 100", "");
        let root = if text.contains("scccy") {
            "scccy"
        } else {
            "hallpass"
        };
        let left = left.replace(
            &format!("{root}.security.internal-jwt.enforce-percent=100\n"),
            "",
        );
        assert_eq!(left, text, "{name}");
    }
}

#[test]
fn a_word_in_place_of_the_section_becomes_one_where_a_percentage_is_needed() {
    let now = written(
        "a.yaml",
        "hallpass:\n  security: { internal-jwt: report } # all\n",
    );
    let (next, changes) = now.at(Step::Enforce(10)).unwrap();
    assert_eq!(
        next.text().expose(),
        "hallpass:\n  security: { internal-jwt: { mode: enforce, enforce-percent: 10 } } # all\n"
    );
    assert_eq!(changes.len(), 3, "{changes:?}");
    let (all, _) = now.at(Step::LAST).unwrap();
    assert_eq!(
        all.text().expose(),
        "hallpass:\n  security: { internal-jwt: enforce } # all\n"
    );
    let line = written("a.properties", "hallpass.security.internal-jwt=true\n");
    assert!(line.at(Step::Enforce(10)).is_err());
    assert_eq!(
        line.at(Step::Report).unwrap().0.text().expose(),
        "hallpass.security.internal-jwt=report\n"
    );
}

#[test]
fn a_placeholder_is_replaced_on_the_way_back_and_not_shown() {
    let now = written(
        "a.yaml",
        "hallpass: { security: { internal-jwt: { mode: '${MODE:InternalSecret123!}' } } }",
    );
    let (next, changes) = now.at(Step::Report).unwrap();
    assert_eq!(
        next.text().expose(),
        "hallpass: { security: { internal-jwt: { mode: 'report' } } }"
    );
    assert_eq!(changes[0].before.as_deref(), Some("(something else)"));
}

#[test]
fn what_cannot_be_changed_in_place_is_said_without_repeating_it() {
    for text in [
        "other: { secret: InternalSecret123! }",
        "hallpass: [InternalSecret123!",
        "hallpass: &a { security: { internal-jwt: { mode: report } } }\nb: *a\nc: InternalSecret123!",
    ] {
        let now = Written::new("a.yaml", Secret::new(text), &service(None)).unwrap();
        let reason = now.at(Step::Off).map(|_| ()).unwrap_err();
        assert!(!reason.contains("Secret123"), "{reason}");
    }
    let other = Written::new(
        "a.yaml",
        Secret::new("mine: { security: { internal-jwt: off } }"),
        &service(Some("mine")),
    );
    assert_eq!(other.unwrap().step().unwrap(), Configured::Step(Step::Off));
}
