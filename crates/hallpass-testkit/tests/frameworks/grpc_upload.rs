//! A method of gRPC whose messages go up as a stream, which the health service has none of: texts, written without a compiler of protocol
//! buffers.

use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::{Buf as _, BufMut as _};
use futures_util::future::BoxFuture;
use http_body::Body as HttpBody;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::StdError;
use tonic::server::Grpc;
use tonic::{Request, Response, Status, Streaming};
use tower::Service;

pub(crate) const UPLOAD: &str = "/test.Uploads/Upload";

/// Messages are texts as they are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Texts;

impl Codec for Texts {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Texts {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Texts {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        let text = String::from_utf8(bytes.to_vec());
        text.map(Some).map_err(|_| Status::internal("no text"))
    }
}

/// Answers with all messages and whom it saw while each came; `stop` ends the call there.
#[derive(Clone, Copy, Debug)]
struct Uploads;

impl Service<Request<Streaming<String>>> for Uploads {
    type Response = Response<String>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response<String>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Streaming<String>>) -> Self::Future {
        Box::pin(async move {
            let mut messages = request.into_inner();
            let mut all = Vec::new();
            while let Some(text) = messages.message().await? {
                if text == "stop" {
                    return Err(Status::failed_precondition("stopped"));
                }
                let caller = hallpass::current();
                let name = caller.map_or("nobody".to_owned(), |it| it.subject().to_string());
                all.push(format!("{text} for {name}"));
            }
            Ok(Response::new(all.join(", ")))
        })
    }
}

/// The method [`UPLOAD`] beside another service.
#[derive(Clone, Debug)]
pub(crate) struct Beside<S>(pub(crate) S);

impl<S, B> Service<http::Request<B>> for Beside<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if request.uri().path() != UPLOAD {
            return Box::pin(self.0.call(request));
        }
        Box::pin(async move { Ok(Grpc::new(Texts).client_streaming(Uploads, request).await) })
    }
}
