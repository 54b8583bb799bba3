//! Tables for a terminal: aligned columns, no frames; bold and colour only where a person looks.

use std::fmt::Write;

/// One column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    title: &'static str,
    align: Align,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

impl Column {
    /// Text.
    pub(crate) const fn left(title: &'static str) -> Self {
        Self {
            title,
            align: Align::Left,
        }
    }

    /// Numbers.
    pub(crate) const fn right(title: &'static str) -> Self {
        Self {
            title,
            align: Align::Right,
        }
    }
}

/// How a row stands out on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As expected.
    Plain,
    /// Not as expected.
    Alarm,
}

impl Tone {
    /// Plain when all is well.
    pub(crate) fn of(fine: bool) -> Self {
        if fine { Self::Plain } else { Self::Alarm }
    }
}

/// Rows under titles.
#[derive(Debug)]
pub(crate) struct Table {
    columns: &'static [Column],
    rows: Vec<(Tone, Vec<String>)>,
}

/// What an empty cell shows.
const NOTHING: &str = "-";
const GAP: &str = "  ";
const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const RED: &str = "\u{1b}[31m";
const PLAIN: &str = "\u{1b}[0m";

impl Table {
    pub(crate) fn new(columns: &'static [Column]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row; a cell that is empty or left out shows as a hyphen.
    pub(crate) fn row<const N: usize>(&mut self, tone: Tone, cells: [String; N]) {
        self.rows.push((tone, cells.into()));
    }

    /// The table as text, with a line feed after each line and no white space at line ends.
    pub(crate) fn render(&self, styled: bool) -> String {
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| self.width(at, *column))
            .collect();
        let mut text = String::new();
        let titles = self.columns.iter().map(|column| column.title);
        push_line(
            &mut text,
            &self.line(titles, &widths),
            styled.then_some(BOLD),
        );
        let rules: Vec<String> = widths
            .iter()
            .map(|width| "\u{2500}".repeat(*width))
            .collect();
        push_line(&mut text, &rules.join(GAP), styled.then_some(DIM));
        for (tone, cells) in &self.rows {
            let cells = (0..self.columns.len()).map(|at| shown(cells, at));
            let style = (styled && *tone == Tone::Alarm).then_some(RED);
            push_line(&mut text, &self.line(cells, &widths), style);
        }
        text
    }

    fn width(&self, at: usize, column: Column) -> usize {
        let cells = self
            .rows
            .iter()
            .map(|(_tone, cells)| shown(cells, at).chars().count());
        cells
            .chain([column.title.chars().count()])
            .max()
            .unwrap_or_default()
    }

    fn line<'a>(&self, cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, column), width) in cells.zip(self.columns).zip(widths) {
            if !line.is_empty() {
                line.push_str(GAP);
            }
            // Writing to a string cannot fail.
            let _infallible = match column.align {
                Align::Left => write!(line, "{cell:<width$}"),
                Align::Right => write!(line, "{cell:>width$}"),
            };
        }
        line.truncate(line.trim_end().len());
        line
    }
}

fn shown(cells: &[String], at: usize) -> &str {
    cells
        .get(at)
        .map(String::as_str)
        .filter(|cell| !cell.is_empty())
        .unwrap_or(NOTHING)
}

fn push_line(text: &mut String, line: &str, style: Option<&str>) {
    match style {
        Some(style) => text.extend([style, line, PLAIN, "\n"]),
        None => text.extend([line, "\n"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column::left("from"),
        Column::left("to"),
        Column::right("us"),
    ];

    fn table() -> Table {
        let mut table = Table::new(COLUMNS);
        table.row(
            Tone::Plain,
            ["order-service".to_owned(), String::new(), "7".to_owned()],
        );
        table.row(
            Tone::Alarm,
            ["a".to_owned(), "b".to_owned(), "12345".to_owned()],
        );
        table
    }

    #[test]
    fn columns_line_up_and_piped_text_has_no_control_characters() {
        assert_eq!(
            table().render(false),
            "from           to     us\n\
             ─────────────  ──  ─────\n\
             order-service  -       7\n\
             a              b   12345\n"
        );
    }

    #[test]
    fn a_terminal_sees_what_was_not_expected_in_red() {
        let text = table().render(true);
        assert!(
            text.contains("\u{1b}[31ma              b   12345\u{1b}[0m\n"),
            "{text}"
        );
    }
}
