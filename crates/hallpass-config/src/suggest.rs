//! The known name that a mistyped one was meant to be.

use crate::relaxed::letters;

/// Longest name that is compared with the known ones, in bytes.
const MAX_BYTES: usize = 64;

/// The nearest of `known`, if one is near enough to be worth a question.
///
/// `clientId` and `client_id` are near to `client-id` at any distance; else one letter in three may differ.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = near(name, known).into_iter();
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// At most `most` of `known` that somebody may have meant who wrote `name`, the nearest first: one letter in three may differ.
pub fn near_names<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
    most: usize,
) -> Vec<&'a str> {
    let mut near = near(name, known);
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(most).map(|(_, name)| name).collect()
}

fn near<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<(usize, &'a str)> {
    if name.len() > MAX_BYTES {
        return Vec::new();
    }
    let bare_name = letters(name);
    let candidates = known.into_iter().filter_map(|candidate| {
        let bare_candidate = letters(candidate);
        let allowed = bare_name.len().max(bare_candidate.len()) / 3;
        // Not every name here is one of ours, with a bound of its own.
        let is_near_enough = bare_name.len().abs_diff(bare_candidate.len()) <= allowed;
        let distance = || strsim::damerau_levenshtein(&bare_name, &bare_candidate);
        let distance = is_near_enough.then(distance)?;
        (distance <= allowed).then_some((distance, candidate))
    });
    candidates.collect()
}

/// The one of `known` of which `name`, which is none of them, is a slip of the pen. Stricter than [`nearest`]: it is asked for names
/// that may well be right.
///
/// `order-1` is no slip of `order-2`, nor a short name one of another.
pub(crate) fn slip_of<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > MAX_BYTES || known.contains(&name) {
        return None;
    }
    let bare = letters(name);
    let without_digits = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
    let allowed = |length: usize| (bare.len().min(length) / 5).min(2);
    // A thousand clients are held against a thousand: most are too far by their length alone.
    let may_be_near = |candidate: &&&str| {
        let counted = candidate
            .bytes()
            .filter(|byte| !matches!(byte, b'-' | b'_' | b'.'));
        let length = counted.count();
        bare.len().abs_diff(length) <= allowed(length)
    };
    let candidates = known.iter().filter(may_be_near).filter_map(|candidate| {
        let bare_candidate = letters(candidate);
        let distance = strsim::damerau_levenshtein(&bare, &bare_candidate);
        let is_numbered = without_digits(&bare) == without_digits(&bare_candidate);
        let allowed = allowed(bare_candidate.len());
        (distance <= allowed && (distance == 0 || !is_numbered)).then_some((distance, *candidate))
    });
    candidates
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["client-id", "client-secret", "scope", "token-url"];

    #[test]
    fn other_spellings_and_slips_find_the_known_name() {
        for slip in [
            "clientId",
            "client_id",
            "CLIENT-ID",
            "cleint-id",
            "client-ids",
            "clientid",
        ] {
            assert_eq!(nearest(slip, KNOWN), Some("client-id"), "{slip}");
        }
        assert_eq!(nearest("token-uri", KNOWN), Some("token-url"));
    }

    #[test]
    fn a_slip_is_near_and_a_name_of_its_own_is_none() {
        let known = ["order-service", "logistics-service", "billing-1", "a"];
        for (name, meant) in [
            ("order-servcie", Some("order-service")),
            ("order_service", Some("order-service")),
            ("logistic-service", Some("logistics-service")),
            ("order-service", None),
            ("user-service", None),
            ("billing-2", None),
            ("b", None),
            ("", None),
        ] {
            assert_eq!(slip_of(name, &known), meant, "{name}");
        }
    }

    #[test]
    fn all_that_may_be_meant_are_told_the_nearest_first() {
        let known = [
            "order-service-b",
            "order-service",
            "billing",
            "order-servise-b",
        ];
        let near = near_names("order-servise", known, 2);
        assert_eq!(near, ["order-service", "order-servise-b"]);
        assert_eq!(near_names("logistics", known, 2), [""; 0]);
    }

    #[test]
    fn what_is_far_from_everything_finds_nothing() {
        for other in ["", "x", "colour", "listen", &"client-id".repeat(20)] {
            assert_eq!(nearest(other, KNOWN), None, "{other}");
        }
    }
}
