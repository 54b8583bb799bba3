//! `hallpass rollout`, of real services under load: the whole way by a plan, and back.

mod estate;
mod load;

use std::fs;
use std::path::Path;
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};
use serde_json::Value;

use crate::process::{Outcome, run};
use estate::Estate;
use load::Load;

fn entries(record: &Path) -> Vec<Value> {
    let text = fs::read_to_string(record).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_service_goes_all_the_way_by_its_plan_under_load_and_back_in_one_command() {
    let estate = Estate::start("mode: off");
    let before = estate.edge();
    let load = Load::start(estate.orders(), estate.token());
    let plan = estate.rollout(&["plan"]);
    assert_eq!(plan.code, 2, "{plan:?}");
    for part in [
        "edge.yaml): off",
        "report, at once",
        "hallpass.security.internal-jwt.mode: off -> report",
        "enforce 10 %, after 2 seconds",
        "hallpass.security.internal-jwt.enforce-percent: 1 -> 10",
    ] {
        assert!(plan.stdout.contains(part), "{part}: {plan:?}");
    }
    assert_eq!(estate.edge(), before, "a plan changes nothing");
    counts_and_refuses(&estate, &before);
    goes_all_the_way(&estate);
    goes_back(&estate);
    let (calls, failed) = load.end();
    assert!(calls > 100, "{calls} calls");
    assert_eq!(failed, [0_u16; 0], "of {calls} calls");
    what_is_left_on_the_disk(&estate, &before);
}

fn counts_and_refuses(estate: &Estate, before: &str) {
    // The first step needs no time: it denies nobody.
    let first = estate.rollout(&["advance", "--by", "ann"]);
    assert_eq!(first.code, 0, "{first:?}");
    assert!(
        first.stdout.contains("taken by 2 of 2 instances"),
        "{first:?}"
    );
    assert_eq!(
        estate.edge(),
        before.replace("mode: off", "mode: report"),
        "comments stay"
    );

    let (refused, status) = estate.amid_strangers(|| {
        let refused = estate.rollout(&["advance"]);
        (refused, estate.rollout(&["status", "--json"]))
    });
    assert_eq!(refused.code, 65, "{refused:?}");
    let reason = "_unauthenticated would be denied at /orders/**: missing_token, ";
    assert!(refused.stdout.contains(reason), "{refused:?}");
    assert!(refused.stdout.contains("it sends no token"), "{refused:?}");
    assert_eq!(status.code, 65, "{status:?}");
    let edge = &status.json()["services"][0];
    assert_eq!(
        (&edge["step"], &edge["next"]),
        (&"report".into(), &"enforce 1 %".into())
    );
    assert_eq!(edge["instances"].as_array().unwrap().len(), 2, "{edge}");
    assert_eq!(edge["instances"][1]["step"], "report");
    assert_eq!(
        estate.edge(),
        before.replace("mode: off", "mode: report"),
        "nothing was written"
    );
}

fn goes_all_the_way(estate: &Estate) {
    // Nobody comes without a token any more; then each step is safe once it was watched.
    let ends_phase = |outcome: &Outcome| outcome.stdout.contains("acceptance report: ");
    let one = estate.advance();
    assert!(
        one.stdout.contains("report -> enforce 1 %") && ends_phase(&one),
        "{one:?}"
    );
    for (step, ends) in [
        ("enforce 10 %", false),
        ("enforce 50 %", false),
        ("-> enforce (", true),
    ] {
        let outcome = estate.advance();
        assert!(outcome.stdout.contains(step), "{step}: {outcome:?}");
        assert_eq!(ends_phase(&outcome), ends, "{step}: {outcome:?}");
    }
    assert_eq!(estate.strangers(), [401, 401]);
    let accepted = estate.advance();
    assert!(
        accepted.stdout.contains("enforce, accepted") && ends_phase(&accepted),
        "{accepted:?}"
    );
    assert_eq!(
        estate.rollout(&["advance"]).stdout,
        "nothing is left to do\n"
    );
    assert_eq!(estate.rollout(&["plan"]).code, 0);
    assert_eq!(estate.rollout(&["status"]).code, 0);
}

fn goes_back(estate: &Estate) {
    let clock = SystemClock::new();
    let began = clock.monotonic();
    let back = estate.rollout(&["back", "--by", "bob"]);
    assert_eq!(estate.strangers(), [200, 200], "{back:?}");
    assert!(
        clock.monotonic() - began < Duration::from_secs(10),
        "{back:?}"
    );
    assert_eq!(back.code, 0, "{back:?}");
    assert!(
        back.stdout.contains("edge: report at 2 of 2 instances"),
        "{back:?}"
    );
    let own = "/admin/** has a mode of its own, and stays at enforce";
    assert!(back.stderr.contains(own), "{back:?}");
}

/// The record of each change, and the reports to be signed.
fn what_is_left_on_the_disk(estate: &Estate, before: &str) {
    let edge = estate.edge();
    let with_percent = "mode: report # since May\n      enforce-percent: 100";
    assert_eq!(edge, before.replace("mode: off # since May", with_percent));
    let all = entries(&estate.path("rollout-record.jsonl"));
    let of = |action: &str| {
        all.iter()
            .filter(|it| it["action"] == action)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (of("advance").len(), of("accept").len(), of("back").len()),
        (5, 1, 1)
    );
    let back = of("back")[0];
    assert_eq!(
        [&back["by"], &back["from"], &back["to"]],
        ["bob", "enforce", "report"]
    );
    assert!(of("advance")[1]["seen"][0]["allowed"].as_u64().unwrap() > 0);
    let reports = fs::read_dir(estate.path("rollout-reports")).unwrap();
    let mut names: Vec<_> = reports
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 3, "{names:?}");
    let report = names
        .iter()
        .find(|it| it.starts_with("edge-report-"))
        .unwrap();
    let report = fs::read_to_string(estate.path("rollout-reports").join(report)).unwrap();
    for part in [
        "| passed, and would be denied | _unauthenticated | missing_token | ",
        "| ann | off | report |",
        "hallpass rollout back edge",
        "None: no caller is to be denied.",
    ] {
        assert!(report.contains(part), "{part}\n{report}");
    }
}

#[test]
fn the_way_back_needs_no_metrics_and_the_way_forth_needs_all_of_them() {
    let estate = Estate::start("mode: report");
    let mut metrics = estate.metrics();
    metrics.push("http://127.0.0.1:1/metrics".to_owned());
    estate.plan(&metrics, "accept: [_unauthenticated]");
    let forth = estate.rollout(&["advance", "edge"]);
    assert_eq!(forth.code, 65, "{forth:?}");
    assert!(
        forth
            .stdout
            .contains("http://127.0.0.1:1/metrics cannot be asked"),
        "{forth:?}"
    );
    let unknown = estate.rollout(&["advance", "other"]);
    assert_eq!(unknown.code, 64, "{unknown:?}");

    let gone = ["http://127.0.0.1:1/metrics".to_owned()];
    estate.plan(&gone, "");
    let before = estate.edge();
    let back = estate.rollout(&["back", "edge", "--to", "off"]);
    // It may be one that was stopped, and goes on to deny when it is let go on.
    assert_eq!(back.code, 1, "{back:?}");
    for part in [
        "http://127.0.0.1:1/metrics cannot be asked, and has not confirmed it",
        "the order stands (off in ",
        "1 of 1 instances have not confirmed it",
    ] {
        assert!(back.stderr.contains(part), "{part}: {back:?}");
    }
    assert_eq!(estate.edge(), before.replace("mode: report", "mode: off"));
    let again = estate.rollout(&["back"]);
    assert!(again.stdout.contains("edge: off already"), "{again:?}");
    // A file that cannot be read is said, and fails.
    fs::write(estate.path("edge.yaml"), "hallpass: [InternalSecret123!").unwrap();
    let broken = estate.rollout(&["back"]);
    assert_eq!(broken.code, 1, "{broken:?}");
    assert!(
        broken.stderr.contains("is not valid YAML") && !broken.stderr.contains("Secret123"),
        "{broken:?}"
    );
}

/// One that hangs takes connections and says nothing: nobody knows whether it denies, and nobody waits for it without an end.
#[test]
fn the_way_back_does_not_wait_for_an_instance_that_was_stopped_longer_than_it_says() {
    let estate = Estate::start("mode: enforce");
    let metrics = estate.metrics();
    estate.stop_one("STOP");
    let clock = SystemClock::new();
    for (wait, most) in [("2", 2), ("15", 15)] {
        let begun = clock.monotonic();
        let back = estate.rollout(&["back", "--wait", wait]);
        let took = clock.monotonic() - begun;
        assert_eq!(back.code, 1, "{back:?}");
        for part in [
            &*format!("{} cannot be asked, and has not confirmed it", metrics[0]),
            "1 of 2 instances have not confirmed it",
        ] {
            assert!(back.stderr.contains(part), "{part}: {back:?}");
        }
        // The other one may need a moment more than the shorter time.
        let is_told = back.stdout.contains("report at 1 of 2 instances");
        assert!(is_told || wait == "2", "{back:?}");
        // For a process that begins and ends on a machine that does much else.
        assert!(took < Duration::from_secs(most + 2), "{wait}: {took:?}");
    }
    estate.stop_one("CONT");
    let back = estate.rollout(&["back"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert!(
        back.stdout.contains("report at 2 of 2 instances"),
        "{back:?}"
    );
}

/// Whatever is wrong with the ways to other services, and with those to the metrics.
#[test]
fn the_way_back_asks_only_for_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let (edge, plan) = (
        folder.path().join("edge.yaml"),
        folder.path().join("rollout.yaml"),
    );
    fs::write(
        &edge,
        "hallpass: { security: { internal-jwt: { mode: enforce } } }\n",
    )
    .unwrap();
    fs::write(
        &plan,
        "hallpass:
  tls: { ca-file: nowhere.pem }
  rollout:
    services:
      - { name: edge, file: edge.yaml, metrics: 'https://127.0.0.1:1/metrics' }
      - { name: kept-elsewhere, nacos: { data-id: a.yaml }, metrics: 'https://127.0.0.1:2/metrics' }\n",
    )
    .unwrap();
    let plan = plan.to_str().unwrap();
    let back = run(&["rollout", "back", "edge", "--plan", plan]);
    assert_eq!(back.code, 1, "{back:?}");
    assert!(back.stderr.contains("cannot be asked"), "{back:?}");
    let written = fs::read_to_string(&edge).unwrap();
    assert!(written.contains("mode: report"), "{written}");
    fs::write(&edge, written.replace("report", "enforce")).unwrap();
    let all = run(&["rollout", "back", "--plan", plan]);
    assert_eq!(all.code, 1, "{all:?}");
    assert!(all.stderr.contains("kept-elsewhere: "), "{all:?}");
    assert!(fs::read_to_string(&edge).unwrap().contains("mode: report"));
}

/// What a file says is not what its instances do: they read it a moment later, or not at all.
#[test]
fn who_is_back_already_is_asked_too() {
    let estate = Estate::start("mode: enforce");
    let named = estate.edge();
    let other = named.replace("mode: enforce # since May", "mode: report # since May");
    // A file of another name, which no instance reads.
    fs::write(estate.path("unread.yaml"), &other).unwrap();
    let plan = fs::read_to_string(estate.path("rollout.yaml")).unwrap();
    let plan = plan.replace("file: edge.yaml", "file: unread.yaml");
    fs::write(estate.path("rollout.yaml"), plan).unwrap();
    for _ in 0..2 {
        let back = estate.rollout(&["back", "--wait", "1"]);
        assert_eq!(back.code, 1, "{back:?}");
        assert!(back.stdout.contains("report already"), "{back:?}");
        assert!(back.stderr.contains("has not taken it"), "{back:?}");
    }
}

/// One configuration that nobody can read is no reason to say nothing of the others.
#[test]
fn of_services_whose_configuration_cannot_be_read_the_others_are_shown() {
    let estate = Estate::start("mode: report");
    fs::write(estate.path("broken.yaml"), "hallpass: [InternalSecret123!").unwrap();
    let plan = fs::read_to_string(estate.path("rollout.yaml")).unwrap();
    let broken = "{ name: broken, file: broken.yaml, metrics: 'http://127.0.0.1:1/metrics' }";
    let both = plan.replace("- name: edge", &format!("- {broken}\n      - name: edge"));
    fs::write(estate.path("rollout.yaml"), both).unwrap();
    for (command, code) in [("status", 65), ("plan", 1)] {
        let said = estate.rollout(&[command]);
        assert_eq!(said.code, code, "{said:?}");
        assert!(said.stdout.contains("is not valid YAML"), "{said:?}");
        assert!(said.stdout.contains("edge.yaml): report"), "{said:?}");
        assert!(!said.stdout.contains("Secret123"), "{said:?}");
    }
}
