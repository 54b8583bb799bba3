//! "Did you mean": the nearest known word to a mistyped one. The configuration has its own, because this crate depends
//! on none of ours: what it depends on is built for the compiler before anything else.

/// Longest edit distance that still counts as a slip of the pen.
const MAX_EDITS: usize = 3;

/// `` ; did you mean `x`? `` for a near miss, and nothing otherwise.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    let folded = word.to_lowercase().replace('-', "_");
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, candidate), candidate))
        .filter(|(edits, candidate)| *edits <= MAX_EDITS.min(candidate.len() / 2))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| format!("; did you mean `{candidate}`?"))
        .unwrap_or_default()
}

/// The known words as a sentence part: `` `a`, `b`, `c` ``.
pub(crate) fn listed(known: &[&str]) -> String {
    let quoted: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    const KNOWN: &[&str] = &["name", "path", "when_absent", "deadline_ms"];

    #[test]
    fn a_slip_gets_the_nearest_word_and_a_stranger_gets_none() {
        assert_eq!(did_you_mean("nmae", KNOWN), "; did you mean `name`?");
        assert_eq!(
            did_you_mean("when-absent", KNOWN),
            "; did you mean `when_absent`?"
        );
        assert_eq!(
            did_you_mean("deadlineMs", KNOWN),
            "; did you mean `deadline_ms`?"
        );
        assert_eq!(did_you_mean("configuration", KNOWN), "");
    }
}
