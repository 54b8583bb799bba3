//! The keys of `redis`.

use hallpass_config::{Key, Kind};

pub(crate) const KEYS: &[Key] = &[
    Key::new("enabled", Kind::Flag, "Whether the tier is used. What stands beside `false` must be right all the same.").or("true"),
    Key::new("host", Kind::Text { what: "name or IP address" }, "The server, where it is a single one.").or("localhost"),
    Key::new("port", Kind::count(1, 65_535), "Its port.").or("6379"),
    USERNAME,
    PASSWORD,
    PASSWORD_FILE,
    Key::new("database", Kind::count(0, 65_535), "Which database of the server; 0 in a cluster.").or("0"),
    Key::new(
        "timeout",
        Kind::Text { what: "time: `20ms`, `2s`, or milliseconds" },
        "How long one call may take. Values above 30 ms are taken, since files of Spring have them, and mean 30 ms.",
    )
    .or("30ms"),
    Key::new(
        "connect-timeout-ms",
        Kind::millis(10, 60_000),
        "How long opening one connection may take, TLS and login included. It is done in the background; no call waits for it, but \
         the first ones, within their `timeout`.",
    )
    .or("1000"),
    Key::new("ssl", Kind::Section(SSL_KEYS), "TLS to Redis and to the sentinels: `ssl: true`, or a section with files.").or_value_of("enabled"),
    Key::new("sentinel", Kind::Section(SENTINEL_KEYS), "A primary that sentinels name; a failover is followed. In place of `host`."),
    Key::new("cluster", Kind::Section(CLUSTER_KEYS), "Redis Cluster. In place of `host`."),
    Key::new(
        "key-prefix",
        Kind::Text { what: "visible ASCII" },
        "What every key and the channel for eviction notices begin with. Estates that share a server need one each.",
    )
    .or("hallpass:internal-token:"),
    Key::new(
        "dangerous-plain-tcp",
        Kind::Flag,
        "Lets the password go to other hosts without TLS. Everybody on the way can then read it. Entries are sealed in any case.",
    )
    .or("false"),
];

const USERNAME: Key = Key::new(
    "username",
    Kind::Text { what: "" },
    "The user of an ACL rule.",
)
.otherwise("Redis's user `default`");
const PASSWORD: Key = Key::new(
    "password",
    Kind::Secret,
    "The password. Never sent to another host without TLS.",
)
.otherwise("none is sent");
const PASSWORD_FILE: Key = Key::new(
    "password-file",
    Kind::File,
    "The file that `password` stands in. It is read again before a connection is opened, so a mounted password may change \
     without a restart.",
)
.otherwise("none");

const SSL_KEYS: &[Key] = &[
    Key::new("enabled", Kind::Flag, "Whether connections are TLS.").or("true"),
    Key::new(
        "ca-file",
        Kind::File,
        "PEM: authorities that the servers' certificates may come from, beside those of the operating system. The files of this \
         section are looked at every 5 seconds; what they hold then is used for new connections.",
    )
    .otherwise("none"),
    Key::new(
        "system-roots",
        Kind::Flag,
        "Whether the authorities of the operating system are trusted too. `false`: those in `ca-file` alone.",
    )
    .or("true"),
    Key::new(
        "certificate-file",
        Kind::File,
        "PEM: the certificate that this process shows to servers that ask for one, then those of the authorities between it and the root.",
    )
    .otherwise("none is shown"),
    Key::new("private-key-file", Kind::File, "PEM, not encrypted: the private key of that certificate.").otherwise("required with `certificate-file`"),
];

const SENTINEL_KEYS: &[Key] = &[
    Key::new(
        "master",
        Kind::Text { what: "" },
        "The name that the sentinels have for the primary.",
    )
    .otherwise("required in this section"),
    NODES.otherwise("required in this section"),
    USERNAME,
    PASSWORD.otherwise("none is sent; that of `redis` is not used for sentinels"),
    PASSWORD_FILE,
];

const CLUSTER_KEYS: &[Key] = &[NODES.otherwise("required in this section")];

const NODES: Key = Key::new(
    "nodes",
    Kind::Texts {
        what: "`host:port`",
    },
    "Sentinels, or nodes of the cluster that are asked first; the others are found by them.",
);
