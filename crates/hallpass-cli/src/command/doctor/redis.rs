//! Redis, as the section `redis` says.

mod advice;
mod rights;

use std::time::Duration;

use hallpass::redis::{
    ClusterCoverage, ExaminedRedis, ExaminedSentinel, RedisExamination, RedisForm, RedisInfo,
    RedisNeeds, RedisSettings, examine as look,
};

use hallpass::resource::BlacklistSettings;

use self::advice::{HANGS, form, what_to_do};
use super::check::Check;
use super::finding::Finding;
use super::limits::Limits;

const CHECKS: [Check; 3] = [Check::Redis, Check::RedisTopology, Check::RedisMemory];

/// What other sections keep there that must not be lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeps<'a> {
    /// Tokens that were logged out.
    pub(super) blacklist: Option<&'a BlacklistSettings>,
    /// Whether anything is written there.
    pub(super) writes: bool,
}

pub(super) async fn examine(
    settings: Option<&RedisSettings>,
    keeps: Keeps<'_>,
    limits: &Limits,
) -> Vec<Finding> {
    let Some(settings) = settings else {
        return Finding::skipped_all(&CHECKS, "there is no section `redis`");
    };
    // Its parts end by themselves, one after the other: two steps are nothing to them.
    let needs = RedisNeeds {
        writes: keeps.writes,
        looks_for: keeps
            .blacklist
            .iter()
            .map(|it| it.key.of("probe"))
            .collect(),
    };
    let looked = tokio::time::timeout(limits.step * 2, look(settings, &needs)).await;
    let Ok(found) = looked else {
        let says = format!("{}: no response in time", form(settings));
        let mut findings = vec![Finding::failure(
            Check::Redis,
            says,
            "look at the servers of Redis, and at the network in between",
        )];
        let why = "Redis does not respond";
        findings.extend(Finding::skipped_all(
            &[Check::RedisTopology, Check::RedisMemory],
            why,
        ));
        return findings;
    };
    let mut findings = reached(settings, &found);
    findings.extend(topology(settings, &found));
    findings.extend(memory(keeps, &found));
    findings.extend(rights::examine(settings, &found, &findings));
    findings
}

fn reached(settings: &RedisSettings, found: &RedisExamination) -> Vec<Finding> {
    if found.has_no_database {
        let says = format!(
            "{}: the server has no database {}",
            form(settings),
            settings.database
        );
        let advice = "write a number below its `databases` (16 unless it says otherwise) into `redis.database`; a node of a cluster has 0 alone";
        return vec![Finding::failure(Check::Redis, says, advice)];
    }
    if let Some(error) = &found.failure {
        let says = format!("{}: {error}", form(settings));
        return vec![Finding::failure(Check::Redis, says, what_to_do(error))];
    }
    let servers = found.servers.iter();
    servers.map(|it| responds(settings, it)).collect()
}

fn responds(settings: &RedisSettings, server: &ExaminedRedis) -> Finding {
    let address = &server.address;
    let Some(latency) = server.latency else {
        let says = format!("{address}: it takes connections and does not respond: it hangs");
        return Finding::failure(Check::Redis, says, HANGS);
    };
    let says = format!("{address}: responds in {}", millis(latency));
    let (limit, advice) = (
        settings.timeout,
        "put Redis nearer to this service: calls to it are given up after `redis.timeout`, and the issuer is asked",
    );
    if latency > limit {
        Finding::failure(
            Check::Redis,
            format!("{says}, and {} are allowed", millis(limit)),
            advice,
        )
    } else if latency > limit / 2 {
        Finding::warning(
            Check::Redis,
            format!("{says}, of {}", millis(limit)),
            advice,
        )
    } else {
        Finding::ok(Check::Redis, says)
    }
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}

fn topology(settings: &RedisSettings, found: &RedisExamination) -> Vec<Finding> {
    let mut findings: Vec<_> = sentinels(&found.sentinels);
    if let Some(coverage) = &found.cluster {
        findings.extend(cluster(coverage));
    }
    let servers = found.servers.iter();
    findings.extend(servers.map(|it| role(settings, it)));
    if findings.is_empty() {
        let why = "no server of Redis is reached";
        findings.push(Finding::skipped(Check::RedisTopology, why));
    }
    findings
}

fn sentinels(sentinels: &[ExaminedSentinel]) -> Vec<Finding> {
    let named: Vec<_> = sentinels
        .iter()
        .filter_map(|it| it.primary.as_ref().ok())
        .collect();
    let mut findings = Vec::new();
    for sentinel in sentinels {
        let address = &sentinel.address;
        match &sentinel.primary {
            Ok(_) => {}
            // The others do without it.
            Err(error) if !named.is_empty() => findings.push(Finding::warning(
                Check::RedisTopology,
                format!("the sentinel {address}: {error}"),
                "start that sentinel, or leave it out of `redis.sentinel.nodes`",
            )),
            Err(error) => findings.push(Finding::failure(
                Check::RedisTopology,
                format!("the sentinel {address}: {error}"),
                what_to_do(error),
            )),
        }
    }
    if let Some((first, others)) = named.split_first() {
        findings.push(match others.iter().find(|it| *it != first) {
            Some(other) => Finding::warning(
                Check::RedisTopology,
                format!("sentinels name {first} and {other} as the primary"),
                "wait for the failover to end; if it does not, look at the sentinels",
            ),
            None => Finding::ok(
                Check::RedisTopology,
                format!(
                    "{} of {} sentinels name {first}",
                    named.len(),
                    sentinels.len()
                ),
            ),
        });
    }
    findings
}

fn cluster(coverage: &ClusterCoverage) -> Vec<Finding> {
    let mut findings = Vec::new();
    let all = ClusterCoverage::ALL_SLOTS;
    let says = format!("{} of {all} slots have a primary", coverage.slots);
    findings.push(match coverage.slots >= all {
        true => Finding::ok(Check::RedisTopology, says),
        false => Finding::failure(
            Check::RedisTopology,
            says,
            "give the slots of the cluster to its nodes (`redis-cli --cluster fix`)",
        ),
    });
    for address in &coverage.unreachable {
        findings.push(Finding::failure(
            Check::RedisTopology,
            format!("the primary {address} of the cluster is not reached"),
            "start that node, or let it announce an address that is reached from here (`cluster-announce-ip`)",
        ));
    }
    findings
}

fn role(settings: &RedisSettings, server: &ExaminedRedis) -> Finding {
    let address = &server.address;
    let info = server.info.as_ref().ok();
    let is_alone = matches!(settings.form, RedisForm::Standalone(_));
    if !server.is_primary {
        return Finding::failure(
            Check::RedisTopology,
            format!("{address} is no primary: it takes no writes"),
            "write the address of the primary into `redis`, or name the sentinels in `redis.sentinel`",
        );
    }
    if is_alone && info.is_some_and(|it| it.is_of_a_cluster) {
        return Finding::failure(
            Check::RedisTopology,
            format!(
                "{address} is a node of a cluster, and `redis.host` means one server: keys of other nodes are refused"
            ),
            "name the nodes in `redis.cluster` in place of `redis.host`",
        );
    }
    match info {
        Some(info) if !is_alone && info.replicas == 0 => Finding::warning(
            Check::RedisTopology,
            format!("the primary {address} has no replica: nothing can take its place"),
            "add a replica",
        ),
        Some(info) if !is_alone => Finding::ok(
            Check::RedisTopology,
            format!("{address} is a primary with {} replicas", info.replicas),
        ),
        _ => Finding::ok(Check::RedisTopology, format!("{address} is a primary")),
    }
}

fn memory(keeps: Keeps<'_>, found: &RedisExamination) -> Vec<Finding> {
    let of_server = |server: &ExaminedRedis| match &server.info {
        Ok(info) => room(keeps, &server.address.to_string(), info),
        Err(error) => {
            let address = &server.address;
            let why = format!(
                "{address}: {error}; the user has no right to INFO, which services do not need"
            );
            vec![Finding::skipped(Check::RedisMemory, why)]
        }
    };
    let findings: Vec<_> = found.servers.iter().flat_map(of_server).collect();
    match findings.is_empty() {
        true => vec![Finding::skipped(
            Check::RedisMemory,
            "no server of Redis is reached",
        )],
        false => findings,
    }
}

fn room(keeps: Keeps<'_>, address: &str, info: &RedisInfo) -> Vec<Finding> {
    let mut findings = Vec::new();
    if info.cannot_save {
        findings.push(Finding::failure(
            Check::RedisMemory,
            format!(
                "{address}: it could not save to its disk, and may refuse writes for that (MISCONF)"
            ),
            "make room on its disk, or switch saving off (`save \"\"`): tokens need no persistence",
        ));
    }
    let evicts = &*info.eviction != "noeviction" && !info.eviction.is_empty();
    let (used, most) = (info.used_memory, info.max_memory);
    let says = format!(
        "{address}: {used} of {most} bytes are used, `maxmemory-policy` is {}",
        info.eviction
    );
    const POLICY: &str =
        "set `maxmemory-policy` to volatile-ttl or allkeys-lru, or give it more memory";
    findings.push(match (most, evicts) {
        (0, _) => Finding::ok(Check::RedisMemory, format!("{address}: no `maxmemory` is set")),
        (_, false) if used >= most => Finding::failure(
            Check::RedisMemory,
            format!("{says}: it is full and refuses writes (OOM)"),
            POLICY,
        ),
        (_, false) if keeps.blacklist.is_none() => Finding::warning(
            Check::RedisMemory,
            format!("{says}: once it is full it refuses writes (OOM)"),
            POLICY,
        ),
        (_, true) if keeps.blacklist.is_some() => Finding::warning(
            Check::RedisMemory,
            format!("{says}: tokens that were logged out may be forgotten (`security.internal-jwt.blacklist`)"),
            "set `maxmemory-policy` to noeviction, with memory for all of them, or keep the blacklist in another Redis",
        ),
        _ => Finding::ok(Check::RedisMemory, says),
    });
    findings
}
