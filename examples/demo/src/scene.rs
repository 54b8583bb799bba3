//! What a part of the demonstration came to.

use crate::table::Table;

/// Text to show, and what was not as expected.
#[derive(Debug)]
pub(crate) struct Scene {
    title: &'static str,
    /// Why this is worth a look, in a sentence or two.
    caption: &'static str,
    pub(crate) table: Table,
    /// A closing line under the table.
    pub(crate) remark: Option<String>,
    pub(crate) unmet: Vec<String>,
}

impl Scene {
    pub(crate) fn new(title: &'static str, caption: &'static str, table: Table) -> Self {
        Self {
            title,
            caption,
            table,
            remark: None,
            unmet: Vec::new(),
        }
    }

    /// Title, caption, table and remark; `styled` for a terminal.
    pub(crate) fn render(&self, styled: bool) -> String {
        let title = if styled {
            format!("\u{1b}[1m{}\u{1b}[0m", self.title)
        } else {
            self.title.to_owned()
        };
        let remark = self
            .remark
            .as_ref()
            .map(|remark| format!("\n{remark}\n"))
            .unwrap_or_default();
        let table = self.table.render(styled);
        format!("{title}\n{}\n\n{table}{remark}", self.caption)
    }
}
