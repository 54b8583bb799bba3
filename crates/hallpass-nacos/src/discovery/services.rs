//! What is known of each service.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hallpass_clock::Clock;
use hallpass_upstream::{Instances, Member};
use serde::{Deserialize, Serialize};

use crate::messages::{Host, SECURE, ServiceInfo, ZONE};
use crate::settings::DiscoverySettings;
use crate::snapshot::Snapshot;

/// Most services that are remembered; further ones are asked for each time.
const MAX_SERVICES: usize = 4096;
/// Oldest snapshot that is used: later, an address probably belongs to somebody else.
const MAX_SNAPSHOT_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// After a connection has begun, that there is nobody does not count for so long, where somebody was known: a server that has
/// just come back knows nobody before everybody has told it again, and says so by itself too.
const SETTLING: Duration = Duration::from_secs(30);
/// After so many pulls that brought nothing, what a server said before does not count any more.
const MISSED_PULLS: u32 = 6;
/// Weights are fractions in Nacos and whole numbers here.
const WEIGHT_SCALE: f64 = 100.0;

/// The services that were asked for, and what the server said of them.
pub(super) struct Services {
    /// The metadata that marks instances.
    gray: Option<String>,
    /// Locked for a few instructions and never across an await.
    known: Mutex<HashMap<String, Entry>>,
    snapshot: Option<Snapshot>,
    clock: Arc<dyn Clock>,
    /// For how long what a server said counts while it says no more of it.
    silence: Duration,
}

struct Entry {
    instances: Instances,
    hosts: Vec<Host>,
    is_live: bool,
    /// When a server said last that there is somebody, on the monotonic clock.
    somebody_at: Option<Duration>,
    /// When a server said anything last.
    heard_at: Duration,
}

/// What is remembered of a service.
pub(super) enum Known {
    /// A server has said so to this process.
    Live(Instances),
    /// A server has said so, and nothing for long, although there is a connection.
    Stale,
    /// Another process left it behind.
    FromDisk(Instances),
    /// Nobody has asked for it yet.
    Nothing,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    /// Seconds since 1970.
    at: u64,
    services: BTreeMap<String, Vec<Host>>,
}

impl Services {
    pub(super) fn new(
        settings: &DiscoverySettings,
        namespace: &str,
        folder: Option<&Path>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let key = format!("{namespace}\n{}", settings.group);
        let snapshot = folder.map(|folder| Snapshot::new(folder, "services", &key));
        let services = Self {
            gray: settings.gray_metadata.clone(),
            known: Mutex::default(),
            snapshot,
            clock,
            silence: settings.pull.saturating_mul(MISSED_PULLS),
        };
        services.load();
        services
    }

    fn load(&self) {
        let Some(snapshot) = &self.snapshot else {
            return;
        };
        let Ok(kept) = snapshot.read::<Kept>() else {
            return;
        };
        let age = seconds(self.clock.now()).saturating_sub(kept.at);
        if age > MAX_SNAPSHOT_AGE.as_secs() {
            return;
        }
        let mut known = self.known();
        for (service, hosts) in kept.services.into_iter().take(MAX_SERVICES) {
            let instances = self.usable(&hosts);
            let entry = Entry {
                instances,
                hosts,
                is_live: false,
                somebody_at: None,
                heard_at: Duration::ZERO,
            };
            known.insert(service, entry);
        }
    }

    pub(super) fn recall(&self, service: &str) -> Known {
        let now = self.clock.monotonic();
        match self.known().get(service) {
            Some(entry) if entry.is_live && now.saturating_sub(entry.heard_at) > self.silence => {
                Known::Stale
            }
            Some(entry) if entry.is_live => Known::Live(entry.instances.clone()),
            Some(entry) => Known::FromDisk(entry.instances.clone()),
            None => Known::Nothing,
        }
    }

    /// Those that a server has been asked for.
    pub(super) fn names(&self) -> Vec<String> {
        let known = self.known();
        let live = known.iter().filter(|(_, entry)| entry.is_live);
        live.map(|(service, _)| service.clone()).collect()
    }

    pub(super) fn is_known(&self, service: &str) -> bool {
        self.known().contains_key(service)
    }

    /// Takes what a server says over a connection of this `age`, and returns what counts now: that there is nobody, only
    /// where nobody was known, over a settled connection, or over one that has named somebody before.
    pub(super) fn learn(
        &self,
        service: &str,
        info: &ServiceInfo,
        age: Option<Duration>,
    ) -> Instances {
        let instances = self.usable(&info.hosts);
        let (now, age) = (self.clock.monotonic(), age.unwrap_or_default());
        let mut known = self.known();
        if let Some(before) = known.get_mut(service)
            && instances.is_empty()
            && age < SETTLING
            && before
                .somebody_at
                .is_none_or(|at| now.saturating_sub(at) > age)
        {
            before.is_live = true;
            before.heard_at = now;
            return before.instances.clone();
        }
        let before = known.get(service);
        let somebody_at = match instances.is_empty() {
            true => before.and_then(|entry| entry.somebody_at),
            false => Some(now),
        };
        let before = before.map(|entry| &entry.instances);
        let instances = match before {
            // The same list: who compares two sees it at a glance.
            Some(before) if *before == instances => before.clone(),
            None if known.len() >= MAX_SERVICES => return instances,
            _ => instances,
        };
        let entry = Entry {
            instances: instances.clone(),
            hosts: info.hosts.iter().map(|host| self.kept(host)).collect(),
            is_live: true,
            somebody_at,
            heard_at: now,
        };
        known.insert(service.to_owned(), entry);
        instances
    }

    /// Writes what is known to the disk.
    pub(super) async fn keep(&self) {
        let Some(snapshot) = self.snapshot.clone() else {
            return;
        };
        let services: BTreeMap<_, _> = {
            let known = self.known();
            let filled = known.iter().filter(|(_, entry)| !entry.hosts.is_empty());
            filled
                .map(|(service, entry)| (service.clone(), entry.hosts.clone()))
                .collect()
        };
        if services.is_empty() {
            return;
        }
        // To the hour, so that what stays the same is not written over and over.
        let at = seconds(self.clock.now()) / 3_600 * 3_600;
        let kept = Kept { at, services };
        // A failed task is a runtime that is ending.
        let _ended = tokio::task::spawn_blocking(move || snapshot.write(&kept)).await;
    }

    /// Of the metadata only what is used here: there are passwords among it, for tools that ask Nacos where they are wanted.
    fn kept(&self, host: &Host) -> Host {
        let mut host = host.clone();
        let is_used =
            |name: &str| matches!(name, SECURE | ZONE) || self.gray.as_deref() == Some(name);
        host.metadata.retain(|name, _| is_used(name));
        host
    }

    /// Those that may be called.
    fn usable(&self, hosts: &[Host]) -> Instances {
        let mut hosts: Vec<_> = hosts.iter().filter(|host| is_usable(host)).collect();
        // The order of the server changes from answer to answer.
        hosts.sort_by(|one, other| (&one.ip, one.port).cmp(&(&other.ip, other.port)));
        let members = hosts.into_iter().filter_map(|host| self.member(host));
        members.collect()
    }

    /// `None` for what is no address, such as one that a person has mistyped in the console.
    fn member(&self, host: &Host) -> Option<Member> {
        let told = |name: &str| host.metadata.get(name).filter(|value| !value.is_empty());
        let is_secure = told(SECURE).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let scheme = if is_secure { "https" } else { "http" };
        let address = match host.ip.parse() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => host.ip.clone(),
        };
        let instance = format!("{scheme}://{address}:{}", host.port).parse().ok()?;
        let weight = (host.weight * WEIGHT_SCALE).clamp(1.0, 1e6);
        let mut member = Member::new(instance, weight as u32).cluster(&host.cluster_name);
        if let Some(zone) = told(ZONE) {
            member = member.zone(zone);
        }
        if let Some((name, value)) = self.gray.as_ref().and_then(|it| Some((it, told(it)?))) {
            member = member.tag(name, value);
        }
        Some(member)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn is_usable(host: &Host) -> bool {
    host.healthy && host.enabled && host.weight > 0.0
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.known().keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use hallpass_clock::{ManualClock, SystemClock};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn services() -> Services {
        let settings = DiscoverySettings::default();
        Services::new(&settings, "", None, Arc::new(SystemClock::new()))
    }

    fn host(ip: &str, change: impl FnOnce(&mut Host)) -> Host {
        let mut host = Host {
            ip: ip.to_owned(),
            port: 80,
            ..Host::default()
        };
        change(&mut host);
        host
    }

    fn shown(services: &Services, hosts: &[Host]) -> Vec<(String, u32)> {
        let usable = services.usable(hosts);
        usable
            .weighted()
            .map(|(it, weight)| (it.to_string(), weight))
            .collect()
    }

    #[test]
    fn healthy_and_enabled_instances_with_a_weight_count_by_it() {
        let hosts = [
            host("10.0.0.2", |it| it.weight = 0.5),
            host("10.0.0.1", |_| {}),
            host("10.0.0.3", |it| it.healthy = false),
            host("10.0.0.4", |it| it.enabled = false),
            host("10.0.0.5", |it| it.weight = 0.0),
            host("10.0.0.6", |it| it.weight = 1e-9),
            host("not an address", |_| {}),
            host("::1", |it| {
                it.metadata.insert("secure".to_owned(), "TRUE".to_owned());
            }),
        ];
        let expected = [
            ("http://10.0.0.1:80", 100),
            ("http://10.0.0.2:80", 50),
            ("http://10.0.0.6:80", 1),
            ("https://[::1]:80", 100),
        ];
        let expected = expected.map(|(it, weight)| (it.to_owned(), weight));
        assert_eq!(shown(&services(), &hosts), expected);
    }

    #[test]
    fn an_instance_has_its_cluster_its_zone_and_the_mark_and_no_more_of_its_metadata_is_kept() {
        let settings = DiscoverySettings {
            gray_metadata: Some("version".to_owned()),
            ..DiscoverySettings::default()
        };
        let services = Services::new(&settings, "", None, Arc::new(SystemClock::new()));
        let told = [
            ("version", "gray"),
            ("zone", "hz-a"),
            ("user.password", "hunter2"),
        ];
        let told = told.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let host = host("10.0.0.1", |it| {
            it.cluster_name = "HZ".to_owned();
            it.metadata.extend(told);
        });
        let kept = services.kept(&host);
        assert_eq!(
            kept.metadata.keys().collect::<Vec<_>>(),
            ["version", "zone"]
        );
        let usable = services.usable(&[kept]);
        let expected = Member::new("10.0.0.1:80".parse().unwrap(), 100).cluster("HZ");
        let expected = expected.zone("hz-a").tag("version", "gray");
        assert_eq!(usable.members().collect::<Vec<_>>(), [&expected]);
    }

    #[test]
    fn that_there_is_nobody_does_not_count_before_it_is_certain() {
        let clock = Arc::new(ManualClock::new());
        let settings = DiscoverySettings::default();
        let services = Services::new(&settings, "", None, Arc::clone(&clock) as Arc<dyn Clock>);
        let info = |hosts| ServiceInfo {
            hosts,
            ..ServiceInfo::default()
        };
        let nobody = info(Vec::new());
        let [new, young, settled] = [Duration::ZERO, SETTLING - SECOND, SETTLING].map(Some);
        assert!(services.learn("a", &nobody, new).is_empty());
        let one = info(vec![host("10.0.0.1", |_| {})]);
        services.learn("a", &one, new);
        clock.advance(SECOND);
        // Over another connection than the one that has named somebody.
        for age in [None, new] {
            assert_eq!(services.learn("a", &nobody, age).len(), 1);
            assert!(matches!(services.recall("a"), Known::Live(it) if it.len() == 1));
        }
        // Over the same one: he has gone.
        assert!(services.learn("a", &nobody, young).is_empty());
        services.learn("a", &one, new);
        clock.advance(SETTLING * 2);
        assert!(services.learn("a", &nobody, settled).is_empty());
    }

    #[test]
    fn what_a_server_has_said_counts_no_longer_when_it_says_no_more() {
        let clock = Arc::new(ManualClock::new());
        let settings = DiscoverySettings::default();
        let silence = settings.pull * MISSED_PULLS;
        let services = Services::new(&settings, "", None, Arc::clone(&clock) as Arc<dyn Clock>);
        let info = ServiceInfo {
            hosts: vec![host("10.0.0.1", |_| {})],
            ..ServiceInfo::default()
        };
        let is_live = || matches!(services.recall("a"), Known::Live(_));
        for _ in 0..2 {
            services.learn("a", &info, Some(SETTLING));
            clock.advance(silence);
            assert!(is_live());
            clock.advance(SECOND);
            assert!(!is_live() && matches!(services.recall("a"), Known::Stale));
        }
        // Nobody for certain is something too.
        services.learn("a", &ServiceInfo::default(), Some(Duration::ZERO));
        assert!(is_live());
    }

    #[test]
    fn no_name_that_is_more_than_an_address_becomes_an_instance() {
        let services = services();
        for ip in [
            "",
            "10.0.0.1:81/a",
            "user@10.0.0.1",
            "user:secret@10.0.0.1",
            "10.0.0.1/../x",
            "10.0.0.1?x=",
            "10.0.0.1#",
            "10.0.0.1\\x",
            "a\r\nHost: b",
            "a b",
            "[::1]:80/",
            "%6c",
        ] {
            assert_eq!(shown(&services, &[host(ip, |_| {})]), [], "{ip:?}");
        }
    }

    #[test]
    fn all_clusters_are_given_and_the_choice_knows_the_own_one() {
        let hosts = [
            host("10.0.0.1", |it| it.cluster_name = "HZ".to_owned()),
            host("10.0.0.2", |it| it.cluster_name = "SH".to_owned()),
        ];
        let usable = services().usable(&hosts);
        let clusters = usable.members().map(|member| member.cluster.as_deref());
        assert_eq!(clusters.collect::<Vec<_>>(), [Some("HZ"), Some("SH")]);
    }
}
