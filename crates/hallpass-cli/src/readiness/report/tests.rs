use super::*;

const NOW: u64 = 1_800_000_000;

fn terms(window_seconds: u64) -> Terms {
    Terms {
        now: NOW,
        window_seconds,
        counts_seconds: window_seconds,
        accepted: Vec::new(),
    }
}

fn text(mode: &str, ratio: &str, age: u64) -> String {
    let (since, last) = (NOW - 90_000, NOW - age);
    format!(
        "hallpass_rollout_ratio{{route=\"/a\",mode=\"{mode}\"}} {ratio}\n\
         hallpass_rollout_since_timestamp_seconds{{route=\"/a\"}} {since}\n\
         hallpass_would_deny_total{{route=\"/a\",reason=\"insufficient_scope\",caller=\"web\"}} 7\n\
         hallpass_would_deny_last_timestamp_seconds{{route=\"/a\",reason=\"insufficient_scope\",caller=\"web\"}} {last}\n\
         hallpass_verify_total{{result=\"allow\",reason=\"none\",mode=\"report\",route=\"/a\"}} 5\n\
         hallpass_would_deny_total{{route=\"/gone\",reason=\"missing_token\",caller=\"_unauthenticated\"}} 1\n\
         hallpass_would_deny_last_timestamp_seconds{{route=\"/gone\",reason=\"missing_token\",caller=\"_unauthenticated\"}} {last}\n"
    )
}

/// Of the whole document.
fn safe(text: &str, terms: &Terms) -> bool {
    let text = format!("{text}# EOF\n");
    Service::read("x", &text, terms).unwrap().safe
}

#[test]
fn metrics_that_were_cut_between_two_lines_are_not_safe() {
    let quiet = "hallpass_rollout_ratio{route=\"/a\",mode=\"report\"} 0\n\
                 hallpass_rollout_since_timestamp_seconds{route=\"/a\"} 1700000000\n";
    assert!(safe(quiet, &terms(100)));
    let cut = Service::read("x", quiet, &terms(100)).unwrap();
    assert!(!cut.safe);
    let lines = cut.lines().join("\n");
    assert!(
        lines.contains("not safe: its metrics were cut short"),
        "{lines}"
    );
}

#[test]
fn what_would_be_denied_within_the_time_is_not_safe_and_named() {
    let service = Service::read("x", &text("report", "0.0", 60), &terms(86_400)).unwrap();
    assert!(!service.safe);
    assert_eq!(service.routes.len(), 1, "a rule of before a reload is gone");
    let lines = service.lines().join("\n");
    for part in [
        "web insufficient_scope, 7 times",
        "issuer.clients[].scopes",
        "not safe",
        "5 allowed",
    ] {
        assert!(lines.contains(part), "{part}: {lines}");
    }
}

#[test]
fn what_came_before_the_time_is_shown_and_does_not_count() {
    let old = text("report", "0.0", 86_401);
    assert!(safe(&old, &terms(86_400)));
    assert!(!safe(&old, &terms(0)), "0: all counts");
    let lines = Service::read("x", &old, &terms(86_400)).unwrap().lines();
    assert!(lines.iter().any(|it| it.contains("does not count")));
}

#[test]
fn a_route_that_was_not_watched_long_enough_or_is_off_is_not_safe() {
    let quiet = "hallpass_rollout_ratio{route=\"/a\",mode=\"report\"} 0\n";
    let since = |seconds| {
        format!(
            "{quiet}hallpass_rollout_since_timestamp_seconds{{route=\"/a\"}} {}\n",
            NOW - seconds
        )
    };
    assert!(!safe(&since(86_399), &terms(86_400)));
    assert!(safe(&since(86_400), &terms(86_400)));
    assert!(!safe(quiet, &terms(86_400)), "nobody knows since when");
    assert!(!safe(
        "hallpass_rollout_ratio{route=\"/a\",mode=\"off\"} 0\n",
        &terms(0)
    ));
}

#[test]
fn who_is_to_be_denied_does_not_count() {
    let mut terms = terms(0);
    terms.accepted.push("web".to_owned());
    assert!(safe(&text("report", "0.0", 60), &terms));
}

#[test]
fn each_step_names_the_next() {
    for (mode, ratio, next) in [
        ("off", "0", "mode: report"),
        ("report", "0.0", "mode: enforce, enforce-percent: 1"),
        ("enforce", "0.01", "mode: enforce, enforce-percent: 10"),
        ("enforce", "0.1", "mode: enforce, enforce-percent: 50"),
        ("enforce", "0.5", "mode: enforce, enforce-percent: 100"),
        ("enforce", "1.0", "done"),
    ] {
        let service = Service::read("x", &text(mode, ratio, 60), &terms(0)).unwrap();
        assert_eq!(service.routes[0].next, next);
    }
}

#[test]
fn another_programs_metrics_are_not_taken_for_a_service_that_is_ready() {
    assert!(Service::read("x", "up 1\nhallpass_issued_total 3\n", &terms(0)).is_none());
    assert!(Service::read("x", "", &terms(0)).is_none());
}
