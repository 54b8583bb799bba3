//! Real servers of Redis, each with another thing wrong.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};

use super::rig::{Diagnosis, Estate, closed_port};
use crate::process::signal;

/// Longer than anything takes; nothing waits for it unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// One process, killed at the end.
struct Server {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Server {
    /// `None`, which is said loudly, where it is not installed.
    fn start(arguments: &[&str]) -> Option<Self> {
        let port = closed_port();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        let text = port.to_string();
        let mut command = Command::new("redis-server");
        // A file of configuration comes first.
        let (file, arguments) = match arguments.split_first() {
            Some((&"--sentinel", of)) => {
                let file = folder.path().join("sentinel.conf");
                let primary = of.first().unwrap();
                let text = format!(
                    "port {port}\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 {primary} 1\n"
                );
                std::fs::write(&file, text).unwrap();
                (Some(file), &["--sentinel"][..])
            }
            _ => (None, arguments),
        };
        let is_sentinel = file.is_some();
        command.args(file);
        if !is_sentinel {
            command.args([
                "--port",
                &text,
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--dir",
                &path,
            ]);
        }
        command.args(arguments).current_dir(folder.path());
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let Ok(child) = spawned else {
            let line = b"\n!! SKIPPED, a test with a real Redis: redis-server is not installed\n";
            let _unheard = std::io::stderr().write_all(line);
            return None;
        };
        until("redis-server listens", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Some(Self {
            child,
            port,
            folder,
        })
    }

    fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string()]).args(arguments);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    /// The section of a service that uses it.
    fn section(&self, more: &str) -> String {
        format!("redis: {{ port: {}, timeout: 30ms{more} }}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What the doctor says. A machine that does much else makes a server of Redis slow for a moment: then it is asked again.
fn looked(estate: &Estate, yaml: &str) -> Diagnosis {
    let clock = SystemClock::new();
    let end = clock.monotonic() + PATIENCE;
    loop {
        let found = estate.doctor(yaml);
        let text = found.to_string();
        let is_slow = text.contains(" ms, and ") || text.contains(" ms, of ");
        if !is_slow || clock.monotonic() > end {
            return found;
        }
    }
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let clock = SystemClock::new();
    let end = clock.monotonic() + PATIENCE;
    while !holds() {
        assert!(clock.monotonic() < end, "not so in time: {what}");
        thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_server_that_is_not_well_is_named_with_the_reason() {
    let estate = Estate::start();
    let Some(sound) = Server::start(&[]) else {
        return;
    };
    looked(&estate, &estate.and(&sound.section(""))).is(0, &[]);

    let away = format!("redis: {{ port: {} }}", closed_port());
    let found = looked(&estate, &estate.and(&away));
    found.is(65, &[("redis", "failure", "no connection to")]);

    let guarded = Server::start(&["--requirepass", "another-password"]).unwrap();
    let found = looked(
        &estate,
        &estate.and(&guarded.section(", password: wrong-password")),
    );
    found.is(65, &[("redis", "failure", "refused with WRONGPASS")]);
    let found = looked(&estate, &estate.and(&guarded.section("")));
    found.is(65, &[("redis", "failure", "refused with NOAUTH")]);

    let of = sound.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &of]).unwrap();
    let found = looked(&estate, &estate.and(&replica.section("")));
    found.is(65, &[("redis-topology", "failure", "is no primary")]);

    let full = Server::start(&["--maxmemory", "100kb"]).unwrap();
    let found = looked(&estate, &estate.and(&full.section("")));
    found.is(
        65,
        &[(
            "redis-memory",
            "failure",
            "it is full and refuses writes (OOM)",
        )],
    );
    full.cli(&["CONFIG", "SET", "maxmemory", "100mb"]);
    let found = looked(&estate, &estate.and(&full.section("")));
    found.is(
        0,
        &[(
            "redis-memory",
            "warning",
            "once it is full it refuses writes",
        )],
    );
    full.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    looked(&estate, &estate.and(&full.section(""))).is(0, &[]);

    signal(&full.child, "STOP");
    let found = estate.doctor(&estate.and(&full.section("")));
    signal(&full.child, "CONT");
    found.is(65, &[("redis", "failure", "does not respond: it hangs")]);
    // It runs: nobody shall be told to start it.
    assert!(!found.to_string().contains("start Redis"), "{found}");
}

#[test]
fn a_server_that_does_not_do_what_it_is_asked_for_is_named_with_the_reason() {
    let estate = Estate::start();
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let user = |name: &str, rights: &str| {
        let mut words = vec!["ACL", "SETUSER", name, "on", ">a-password"];
        words.extend(rights.split(' '));
        assert_eq!(server.cli(&words).trim(), "OK");
        format!(", username: {name}, password: a-password")
    };
    let ours = "~hallpass:internal-token:*";
    let cache = "+ping +select +getrange +get +set +del +pexpire +eval +role";
    let with = |user: &str| estate.and(&server.section(user));
    let sound = user("sound", &format!("{ours} {cache}"));
    looked(&estate, &with(&sound)).is(0, &[]);
    assert_eq!(server.cli(&["DBSIZE"]).trim(), "0");
    let reader = user("reader", &format!("{ours} {cache} -set"));
    let part = "may not SET the key `hallpass:internal-token:probe` (NOPERM)";
    looked(&estate, &with(&reader)).is(65, &[("redis", "failure", part)]);
    let elsewhere = user("elsewhere", &format!("~other:* {cache}"));
    looked(&estate, &with(&elsewhere)).is(65, &[("redis", "failure", part)]);
    let blacklist = with(&sound).replace(
        "    internal-jwt:\n",
        "    internal-jwt:\n      blacklist: { redis-key: 'jwt:blacklist:{jti}' }\n",
    );
    let part = "may not EXISTS the key `jwt:blacklist:probe` (NOPERM)";
    looked(&estate, &blacklist).is(65, &[("redis", "failure", part)]);
    let found = looked(&estate, &with(", database: 99"));
    found.is(65, &[("redis", "failure", "has no database 99")]);
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let part = "fewer replicas than `min-replicas-to-write` (NOREPLICAS)";
    looked(&estate, &with("")).is(65, &[("redis", "failure", part)]);
}

#[test]
fn a_server_that_cannot_save_is_named() {
    let estate = Estate::start();
    let Some(server) = Server::start(&["--save", "3600 1", "--appendonly", "no"]) else {
        return;
    };
    // The folder that it saves into is gone.
    std::fs::remove_dir_all(server.folder.path()).unwrap();
    server.cli(&["BGSAVE"]);
    until("it could not save", || {
        server
            .cli(&["INFO", "persistence"])
            .contains("rdb_last_bgsave_status:err")
    });
    let found = looked(&estate, &estate.and(&server.section("")));
    found.is(65, &[("redis-memory", "failure", "(MISCONF)")]);
}

#[test]
fn a_cluster_without_all_its_slots_and_one_that_is_taken_for_a_server_are_named() {
    let estate = Estate::start();
    let Some(node) = Server::start(&[
        "--cluster-enabled",
        "yes",
        "--cluster-require-full-coverage",
        "no",
    ]) else {
        return;
    };
    let section = format!(
        "redis: {{ cluster: {{ nodes: ['127.0.0.1:{}'] }} }}",
        node.port
    );
    let found = looked(&estate, &estate.and(&section));
    found.is(65, &[("redis", "failure", "no node of the cluster")]);
    node.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "9999"]);
    let found = looked(&estate, &estate.and(&section));
    found.is(
        65,
        &[(
            "redis-topology",
            "failure",
            "10000 of 16384 slots have a primary",
        )],
    );
    node.cli(&["CLUSTER", "ADDSLOTSRANGE", "10000", "16383"]);
    until("the cluster takes writes", || {
        node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
    });
    let found = looked(&estate, &estate.and(&section));
    found.is(0, &[("redis-topology", "warning", "has no replica")]);
    let found = looked(&estate, &estate.and(&node.section("")));
    found.is(
        65,
        &[("redis-topology", "failure", "is a node of a cluster")],
    );
}

#[test]
fn each_primary_of_a_cluster_is_written_to() {
    let estate = Estate::start();
    let node = || Server::start(&["--cluster-enabled", "yes"]);
    let Some(nodes) = node().zip(node()) else {
        return;
    };
    let nodes = [nodes.0, nodes.1];
    nodes[0].cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "8191"]);
    nodes[1].cli(&["CLUSTER", "ADDSLOTSRANGE", "8192", "16383"]);
    let second = nodes[1].port.to_string();
    nodes[0].cli(&["CLUSTER", "MEET", "127.0.0.1", &second]);
    for node in &nodes {
        until("the cluster is one", || {
            let info = node.cli(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains("cluster_size:2")
        });
    }
    let section = format!(
        "redis: {{ cluster: {{ nodes: ['127.0.0.1:{}'] }} }}",
        nodes[0].port
    );
    let no_replica = ("redis-topology", "warning", "has no replica");
    looked(&estate, &estate.and(&section)).is(0, &[no_replica]);
    for node in &nodes {
        node.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
        let found = looked(&estate, &estate.and(&section));
        let part = format!(
            "the primary 127.0.0.1:{} of the cluster: it refuses writes",
            node.port
        );
        found.is(65, &[("redis", "failure", &part), no_replica]);
        node.cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
        // Nothing is left of it.
        assert_eq!(node.cli(&["DBSIZE"]).trim(), "0");
    }
}

#[test]
fn sentinels_that_are_away_or_know_no_such_primary_are_named() {
    let estate = Estate::start();
    let Some(primary) = Server::start(&["--repl-diskless-sync-delay", "0"]) else {
        return;
    };
    let port = primary.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]).unwrap();
    until("the replica follows", || {
        primary
            .cli(&["INFO", "replication"])
            .contains("connected_slaves:1")
    });
    let sentinel = Server::start(&["--sentinel", &port]).unwrap();
    let section = |master: &str, nodes: &[u16]| {
        let nodes: Vec<_> = nodes
            .iter()
            .map(|port| format!("'127.0.0.1:{port}'"))
            .collect();
        format!(
            "redis: {{ sentinel: {{ master: {master}, nodes: [{}] }} }}",
            nodes.join(", ")
        )
    };
    let found = looked(&estate, &estate.and(&section("mymaster", &[sentinel.port])));
    found.is(0, &[]);
    let found = looked(
        &estate,
        &estate.and(&section("othermaster", &[sentinel.port])),
    );
    let part = "no sentinel names a primary";
    found.is(
        65,
        &[
            ("redis", "failure", part),
            ("redis-topology", "failure", part),
        ],
    );
    let both = [sentinel.port, closed_port()];
    let found = looked(&estate, &estate.and(&section("mymaster", &both)));
    found.is(0, &[("redis-topology", "warning", "no connection to")]);
    drop(replica);
}
