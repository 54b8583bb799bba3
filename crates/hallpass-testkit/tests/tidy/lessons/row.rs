//! One lesson.

/// What somebody has met with elsewhere, and what holds it here.
#[derive(Debug)]
pub(super) struct Lesson {
    /// The theme, or the advisories.
    pub(super) of: &'static str,
    /// How it has to be here.
    pub(super) lesson: &'static str,
    pub(super) held: Held,
}

/// What holds a lesson.
#[derive(Debug)]
pub(super) enum Held {
    /// The file below `crates/`, and the test in it.
    By(&'static str, &'static str),
    /// This part, which it concerns, does not exist yet.
    Later(&'static str),
}

pub(super) const fn held(
    of: &'static str,
    lesson: &'static str,
    test: (&'static str, &'static str),
) -> Lesson {
    let held = Held::By(test.0, test.1);
    Lesson { of, lesson, held }
}

pub(super) const fn later(of: &'static str, lesson: &'static str, part: &'static str) -> Lesson {
    let held = Held::Later(part);
    Lesson { of, lesson, held }
}
