//! The fenced blocks of a page.
//!
//! Included by path, since the crates that need it have no other in common that tests may name.

/// A fenced block.
pub(crate) struct Block {
    /// Where it begins on the page.
    pub(crate) line: usize,
    pub(crate) language: String,
    /// What stands behind the language.
    pub(crate) mark: String,
    pub(crate) text: String,
}

/// All fenced blocks, also those in a list.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut indent = None;
    for (number, line) in page.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (indent, fence) {
            (None, Some(info)) => {
                let (language, mark) = info.split_once(' ').unwrap_or((info, ""));
                blocks.push(Block {
                    line: number + 1,
                    language: language.to_owned(),
                    mark: mark.to_owned(),
                    text: String::new(),
                });
                indent = Some(line.len() - line.trim_start().len());
            }
            (Some(_), Some(_)) => indent = None,
            (Some(indent), None) => {
                let text = &mut blocks.last_mut().unwrap().text;
                text.push_str(line.get(indent..).unwrap_or_default());
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert_eq!(indent, None, "a block without an end");
    blocks
}
