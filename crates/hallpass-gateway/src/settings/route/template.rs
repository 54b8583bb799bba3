//! `rewrite.to`: a path with the names of a pattern.

use std::fmt;

use hallpass_resource::{Captures, NormalPath, PathPattern};
use http::uri::PathAndQuery;

/// A path with names, such as `/items/{id}`, in whose place stands what a path has where a pattern has these names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// With its slash.
    Literal(String),
    Name(String),
}

impl PathTemplate {
    /// `text` with names that `from` has. What is wrong goes on after the name of a key.
    pub(super) fn parse(text: &str, from: &PathPattern) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err("must begin with `/`".to_owned());
        };
        let from = from.to_string();
        let known: Vec<&str> = from.split('/').filter_map(name).collect();
        let (mut parts, mut sample) = (Vec::new(), String::new());
        for segment in rest.split('/') {
            sample.push('/');
            match name(segment) {
                Some(name) if known.contains(&name) => {
                    parts.push(Part::Literal("/".to_owned()));
                    parts.push(Part::Name(name.to_owned()));
                    sample.push('x');
                }
                Some(_) => return Err("has a name that `from` does not have".to_owned()),
                None if segment.contains(['{', '}', '*', '$']) => {
                    return Err(
                        "has a segment that is neither a literal nor `{name}` nor `{*name}`"
                            .to_owned(),
                    );
                }
                None => {
                    parts.push(Part::Literal(format!("/{segment}")));
                    sample.push_str(segment);
                }
            }
        }
        check_plain(&sample)?;
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }

    /// The path with what `captures` has for its names. **Not checked**: whether it has one meaning still.
    #[must_use]
    pub fn fill(&self, captures: &Captures<'_>) -> String {
        let mut path = String::new();
        for part in &self.parts {
            path.push_str(match part {
                Part::Literal(text) => text,
                Part::Name(name) => captures.get(name).unwrap_or_default(),
            });
        }
        path
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether settings may have this as a path: one meaning, no escapes, and nothing that a request target must not have.
pub(super) fn check_plain(path: &str) -> Result<(), String> {
    let normal = NormalPath::parse(path).map_err(|fault| fault.to_string())?;
    let is_target = PathAndQuery::try_from(path).is_ok_and(|it| it.path() == path);
    match is_target && normal.as_str() == normal.decoded() {
        true => Ok(()),
        false => Err("must be a path as requests have it, without escapes".to_owned()),
    }
}

/// The name in `{name}` or `{*name}`.
fn name(segment: &str) -> Option<&str> {
    let inner = segment.strip_prefix('{')?.strip_suffix('}')?;
    let name = inner.strip_prefix('*').unwrap_or(inner);
    (!name.is_empty() && !name.contains(['{', '}', '*'])).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(from: &str, to: &str, path: &str) -> Result<String, String> {
        let from: PathPattern = from.parse().unwrap();
        let template = PathTemplate::parse(to, &from)?;
        let path = NormalPath::parse(path).unwrap();
        Ok(template.fill(&from.captures(&path).unwrap()))
    }

    #[test]
    fn names_are_filled_with_what_was_written() {
        for (from, to, path, expected) in [
            ("/red/{*rest}", "/{rest}", "/red/a/b/", "/a/b/"),
            ("/red/{*rest}", "/{*rest}", "/red/a%20b", "/a%20b"),
            ("/{a}/x/{b}", "/{b}/y/{a}", "/1/x/2", "/2/y/1"),
            ("/{a}", "/", "/1", "/"),
            ("/old", "/new/", "/old", "/new/"),
        ] {
            assert_eq!(filled(from, to, path).as_deref(), Ok(expected), "{from}");
        }
    }

    #[test]
    fn what_no_path_could_become_is_refused() {
        for to in [
            "rest",
            "/{other}",
            "/a{rest}",
            "/${rest}",
            "/../{rest}",
            "/a//b",
            "/a b",
            "/%61",
            "/**",
        ] {
            assert!(filled("/red/{*rest}", to, "/red/a").is_err(), "{to}");
        }
    }
}
