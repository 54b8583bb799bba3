use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tracing::span::{Attributes, Id, Record};
use tracing::{Subscriber, field};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use super::*;

/// Makes an open span of each span, and keeps what is left of it.
#[derive(Clone, Default)]
struct Kept {
    spans: Arc<Mutex<Vec<OpenSpan>>>,
    /// When spans begin, by both clocks; else ten seconds after 1970 and one after the start.
    now: Option<(SystemTime, Duration)>,
}

const AROUND: Ids = Ids {
    trace: 1,
    span: 2,
    is_sampled: true,
};

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Kept {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let usual = (UNIX_EPOCH + Duration::from_secs(10), Duration::from_secs(1));
        let now = self.now.unwrap_or(usual);
        let mut open = OpenSpan::begin(attributes.metadata(), now, Some(AROUND));
        attributes.record(&mut open.recorder(&["order.kind".to_owned()]));
        self.spans.lock().unwrap().push(open);
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut all = self.spans.lock().unwrap();
        values.record(&mut all.last_mut().unwrap().recorder(&[]));
    }
}

/// What is left of the span that `make` makes, after three seconds.
fn left(make: impl FnOnce()) -> Option<FinishedSpan> {
    left_of(&Kept::default(), make)
}

fn left_of(kept: &Kept, make: impl FnOnce()) -> Option<FinishedSpan> {
    let subscriber = tracing_subscriber::registry().with(kept.clone());
    tracing::subscriber::with_default(subscriber, make);
    let open = kept.spans.lock().unwrap().pop().unwrap();
    open.end(Duration::from_secs(4))
}

#[test]
fn a_span_of_ours_stands_where_its_fields_say() {
    let span = left(|| {
        let flags = u8::from(true);
        tracing::info_span!(
            "request",
            otel.kind = "server",
            trace_id = %"000000000000000000000000000000ff",
            span_id = %"00000000000000aa",
            parent_span_id = %"00000000000000bb",
            trace_flags = flags,
        );
    });
    let span = span.unwrap();
    assert_eq!(
        (span.ids.trace, span.ids.span, span.parent),
        (0xff, 0xaa, Some(0xbb))
    );
    assert!(span.is_parent_remote);
    assert_eq!((span.began, span.ended), (10_000_000_000, 13_000_000_000));
}

#[test]
fn a_span_of_the_services_own_stands_below_the_one_around_it() {
    // The names of fields are everybody's: these say nothing of a trace.
    let span = left(|| {
        tracing::info_span!(target: "shop::orders", "job", trace_id = "ff", span_id = "aa", trace_flags = 0_u8);
    });
    let span = span.unwrap();
    assert_eq!(
        (span.ids.trace, span.parent),
        (AROUND.trace, Some(AROUND.span))
    );
    assert!(span.ids.span != 0xaa && !span.is_parent_remote);
    assert_eq!(span.attributes, []);
}

#[test]
fn a_span_that_was_told_of_no_trace_is_not_exported() {
    let unset = left(|| drop(tracing::info_span!("attempt", trace_id = field::Empty)));
    assert!(unset.is_none());
    let unsampled = left(|| {
        tracing::info_span!(
            "attempt",
            trace_id = "ff",
            span_id = "aa",
            trace_flags = 0_u8
        );
    });
    assert!(unsampled.is_none());
}

#[test]
fn fields_that_are_not_listed_are_left_out_and_ours_of_spans_of_others_too() {
    let ours = left(|| {
        let span = tracing::info_span!(
            "request",
            http.route = "/a",
            user = "alice",
            client = field::Empty
        );
        span.record("client", "logistics");
    });
    let expected = [
        ("http.route", Value::Text("/a".to_owned())),
        ("client", Value::Text("logistics".to_owned())),
    ];
    assert_eq!(ours.unwrap().attributes, expected);
    let theirs = left(|| {
        tracing::info_span!(target: "shop", "look_up", client = "secret", order.kind = "gift", id = 7);
    });
    let expected = [("order.kind", Value::Text("gift".to_owned()))];
    assert_eq!(theirs.unwrap().attributes, expected);
}

#[test]
fn a_long_text_is_cut_between_two_letters() {
    let long = format!("a{}", "ö".repeat(200));
    let span = left(|| {
        tracing::info_span!("request", http.route = long, error.type = ?long);
    });
    let attributes = span.unwrap().attributes;
    assert_eq!(attributes.len(), 2);
    for (_, value) in attributes {
        let Value::Text(text) = value else {
            panic!("{value:?}")
        };
        assert!((255..=256).contains(&text.len()), "{}", text.len());
    }
}

#[test]
fn a_failure_of_a_caller_is_none_of_the_service() {
    let failed = |kind: &str, status: u16| {
        let span = left(|| {
            tracing::info_span!(
                "request",
                otel.kind = kind,
                http.response.status_code = status
            );
        });
        span.unwrap().has_failed()
    };
    assert!(failed("server", 500) && failed("client", 404));
    assert!(!failed("server", 404) && !failed("client", 302));
}

#[test]
fn the_clock_of_the_system_may_stand_before_1970() {
    let (early, began) = (UNIX_EPOCH - Duration::from_secs(1), Duration::from_secs(1));
    let kept = Kept {
        now: Some((early, began)),
        ..Kept::default()
    };
    let span = left_of(&kept, || drop(tracing::info_span!("request"))).unwrap();
    assert_eq!((span.began, span.ended), (0, 3_000_000_000));
    assert_eq!(nanos(Duration::MAX), u64::MAX);
}

/// Else its arguments would be exported that are called as fields of ours are, and its word for a trace be taken.
#[test]
fn a_crate_of_the_house_whose_name_begins_with_ours_is_not_ours() {
    let fields = |make: fn()| left(make).unwrap().attributes.len();
    assert_eq!(
        fields(|| drop(tracing::info_span!(target: "hallpass_feign::layers", "s", client = "a"))),
        1
    );
    assert_eq!(
        fields(|| drop(tracing::info_span!(target: "hallpass", "s", client = "a"))),
        1
    );
    let house = left(|| {
        drop(
            tracing::info_span!(target: "hallpass_orders::api", "s", client = "s3cret", service = "s3cret"),
        )
    });
    let near = left(|| drop(tracing::info_span!(target: "hallpassword", "s", client = "s3cret")));
    for stranger in [house, near] {
        assert_eq!(stranger.unwrap().attributes, []);
    }
    let claims = left(|| {
        drop(
            tracing::info_span!(target: "hallpass_orders::api", "s", trace_id = "ff", span_id = "aa", trace_flags = 1_u8),
        );
    });
    assert_eq!(claims.unwrap().ids.trace, AROUND.trace);
}

#[test]
fn a_method_that_is_not_known_names_no_span() {
    let title = |method: &str, route: Option<&str>| {
        let span = left(|| {
            drop(tracing::info_span!(
                "request",
                http.request.method = method,
                http.route = route
            ))
        });
        span.unwrap().title()
    };
    assert_eq!(title("_OTHER", None), "HTTP");
    assert_eq!(title("_OTHER", Some("/a")), "HTTP /a");
    assert_eq!(title("GET", Some("/a")), "GET /a");
}

#[test]
fn requests_that_were_refused_are_told_from_others() {
    let refused = |kind: &str, status: u16| {
        let span = left(|| {
            drop(tracing::info_span!(
                "request",
                otel.kind = kind,
                http.response.status_code = status
            ));
        });
        span.unwrap().is_refused
    };
    assert!(refused("server", 401) && refused("server", 404));
    assert!(!refused("server", 200) && !refused("server", 500) && !refused("client", 404));
}
