use hallpass_config::Percent;
use http::{HeaderMap, HeaderValue};

use super::*;

const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn headers(traceparent: &str, states: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(TRACEPARENT, HeaderValue::from_str(traceparent).unwrap());
    for state in states {
        headers.append(TRACESTATE, HeaderValue::from_str(state).unwrap());
    }
    headers
}

fn of(traceparent: &str) -> Option<TraceContext> {
    TraceContext::of(&headers(traceparent, &[]))
}

#[test]
fn a_well_formed_traceparent_names_the_trace_and_the_span_of_its_sender() {
    let sender = of(GOOD).unwrap();
    assert_eq!(
        sender.trace_id().to_string(),
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
    assert_eq!(sender.span_id().to_string(), "00f067aa0ba902b7");
    assert!(sender.is_sampled());
    let later = format!("cc{}-what-the-future-brings", GOOD.trim_start_matches("00"));
    assert_eq!(of(&later), Some(sender));
    let unsampled = of(&GOOD.replace("-01", "-fe")).unwrap();
    assert!(!unsampled.is_sampled());
    assert!(unsampled.traceparent().to_str().unwrap().ends_with("-00"));
}

#[test]
fn a_malformed_traceparent_begins_a_new_trace() {
    // Each of these breaks one rule only.
    for text in [
        "nonsense",
        "000-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "0G-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e47361-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473G-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
    ] {
        assert_eq!(of(text), None, "{text}");
        let headers = headers(text, &["vendor=value"]);
        let begun = TraceContext::received(&headers, Percent::ALL);
        assert_eq!(begun.parent_id(), None, "{text}");
        let mut sent = headers;
        begun.write(&mut sent);
        assert!(!sent.contains_key(TRACESTATE), "of another trace: {text}");
    }
    let mut two = headers(GOOD, &[]);
    two.append(TRACEPARENT, HeaderValue::from_static(GOOD));
    assert_eq!(TraceContext::of(&two), None);
}

#[test]
fn a_request_is_a_span_below_that_of_its_sender_and_each_attempt_one_below_it() {
    let sender = of(GOOD).unwrap();
    let request = TraceContext::received(&headers(GOOD, &["a=1"]), Percent::new(0).unwrap());
    assert_eq!(request.trace_id(), sender.trace_id());
    assert_eq!(request.parent_id(), Some(sender.span_id()));
    assert!(request.is_sampled(), "that of the sender");
    let (first, second) = (request.child(), request.child());
    assert_ne!(first.span_id(), second.span_id());
    for attempt in [&first, &second] {
        assert_eq!(attempt.parent_id(), Some(request.span_id()));
        let mut sent = headers("somebody-elses", &["other=2", "more=3"]);
        attempt.write(&mut sent);
        let expected = format!("00-{}-{}-01", sender.trace_id(), attempt.span_id());
        assert_eq!(sent.get_all(TRACEPARENT).iter().count(), 1);
        assert_eq!(sent[TRACEPARENT], expected);
        assert_eq!(sent.get_all(TRACESTATE).iter().count(), 1);
        assert_eq!(sent[TRACESTATE], "a=1");
    }
}

fn state(states: &[&str]) -> Option<String> {
    let mut sent = HeaderMap::new();
    TraceContext::of(&headers(GOOD, states))
        .unwrap()
        .write(&mut sent);
    let state = sent.get(TRACESTATE);
    state.map(|value| value.to_str().unwrap().to_owned())
}

#[test]
fn tracestate_is_passed_on_and_bounded() {
    assert_eq!(state(&[]), None);
    assert_eq!(state(&["", " , "]), None);
    assert_eq!(
        state(&["rojo=00f067aa0ba902b7 , congo=t61rcWkgMzE", "a@b=c d"]).as_deref(),
        Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE,a@b=c d")
    );
    for malformed in [
        "novalue",
        "=value",
        "key=",
        "Key=value",
        "key=a=b",
        "k\u{fc}y=a",
        "good=1,b ad=2",
    ] {
        assert_eq!(state(&[malformed]), None, "{malformed}");
    }
    let many: Vec<_> = (0..40).map(|number| format!("k{number}=v")).collect();
    let kept = state(&[&many.join(",")]).unwrap();
    assert_eq!(kept, many[..32].join(","));
    let long: Vec<_> = (0..4)
        .map(|number| format!("k{number}={}", "x".repeat(200)))
        .collect();
    assert_eq!(state(&[&long.join(",")]).unwrap(), long[..2].join(","));
    let exact = format!("k={}", "x".repeat(256));
    let rest = format!("l={}", "y".repeat(512 - exact.len() - 3));
    let whole = format!("{exact},{rest}");
    assert_eq!((whole.len(), state(&[&whole])), (512, Some(whole.clone())));
    assert_eq!(state(&[&format!("{exact},{rest}y")]).unwrap(), exact);
    assert_eq!(state(&[&format!("k={}", "x".repeat(257))]), None);
}

#[test]
fn as_many_traces_are_sampled_as_the_settings_say() {
    for (percent, expected) in [
        (Percent::new(0).unwrap(), 0..=0),
        (Percent::ALL, 10_000..=10_000),
        (Percent::HALF, 4_600..=5_400),
    ] {
        let begun = (0..10_000).map(|_| TraceContext::begin(percent));
        let sampled = begun.filter(TraceContext::is_sampled).count();
        assert!(
            expected.contains(&sampled),
            "{sampled} of 10,000 at {percent:?}"
        );
    }
}

#[test]
fn a_span_of_another_product_is_taken_when_it_has_names() {
    let taken = TraceContext::of_ids(0x4bf9, 0xf067, true).unwrap();
    let text = "00-00000000000000000000000000004bf9-000000000000f067-01";
    assert_eq!(taken.traceparent(), text);
    assert_eq!(TraceContext::of_ids(0, 1, true), None);
    assert_eq!(TraceContext::of_ids(1, 0, true), None);
}

#[test]
fn debug_output_shows_no_tracestate() {
    let shown = format!(
        "{:?}",
        TraceContext::of(&headers(GOOD, &["vendor=private"]))
    );
    assert!(
        shown.contains("4bf92f35") && !shown.contains("private"),
        "{shown}"
    );
}

const fn percent(percent: u8) -> Percent {
    Percent::new(percent).unwrap()
}

/// How many of 10,000 requests are sampled whose trace has a name that is among any percentage.
fn sampled_of(flags: &str, is_trusted: bool, sampled: Percent) -> usize {
    let sent = format!("00-00000000000000010000000000000000-00f067aa0ba902b7-{flags}");
    let mut headers = HeaderMap::new();
    headers.insert(TRACEPARENT, HeaderValue::from_str(&sent).unwrap());
    let received = (0..10_000).map(|_| TraceContext::received(&headers, sampled));
    let judged = received.map(|it| it.marked_by_sender(is_trusted, sampled));
    judged.filter(TraceContext::is_sampled).count()
}

#[test]
fn the_mark_of_a_sender_who_is_not_trusted_counts_by_our_own_percentage_whatever_the_trace_is_called()
 {
    assert_eq!(sampled_of("01", true, percent(0)), 10_000);
    assert_eq!(sampled_of("01", false, percent(0)), 0);
    assert_eq!(sampled_of("01", false, Percent::ALL), 10_000);
    let half = sampled_of("01", false, Percent::HALF);
    assert!((4_600..=5_400).contains(&half), "{half}");
    assert_eq!(sampled_of("00", false, Percent::ALL), 0);
}

#[test]
fn a_trace_that_began_here_is_judged_once() {
    let headers = HeaderMap::new();
    for _ in 0..1_000 {
        let begun = TraceContext::received(&headers, Percent::HALF);
        let judged = begun.clone().marked_by_sender(false, percent(0));
        assert_eq!(begun, judged);
    }
}
