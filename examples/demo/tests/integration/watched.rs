//! The estate of the demonstration, watched by a real Prometheus with the rules and the dashboards that are delivered: what they ask for is there.

mod expressions;
mod prometheus;

use std::io::{BufRead, BufReader};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};

use crate::process::{Demo, get, guess};
use crate::programs::program;
use expressions::{Expression, dashboards};
use prometheus::{Prometheus, Target};

/// For all series to be there: a rate needs two looks, and a recorded one is made of that.
const PATIENCE: Duration = Duration::from_secs(90);
/// Issuer, gateway, and three services.
const TARGETS: usize = 5;
const BETWEEN_CALLS: Duration = Duration::from_millis(100);

/// Of what nothing is to be seen in an estate that is well and has neither Redis nor Nacos nor TLS; `deploy/prometheus/tests` has their alerts.
const NOT_HERE: [(&str, &str); 21] = [
    (
        "hallpass_authz_tls_certificate_expiry_timestamp_seconds",
        "no TLS",
    ),
    (
        "hallpass_gateway_tls_certificate_expiry_timestamp_seconds",
        "no TLS",
    ),
    (
        "hallpass_sidecar_tls_certificate_expiry_timestamp_seconds",
        "no TLS",
    ),
    (
        "hallpass_tls_certificate_expiry_timestamp_seconds",
        "no TLS",
    ),
    ("hallpass_ca_not_after_timestamp_seconds", "no authority"),
    (
        "hallpass_certificates_last_renewal_timestamp_seconds",
        "no authority",
    ),
    (
        "hallpass_certificates_not_after_timestamp_seconds",
        "no authority",
    ),
    ("hallpass_certificates_renewals_total", "no authority"),
    ("hallpass_nacos_config_from_snapshot", "no Nacos"),
    ("hallpass_nacos_connected", "no Nacos"),
    ("hallpass_redis_breaker_open", "no Redis"),
    ("hallpass_redis_calls_total", "no Redis"),
    ("hallpass_redis_connected", "no Redis"),
    (
        "hallpass_gateway_upstream_tokens_total{result!=\"ok\"}",
        "no token request fails",
    ),
    (
        "hallpass_jwks_fetch_total{result!=\"success\"}",
        "all keys are fetched",
    ),
    ("hallpass_feign_service_breaker_state", "no breaker opens"),
    (
        "job:hallpass_verify:rate5m{reason=\"unavailable\"}",
        "all keys are fetched",
    ),
    (
        "hallpass_signing_key_created_timestamp_seconds{state=\"announced\"}",
        "no key is announced",
    ),
    (
        "hallpass_signing_key_verifiers_missing{state=\"announced\"}",
        "no key is announced",
    ),
    ("hallpass_would_deny", "every rule is enforced"),
    (
        "hallpass_token_request_total{result!=\"ok\"}",
        "no token request fails",
    ),
];

#[test]
fn all_that_rules_and_dashboards_ask_for_is_there() {
    let Some(server) = program("prometheus") else {
        return;
    };
    let mut demo = Demo::start(&[]);
    let said = said(&mut demo);
    let token = said
        .iter()
        .find_map(|line| line.trim().strip_prefix("TOKEN="));
    let orders = said.iter().find(|line| line.contains("/orders")).unwrap();
    let orders = orders.rsplit_once(' ').unwrap().1.to_owned();
    let targets = targets(&said);
    let issuer = targets.iter().find(|it| it.role == "issuer").unwrap();
    let tokens = format!("http://{}/oauth2/token", issuer.address);
    let load = Load::begin([orders, tokens], token.unwrap().to_owned());

    let prometheus = Prometheus::start(server, &targets);
    let rules = prometheus.rules();
    assert!(rules.len() > 30, "{} rules", rules.len());
    let expressions: Vec<Expression> = rules.into_iter().chain(dashboards()).collect();
    let clock = SystemClock::new();
    let end = clock.monotonic() + PATIENCE;
    let mut left: Vec<&Expression> = expressions.iter().collect();
    loop {
        let mut missing = Vec::new();
        // What was seen once is not asked for again.
        left.retain(|it| {
            let of_it = missing_of(it, &prometheus);
            let is_seen = of_it.is_empty();
            missing.extend(of_it);
            !is_seen
        });
        if left.is_empty() {
            break;
        }
        assert!(
            clock.monotonic() < end,
            "nothing to be seen:\n{}",
            missing.join("\n")
        );
        thread::park_timeout(Duration::from_millis(500));
    }
    load.end();
    for (selector, _why) in NOT_HERE {
        let asks = |it: &Expression| it.text.contains(selector);
        assert!(
            expressions.iter().any(asks),
            "nothing asks for {selector} any more"
        );
    }
}

/// What is asked for and is not there: series of the estate, and what is recorded or drawn from them.
fn missing_of(it: &Expression, prometheus: &Prometheus) -> Vec<String> {
    let selectors = it.selectors().into_iter();
    let absent: Vec<_> = selectors
        .filter(|selector| !prometheus.has_series(selector))
        .collect();
    let excused = |selector: &&String| NOT_HERE.iter().any(|(not, _)| selector.starts_with(not));
    let unexcused = absent.iter().filter(|selector| !excused(selector));
    let mut missing: Vec<_> = unexcused
        .map(|selector| format!("{}: {selector}", it.place))
        .collect();
    // An alert of an estate that is well has nothing to say.
    if absent.is_empty() && !it.is_alert && !prometheus.has_result(&it.text) {
        missing.push(format!("{}: {}", it.place, it.text));
    }
    missing
}

/// All that it says, up to the last address.
fn said(demo: &mut Demo) -> Vec<String> {
    let lines = BufReader::new(demo.child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    for line in lines.map(Result::unwrap) {
        said.push(line);
        if targets(&said).len() == TARGETS {
            break;
        }
    }
    said
}

/// Customers, and somebody who guesses, until it is ended or dropped.
struct Load {
    ends: mpsc::Sender<()>,
    calls: thread::JoinHandle<()>,
}

impl Load {
    fn begin([orders, tokens]: [String; 2], token: String) -> Self {
        let (ends, ended) = mpsc::channel::<()>();
        let calls = thread::spawn(move || {
            while ended.recv_timeout(BETWEEN_CALLS) == Err(mpsc::RecvTimeoutError::Timeout) {
                assert_eq!(get(&orders, &token), 200);
                assert_eq!(get(&orders, "guessed"), 401);
                assert!([401, 429].contains(&guess(&tokens)));
            }
        });
        Self { ends, calls }
    }

    /// Panics when a call did not become what it should.
    fn end(self) {
        drop(self.ends);
        self.calls.join().unwrap();
    }
}

/// The addresses that the demonstration names at its end.
fn targets(said: &[String]) -> Vec<Target> {
    let target = |line: &String| {
        let (role, url) = line.trim().split_once(' ')?;
        let address = url
            .trim()
            .strip_prefix("http://")?
            .strip_suffix("/metrics")?;
        Some(Target {
            role: role.to_owned(),
            address: address.to_owned(),
        })
    };
    said.iter().filter_map(target).collect()
}
