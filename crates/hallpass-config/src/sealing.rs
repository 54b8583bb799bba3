//! Secrets that stand sealed in a configuration, the keys that open them, and the places they are sealed for.
//!
//! A sealed secret is `$sealed$`, the id of the key, `$` and base64: it can stand wherever the secret itself can, also in a
//! document that many may read, and the key stands in a file elsewhere. It opens at its own place alone, which is the path of
//! its key without the prefix. In a list an entry is known by what tells it apart, not by its number:
//! `internal-token.client-secret`, `issuer.clients[order-service].client-secret`.

use hallpass_token::{SealedValue, ValueSealer};

use crate::key::{self, Key, Kind};
use crate::secret::Secret;
use crate::suggest;

/// The section `sealing`, which every [`Loader`](crate::Loader) reads by itself.
pub const SECTION: Key = Key::new(
    "sealing",
    Kind::Section(KEYS),
    "The keys that open sealed secrets, `$sealed$...`, which `hallpass client hash --seal` makes. A secret may stand sealed \
    wherever it may stand at all but in a file of its own.",
);

pub(crate) const KEY_FILE: &str = "key-file";
pub(crate) const PREVIOUS_KEY_FILE: &str = "previous-key-file";

const KEYS: &[Key] = &[
    Key::new(
        KEY_FILE,
        Kind::File,
        "The file with the key, 32 bytes at least, such as the output of `openssl rand -base64 32`. It belongs where those who \
        read the configuration do not come.",
    ),
    Key::new(
        PREVIOUS_KEY_FILE,
        Kind::File,
        "The file with the key before that one: what it has sealed is opened too, until all of it has been sealed anew.",
    ),
];

/// The keys of one load.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    keys: Vec<ValueSealer>,
    /// Whether a key could not be read, which is told already.
    lacks_one: bool,
}

impl Keyring {
    pub(crate) fn add(&mut self, key: Option<ValueSealer>) {
        match key {
            Some(key) => self.keys.push(key),
            None => self.lacks_one = true,
        }
    }

    /// Opens `sealed`, which stands at `place`. `Err(None)`: what is wrong was told already.
    pub(crate) fn open(&self, sealed: &str, place: &str) -> Result<Secret, Option<String>> {
        let sealed: SealedValue = match sealed.parse() {
            Ok(sealed) => sealed,
            Err(error) => {
                let message = format!("{error}; `hallpass client hash --seal` makes one");
                return Err(Some(message));
            }
        };
        let mut keys = self.keys.iter();
        let Some(key) = keys.find(|key| key.key_id() == sealed.key_id()) else {
            return Err((!self.lacks_one).then(|| self.lack_of(&sealed)));
        };
        match key.open(&sealed, place) {
            Some(opened) if !opened.is_empty() => Ok(Secret::new(opened.as_str())),
            Some(_) => Err(Some("is sealed and has nothing in it".to_owned())),
            None => Err(Some(format!(
                "does not open: it was sealed for another place, or was altered; seal the secret for `{place}`"
            ))),
        }
    }

    fn lack_of(&self, sealed: &SealedValue) -> String {
        let id = sealed.key_id();
        if self.keys.is_empty() {
            return format!(
                "is sealed with the key {id}, and there is none: name its file with `sealing.{KEY_FILE}`"
            );
        }
        let known: Vec<_> = self.keys.iter().map(ValueSealer::key_id).collect();
        format!(
            "is sealed with the key {id}, which is in no file of `sealing` ({} is)",
            known.join(", ")
        )
    }
}

/// Why a secret as other programs write it cannot be used; `None` for all others.
pub(crate) fn foreign_form(text: &str) -> Option<&'static str> {
    if text.starts_with("{cipher}") {
        return Some(
            "is encrypted for Spring Cloud Config: decrypt it there, and give the secret itself or seal it with `hallpass client \
            hash --seal`",
        );
    }
    (text.starts_with("ENC(") && text.ends_with(')')).then_some(
        "is encrypted by Jasypt: decrypt it there, and give the secret itself or seal it with `hallpass client hash --seal`",
    )
}

/// The place to seal a secret for, out of the path of its key as a person writes it: `internal-token.client-secret`, with or
/// without one of the prefixes `hallpass` and `scccy`, and with the name of an entry in a list,
/// `issuer.clients[order-service].client-secret`.
///
/// Sections that are not among `keys` are taken as they are: a service may have its own.
///
/// # Errors
/// A sentence that says what is wrong with the path: it is no key, no secret, or an entry of a list has no name.
pub fn place_of(path: &str, keys: &[Key]) -> Result<String, String> {
    let path = ["hallpass.", "scccy."]
        .iter()
        .find_map(|prefix| path.strip_prefix(prefix))
        .unwrap_or(path);
    let all = key::without_doubles(keys.to_vec());
    let mut keys = all.as_slice();
    let mut rest = Some(path);
    let mut place = String::new();
    while let Some(at) = rest {
        let end = at.find(['.', '[']).unwrap_or(at.len());
        let (name, after) = at.split_at(end);
        let Some(key) = key::find(keys, name) else {
            if place.is_empty() && !name.is_empty() && !after.is_empty() {
                return Ok(path.to_owned());
            }
            let nearest = suggest::nearest(name, key::names(keys));
            let hint = nearest.map_or_else(String::new, |nearest| {
                format!("; did you mean `{nearest}`?")
            });
            return Err(format!("there is no key `{name}` there{hint}"));
        };
        place.push_str(if place.is_empty() { "" } else { "." });
        place.push_str(name);
        let (entry, after) = entry_of(key, after)?;
        place.push_str(&entry);
        match (key.kind(), after.strip_prefix('.')) {
            (Kind::Secret, None) if after.is_empty() => return Ok(place),
            (Kind::Secret, _) => {
                return Err(format!("`{name}` is a secret, and nothing is below it"));
            }
            (_, Some(below)) if !key.children().is_empty() => {
                keys = key.children();
                rest = Some(below);
            }
            _ => return Err(format!("`{name}` is no secret")),
        }
    }
    Ok(place)
}

/// The part of a path that names an entry below `key`, and what follows it.
fn entry_of<'p>(key: &Key, path: &'p str) -> Result<(String, &'p str), String> {
    match key.kind() {
        Kind::Sections(_) => {
            let entry = path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            match entry {
                Some((name, after)) if !name.is_empty() => Ok((entry_name(name), after)),
                _ => {
                    let (key, by) = (key.name(), key.key_of_entries().unwrap_or("name"));
                    Err(format!("name the entry by its `{by}`: `{key}[...]`"))
                }
            }
        }
        Kind::Named(_) => {
            let below = path.strip_prefix('.').unwrap_or_default();
            let end = below.find('.').unwrap_or(below.len());
            let (name, after) = below.split_at(end);
            Ok((format!(".{name}"), after))
        }
        _ => Ok((String::new(), path)),
    }
}

/// How the place of an entry in a list names it.
pub(crate) fn entry_name(name: &str) -> String {
    format!("[{name}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &[Key] = &[
        Key::new("client-id", Kind::Text { what: "" }, ""),
        Key::new("client-secret", Kind::Secret, ""),
    ];
    const TOKEN: &[Key] = &[
        Key::new("client-secret", Kind::Secret, ""),
        Key::new("clients", Kind::Sections(CLIENT), "").told_apart_by("client-id"),
        Key::new("named", Kind::Named(CLIENT), ""),
    ];
    const ALL: &[Key] = &[
        Key::elsewhere("token"),
        Key::new("token", Kind::Section(TOKEN), ""),
    ];

    #[test]
    fn a_place_is_the_path_of_a_secret_without_the_prefix() {
        for (path, place) in [
            ("token.client-secret", "token.client-secret"),
            ("hallpass.token.client-secret", "token.client-secret"),
            ("scccy.token.client-secret", "token.client-secret"),
            (
                "token.clients[a.b].client-secret",
                "token.clients[a.b].client-secret",
            ),
            ("token.named.x.client-secret", "token.named.x.client-secret"),
            ("orders.db.password", "orders.db.password"),
        ] {
            assert_eq!(place_of(path, ALL).as_deref(), Ok(place), "{path}");
        }
    }

    #[test]
    fn a_path_that_is_no_secret_is_refused_with_what_was_meant() {
        for (path, said) in [
            ("", "there is no key"),
            ("token", "is no secret"),
            ("client-secret", "there is no key"),
            ("token.client-secrt", "did you mean `client-secret`?"),
            ("token.client-secret.x", "nothing is below it"),
            ("token.clients.client-secret", "by its `client-id`"),
            ("token.clients[].client-secret", "by its `client-id`"),
            ("token.clients[a].client-id", "is no secret"),
        ] {
            let error = place_of(path, ALL).unwrap_err();
            assert!(error.contains(said), "{path}: {error}");
        }
    }
}
