//! Paths of keys: `internal-token.clients[0].audience`.

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
}

/// Most steps in one key. Ours have a handful; each costs those who read the tree a call within a call.
const MAX_SEGMENTS: usize = 32;
/// Longest key that a message repeats, in bytes.
const SHOWN_KEY_BYTES: usize = 64;

/// Takes a key apart as Spring does: `a.b` are two keys, `a[0]` is an element, `[a.b]` is one key with a dot in it.
///
/// A text that cannot be taken apart, or has more than 32 steps, is one key, which is not a known one.
pub(crate) fn parse(key: &str) -> Vec<Segment> {
    split(key).unwrap_or_else(|| vec![Segment::Key(key.to_owned())])
}

/// Which elements of lists the steps name, from the outermost list to the innermost.
pub(crate) fn indexes(segments: &[Segment]) -> Vec<usize> {
    let index = |segment: &Segment| match segment {
        Segment::Index(index) => Some(*index),
        Segment::Key(_) => None,
    };
    segments.iter().filter_map(index).collect()
}

/// `path` with one more key.
///
/// A key that does not look like one is shown as `?`: it may be a value that lost its colon, even a secret.
pub(crate) fn join(path: &str, key: &str) -> String {
    let key = if is_showable(key) { key } else { "?" };
    match (path.is_empty(), key.contains('.')) {
        (true, _) => key.to_owned(),
        (false, false) => format!("{path}.{key}"),
        (false, true) => format!("{path}.[{key}]"),
    }
}

/// `path` with more steps.
pub(crate) fn join_all(path: &str, segments: &[Segment]) -> String {
    let step = |path: String, segment: &Segment| match segment {
        Segment::Key(key) => join(&path, key),
        Segment::Index(index) => join_index(&path, *index),
    };
    segments.iter().fold(path.to_owned(), step)
}

/// `path` with one more index.
pub(crate) fn join_index(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

fn is_showable(key: &str) -> bool {
    let looks_like_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !key.is_empty() && key.len() <= SHOWN_KEY_BYTES && key.chars().all(looks_like_key)
}

fn split(key: &str) -> Option<Vec<Segment>> {
    let mut segments = Vec::new();
    let mut rest = key;
    while !rest.is_empty() {
        if segments.len() >= MAX_SEGMENTS {
            return None;
        }
        if let Some(bracketed) = rest.strip_prefix('[') {
            let (inner, after) = bracketed.split_once(']')?;
            segments.push(bracket(inner)?);
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            segments.push(Segment::Key(non_empty(name)?));
            rest = after;
        }
        rest = match rest.strip_prefix('.') {
            Some("") => return None,
            Some(after) => after,
            None if rest.is_empty() || rest.starts_with('[') => rest,
            None => return None,
        };
    }
    (!segments.is_empty()).then_some(segments)
}

fn bracket(inner: &str) -> Option<Segment> {
    match inner.parse() {
        Ok(index) => Some(Segment::Index(index)),
        Err(_) => non_empty(inner).map(Segment::Key),
    }
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Segment {
        Segment::Key(name.to_owned())
    }

    #[test]
    fn keys_are_taken_apart_as_spring_does() {
        assert_eq!(parse("scope"), [key("scope")]);
        assert_eq!(
            parse("scccy.internal-token.clients[1].scope"),
            [
                key("scccy"),
                key("internal-token"),
                key("clients"),
                Segment::Index(1),
                key("scope")
            ]
        );
        assert_eq!(parse("static.[a.b]"), [key("static"), key("a.b")]);
        assert_eq!(parse("static[a.b]"), [key("static"), key("a.b")]);
    }

    #[test]
    fn what_is_no_path_stays_one_key() {
        for text in ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a[0]b", "[", "]"] {
            assert_eq!(parse(text), [key(text)], "{text}");
        }
    }

    #[test]
    fn a_key_of_more_steps_than_any_has_is_one_key() {
        let key = |steps: usize| vec!["a"; steps].join(".");
        assert_eq!(parse(&key(32)).len(), 32);
        assert_eq!(parse(&key(33)), [Segment::Key(key(33))]);
        let elements = |steps: usize| format!("a{}", "[0]".repeat(steps - 1));
        assert_eq!(parse(&elements(32)).len(), 32);
        assert_eq!(parse(&elements(33)).len(), 1);
    }

    #[test]
    fn keys_that_may_be_lost_values_are_not_shown() {
        assert_eq!(join("a", "client-secret:InternalSecret123!"), "a.?");
        assert_eq!(join("a", &"x".repeat(65)), "a.?");
        assert_eq!(join("", "b"), "b");
        assert_eq!(join("a", "b.c"), "a.[b.c]");
    }
}
