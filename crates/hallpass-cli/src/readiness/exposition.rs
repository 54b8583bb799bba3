//! Reads metrics as they are served (OpenMetrics, or the older text format of Prometheus).

/// One line: a name, its labels and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) name: String,
    labels: Vec<(String, String)>,
    pub(super) value: f64,
}

impl Sample {
    /// The value of a label; empty without it.
    pub(super) fn label(&self, name: &str) -> &str {
        let found = self.labels.iter().find(|(label, _)| label == name);
        found.map_or("", |(_, value)| value)
    }
}

/// The samples of a document whose names begin with `prefix`; a line that is none comes as its number, from 1: what it says must not
/// be taken for nothing.
pub(super) fn samples<'t>(
    text: &'t str,
    prefix: &'t str,
) -> impl Iterator<Item = Result<Sample, usize>> + 't {
    let lines = text.lines().enumerate();
    let lines = lines.filter(move |(_, line)| line.starts_with(prefix));
    lines.map(|(number, line)| sample(line).ok_or(number + 1))
}

/// Whether the document has its last line, which every service here writes: one that was cut between two lines has none. Others' metrics may follow it.
pub(super) fn is_whole(text: &str) -> bool {
    text.lines().any(|line| line.trim_end() == "# EOF")
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    // A time and an exemplar may follow.
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// The labels up to the closing bracket, and what follows it.
fn labels(mut text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.split_once("=\"")?;
        let (value, rest) = quoted(rest)?;
        labels.push((name.to_owned(), value));
        text = rest;
    }
}

/// What stands before the closing quote, without escapes, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_labels_and_values_are_read_in_every_form() {
        let text = "# TYPE a counter\n\
                    a_total{route=\"GET /orders/{id}\",caller=\"a \\\"b\\\" \\\\ c\"} 3 1700000000\n\
                    a_one 0.5\n\
                    a_none{} 1e3 # {id=\"x\"} 1\n\
                    a_broken{route=\"x 3\n\
                    b 1\n# EOF\n";
        let all: Vec<_> = samples(text, "a_").filter_map(Result::ok).collect();
        let unread: Vec<_> = samples(text, "a_").filter_map(Result::err).collect();
        assert_eq!(unread, [5], "the line that is none");
        let names: Vec<_> = all.iter().map(|it| (it.name.as_str(), it.value)).collect();
        assert_eq!(
            names,
            [("a_total", 3.0), ("a_one", 0.5), ("a_none", 1_000.0)]
        );
        assert_eq!(all[0].label("route"), "GET /orders/{id}");
        assert_eq!(all[0].label("caller"), "a \"b\" \\ c");
        assert_eq!(all[0].label("mode"), "");
    }

    #[test]
    fn no_text_makes_it_panic() {
        for text in [
            "a",
            "a{",
            "a{b",
            "a{b=\"",
            "a{b=\"c\\",
            "a{b=\"c\"",
            "a{b=\"c\"}",
            "a{b=\"c\"} x",
            "a{,,,}",
        ] {
            assert!(samples(text, "a").all(|it| it == Err(1)), "{text}");
        }
    }
}
