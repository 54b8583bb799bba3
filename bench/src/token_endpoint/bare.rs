//! The two servers that are compared, each on one thread.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use bytes::Bytes;
use hallpass::clock::{Clock, SystemClock};
use hallpass::config::Secret;
use hallpass_issuer::IssuerServer;
use hallpass_issuer::{ClientAuthentication, ClientSettings, GrantType, IssuerSettings};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::measure::Failure;

const CLIENT_ID: &str = "internal-service-client";
/// A secret of the generated shape.
const SECRET: &str = "hallpass_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
/// `internal-service-client:<SECRET>` in base64.
const BASIC: &str = "aW50ZXJuYWwtc2VydmljZS1jbGllbnQ6aGFsbHBhc3NfQUFFQ0F3UUZCZ2NJQ1FvTERBME9EeEFSRWhNVUZSWVhHQmthR3h3ZEhoOA==";
const FORM: &str = "grant_type=client_credentials&scope=internal-service&audience=service-system";
/// Bytes that the issuer signs for this client: header and claims of a token, base64url.
const SIGNED_BYTES: usize = 430;

/// What a service sends for its token.
pub(super) fn request() -> Vec<u8> {
    format!(
        "POST /oauth2/token HTTP/1.1\r\nhost: service-auth\r\nauthorization: Basic {BASIC}\r\n\
         content-type: application/x-www-form-urlencoded\r\naccept: application/json\r\n\
         content-length: {}\r\n\r\n{FORM}",
        FORM.len()
    )
    .into_bytes()
}

/// Serves as `kind` until it is killed; the address goes to standard output.
pub(super) fn serve(kind: &str) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match kind {
        "bare" => runtime.block_on(bare()),
        "issuer" => runtime.block_on(issuer()),
        _ => Err("bare or issuer".into()),
    }
}

/// Reads the request, signs as many bytes as a token has, responds with the 64 bytes of the signature.
async fn bare() -> Result<(), Failure> {
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?;
    let key = Arc::new(EcdsaKeyPair::from_pkcs8(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        der.as_ref(),
    )?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    print(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let key = Arc::clone(&key);
        let service = service_fn(move |request| sign(Arc::clone(&key), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn sign(
    key: Arc<EcdsaKeyPair>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let read = request.into_body().collect().await.is_ok();
    let signature = key.sign(&SystemRandom::new(), &[b'a'; SIGNED_BYTES]);
    let body = signature
        .ok()
        .filter(|_| read)
        .map(|signature| Bytes::copy_from_slice(signature.as_ref()));
    Ok(Response::new(Full::new(body.unwrap_or_default())))
}

async fn issuer() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let settings = IssuerSettings {
        listen: "127.0.0.1:0".parse()?,
        store: folder.path().join("issuer.db"),
        clients: vec![ClientSettings {
            client_id: CLIENT_ID.parse()?,
            authentication: ClientAuthentication::chosen_secret(Secret::new(SECRET)),
            scope: "internal-service".parse()?,
            audiences: vec!["service-system".parse()?],
            grant_types: [GrantType::ClientCredentials].into_iter().collect(),
            token_life: None,
            refresh_token_life: None,
            dpop_bound_access_tokens: false,
            exchange: Vec::new(),
        }],
        ..IssuerSettings::default()
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut issuer = IssuerServer::start(&settings, clock).await?;
    print(issuer.local_addr());
    Err(issuer.failed().await.into())
}

#[expect(clippy::print_stdout, reason = "the parent process reads it there")]
fn print(address: SocketAddr) {
    println!("{address}");
}
