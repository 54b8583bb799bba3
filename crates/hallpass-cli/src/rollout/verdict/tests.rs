use super::*;
use crate::readiness::Terms;

const NOW: u64 = 1_800_000_000;

/// Metrics of an instance at this step for so many seconds, with a caller who would be denied so long ago.
fn text(mode: &str, ratio: &str, age: u64, would_deny: Option<(&str, u64)>) -> String {
    let since = NOW - age;
    let mut text = String::new();
    for route in ["none", "/a"] {
        text.push_str(&format!(
            "hallpass_rollout_ratio{{route=\"{route}\",mode=\"{mode}\"}} {ratio}\n\
             hallpass_rollout_since_timestamp_seconds{{route=\"{route}\"}} {since}\n"
        ));
    }
    text.push_str(
        "hallpass_rollout_ratio{route=\"/own\",mode=\"enforce\"} 1.0\n\
         hallpass_rollout_since_timestamp_seconds{route=\"/own\"} 1700000000\n\
         hallpass_verify_total{result=\"deny\",reason=\"missing\",mode=\"enforce\",route=\"/own\"} 3\n",
    );
    if let Some((route, ago)) = would_deny {
        let last = NOW - ago;
        text.push_str(&format!(
            "hallpass_would_deny_total{{route=\"{route}\",reason=\"missing_token\",caller=\"web\"}} 7\n\
             hallpass_would_deny_last_timestamp_seconds{{route=\"{route}\",reason=\"missing_token\",caller=\"web\"}} {last}\n"
        ));
    }
    text
}

fn instance(number: u32, text: &str, accepted: &[&str]) -> Instance {
    let terms = Terms {
        now: NOW,
        window_seconds: 100,
        counts_seconds: 100,
        accepted: accepted.iter().map(|&it| it.to_owned()).collect(),
    };
    Instance::read(
        format!("http://i{number}/metrics"),
        format!("{text}# EOF\n").into_bytes(),
        &terms,
    )
}

fn verdict(step: Step, next: Option<Step>, instances: &[Instance]) -> Verdict {
    Verdict::of(Configured::Step(step), next, instances, (100, false))
}

const TEN: Option<Step> = Some(Step::Enforce(10));

#[test]
fn all_instances_that_were_watched_long_enough_and_would_deny_nobody_are_safe() {
    let quiet = text("report", "0.0", 100, None);
    let all = [instance(1, &quiet, &[]), instance(2, &quiet, &[])];
    let verdict = verdict(Step::Report, TEN, &all);
    assert!(verdict.is_safe(), "{verdict:?}");
}

#[test]
fn whoever_would_be_denied_is_named_with_all_instances_together() {
    let calls = text("report", "0.0", 100, Some(("/a", 5)));
    let all = [instance(1, &calls, &[]), instance(2, &calls, &[])];
    let found = verdict(Step::Report, TEN, &all);
    let [reason] = found.why_not.as_slice() else {
        panic!("{found:?}");
    };
    assert!(
        reason.starts_with("web would be denied at /a: missing_token, 14 times, last 2027-01-15T"),
        "{reason}"
    );
    assert!(reason.contains("internal-token"), "what to do: {reason}");
    let accepted = [instance(1, &calls, &["web"])];
    assert!(verdict(Step::Report, TEN, &accepted).is_safe());
    let long_ago = text("report", "0.0", 200, Some(("/a", 101)));
    assert!(verdict(Step::Report, TEN, &[instance(1, &long_ago, &[])]).is_safe());
}

#[test]
fn an_instance_that_cannot_be_asked_or_is_elsewhere_or_new_is_a_reason_each() {
    let quiet = text("report", "0.0", 100, None);
    let gone = Instance {
        url: "http://gone/metrics".to_owned(),
        answer: Err("connection refused".to_owned()),
    };
    let all = [
        instance(1, &quiet, &[]),
        gone,
        instance(2, &text("enforce", "0.1", 100, None), &[]),
        instance(3, &text("report", "0.0", 99, None), &[]),
        instance(4, "up 1\n", &[]),
    ];
    let found = verdict(Step::Report, TEN, &all);
    let expected = [
        "http://gone/metrics cannot be asked: connection refused",
        "http://i2/metrics is at enforce 10 %, and its configuration at report",
        "http://i4/metrics cannot be asked: these are not the metrics of a service that verifies its callers",
        "http://i3/metrics has been watched for 99 of 100 seconds",
    ];
    assert_eq!(found.why_not, expected);
}

#[test]
fn metrics_that_were_cut_between_two_lines_are_a_reason() {
    let quiet = text("report", "0.0", 100, None);
    let mut cut = instance(1, &quiet, &[]);
    let terms = Terms {
        now: NOW,
        window_seconds: 100,
        counts_seconds: 100,
        accepted: Vec::new(),
    };
    cut.answer = Instance::read(cut.url.clone(), quiet.into_bytes(), &terms).answer;
    let found = verdict(Step::Report, TEN, &[cut]);
    assert_eq!(
        found.why_not,
        ["http://i1/metrics: its metrics were cut short: their last line, `# EOF`, is not there"]
    );
}

/// Metrics of an instance at 10 %, with a route in `report` of its own, whose rule the service's may meet or not.
fn with_own_route(follows: &str) -> String {
    let calls = text("enforce", "0.1", 100, Some(("/own", 5)));
    let own = "hallpass_rollout_ratio{route=\"/own\",mode=\"enforce\"} 1.0";
    assert!(calls.contains(own), "{calls}");
    calls.replace(
        own,
        &format!("hallpass_rollout_ratio{{route=\"/own\",mode=\"report\"}} 0.0\n{follows}"),
    )
}

#[test]
fn a_route_with_a_step_of_its_own_counts_unless_the_step_of_the_service_cannot_reach_it() {
    let reasons = |follows: &str| {
        let one = instance(1, &with_own_route(follows), &[]);
        verdict(Step::Enforce(10), Some(Step::Enforce(50)), &[one]).why_not
    };
    assert_eq!(
        reasons("hallpass_rollout_follows_service{route=\"/own\"} 0"),
        [""; 0]
    );
    for said in ["hallpass_rollout_follows_service{route=\"/own\"} 1", ""] {
        let found = reasons(said);
        assert!(
            found.len() == 1 && found[0].starts_with("web would be denied at /own"),
            "{said}: {found:?}"
        );
    }
    // What is enforced further already is not enforced further by this.
    let calls = text("enforce", "0.1", 100, Some(("/own", 5)));
    let one = instance(1, &calls, &[]);
    let own: Vec<_> = others(one.answer.as_ref().unwrap())
        .map(|(route, step)| (route.route.clone(), step))
        .collect();
    assert_eq!(own, [("/own".to_owned(), Step::LAST)]);
    let found = verdict(Step::Enforce(10), Some(Step::Enforce(50)), &[one]);
    assert!(found.is_safe(), "{found:?}");
}

#[test]
fn whoever_begins_to_count_needs_no_time_and_whoever_is_done_still_does() {
    let off = text("off", "0.0", 0, None);
    assert!(verdict(Step::Off, Some(Step::Report), &[instance(1, &off, &[])]).is_safe());
    let done = text("enforce", "1.0", 99, Some(("/a", 5)));
    let found = verdict(Step::LAST, None, &[instance(1, &done, &[])]);
    assert_eq!(found.why_not.len(), 1, "{found:?}");
    let watched = text("enforce", "1.0", 100, Some(("/a", 5)));
    assert!(verdict(Step::LAST, None, &[instance(1, &watched, &[])]).is_safe());
    let unclear = Verdict::of(
        Configured::Unclear { line: 7 },
        None,
        &[instance(1, &watched, &[])],
        (100, false),
    );
    assert!(unclear.why_not[0].contains("line 7"), "{unclear:?}");
}

fn reasons(text: &str, accepted: &[&str]) -> Vec<String> {
    verdict(Step::Report, TEN, &[instance(1, text, accepted)]).why_not
}

#[test]
fn what_a_handler_would_refuse_is_a_reason_unless_it_is_accepted() {
    let quiet = text("report", "0.0", 100, None);
    let refuses = format!(
        "{quiet}hallpass_extractor_refusals_total{{result=\"would_deny\",reason=\"user_required\",route=\"/a\"}} 4\n"
    );
    let found = reasons(&refuses, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("a handler of /a would refuse calls: user_required, 4 times"),
        "{found:?}"
    );
    assert!(reasons(&refuses, &["/a user_required"]).is_empty());
    assert_eq!(
        reasons(&refuses, &["/b user_required", "/a other"]).len(),
        1
    );
}

#[test]
fn a_service_that_lets_everybody_pass_says_nothing_about_the_next_step() {
    let quiet = text("report", "0.0", 100, None);
    let open = format!("{quiet}hallpass_dev_bypass_enabled 1\n");
    let found = reasons(&open, &[]);
    assert!(found[0].contains("security.permit-all is on"), "{found:?}");
    assert!(reasons(&format!("{quiet}hallpass_dev_bypass_enabled 0\n"), &[]).is_empty());
}

#[test]
fn what_cannot_be_read_or_placed_is_a_reason() {
    let quiet = text("report", "0.0", 100, None);
    let broken = format!("{quiet}hallpass_would_deny_total{{route=\"/a 3\n");
    let found = reasons(&broken, &[]);
    assert!(found[0].contains("cannot be read"), "{found:?}");
    let other = text("report", "0.0", 100, Some(("_other", 5)));
    let found = reasons(&other, &[]);
    assert!(
        found[0].contains("web would be denied at _other"),
        "{found:?}"
    );
    assert!(reasons(&other, &["web"]).is_empty());
    let gone = text("report", "0.0", 100, Some(("/gone", 5)));
    assert_eq!(reasons(&gone, &[]).len(), 1, "came within the time");
    let old = text("report", "0.0", 100, Some(("/gone", 101)));
    assert!(reasons(&old, &[]).is_empty());
}

#[test]
fn an_instance_that_nobody_calls_proves_nothing() {
    let quiet = text("report", "0.0", 100, None);
    let idle = quiet.replace("route=\"/own\"} 3\n", "route=\"/own\"} 0\n");
    let found = reasons(&idle, &[]);
    assert!(found[0].contains("allow-idle"), "{found:?}");
    let allowed = Verdict::of(
        Configured::Step(Step::Report),
        TEN,
        &[instance(1, &idle, &[])],
        (100, true),
    );
    assert!(allowed.is_safe(), "{allowed:?}");
}

/// Metrics of a quiet instance that says this of itself.
fn of(number: u32, audiences: &[&str], process: &str) -> Instance {
    let mut text = text("report", "0.0", 100, None);
    for audience in audiences {
        text.push_str(&format!(
            "hallpass_verifier_info{{audience=\"{audience}\",process=\"{process}\"}} 1\n"
        ));
    }
    instance(number, &text, &[])
}

fn placed(instances: &[Instance]) -> Verdict {
    let mut verdict = verdict(Step::Report, TEN, instances);
    verdict.placed("order", ["stock", "price"], instances);
    verdict
}

#[test]
fn instances_of_one_service_are_not_counted_for_another() {
    let well = placed(&[of(1, &["order"], "a"), of(2, &["order"], "b")]);
    assert!(well.is_safe() && well.notes.is_empty(), "{well:?}");
    let older = placed(&[of(1, &[], "a"), of(2, &["order"], "b")]);
    assert!(older.is_safe(), "{older:?}");
    let pasted = placed(&[of(1, &["stock"], "a")]);
    let said = ["http://i1/metrics is an instance of stock: it takes tokens for stock"];
    assert_eq!(pasted.why_not, said);
    let mixed = placed(&[of(1, &["order"], "a"), of(2, &["shop", "web"], "b")]);
    let said = [
        "http://i1/metrics takes tokens for order, and http://i2/metrics for shop, web: are both instances of order?",
    ];
    assert_eq!(mixed.why_not, said);
    // An audience of another name than the plan's is for a person to look at.
    let named = placed(&[of(1, &["https://orders.example"], "a")]);
    assert!(named.is_safe() && named.notes.len() == 1, "{named:?}");
}

#[test]
fn one_process_behind_two_addresses_is_one() {
    let twice = placed(&[of(1, &["order"], "a"), of(2, &["order"], "a")]);
    let said = "http://i1/metrics and http://i2/metrics are one process: list each instance once";
    assert_eq!(twice.why_not, [said]);
}
