//! Which key an environment variable means.
//!
//! Spring's relaxed names: dots become underscores, and dashes go away or become underscores too, so that
//! `SCCCY_INTERNALTOKEN_CLIENTID` and `SCCCY_INTERNAL_TOKEN_CLIENT_ID` both mean `scccy.internal-token.client-id`.
//! That cannot be undone by looking at the name alone, so it is matched against the keys there are.

use crate::key::{Key, Kind};
use crate::key_path::{self, Segment};
use crate::node::{Node, Value};
use crate::relaxed::letters;

/// Letters that may be wrong in a name that is nearly that of a key.
const MAX_SLIPS: usize = 2;
/// Longest name that is compared, in bytes.
const MAX_COMPARED_BYTES: usize = 128;

/// The path below the prefix that `variable` overrides, if it is the name of any.
///
/// `tree` holds what files say: names in mappings, such as those of clients, are looked for there.
pub(crate) fn path_of(
    variable: &str,
    prefix: &str,
    keys: &[Key],
    tree: Option<&Node>,
) -> Option<Vec<Segment>> {
    let rest = spellings(prefix)
        .into_iter()
        .find_map(|prefix| after(variable, &prefix))?;
    in_section(rest, keys, tree)
}

/// How the reference writes the name of the variable for `path`, such as `HALLPASS_SERVICE_NAME`.
pub(crate) fn name_of(path: &str) -> String {
    let letter = |c: char| match c {
        '.' | '-' | '[' => '_',
        c => c.to_ascii_uppercase(),
    };
    path.chars().filter(|c| *c != ']').map(letter).collect()
}

/// The variable that `name`, which is none, was probably meant to be.
pub(crate) fn nearly(name: &str, prefix: &str, keys: &[Key]) -> Option<String> {
    if name.len() > MAX_COMPARED_BYTES || !letters(name).starts_with(&letters(prefix)) {
        return None;
    }
    let mut known = Vec::new();
    leaves(prefix, keys, &mut known);
    let spelled = with_first_element(name);
    let spelled = letters(&spelled);
    let near = known.iter().filter_map(|path| {
        let distance = strsim::damerau_levenshtein(&spelled, &letters(&name_of(path)));
        (distance <= MAX_SLIPS).then_some((distance, path))
    });
    let (_, path) = near.min_by_key(|(distance, _)| *distance)?;
    Some(name_of(path))
}

/// The paths of all values below `path` whose names are not the user's choice.
fn leaves(path: &str, keys: &[Key], known: &mut Vec<String>) {
    for key in keys {
        let path = key_path::join(path, key.name());
        match key.kind() {
            Kind::Section(keys) => {
                known.extend(key.main_key().map(|_| path.clone()));
                leaves(&path, keys, known);
            }
            Kind::Sections(keys) => leaves(&key_path::join_index(&path, 0), keys, known),
            kind if is_value(kind) => known.push(path),
            _ => {}
        }
    }
}

/// The same name for the first element of its lists, whatever element it is for.
fn with_first_element(name: &str) -> String {
    let words = name.split('_');
    let word = |word| match str::parse::<usize>(word) {
        Ok(_) => "0",
        Err(_) => word,
    };
    words.map(word).collect::<Vec<_>>().join("_")
}

fn in_section(rest: &str, keys: &[Key], node: Option<&Node>) -> Option<Vec<Segment>> {
    keys.iter().find_map(|key| {
        let node = node.and_then(|node| node.get(key.name()));
        let path = spellings(key.name())
            .into_iter()
            .find_map(|spelling| match key.kind() {
                _ if rest == spelling => match key.main_key() {
                    Some(main) => Some(vec![Segment::Key(main.to_owned())]),
                    None => is_value(key.kind()).then(Vec::new),
                },
                kind => in_value(after(rest, &spelling)?, kind, node),
            })?;
        Some(prepend(Segment::Key(key.name().to_owned()), path))
    })
}

fn in_value(rest: &str, kind: &Kind, node: Option<&Node>) -> Option<Vec<Segment>> {
    match kind {
        Kind::Section(keys) => in_section(rest, keys, node),
        Kind::Sections(keys) => {
            let (index, rest) = rest.split_once('_')?;
            let index = index.parse().ok()?;
            let path = in_section(rest, keys, node.and_then(|node| element(node, index)))?;
            Some(prepend(Segment::Index(index), path))
        }
        Kind::Texts { .. } => Some(vec![Segment::Index(rest.parse().ok()?)]),
        Kind::Named(keys) => in_named(rest, keys, node),
        Kind::NamedTexts { .. } => Some(vec![Segment::Key(known_name(rest, node))]),
        Kind::Flag | Kind::Text { .. } | Kind::Secret | Kind::File => None,
        Kind::Whole { .. } | Kind::Choice(_) | Kind::Elsewhere | Kind::NotOurs => None,
    }
}

/// The name ends where a key begins: `LOGISTICS_SERVICE_RETRY_MAX_ATTEMPTS` is about `logistics-service`.
fn in_named(rest: &str, keys: &[Key], node: Option<&Node>) -> Option<Vec<Segment>> {
    rest.match_indices('_').find_map(|(at, _)| {
        let (name, key) = rest.split_at(at);
        let name = known_name(name, node);
        let node = node.and_then(|node| node.get(&name));
        let path = in_section(key.strip_prefix('_')?, keys, node)?;
        Some(prepend(Segment::Key(name), path))
    })
}

/// The name in the files that is spelled like this, or the most likely one: `SERVICE_AUTH` is `service-auth`.
fn known_name(spelled: &str, node: Option<&Node>) -> String {
    let known = node
        .into_iter()
        .flat_map(Node::entries)
        .map(|entry| &entry.key);
    let same = known
        .into_iter()
        .find(|name| spellings(name).iter().any(|known| known == spelled));
    same.cloned()
        .unwrap_or_else(|| spelled.to_ascii_lowercase().replace('_', "-"))
}

/// How a name is written in the environment.
fn spellings(name: &str) -> [String; 2] {
    let upper = name.to_ascii_uppercase().replace('.', "_");
    [upper.replace('-', "_"), upper.replace('-', "")]
}

fn after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.strip_prefix(start)?.strip_prefix('_')
}

fn prepend(segment: Segment, mut path: Vec<Segment>) -> Vec<Segment> {
    path.insert(0, segment);
    path
}

fn element(node: &Node, index: usize) -> Option<&Node> {
    match &node.value {
        Value::List(items) => items.get(index),
        _ => None,
    }
}

/// Whether one text can be the whole value.
fn is_value(kind: &Kind) -> bool {
    match kind {
        Kind::Flag | Kind::Text { .. } | Kind::Secret | Kind::File => true,
        Kind::Whole { .. } | Kind::Choice(_) | Kind::Texts { .. } => true,
        Kind::Section(_) | Kind::Sections(_) | Kind::Named(_) | Kind::NamedTexts { .. } => false,
        Kind::Elsewhere | Kind::NotOurs => false,
    }
}
