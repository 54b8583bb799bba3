//! A service with a route that only other services may call, and a route that calls it.

use std::time::Duration;

use axum::extract::Path;
use axum::http::Method;
use axum::{Json, Router, routing::get};
use hallpass::config::Loader;
use hallpass::listen::StopSignals;
use hallpass::prelude::*;
use hallpass::reload::Reloader;

/// The service as its callers see it. Every call carries a token of the calling service.
#[feign_client(name = "service-system", path = "/internal")]
trait Stock {
    /// How much of `item` there is.
    #[get("/stock/{item}")]
    async fn stock(&self, item: &str) -> Result<String, FeignError>;
}

/// Runs only when the rule of its route allows the caller.
async fn stock(Path(item): Path<String>, caller: Caller) -> Json<String> {
    Json(format!("3 x {item}, for {}", caller.subject()))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mut stop = StopSignals::install()?;
    let loader = Loader::new("hallpass")
        .file("hallpass.yaml")
        .process_environment();
    let mut reloader = Reloader::new(loader)?;
    let settings = reloader.load::<hallpass::Settings>()?.into_settings();
    let hallpass = Hallpass::from_settings(&settings)?;
    // Rules, modes, secrets: what changes in the file counts within seconds.
    tokio::spawn(hallpass.clone().follow(reloader));

    // A path without a rule is closed.
    let internal = Rule::InternalOnly("internal-service".parse()?);
    let guard = hallpass
        .resource_server()
        .route(Method::GET, "/internal/stock/{item}", internal)
        .route(Method::GET, "/ask/{item}", Rule::Anonymous)
        .route(Method::GET, "/metrics", Rule::Anonymous)
        .build()?;

    let client = FeignStock::new(hallpass.feign())?;
    let ask = async move |Path(item): Path<String>| match client.stock(&item).await {
        Ok(text) => text,
        Err(error) => format!("not known: {error}"),
    };

    let metrics = hallpass.metrics();
    let app = Router::new()
        .route("/internal/stock/{item}", get(stock))
        .route("/ask/{item}", get(ask))
        .route("/metrics", get(async move || metrics.text()))
        .layer(guard.layer());
    let listen = settings.service.listen.ok_or("service.listen is not set")?;
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let running = hallpass
        .http_server(listener)
        .serve(move |_peer| app.clone())?;
    // SIGTERM and Ctrl-C let requests in flight finish.
    let limit = Duration::from_secs(10);
    running.serve_until_stopped(&mut stop, limit).await?;
    Ok(())
}
