//! actix-web.

use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::error::ErrorBadRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpMessage as _, HttpResponse, HttpServer, web};
use hallpass::resource::{Authorized, Refused, ResourceServer};
use hallpass::token::SecurityContext;
use http::request::Parts;

/// Serves `GET /whoami` and `GET /open`, and decides about every request, those for unknown paths too.
///
/// # Errors
/// When the socket cannot be used.
pub fn serve(server: ResourceServer, listener: std::net::TcpListener) -> std::io::Result<Server> {
    let app = move || {
        App::new()
            .app_data(web::Data::new(server.clone()))
            .wrap(from_fn(judge))
            .route("/whoami", web::get().to(whoami))
            .route("/open", web::get().to(|| async { "open" }))
    };
    Ok(HttpServer::new(app).workers(1).listen(listener)?.run())
}

/// The verified caller, as handlers of actix-web take it, and as code far below finds it.
async fn whoami(caller: web::ReqData<SecurityContext>) -> String {
    let current = hallpass::current().map(|current| current.subject().to_string());
    format!("{} {current:?}", caller.subject())
}

/// The middleware. A body that is streamed is polled outside of the identity context: take the caller along.
async fn judge(
    server: web::Data<ResourceServer>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut parts = parts(&request).map_err(|_| ErrorBadRequest("not a request"))?;
    let authorized = match server.authorize(&parts).await {
        Ok(authorized) => authorized,
        Err(refused) => {
            let response = response(refused, &parts)?;
            return Ok(request.into_response(response).map_into_right_body());
        }
    };
    authorized.admit(&mut parts);
    *request.headers_mut() = headers(&parts.headers)?;
    if let Some(caller) = authorized.context() {
        request.extensions_mut().insert(caller.clone());
    }
    let context = authorized.call_context().clone();
    let mut response = hallpass::scope_all(context, next.call(request)).await?;
    complete(&authorized, response.headers_mut())?;
    Ok(response.map_into_left_body())
}

/// The head of the request in the types of `http` 1: text goes over, nothing is read anew or left out.
fn parts(request: &ServiceRequest) -> Result<Parts, http::Error> {
    let mut builder = http::Request::builder()
        .method(request.method().as_str())
        .uri(request.uri().to_string());
    for (name, value) in request.headers() {
        builder = builder.header(name.as_str(), value.as_bytes());
    }
    Ok(builder.body(())?.into_parts().0)
}

/// And back.
fn headers(headers: &http::HeaderMap) -> Result<HeaderMap, Error> {
    let mut back = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_ref()).map_err(ErrorBadRequest)?;
        let value = HeaderValue::from_bytes(value.as_ref()).map_err(ErrorBadRequest)?;
        back.append(name, value);
    }
    Ok(back)
}

fn response(refused: Refused, request: &Parts) -> Result<HttpResponse, Error> {
    let (parts, body) = refused.into_response_to(request).into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16()).map_err(ErrorBadRequest)?;
    let mut response = HttpResponse::build(status).body(body);
    for (name, value) in headers(&parts.headers)? {
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

/// What the caller is to know, put beside what the handler says.
fn complete(authorized: &Authorized, response: &mut HeaderMap) -> Result<(), Error> {
    let mut ours = http::HeaderMap::new();
    authorized.complete(&mut ours);
    for (name, value) in headers(&ours)? {
        response.insert(name, value);
    }
    Ok(())
}
