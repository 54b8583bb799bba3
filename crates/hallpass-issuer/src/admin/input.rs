//! What a request says: a name in its path, a page in its query, JSON in its body. All of it is read strictly: what is not known is refused.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path};
use bytes::Bytes;
use http::Request;
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use url::form_urlencoded;
use utoipa::ToSchema;

use super::fault::AdminFault;
use super::problem::Problem;

/// Most entries of one page.
pub(super) const MAX_PAGE: usize = 1_000;
/// How many there are where nothing is said.
const USUAL_PAGE: usize = 100;
/// The longest cursor and the longest prefix, in bytes: of the longest name that there is.
const MAX_PARAMETER_BYTES: usize = 1_024;

/// The one name in the path.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(name) = path.map_err(|_: PathRejection| {
            Problem::with(
                AdminFault::InvalidRequest,
                "the name in the path is not UTF-8 behind its percent escapes",
            )
        })?;
        Ok(Self(name))
    }
}

/// Which part of a list is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Most entries.
    pub(super) limit: usize,
    /// Only what comes after this one, in the order of the list.
    pub(super) after: Option<String>,
    /// Only names that begin so.
    pub(super) prefix: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(parts.uri.query().unwrap_or_default())
            .map_err(|detail| Problem::with(AdminFault::InvalidRequest, detail))
    }
}

impl Page {
    fn of(query: &str) -> Result<Self, &'static str> {
        let mut page = Self {
            limit: USUAL_PAGE,
            after: None,
            prefix: None,
        };
        let mut limit = None;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "limit" => &mut limit,
                "after" => &mut page.after,
                "prefix" => &mut page.prefix,
                _ => return Err("the query may have limit, after and prefix"),
            };
            if value.len() > MAX_PARAMETER_BYTES {
                return Err("a parameter of the query is too long");
            }
            if place.replace(value.into_owned()).is_some() {
                return Err("a parameter of the query comes twice");
            }
        }
        if let Some(limit) = limit {
            let limit = limit.parse().ok().filter(|it| (1..=MAX_PAGE).contains(it));
            page.limit = limit.ok_or("limit is a whole number from 1 to 1000")?;
        }
        Ok(page)
    }
}

/// The query of what knows no parameters.
pub(super) struct NoQuery;

impl<S: Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.uri.query().unwrap_or_default() {
            "" => Ok(Self),
            _ => Err(Problem::with(
                AdminFault::InvalidRequest,
                "this takes no parameters in the query",
            )),
        }
    }
}

/// The body as it came.
pub(super) struct RawBody(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Problem;

    async fn from_request(request: Request<axum::body::Body>, state: &S) -> Result<Self, Problem> {
        let body = Bytes::from_request(request, state).await;
        body.map(Self)
            .map_err(|_| AdminFault::BodyIncomplete.into())
    }
}

/// The body, which is JSON of this form.
pub(super) struct Input<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request<axum::body::Body>, state: &S) -> Result<Self, Problem> {
        let RawBody(body) = RawBody::from_request(request, state).await?;
        read(&body).map(Self)
    }
}

/// An object without members: the path says it all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Its values are not repeated: one may be a secret that stands in the wrong place.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // An array is not read as an object whose members stand in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        let detail = "the body is not a JSON object";
        return Err(Problem::with(AdminFault::InvalidRequest, detail));
    }
    serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            Category::Data => "is not what this operation takes",
            Category::Io | Category::Syntax | Category::Eof => "is not JSON",
        };
        let (line, column) = (error.line(), error.column());
        let detail = format!("the body {what}: line {line}, column {column}");
        Problem::with(AdminFault::InvalidRequest, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_strictly() {
        let page = Page::of("limit=7&after=a%2Fb&prefix=order%20").unwrap();
        let expected = Page {
            limit: 7,
            after: Some("a/b".to_owned()),
            prefix: Some("order ".to_owned()),
        };
        assert_eq!(page, expected);
        assert_eq!(Page::of("").unwrap().limit, 100);
        assert_eq!(Page::of("limit=1000").unwrap().limit, 1_000);
        for bad in [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=",
            "limit=1&limit=2",
            "after=a&after=a",
            "offset=3",
            "Limit=3",
            &format!("after={}", "a".repeat(1_025)),
        ] {
            assert!(Page::of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_body_is_told_by_its_place_and_without_a_value() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Body {
            #[expect(dead_code, reason = "only read")]
            count: u64,
        }
        for bad in [
            "{\"count\":\"s3cret\"}",
            "{\"s3cret\":1}",
            "{\"count\":1,\"count\":\"s3cret\"}",
            "s3cret",
            "[1]",
            "{\"count\":1} s3cret",
            "",
        ] {
            let told = format!("{:?}", read::<Body>(bad.as_bytes()).unwrap_err());
            assert!(told.contains("the body is not"), "{told}");
            assert!(!told.contains("s3cret"), "{told}");
        }
    }
}
