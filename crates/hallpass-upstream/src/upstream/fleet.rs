//! The instances of a service, in the groups that a choice looks at.

use std::ops::Range;
use std::sync::Arc;

use super::candidate::Candidate;

/// All instances that may be chosen, those with the same mark together. Never changed, only replaced.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    candidates: Box<[Candidate]>,
    /// Those without a mark, for every call; all of them where every one has a mark.
    unmarked: Range<usize>,
    marked: Box<[Marked]>,
}

#[derive(Debug)]
struct Marked {
    mark: Arc<str>,
    places: Range<usize>,
}

impl Fleet {
    /// Instances with the mark that each bears.
    pub(super) fn new(mut members: Vec<(Option<Arc<str>>, Candidate)>) -> Self {
        // A stable sort, with those that bear no mark first.
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        let first_marked = members.iter().take_while(|(mark, _)| mark.is_none());
        let first_marked = first_marked.count();
        let mut marked: Vec<Marked> = Vec::new();
        for (place, (mark, _)) in members.iter().enumerate().skip(first_marked) {
            match (mark, marked.last_mut()) {
                (Some(mark), Some(last)) if *mark == last.mark => last.places.end = place + 1,
                (Some(mark), _) => marked.push(Marked {
                    mark: Arc::clone(mark),
                    places: place..place + 1,
                }),
                (None, _) => {}
            }
        }
        let unmarked = match first_marked {
            0 => 0..members.len(),
            some => 0..some,
        };
        Self {
            candidates: members.into_iter().map(|(_, it)| it).collect(),
            unmarked,
            marked: marked.into(),
        }
    }

    pub(super) fn all(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Those for every call: never empty unless there is none at all.
    pub(super) fn unmarked(&self) -> &[Candidate] {
        self.candidates
            .get(self.unmarked.clone())
            .unwrap_or_default()
    }

    /// Those with this mark.
    pub(super) fn marked(&self, mark: &str) -> &[Candidate] {
        let mut marked = self.marked.iter();
        let places = marked.find(|it| *it.mark == *mark);
        let places = places.map(|it| it.places.clone()).unwrap_or_default();
        self.candidates.get(places).unwrap_or_default()
    }
}
