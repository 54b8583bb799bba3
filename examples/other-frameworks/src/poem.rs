//! poem.

use hallpass::resource::ResourceServer;
use hallpass::token::SecurityContext;
use http::request::Parts;
use poem::web::Data;
use poem::{
    Endpoint, EndpointExt as _, IntoResponse as _, Middleware, Request, Response, Route, get,
    handler,
};

/// Serves `GET /whoami` and `GET /open`, and decides about every request, those for unknown paths too.
pub fn app(server: ResourceServer) -> impl Endpoint {
    Route::new()
        .at("/whoami", get(whoami))
        .at("/open", get(open))
        .with(Judge(server))
}

/// The verified caller, as handlers of poem take it, and as code far below finds it.
#[handler]
async fn whoami(caller: Data<&SecurityContext>) -> String {
    let current = hallpass::current().map(|current| current.subject().to_string());
    format!("{} {current:?}", caller.subject())
}

#[handler]
fn open() -> &'static str {
    "open"
}

/// The middleware. A body that is streamed is polled outside of the identity context: take the caller along.
#[derive(Clone, Debug)]
pub struct Judge(pub ResourceServer);

impl<E: Endpoint> Middleware<E> for Judge {
    type Output = Judged<E>;

    fn transform(&self, endpoint: E) -> Judged<E> {
        let server = self.0.clone();
        Judged { endpoint, server }
    }
}

/// An endpoint that [`Judge`] stands before.
#[derive(Clone, Debug)]
pub struct Judged<E> {
    endpoint: E,
    server: ResourceServer,
}

impl<E: Endpoint> Endpoint for Judged<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let mut parts = parts(&request);
        let authorized = match self.server.authorize(&parts).await {
            Ok(authorized) => authorized,
            Err(refused) => {
                let (parts, body) = refused.into_response_to(&parts).into_parts();
                let mut response = Response::builder().status(parts.status).body(body);
                *response.headers_mut() = parts.headers;
                return Ok(response);
            }
        };
        authorized.admit(&mut parts);
        *request.headers_mut() = parts.headers;
        if let Some(caller) = authorized.context() {
            request.extensions_mut().insert(caller.clone());
        }
        let context = authorized.call_context().clone();
        let handled = hallpass::scope_all(context, self.endpoint.call(request)).await;
        let mut response = match handled {
            Ok(output) => output.into_response(),
            Err(error) => error.into_response(),
        };
        authorized.complete(response.headers_mut());
        Ok(response)
    }
}

/// The head of the request, with the path that was asked for, whatever a nest has left of it.
fn parts(request: &Request) -> Parts {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = request.method().clone();
    parts.uri = request.original_uri().clone();
    parts.version = request.version();
    parts.headers = request.headers().clone();
    parts
}
