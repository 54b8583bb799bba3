use super::*;
use crate::rollout::plan::Place;
use crate::rollout::record::Action;

fn seen(instance: &str, allowed: u64, missing: u64, web: u64) -> Seen {
    Seen {
        instance: instance.to_owned(),
        step: Some("report".to_owned()),
        allowed,
        denied: BTreeMap::from([("missing".to_owned(), missing)]),
        would_deny: BTreeMap::from([("web missing_token".to_owned(), web)]),
        ..Seen::default()
    }
}

fn entry(action: Action, from: &str, to: &str, seen: Vec<Seen>) -> Entry {
    Entry {
        at: "2027-01-15T08:00:00Z".to_owned(),
        by: "ann|<b>".to_owned(),
        action,
        service: "a".to_owned(),
        configuration: "a.yaml".to_owned(),
        from: Some(from.to_owned()),
        to: to.to_owned(),
        accepted: Vec::new(),
        seen,
    }
}

#[test]
fn calls_are_those_since_the_phase_began_over_all_instances_and_restarts() {
    let first = [seen("i1", 100, 1, 5), seen("i2", 10, 0, 0)];
    // The second was started anew; the third was not there before.
    let silent = Seen {
        instance: "i1".to_owned(),
        unreachable: Some("refused".to_owned()),
        ..Seen::default()
    };
    let second = [silent, seen("i2", 4, 0, 0), seen("i3", 1, 0, 0)];
    let last = [
        seen("i1", 150, 3, 9),
        seen("i2", 6, 0, 0),
        seen("i3", 2, 0, 0),
    ];
    let calls = Calls::between([first.as_slice(), &[], &second, &last].into_iter());
    assert_eq!(calls.allowed, 50 + 6 + 2);
    assert_eq!(calls.denied, BTreeMap::from([("missing".to_owned(), 2)]));
    assert_eq!(
        calls.would_deny,
        BTreeMap::from([("web missing_token".to_owned(), 4)])
    );
    let alone = Calls::between([last.as_slice()].into_iter());
    assert_eq!(alone.allowed, 158);
}

/// Counters that have grown past what they were say nothing of a restart; the process does.
#[test]
fn an_instance_that_was_started_anew_and_has_served_more_since_is_told_by_its_process() {
    let of = |process: &str, allowed: u64, missing: u64| Seen {
        process: process.to_owned(),
        ..seen("i1", allowed, missing, 0)
    };
    let calls = Calls::between([&[of("a", 100, 2)][..], &[of("b", 150, 3)]].into_iter());
    assert_eq!((calls.allowed, calls.restarts), (150, 1));
    assert_eq!(calls.denied, BTreeMap::from([("missing".to_owned(), 3)]));
    // A record of a version before does not say it.
    let calls = Calls::between([&[of("", 100, 2)][..], &[of("b", 150, 3)]].into_iter());
    assert_eq!((calls.allowed, calls.restarts), (50, 0));
}

#[test]
fn the_report_has_what_operators_sign_for_this_phase_alone() {
    let service = PlannedService {
        name: "a".to_owned(),
        place: Place::File("a.yaml".into()),
        prefix: None,
        metrics: Vec::new(),
        allows_idle: false,
        accepted: vec!["crawler".to_owned()],
    };
    let entries = [
        entry(Action::Advance, "off", "report", vec![seen("i1", 1, 0, 0)]),
        entry(
            Action::Confirm,
            "report",
            "report",
            vec![seen("i1", 2, 0, 0)],
        ),
        entry(
            Action::Advance,
            "report",
            "enforce 1 %",
            vec![seen("i1", 100, 0, 7)],
        ),
        entry(
            Action::Advance,
            "enforce 1 %",
            "enforce 50 %",
            vec![seen("i1", 200, 0, 7)],
        ),
    ];
    let now = [seen("i1", 500, 4, 7)];
    let acceptance = Acceptance {
        service: &service,
        phase: Phase::Percentages,
        entries: &entries,
        seen: &now,
        now: 1_800_003_600,
        watched_seconds: 60,
        by: "ann",
        back: "hallpass rollout back a --plan rollout.yaml",
        record: Path::new("record.jsonl"),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = acceptance.write(&folder.path().join("reports")).unwrap();
    assert!(
        path.ends_with("reports/a-percentages-2027-01-15T090000Z.md"),
        "{path:?}"
    );
    let text = fs::read_to_string(path).unwrap();
    for part in [
        "# Acceptance report (上线回执): a, percentages\n",
        "| period | 2027-01-15T08:00:00Z to 2027-01-15T09:00:00Z |",
        "| allowed | | | 400 |",
        "| denied | | missing | 4 |",
        "| 2027-01-15T08:00:00Z | ann\\|&lt;b> | report | enforce 1 % |",
        "| 2027-01-15T08:00:00Z | ann\\|&lt;b> | enforce 1 % | enforce 50 % |",
        "- crawler\n",
        "`hallpass rollout back a --plan rollout.yaml`",
        "record.jsonl",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("| off |"), "another phase: {text}");
    assert!(!text.contains("incomplete"), "{text}");
    assert!(
        !text.contains("would be denied |"),
        "all of it was before: {text}"
    );
}
