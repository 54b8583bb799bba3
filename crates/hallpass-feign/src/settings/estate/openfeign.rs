//! `spring.cloud.openfeign.client.config`, `feign.client.config` before 2022: how long Feign waits, and what else it is told of clients.

use std::time::Duration;

use hallpass_config::{Foreign, How, Section};

use super::row::{Row, is_same};
use super::saying::{Sayings, Told, Words};
use super::topic::Topic;

const CONFIGS: [&[&str]; 2] = [
    &["spring", "cloud", "openfeign", "client", "config"],
    &["feign", "client", "config"],
];
/// How the section of all clients is called, if it is not called `default`.
const DEFAULT_CONFIG: &[&str] = &["spring", "cloud", "openfeign", "client", "default-config"];
/// The longest deadline; Feign has none where 0 is written.
const LONGEST: Duration = Duration::from_secs(3_600);

const BY_CODE: &str = "names code of Java, which is not run here: see docs/migration-from-spring.md for what takes its place";
const NO_CONTRACT: &str = "is about how Java reads and writes: say it in Rust";

/// The keys of a client.
pub(super) const CONFIG: &[Row] = &[
    Row::part(
        "readTimeout",
        "`deadline-ms`, which is for the whole call with all its attempts; where another product says how long a call may take, that one counts",
    ),
    Row::nothing(
        "connectTimeout",
        "is part of the deadline here; a connection is made within a second, or the attempt has failed",
    ),
    Row::nothing(
        "loggerLevel",
        "is about its log: what is logged is said by `RUST_LOG` here",
    ),
    Row::warned(
        "retryer",
        "names code of Java, which is not run here: `feign.clients.NAME.retry` says when a failed attempt is made again",
    ),
    Row::warned("errorDecoder", BY_CODE),
    Row::warned("requestInterceptors", BY_CODE),
    Row::warned("responseInterceptor", BY_CODE),
    Row::warned(
        "defaultRequestHeaders",
        "is not read: write them as `feign.clients.NAME.headers`",
    ),
    Row::warned(
        "defaultQueryParameters",
        "is not read: write them into the paths of the trait, or make arguments of them",
    ),
    Row::nothing(
        "dismiss404",
        "is said in Rust: a method that returns `Option` has `None` for 404",
    ),
    Row::nothing(
        "decode404",
        "is said in Rust: a method that returns `Option` has `None` for 404",
    ),
    Row::warned(
        "followRedirects",
        "is not done here: a redirect is a response like any other",
    ),
    Row::nothing("encoder", NO_CONTRACT),
    Row::nothing("decoder", NO_CONTRACT),
    Row::nothing("contract", NO_CONTRACT),
    Row::nothing("capabilities", NO_CONTRACT),
    Row::nothing("queryMapEncoder", NO_CONTRACT),
    Row::nothing("exceptionPropagationPolicy", NO_CONTRACT),
    Row::nothing(
        "metrics",
        "is about its metrics: there are always some here",
    ),
    Row::nothing(
        "micrometer",
        "is about its metrics: there are always some here",
    ),
];

/// What OpenFeign is told of clients; `feign` is our section.
pub(super) fn read<'a>(feign: &Section<'a>) -> Option<Sayings<'a>> {
    warn_of_ribbon(feign);
    let mut found = CONFIGS.iter().filter_map(|path| feign.foreign(path));
    let configs = found.next()?;
    if let Some(second) = found.next() {
        let message = "does not count: `spring.cloud.openfeign.client.config` is there, which is its name of today";
        second.left_alone(message);
    }
    let mut sayings = Sayings::default();
    let named = feign.foreign(DEFAULT_CONFIG).and_then(|it| it.text());
    let default = named.unwrap_or_else(|| "default".to_owned());
    let is_default = |name: &str| is_same(name, &default);
    for (name, config) in configs.entries() {
        let told = Told::tried(&config, |trial, words| {
            take(&config.within(trial), words);
        });
        if config.get("readTimeout").is_none() {
            // It says nothing that could stand over what is said of all.
            config.say(told.findings, How::Said);
            continue;
        }
        let saying = match is_default(name) {
            true => &mut sayings.all,
            false => sayings.of_mut(name),
        };
        saying.add(Topic::Deadline, told);
    }
    Some(sayings)
}

fn take(config: &Foreign<'_>, words: &mut Words) {
    for row in CONFIG {
        if let Some(found) = config.get(row.theirs) {
            row.take(&found, &mut words.explicit);
        }
    }
    for (key, found) in config.entries() {
        if !CONFIG.iter().any(|row| is_same(row.theirs, key)) {
            found.warn("is no key of OpenFeign that is known here, and has no effect");
        }
    }
    let Some(found) = config.get("readTimeout") else {
        return;
    };
    let Some(wait) = found.duration() else {
        return;
    };
    let longest = wait.is_zero() || wait > LONGEST;
    if longest {
        found.warn("is more than a call may take here, which is an hour");
    }
    let wait = if longest { LONGEST } else { wait };
    let milliseconds = wait.as_millis().max(1).to_string();
    words.explicit.put("deadline-ms", milliseconds, &found);
}

/// The timeouts of Ribbon were those of Feign clients which had none of their own.
fn warn_of_ribbon(feign: &Section<'_>) {
    let ribbon = feign.foreign(&["ribbon"]);
    if let Some(found) = ribbon.and_then(|it| it.get("ReadTimeout")) {
        found.warn("is not read: write how long a call may take as `feign.defaults.deadline-ms`");
    }
}
