//! The caller as a team would write it: a middleware that adds a token, which is kept behind a mutex.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::{Json, Router, routing::get};
use oauth2::basic::BasicClient;
use oauth2::{ClientId, ClientSecret, EndpointNotSet, EndpointSet, Scope, TokenResponse, TokenUrl};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::stand::{CLIENT, SCOPE, SECRET};
use crate::measure::Failure;

/// So long before its end a token is not used any more.
const SKEW: Duration = Duration::from_secs(5);
/// As the other callers have it.
const DEADLINE: Duration = Duration::from_secs(5);

type TokenClient =
    BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// Adds the token of this service.
struct Bearer {
    http: Client,
    oauth2: TokenClient,
    token: Mutex<Option<(HeaderValue, Instant)>>,
}

impl Bearer {
    async fn token(&self) -> Result<HeaderValue, Failure> {
        let mut kept = self.token.lock().await;
        if let Some((token, end)) = &*kept
            && *end > Instant::now()
        {
            return Ok(token.clone());
        }
        let http = |request| answer(self.http.clone(), request);
        let got = self
            .oauth2
            .exchange_client_credentials()
            .add_scope(Scope::new(SCOPE.to_owned()))
            .request_async(&http)
            .await
            .map_err(|error| error.to_string())?;
        let mut token = HeaderValue::try_from(format!("Bearer {}", got.access_token().secret()))?;
        token.set_sensitive(true);
        let life = got.expires_in().unwrap_or_default().saturating_sub(SKEW);
        *kept = Some((token.clone(), Instant::now() + life));
        Ok(token)
    }
}

/// What `oauth2` has sent for it.
async fn answer(
    http: Client,
    request: oauth2::HttpRequest,
) -> Result<oauth2::HttpResponse, reqwest::Error> {
    let response = http.execute(request.try_into()?).await?;
    let mut answer = http::Response::builder().status(response.status());
    if let Some(headers) = answer.headers_mut() {
        headers.clone_from(response.headers());
    }
    let body = response.bytes().await?.to_vec();
    Ok(answer.body(body).unwrap_or_default())
}

#[async_trait::async_trait]
impl Middleware for Bearer {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let token = self.token().await;
        let token = token.map_err(|error| std::io::Error::other(error.to_string()));
        let token = token.map_err(reqwest_middleware::Error::middleware)?;
        request.headers_mut().insert(AUTHORIZATION, token);
        next.run(request, extensions).await
    }
}

pub(super) async fn serve(listen: &str, callee: &str, issuer: &str) -> Result<(), Failure> {
    let http = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(DEADLINE)
        .build()?;
    let oauth2 = BasicClient::new(ClientId::new(CLIENT.to_owned()))
        .set_client_secret(ClientSecret::new(SECRET.to_owned()))
        .set_token_uri(TokenUrl::new(format!("http://{issuer}/oauth2/token"))?);
    let bearer = Bearer {
        http: http.clone(),
        oauth2,
        token: Mutex::default(),
    };
    let client = ClientBuilder::new(http).with(bearer).build();
    let stock = Arc::new(Stock {
        client,
        base: format!("http://{callee}/internal/stock"),
    });
    let order = async move |Path(number): Path<u64>| match stock.stock(number).await {
        Ok(stock) => Ok(Json(stock)),
        Err(_) => Err(StatusCode::BAD_GATEWAY),
    };
    let router = Router::new().route("/orders/{number}", get(order));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    Ok(axum::serve(listener, router).await?)
}

/// The service that is called.
struct Stock {
    client: ClientWithMiddleware,
    base: String,
}

impl Stock {
    async fn stock(&self, item: u64) -> Result<String, Failure> {
        let response = self
            .client
            .get(format!("{}/{item}", self.base))
            .send()
            .await?;
        Ok(response.error_for_status()?.json().await?)
    }
}
