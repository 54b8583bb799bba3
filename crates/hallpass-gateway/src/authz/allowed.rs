//! What becomes of the headers of a request that may pass.

use hallpass_resource::is_spelling_of;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::tenant::JudgedTenant;

/// The client that the token was issued to: who calls, where `X-User-Id` says for whom.
pub(crate) const CLIENT_ID: HeaderName = HeaderName::from_static("x-client-id");
/// Other spellings of the identity headers, which CGI-like programs read as the same: each with `_` for at least one `-`.
pub(crate) const SPELLINGS: [&str; 8] = [
    "x_user_id",
    "x-user_id",
    "x_user-id",
    "x_username",
    "x_authorities",
    "x_client_id",
    "x-client_id",
    "x_client-id",
];

/// All identity headers, in their one spelling.
const NAMES: [&str; 4] = ["x-user-id", "x-username", "x-authorities", "x-client-id"];

/// Whether a header (its name in lower case, as they arrive) is an identity header in another spelling.
pub(crate) fn is_other_spelling(header: &str) -> bool {
    let same = |name: &str| header != name && is_spelling_of(header, name);
    NAMES.into_iter().any(same)
}

/// What the upstream gets in `Authorization`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authorization {
    /// What the caller has sent.
    AsItCame,
    /// A token for the upstream.
    Token(HeaderValue),
    /// Nothing.
    None,
}

/// A request that may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// Each identity header with its value, or to be removed. Empty where those from outside stay.
    pub(crate) identity: Vec<(HeaderName, Option<HeaderValue>)>,
    /// Other spellings of these that the question has.
    pub(crate) spelled: Vec<HeaderName>,
    /// For whom of several customers the request is, where the settings name a header of that.
    pub(crate) tenant: Option<JudgedTenant>,
    pub(crate) authorization: Authorization,
    /// All that the caller has sent there.
    pub(crate) came: Vec<HeaderValue>,
    /// What the response to the caller is to have.
    pub(crate) for_caller: HeaderMap,
}

impl Allowed {
    /// For proxies that can set and remove headers: those to set, and those to remove. None is in both.
    pub(crate) fn changes(self) -> (Vec<(HeaderName, HeaderValue)>, Vec<HeaderName>) {
        let (mut set, mut removed) = (Vec::new(), Vec::new());
        let strips = !self.identity.is_empty();
        for (name, value) in self.identity {
            // What a protocol cannot say must not leave what the caller has written.
            match value.filter(|value| value.to_str().is_ok()) {
                Some(value) => set.push((name, value)),
                None => removed.push(name),
            }
        }
        if strips {
            removed.extend(SPELLINGS.map(HeaderName::from_static));
            let others = self.spelled.into_iter();
            removed.extend(others.filter(|it| !SPELLINGS.contains(&it.as_str())));
        }
        if let Some(tenant) = self.tenant {
            tenant.change(&mut set, &mut removed);
        }
        match self.authorization {
            Authorization::AsItCame => {}
            // The proof of a token that is not passed on is of no use to anybody.
            Authorization::Token(token) => {
                set.push((AUTHORIZATION, token));
                removed.push(DPOP);
            }
            Authorization::None => removed.extend([AUTHORIZATION, DPOP]),
        }
        (set, removed)
    }

    /// For proxies that copy headers of the answer onto the request: every header that they may be told to copy, empty
    /// where the request must not have it. A header that were left out would be the caller's in some of them.
    pub(crate) fn copies(self) -> HeaderMap {
        let mut headers = self.for_caller;
        for (name, value) in self.identity {
            headers.insert(name, value.unwrap_or(EMPTY));
        }
        if let Some(tenant) = self.tenant {
            tenant.copy(&mut headers);
        }
        match self.authorization {
            Authorization::AsItCame if self.came.is_empty() => {
                headers.insert(AUTHORIZATION, EMPTY);
            }
            Authorization::AsItCame => {
                for value in self.came {
                    headers.append(AUTHORIZATION, value);
                }
            }
            Authorization::Token(token) => {
                headers.insert(AUTHORIZATION, token);
            }
            Authorization::None => {
                headers.insert(AUTHORIZATION, EMPTY);
            }
        }
        headers
    }
}

const DPOP: HeaderName = HeaderName::from_static("dpop");
const EMPTY: HeaderValue = HeaderValue::from_static("");
