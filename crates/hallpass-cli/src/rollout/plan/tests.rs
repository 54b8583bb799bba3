use std::path::Path;

use hallpass::config::Loader;

use super::*;

fn plan(yaml: &str) -> Result<Plan, String> {
    let loader = Loader::new("hallpass").text("rollout.yaml", yaml);
    let loaded = loader.load_part::<Plan>().map_err(|it| it.to_string())?;
    Ok(loaded.into_settings())
}

fn with(rollout: &str) -> Result<Plan, String> {
    plan(&format!(
        "hallpass: {{ nacos: {{ server-addr: x }}, rollout: {{ {rollout} }} }}"
    ))
}

const SERVICES: &str =
    "services: [{ name: a, file: a.yaml, metrics: 'http://127.0.0.1:1/metrics' }]";

#[test]
fn a_plan_without_steps_goes_by_the_usual_ones_and_keeps_its_files_beside_it() {
    let plan = with(SERVICES).unwrap();
    let steps: Vec<_> = plan.steps().collect();
    assert_eq!(steps.len(), 5);
    assert_eq!((steps[0], steps[4]), (Step::Report, Step::LAST));
    assert_eq!(plan.after(Step::Enforce(25)), Some(Step::Enforce(50)));
    assert_eq!(plan.before(Step::Enforce(25)), Step::Enforce(10));
    assert_eq!(plan.before(Step::Report), Step::Off);
    assert_eq!(plan.after(Step::LAST), None);
    assert_eq!(plan.watch_seconds(Some(Step::Report)), 86_400);
    let file = Path::new("ops/rollout.yaml");
    assert_eq!(plan.record(file), Path::new("ops/rollout-record.jsonl"));
    assert_eq!(plan.reports(file), Path::new("ops/rollout-reports"));
}

#[test]
fn each_step_may_say_how_long_the_one_before_it_is_watched() {
    let plan = with(&format!(
        "watch-seconds: 1h, accept: old-batch, steps: [{{ step: report }}, {{ step: 5, watch-seconds: 7d }}, {{ step: enforce }}],
         services: [{{ name: a, nacos: {{ data-id: a.yaml }}, prefix: scccy, accept: [crawler], metrics: ['http://127.0.0.1:1/m', 'https://a:2/m'] }}, {}]",
        "{ name: b, file: b.yaml, allow-idle: true, metrics: 'http://127.0.0.1:1/metrics' }"
    ))
    .unwrap();
    assert_eq!(plan.watch_seconds(Some(Step::Enforce(5))), 7 * 86_400);
    assert_eq!(plan.watch_seconds(Some(Step::LAST)), 3_600);
    assert_eq!(plan.watch_seconds(None), 3_600);
    let counts = plan.counts_seconds(Some(Step::LAST));
    assert_eq!(counts, 7 * 86_400, "who came in the longest watch");
    let [a, b] = plan.services.as_slice() else {
        panic!("{plan:?}");
    };
    assert_eq!(a.place.to_string(), "nacos DEFAULT_GROUP/a.yaml");
    assert_eq!(a.accepted, ["old-batch", "crawler"]);
    assert_eq!(a.metrics.len(), 2);
    assert_eq!(b.accepted, ["old-batch"]);
    assert!(b.allows_idle && !a.allows_idle);
}

#[test]
fn what_cannot_be_followed_is_said_with_its_key() {
    for (rollout, key) in [
        ("services: []".to_owned(), "services"),
        (
            format!("{SERVICES}, steps: [{{ step: report }}, {{ step: 50 }}, {{ step: 10 }}]"),
            "steps",
        ),
        (format!("{SERVICES}, steps: [{{ step: 10 }}]"), "steps"),
        (format!("{SERVICES}, steps: []"), "steps"),
        (
            format!("{SERVICES}, steps: [{{ step: 200 }}]"),
            "steps[0].step",
        ),
        (format!("{SERVICES}, stepps: []"), "stepps"),
        (
            "services: [{ name: a, metrics: 'http://a/m' }]".to_owned(),
            "services[0].file",
        ),
        (
            "services: [{ name: a, file: b, nacos: { data-id: c }, metrics: 'http://a/m' }]"
                .to_owned(),
            "services[0].file",
        ),
        (
            "services: [{ name: a, file: b }]".to_owned(),
            "services[0].metrics",
        ),
        (
            "services: [{ name: a, file: b, metrics: 'ftp://a/m' }]".to_owned(),
            "services[0].metrics",
        ),
        (
            "services: [{ name: a, file: b, metrics: ['http://a/m', 'http://a/m'] }]".to_owned(),
            "services[0].metrics",
        ),
        (
            "services: [{ name: a, file: b, metrics: 'http://a/m' }, { name: c, file: d, metrics: ['http://b/m', 'http://a/m'] }]".to_owned(),
            "services",
        ),
    ] {
        let problem = with(&rollout).unwrap_err();
        assert!(
            problem.contains(&format!("rollout.{key}")),
            "{rollout}: {problem}"
        );
    }
    let secret = "services: [{ name: a, file: b, metrics: 'http://u:InternalSecret123!@a/m' }]";
    let problem = with(secret).unwrap_err();
    assert!(!problem.contains("InternalSecret123!"), "{problem}");
    assert!(
        plan("hallpass: {}")
            .unwrap_err()
            .contains("hallpass.rollout")
    );
}
