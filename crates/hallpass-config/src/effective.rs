//! Shows the configuration in effect.

use crate::key_path::{self, Segment};
use crate::report::EffectiveValue;

/// Column at which origins begin, unless the value is longer.
const ORIGIN_COLUMN: usize = 56;

/// The values as a tree, one a line, with their origins behind them.
pub(crate) fn render(values: &[EffectiveValue]) -> String {
    let mut root = Tree::default();
    for value in values {
        root.insert(&key_path::parse(&value.path), value);
    }
    let mut text = String::new();
    for line in root.lines() {
        text.push_str(&line.render());
        text.push('\n');
    }
    text
}

#[derive(Default)]
struct Tree<'a> {
    value: Option<&'a EffectiveValue>,
    children: Vec<(Segment, Self)>,
}

struct Line<'a> {
    text: String,
    origin: Option<&'a str>,
}

impl<'a> Tree<'a> {
    fn insert(&mut self, path: &[Segment], value: &'a EffectiveValue) {
        let Some((first, rest)) = path.split_first() else {
            self.value = Some(value);
            return;
        };
        match self
            .children
            .iter_mut()
            .find(|(segment, _)| segment == first)
        {
            Some((_, child)) => child.insert(rest, value),
            None => {
                let mut child = Self::default();
                child.insert(rest, value);
                self.children.push((first.clone(), child));
            }
        }
    }

    fn lines(&self) -> Vec<Line<'a>> {
        self.children
            .iter()
            .flat_map(|(segment, child)| child.lines_at(segment))
            .collect()
    }

    /// The lines of this tree where it is the value of `segment`.
    fn lines_at(&self, segment: &Segment) -> Vec<Line<'a>> {
        let mut lines = self.lines();
        match (segment, self.value) {
            (Segment::Key(key), Some(value)) => vec![Line {
                text: format!("{key}: {}", showable(&value.shown)),
                origin: Some(&value.origin),
            }],
            (Segment::Key(key), None) => {
                lines
                    .iter_mut()
                    .for_each(|line| line.text.insert_str(0, "  "));
                let (text, origin) = (format!("{key}:"), None);
                lines.insert(0, Line { text, origin });
                lines
            }
            (Segment::Index(_), _) => {
                for (index, line) in lines.iter_mut().enumerate() {
                    let bullet = if index == 0 { "- " } else { "  " };
                    line.text.insert_str(0, bullet);
                }
                lines
            }
        }
    }
}

impl Line<'_> {
    fn render(&self) -> String {
        match self.origin {
            Some(origin) => format!("{:ORIGIN_COLUMN$}  # {origin}", self.text),
            None => self.text.clone(),
        }
    }
}

/// Nothing that a value holds may act on the terminal or look like another line.
fn showable(text: &str) -> String {
    let is_plain = !text.is_empty() && !text.contains(|c: char| c.is_control() || c == '#');
    if is_plain {
        text.to_owned()
    } else {
        format!("{text:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(path: &str, shown: &str, origin: &str) -> EffectiveValue {
        EffectiveValue {
            path: path.to_owned(),
            shown: shown.to_owned(),
            origin: origin.to_owned(),
        }
    }

    #[test]
    fn values_stand_in_a_tree_with_their_origins() {
        let values = [
            value("a.b.name", "x", "f.yaml:3"),
            value("a.clients[0].name", "one", "f.yaml:5"),
            value("a.clients[0].secret", "***", "environment A_SECRET"),
            value("a.clients[1].name", "", "default"),
            value("a.static.[s.t]", "[h:1, h:2]", "flag"),
        ];
        let expected = "\
a:
  b:
    name: x                                               # f.yaml:3
  clients:
    - name: one                                           # f.yaml:5
      secret: ***                                         # environment A_SECRET
    - name: \"\"                                            # default
  static:
    s.t: [h:1, h:2]                                       # flag
";
        assert_eq!(render(&values), expected);
    }

    #[test]
    fn a_value_cannot_forge_a_line() {
        let shown = render(&[value("a", "x\nb: y\u{1b}[2J", "flag")]);
        assert_eq!(shown.lines().count(), 1);
        assert!(!shown.contains('\u{1b}'));
    }
}
