//! What this process shows to Nacos.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use arc_swap::{ArcSwap, ArcSwapOption};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hallpass_clock::Clock;
use hallpass_config::{Secret, files};
use hallpass_upstream::{Body, HttpTransport, Reminders};
use http::{Request, StatusCode, header};
use serde::Deserialize;
use tokio::time::timeout;
use tower_service::Service as _;

use crate::error::NacosError;
use crate::server_address::ServerAddress;

/// That of Nacos 3, then that of 2, in the order in which its own clients try them.
const LOGIN_PATHS: [&str; 2] = ["/nacos/v3/auth/user/login", "/nacos/v1/auth/login"];
/// Largest answer to a login, in bytes.
const MAX_LOGIN_BYTES: usize = 64 * 1024;
/// The earliest moment to log in again, whatever life the server gives a token.
const MIN_REFRESH: Duration = Duration::from_secs(5);

/// What this process shows to Nacos; `Debug` shows no secret.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Credential {
    /// Nothing: the server checks nobody.
    #[default]
    None,
    /// `username` and `password`: a login brings a token, which is replaced before it ends.
    Password {
        /// The user.
        username: String,
        /// His password.
        password: Secret,
    },
    /// `access-key` and `secret-key`, as Alibaba Cloud's MSE has them: every request is signed with HMAC-SHA1.
    AccessKey {
        /// The name of the key.
        access_key: String,
        /// The key.
        secret_key: Secret,
    },
}

impl Credential {
    fn with_secret(&self, secret: Secret) -> Self {
        match self {
            Self::None => Self::None,
            Self::Password { username, .. } => Self::Password {
                username: username.clone(),
                password: secret,
            },
            Self::AccessKey { access_key, .. } => Self::AccessKey {
                access_key: access_key.clone(),
                secret_key: secret,
            },
        }
    }
}

/// What a request is about: it is part of what is signed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resource<'a> {
    Config { namespace: &'a str, group: &'a str },
    Naming { group: &'a str, service: &'a str },
}

/// The credential, and the token that it has brought.
pub(crate) struct Identity {
    credential: ArcSwap<Credential>,
    /// Where its secret stands.
    file: Option<PathBuf>,
    said: Reminders,
    token: ArcSwapOption<Secret>,
    transport: HttpTransport,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    /// When it was tried last, on the monotonic clock, in milliseconds.
    logged_in_at: AtomicU64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Login {
    access_token: String,
    token_ttl: u64,
}

impl Identity {
    pub(crate) fn new(
        credential: Credential,
        file: Option<PathBuf>,
        transport: HttpTransport,
        clock: Arc<dyn Clock>,
        timeout: Duration,
    ) -> Self {
        Self {
            credential: ArcSwap::from_pointee(credential),
            file,
            said: Reminders::default(),
            token: ArcSwapOption::empty(),
            transport,
            clock,
            timeout,
            logged_in_at: AtomicU64::new(0),
        }
    }

    /// Whether the last login is so long ago that a token which is refused may have ended.
    pub(crate) fn may_log_in_again(&self) -> bool {
        let since = self
            .monotonic_millis()
            .saturating_sub(self.logged_in_at.load(Ordering::Relaxed));
        Duration::from_millis(since) >= MIN_REFRESH
    }

    fn monotonic_millis(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }

    /// Logs in where that is the way, by what the file of the secret holds now; says when to do it again.
    pub(crate) async fn login(
        &self,
        server: &ServerAddress,
    ) -> Result<Option<Duration>, NacosError> {
        self.logged_in_at
            .store(self.monotonic_millis(), Ordering::Relaxed);
        self.read_again().await;
        let credential = self.credential.load_full();
        let Credential::Password { username, password } = &*credential else {
            return Ok(None);
        };
        let form = [
            ("username", username.as_str()),
            ("password", password.expose()),
        ];
        let form = serde_urlencoded::to_string(form)
            .map_err(|_| NacosError::protocol("a user name that cannot be sent"))?;
        let mut last = NacosError::unavailable("no way to log in");
        for path in LOGIN_PATHS {
            let asked = timeout(self.timeout, self.post(&server.http_url(path), &form)).await;
            match asked.unwrap_or_else(|_| Err(NacosError::unavailable("no answer in time"))) {
                Ok(Some(login)) => {
                    self.token
                        .store(Some(Arc::new(Secret::new(login.access_token))));
                    let life = Duration::from_secs(login.token_ttl);
                    return Ok(Some(life.mul_f64(0.8).max(MIN_REFRESH)));
                }
                // This server has another way.
                Ok(None) => {}
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// What cannot be read leaves the last good secret.
    async fn read_again(&self) {
        let Some(path) = self.file.clone() else {
            return;
        };
        let read = tokio::task::spawn_blocking(move || files::read_secret_again(&path)).await;
        match read {
            Ok(Some(Ok(secret))) => {
                let credential = self.credential.load().with_secret(secret);
                self.credential.store(Arc::new(credential));
                self.said.over();
            }
            // Connections may be tried every few seconds.
            Ok(Some(Err(error))) if self.said.is_due("unreadable") => {
                let file = &self.file;
                tracing::warn!(?file, %error, "the secret for Nacos cannot be read again, the last good one stays");
            }
            // A pipe, or a runtime that is shutting down.
            Ok(Some(Err(_)) | None) | Err(_) => {}
        }
    }

    /// `None` when the server knows no such path.
    async fn post(&self, url: &str, form: &str) -> Result<Option<Login>, NacosError> {
        let request = Request::post(url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .map_err(|_| NacosError::protocol("the address of a server that is no address"))?;
        let response = self.transport.clone().call(request).await;
        let response = response.map_err(NacosError::unavailable)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::NOT_IMPLEMENTED => {
                return Ok(None);
            }
            status @ (StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::BAD_REQUEST
            | StatusCode::INTERNAL_SERVER_ERROR) => {
                // Its text may repeat the user name; the status is enough.
                let reason = format!("the login was answered with {status}").into();
                return Err(NacosError::Denied { reason });
            }
            status => return Err(NacosError::unavailable(format_args!("login: {status}"))),
        }
        let body = response.into_body().collect_within(MAX_LOGIN_BYTES).await;
        let body = body.map_err(NacosError::unavailable)?;
        let login = serde_json::from_slice(&body);
        login
            .map(Some)
            .map_err(|_| NacosError::protocol("the answer to a login"))
    }

    /// The headers of a request for `resource`.
    pub(crate) fn headers(&self, resource: Resource<'_>) -> Vec<(String, String)> {
        match &**self.credential.load() {
            Credential::None => Vec::new(),
            Credential::Password { .. } => match &*self.token.load() {
                Some(token) => headers([("accessToken", token.expose())]),
                None => Vec::new(),
            },
            Credential::AccessKey {
                access_key,
                secret_key,
            } => signed(resource, access_key, secret_key, self.millis()),
        }
    }

    fn millis(&self) -> u128 {
        let now = self.clock.now().duration_since(UNIX_EPOCH);
        now.unwrap_or_default().as_millis()
    }
}

/// As Alibaba Cloud's client signs: SHA-1 is what its servers check.
fn signed(
    resource: Resource<'_>,
    access_key: &str,
    secret_key: &Secret,
    now_millis: u128,
) -> Vec<(String, String)> {
    let now = now_millis.to_string();
    match resource {
        Resource::Config { namespace, group } => {
            let parts = [namespace, group, now.as_str()];
            let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            let signature = sign(secret_key, &parts.join("+"));
            headers([
                ("Spas-AccessKey", access_key),
                ("Timestamp", &now),
                ("Spas-Signature", &signature),
            ])
        }
        Resource::Naming { group, service } => {
            let data = format!("{now}@@{group}@@{service}");
            let signature = sign(secret_key, &data);
            headers([
                ("ak", access_key),
                ("data", &data),
                ("signature", &signature),
            ])
        }
    }
}

fn sign(secret_key: &Secret, data: &str) -> String {
    let key = hmac::Key::new(
        hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        secret_key.expose().as_bytes(),
    );
    BASE64_STANDARD.encode(hmac::sign(&key, data.as_bytes()))
}

fn headers<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    pairs.into_iter().map(owned).collect()
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("credential", &**self.credential.load())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_signed_as_other_clients_sign_it() {
        // The value that Nacos' own tests have for it.
        assert_eq!(
            sign(&Secret::new("test"), "test"),
            "DJRRXBXlCVuKh6ULoN87847QX+Y="
        );
        let resource = Resource::Config {
            namespace: "",
            group: "G",
        };
        let secret = Secret::new("s");
        let headers = signed(resource, "k", &secret, 7);
        assert_eq!(headers[2].1, sign(&secret, "G+7"));
        let resource = Resource::Naming {
            group: "G",
            service: "a",
        };
        assert_eq!(signed(resource, "k", &secret, 7)[1].1, "7@@G@@a");
    }

    #[test]
    fn a_signature_names_the_time_it_was_made_at() {
        let credential = Credential::AccessKey {
            access_key: "k".to_owned(),
            secret_key: Secret::new("s"),
        };
        let at = UNIX_EPOCH + Duration::from_millis(1_234);
        let clock = Arc::new(hallpass_clock::ManualClock::at(at));
        let transport = HttpTransport::new().unwrap();
        let identity = Identity::new(credential, None, transport, clock, Duration::from_secs(1));
        let resource = Resource::Config {
            namespace: "n",
            group: "G",
        };
        let headers = identity.headers(resource);
        let name = |at: usize| headers[at].0.as_str();
        assert_eq!(
            [0, 1, 2].map(name),
            ["Spas-AccessKey", "Timestamp", "Spas-Signature"]
        );
        assert_eq!((&*headers[0].1, &*headers[1].1), ("k", "1234"));
        assert_eq!(headers[2].1, sign(&Secret::new("s"), "n+G+1234"));
    }

    #[test]
    fn no_secret_is_shown() {
        let credential = Credential::Password {
            username: "nacos".to_owned(),
            password: Secret::new("InternalSecret123!"),
        };
        assert!(!format!("{credential:?}").contains("InternalSecret"));
    }
}
