//! `security.internal-jwt.blacklist`: tokens that the estate lists in Redis as logged out.

use std::str::FromStr;
use std::time::Duration;

use hallpass_config::{Key, Kind, Section};

/// What stands for the token's own name in a key.
const JTI: &str = "{jti}";
/// The longest key without the token's name, in bytes.
const MAX_AROUND: usize = 200;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "redis-key",
        Kind::Text {
            what: "with `{jti}` once",
        },
        "The key that is there while a token is logged out, as whoever writes it has it: `jwt:blacklist:{jti}`. `redis.key-prefix` is not put before it. \
        The value does not matter.",
    )
    .required(),
    Key::new(
        "recheck-ms",
        Kind::millis(0, 60_000),
        "How long what was read is taken as it is. After that a call still passes by it while the next question is under way; after twice this time \
        a call waits for the answer. So a logout counts everywhere within twice this time. 0: each call asks.",
    )
    .or("500"),
    Key::new(
        "when-away",
        Kind::Choice(&["refuse", "accept"]),
        "What becomes of a call while Redis does not say in 30 ms whether its token is listed: it gets a 503 with `Retry-After`, or it passes, so that \
        a token that was logged out passes as well.",
    )
    .or("refuse"),
    Key::new(
        "issuers",
        Kind::Texts { what: "names" },
        "The issuers whose tokens are looked for, by their `name`; empty: all. A token of theirs without a `jti` is refused.",
    )
    .or(""),
];

/// `blacklist`: the tokens that the estate lists in Redis as logged out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlacklistSettings {
    /// `redis-key`: what is there while a token is logged out.
    pub key: BlacklistKey,
    /// `recheck-ms`: how long what was read is taken as it is; twice that, and a call waits.
    pub recheck: Duration,
    /// `when-away`: what becomes of a call while nobody knows.
    pub when_away: WhenAway,
    /// `issuers`: the names of those whose tokens are looked for; empty: all.
    pub issuers: Vec<String>,
}

/// What becomes of a call while nobody knows whether its token is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenAway {
    /// `refuse`: it gets a 503.
    #[default]
    Refuse,
    /// `accept`: it passes.
    Accept,
}

/// The form of the key that is there while a token is logged out: `{jti}` once, for the token's own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlacklistKey {
    before: Box<str>,
    after: Box<str>,
}

impl BlacklistKey {
    /// The key of the token of this name.
    pub fn of(&self, token_id: &str) -> String {
        [&*self.before, token_id, &*self.after].concat()
    }
}

impl FromStr for BlacklistKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((before, after)) = text.split_once(JTI) else {
            return Err("must have `{jti}` where the token's own name stands");
        };
        let around = || before.bytes().chain(after.bytes());
        if after.contains(JTI) {
            return Err("must have `{jti}` once");
        }
        if !around().all(|byte| byte.is_ascii_graphic()) || around().count() > MAX_AROUND {
            return Err("must be at most 200 printable ASCII characters, without spaces");
        }
        Ok(Self {
            before: before.into(),
            after: after.into(),
        })
    }
}

impl BlacklistSettings {
    /// Off unless the section is there. What cannot be read is reported.
    pub(super) fn read_in(section: &Section<'_>) -> Option<Option<Self>> {
        let section = section.section("blacklist");
        if !section.is_given() {
            return Some(None);
        }
        let key = section.required("redis-key", Section::parsed);
        let recheck = section.millis("recheck-ms");
        let when_away = section.choice("when-away", |name| match name {
            "refuse" => Some(WhenAway::Refuse),
            "accept" => Some(WhenAway::Accept),
            _ => None,
        });
        let issuers = section.texts("issuers", |name| Ok::<_, String>(name.to_owned()));
        if when_away == Some(WhenAway::Accept) {
            let message = "lets tokens pass that were logged out, while Redis does not respond";
            section.warn("when-away", message);
        }
        Some(Some(Self {
            key: key?,
            recheck: recheck?,
            when_away: when_away?,
            issuers: issuers?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_name_of_the_token_once() {
        let key: BlacklistKey = "jwt:blacklist:{jti}".parse().unwrap();
        assert_eq!(key.of("a-1"), "jwt:blacklist:a-1");
        let key: BlacklistKey = "{estate}:{jti}:gone".parse().unwrap();
        assert_eq!(key.of("a-1"), "{estate}:a-1:gone");
        for wrong in [
            "",
            "jwt:blacklist:",
            "{jti}{jti}",
            "a b{jti}",
            "\u{e9}{jti}",
        ] {
            wrong.parse::<BlacklistKey>().unwrap_err();
        }
        format!("{}{{jti}}", "a".repeat(201))
            .parse::<BlacklistKey>()
            .unwrap_err();
    }
}
