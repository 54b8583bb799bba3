//! Two of several by chance, the heavier the likelier.

use crate::random::random_below;

/// The places of two different candidates, picked by chance in proportion to their weights; the same place twice when
/// only one has a weight, and `None` when there is no candidate. When no candidate has a weight, all are equally likely.
pub(super) fn two(weights: impl Iterator<Item = u64> + Clone) -> Option<(usize, usize)> {
    let mut others = weights.clone();
    if others.next().is_some() && others.next().is_none() {
        // The only one.
        return Some((0, 0));
    }
    let total = weights.clone().fold(0, u64::saturating_add);
    if total == 0 {
        let count = weights.count();
        return (count > 0).then(|| two_of_equal(count));
    }
    let first = place(weights.clone().enumerate(), total)?;
    let others = weights
        .enumerate()
        .filter(move |(place, _)| *place != first.0);
    let second = place(others, total.saturating_sub(first.1));
    Some((first.0, second.map_or(first.0, |(place, _)| place)))
}

fn two_of_equal(count: usize) -> (usize, usize) {
    let pick = |below: usize| usize::try_from(random_below(below as u64)).unwrap_or(0);
    let first = pick(count);
    // One of the others, all alike: an offset from the first that never comes round to it.
    let second = match count {
        0 | 1 => first,
        several => (first + 1 + pick(several - 1)) % several,
    };
    (first, second)
}

/// One of the candidates, whose weights add up to `total`; none when that is nothing.
fn place(weights: impl Iterator<Item = (usize, u64)>, total: u64) -> Option<(usize, u64)> {
    let mut left = random_below(total);
    for (place, weight) in weights {
        match left.checked_sub(weight) {
            Some(rest) => left = rest,
            None => return Some((place, weight)),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::two;

    fn shares(weights: &[u64]) -> Vec<usize> {
        let mut first = vec![0; weights.len()];
        for _ in 0..9_000 {
            let (one, other) = two(weights.iter().copied()).unwrap();
            assert!(one != other || weights.iter().filter(|w| **w > 0).count() == 1);
            first[one] += 1;
        }
        first
    }

    #[test]
    fn candidates_are_picked_in_proportion_to_their_weights() {
        let first = shares(&[1, 2, 0]);
        assert!((2_700..3_300).contains(&first[0]), "{first:?}");
        assert!((5_700..6_300).contains(&first[1]), "{first:?}");
        assert_eq!(first[2], 0);
    }

    #[test]
    fn without_any_weight_all_are_alike() {
        let (one, other) = two([0, 0].into_iter()).unwrap();
        assert_ne!(one, other);
        assert_eq!(two([0].into_iter()), Some((0, 0)));
        assert_eq!(two([7].into_iter()), Some((0, 0)));
        assert_eq!(two(std::iter::empty()), None);
    }
}
