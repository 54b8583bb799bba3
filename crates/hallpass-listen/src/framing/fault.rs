//! What is wrong with the framing of a request.

use http::StatusCode;

/// Why the end of a request could be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// Two fields say how long it is.
    Lengths,
    /// A coding other than one `chunked`.
    Coding,
    /// A line ends with a bare LF.
    Lines,
    /// A length, or the body before the request, that cannot be followed.
    Unclear,
}

impl Fault {
    pub(crate) const ALL: [Self; 4] = [Self::Lengths, Self::Coding, Self::Lines, Self::Unclear];

    /// As it stands in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Lengths => "lengths",
            Self::Coding => "coding",
            Self::Lines => "lines",
            Self::Unclear => "unclear",
        }
    }

    /// What its sender is answered: 501 for a coding that is not known (RFC 9112 section 6.1), as nginx does.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Coding => StatusCode::NOT_IMPLEMENTED,
            Self::Lengths | Self::Lines | Self::Unclear => StatusCode::BAD_REQUEST,
        }
    }
}
