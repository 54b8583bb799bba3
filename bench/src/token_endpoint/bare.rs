//! The comparison: hyper alone, which reads a request and does nothing for it but the same cryptography.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use bytes::Bytes;
use hallpass::clock::SystemClock;
use hallpass::tls::{ClientAuth, KeyPairSettings, ServerTls, ServerTlsSettings, TlsMetrics};
use hallpass::token::{Algorithm, SigningKey};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::case::Case;
use super::issuer::{CERTIFICATE_FILE, PRIVATE_KEY_FILE};
use crate::measure::Failure;

/// Bytes that the issuer signs for this client: header and claims of a token, base64url.
const SIGNED_BYTES: usize = 430;
/// The same of a token that names a user and an actor.
const EXCHANGED_BYTES: usize = 540;
/// Bytes under the signature of the token that is exchanged.
const SUBJECT_BYTES: usize = 400;

/// Serves until it is killed; the address goes to standard output.
#[expect(clippy::print_stdout, reason = "the parent process reads it there")]
pub(super) async fn serve(case: Case, folder: &Path) -> Result<(), Failure> {
    let work = Arc::new(Work::new(case)?);
    let tls = match case.tls {
        true => Some(tls(folder)?),
        false => None,
    };
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let work = Arc::clone(&work);
        match &tls {
            None => drop(tokio::spawn(connection(stream, work))),
            Some(tls) => {
                let acceptor = TlsAcceptor::from(tls.config());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        connection(stream, work).await;
                    }
                });
            }
        }
    }
}

/// TLS as the issuer speaks it.
fn tls(folder: &Path) -> Result<ServerTls, Failure> {
    let settings = ServerTlsSettings {
        key_pair: KeyPairSettings {
            certificate_file: folder.join(CERTIFICATE_FILE),
            private_key_file: folder.join(PRIVATE_KEY_FILE),
        },
        client_auth: ClientAuth::None,
    };
    Ok(ServerTls::load(
        &settings,
        Arc::new(SystemClock::new()),
        &TlsMetrics::default(),
    )?)
}

async fn connection<S>(stream: S, work: Arc<Work>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(move |request| respond(Arc::clone(&work), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // The load notices a connection that fails.
    let _ended = connection.await;
}

/// Reads the request and responds with the bytes of the signature.
async fn respond(
    work: Arc<Work>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let read = request.into_body().collect().await.is_ok();
    let signature = work.run().filter(|_| read);
    Ok(Response::new(Full::new(signature.unwrap_or_default())))
}

/// What is done for each request.
struct Work {
    key: Key,
    signed: usize,
    /// The public key and the signature that are verified before.
    subject: Option<(UnparsedPublicKey<Vec<u8>>, Vec<u8>)>,
}

enum Key {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl Work {
    fn new(case: Case) -> Result<Self, Failure> {
        let der = SigningKey::generate(case.algorithm)?.to_pkcs8()?;
        let key = match case.algorithm {
            Algorithm::EdDsa => Key::Ed25519(Ed25519KeyPair::from_pkcs8(&der)?),
            Algorithm::Rs256 => Key::Rsa(Box::new(RsaKeyPair::from_pkcs8(&der)?)),
            _ => Key::Ecdsa(EcdsaKeyPair::from_pkcs8(
                &ECDSA_P256_SHA256_FIXED_SIGNING,
                &der,
            )?),
        };
        let subject = match (&key, case.exchange) {
            (Key::Ecdsa(pair), true) => {
                let signature = pair.sign(&SystemRandom::new(), &[b's'; SUBJECT_BYTES])?;
                let public = pair.public_key().as_ref().to_vec();
                let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public);
                Some((public, signature.as_ref().to_vec()))
            }
            _ => None,
        };
        let signed = match case.exchange {
            true => EXCHANGED_BYTES,
            false => SIGNED_BYTES,
        };
        Ok(Self {
            key,
            signed,
            subject,
        })
    }

    fn run(&self) -> Option<Bytes> {
        if let Some((public, signature)) = &self.subject {
            public.verify(&[b's'; SUBJECT_BYTES], signature).ok()?;
        }
        let message = [b'a'; EXCHANGED_BYTES];
        let message = message.get(..self.signed)?;
        let random = SystemRandom::new();
        match &self.key {
            Key::Ecdsa(pair) => {
                let signature = pair.sign(&random, message).ok()?;
                Some(Bytes::copy_from_slice(signature.as_ref()))
            }
            Key::Ed25519(pair) => Some(Bytes::copy_from_slice(pair.sign(message).as_ref())),
            Key::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .ok()?;
                Some(signature.into())
            }
        }
    }
}
