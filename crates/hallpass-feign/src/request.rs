//! From the arguments of a method to the request that is sent.

mod bytes;
mod idempotency_key;
mod own_error;
mod path;
mod query;
mod target_text;

use std::fmt::Display;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use hallpass_upstream::{Body, Http2};
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use serde::Serialize;

use crate::client::{Client, ClientState};
use crate::error::{ArgumentProblem, FeignError, MAX_TARGET_BYTES};
use crate::headers;
use crate::multipart::Multipart;
use crate::response::FromResponse;
use crate::spec::MethodSpec;
use crate::stack;

pub use bytes::SentBytes;
use own_error::OwnError;

pub(crate) use path::leaves_its_place;

/// A call that is being put together. The first argument that cannot be sent decides: the call then fails before
/// anything is sent, and the rest of the arguments is not looked at.
#[derive(Debug)]
pub struct Call<'a> {
    client: &'a Client,
    /// The whole call goes by these settings, whatever becomes of them meanwhile.
    state: Arc<ClientState>,
    index: usize,
    target: String,
    headers: HeaderMap,
    body: Body,
    /// Whether no argument is in its headers or its body.
    is_usual: bool,
    problem: Option<FeignError>,
}

impl<'a> Call<'a> {
    /// A call of the method that stands at `index` of the client's specification.
    #[must_use]
    pub fn begin(client: &'a Client, index: usize) -> Self {
        let mut target = target_text::begin();
        let state = client.state();
        target.push_str(&state.base_path);
        let fixed = state.methods.get(index).map(|method| &*method.headers);
        let fixed = fixed.unwrap_or_default();
        let headers = headers::begun(fixed);
        Self {
            client,
            state,
            index,
            target,
            headers,
            body: Body::empty(),
            is_usual: true,
            problem: None,
        }
    }

    /// Appends fixed text of the path. The path `/` of a method behind that of a `url` is the latter, as behind that of a trait.
    pub fn fixed(&mut self, text: &str) {
        let is_all = text == "/" && self.template() == Some("/");
        if !is_all || self.target.is_empty() {
            self.target.push_str(text);
        }
    }

    /// Appends a value to the path.
    pub fn path(&mut self, argument: &'static str, value: &impl Display) {
        self.check(argument, |call| {
            path::push(&mut call.target, value, call.state.path_values)
        });
    }

    /// Appends query parameters.
    pub fn query(&mut self, name: &'static str, value: &impl Serialize) {
        self.check(name, |call| query::push(&mut call.target, name, value));
    }

    /// Sets a header; `name` is in lower case.
    pub fn header(&mut self, name: &'static str, value: &impl Display) {
        let value = value.to_string();
        self.check(name, |call| {
            // RFC 9110 section 5.5: other bytes are allowed on the wire, but receivers do not agree on what they mean.
            let printable = value
                .bytes()
                .all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
            let name = HeaderName::from_lowercase(name.as_bytes()).ok();
            let value = HeaderValue::try_from(value).ok().filter(|_| printable);
            let (name, value) = name.zip(value).ok_or(ArgumentProblem::HeaderText)?;
            call.is_usual = false;
            call.headers.insert(name, value);
            Ok(())
        });
    }

    /// Sets a JSON body.
    pub fn json(&mut self, argument: &'static str, value: &impl Serialize) {
        self.check(argument, |call| {
            let body = serde_json::to_vec(value).map_err(|_| ArgumentProblem::Unserializable)?;
            call.set_body("application/json", Body::from(body));
            Ok(())
        });
    }

    /// Sets a form body.
    pub fn form(&mut self, argument: &'static str, value: &impl Serialize) {
        self.check(argument, |call| {
            let body =
                serde_urlencoded::to_string(value).map_err(|_| ArgumentProblem::Unserializable)?;
            call.set_body("application/x-www-form-urlencoded", Body::from(body));
            Ok(())
        });
    }

    /// Sets a body of text.
    pub fn text(&mut self, media_type: &'static str, value: &(impl AsRef<str> + ?Sized)) {
        let text = value.as_ref().to_owned();
        self.set_body(media_type, Body::from(text));
    }

    /// Sets a body of bytes.
    pub fn bytes(&mut self, media_type: &'static str, value: &(impl SentBytes + ?Sized)) {
        self.set_body(media_type, Body::from(value.to_sent()));
    }

    /// Sets a body that is a stream.
    pub fn stream(&mut self, media_type: &'static str, value: Body) {
        self.set_body(media_type, value);
    }

    /// Sets a form of several parts.
    pub fn multipart(&mut self, argument: &'static str, value: Multipart) {
        self.check(argument, |call| {
            let (media_type, body) = value.into_body()?;
            call.is_usual = false;
            call.headers.insert(CONTENT_TYPE, media_type);
            call.body = body;
            Ok(())
        });
    }

    /// Makes the call; `fallback` answers when the service cannot. Its own error, whatever it is, is the call's; else the
    /// error of the call is turned into that of the method.
    ///
    /// # Errors
    /// Every kind of [`FeignError`], as `E` has it, and those of the fallback.
    pub fn send<A, E, F, Fut>(
        self,
        fallback: Option<F>,
    ) -> impl Future<Output = Result<A::Value, E>> + use<'a, A, E, F, Fut>
    where
        A: FromResponse,
        E: From<FeignError> + Send + 'static,
        F: FnOnce(&FeignError) -> Fut,
        Fut: Future<Output = Result<A::Value, E>>,
    {
        let (client, index, is_usual) = (self.client, self.index, self.is_usual);
        // Here, so that the future holds the request and not what it is made of as well.
        let (state, mut request) = self.into_request(A::ACCEPT);
        async move {
            let of_fallback = OwnError::default();
            let fallback = fallback.map(|fallback| {
                |cause: &FeignError| {
                    let (answer, cause) = (fallback(cause), cause.clone());
                    let of_fallback = &of_fallback;
                    async move {
                        let answer = answer.await;
                        answer.map_err(|error| of_fallback.keep(error).unwrap_or(cause))
                    }
                }
            });
            let request = (request.as_mut().map_err(|error| error.clone()), is_usual);
            // The macro counts the methods of the same specification, so there is one.
            let result = match state.methods.get(index) {
                Some(method) => {
                    pin!(stack::call::<A, _, _>(client, method, request, fallback)).await
                }
                None => Err(FeignError::Interrupted),
            };
            result.map_err(|error| of_fallback.taken().unwrap_or_else(|| E::from(error)))
        }
    }

    fn template(&self) -> Option<&'static str> {
        let method = self.state.methods.get(self.index);
        method.map(|method| method.spec.template)
    }

    fn check(
        &mut self,
        argument: &'static str,
        write: impl FnOnce(&mut Self) -> Result<(), ArgumentProblem>,
    ) {
        if self.problem.is_some() {
            return;
        }
        if let Err(problem) = write(self) {
            self.problem = Some(FeignError::InvalidArgument { argument, problem });
        }
    }

    fn set_body(&mut self, content_type: &'static str, body: Body) {
        self.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.is_usual = false;
        self.body = body;
    }

    fn into_request(
        mut self,
        accept: &'static str,
    ) -> (Arc<ClientState>, Result<Request<Body>, FeignError>) {
        if self.target.len() > MAX_TARGET_BYTES {
            self.check("path and query", |_| Err(ArgumentProblem::TooLong));
        }
        let Self {
            state,
            index,
            target,
            mut headers,
            body,
            problem,
            ..
        } = self;
        if let Some(problem) = problem {
            return (state, Err(problem));
        }
        let method = state.methods.get(index).map(|method| method.spec);
        let target = match prepare(target, &mut headers, method, accept) {
            Ok(target) => target,
            Err(problem) => return (state, Err(problem)),
        };
        let mut request = Request::new(body);
        if state.http2 != Http2::Never {
            request.extensions_mut().insert(state.http2);
        }
        if let Some(method) = method {
            *request.method_mut() = method.verb.method();
        }
        *request.uri_mut() = Uri::from(target);
        *request.headers_mut() = headers;
        (state, Ok(request))
    }
}

/// What every request has beside what the arguments say.
fn prepare(
    target: String,
    headers: &mut HeaderMap,
    method: Option<&MethodSpec>,
    accept: &'static str,
) -> Result<PathAndQuery, FeignError> {
    // Fixed text was checked by the macro and values are encoded, so this does not fail.
    let target = target_text::finish(target).map_err(|_| FeignError::InvalidArgument {
        argument: "path",
        problem: ArgumentProblem::NotPlain,
    })?;
    headers::accept(headers, accept);
    if method.is_some_and(|method| method.idempotency_key) {
        idempotency_key::give(headers)?;
    }
    Ok(target)
}
