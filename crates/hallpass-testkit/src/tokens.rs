//! Ready tokens, sound and broken.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass::BoxError;
use hallpass::token::{AccessToken, Actor, Algorithm, SigningKey, TokenClaims, UnixTime, sign};
use serde_json::{Map, Value};

use crate::identity_provider::TestIdentityProvider;
use crate::issuer::TestIssuer;

/// How long a token of the identity provider lives.
const USER_LIFE: Duration = Duration::from_secs(3_600);
/// How long a token of the issuer lives.
const SERVICE_LIFE: Duration = Duration::from_secs(600);
/// Further off than any verifier lets clocks differ.
const LONG: Duration = Duration::from_secs(86_400);

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Broken {
    /// It ended a day ago.
    Expired,
    /// It is valid from tomorrow on.
    NotYetValid,
    /// It is for another service.
    WrongAudience,
    /// Its issuer is nobody whom the estate trusts.
    UnknownIssuer,
    /// A stranger's key has signed it, under the name of a good one.
    WrongKey,
    /// Its scope was changed after it had been signed.
    Tampered,
    /// It says `alg: none` and has no signature (RFC 8725 section 2.1).
    AlgNone,
    /// Its signature was taken off.
    NoSignature,
}

impl Broken {
    /// All of them, for a test that tries each.
    pub const ALL: [Self; 8] = [
        Self::Expired,
        Self::NotYetValid,
        Self::WrongAudience,
        Self::UnknownIssuer,
        Self::WrongKey,
        Self::Tampered,
        Self::AlgNone,
        Self::NoSignature,
    ];
}

/// A token that is being made.
///
/// What cannot be read on the way (a scope with a quote in it) is told by [`token`](Self::token) and [`broken`](Self::broken).
#[derive(Debug)]
#[must_use = "a builder does nothing until it is asked for a token"]
pub struct TokenBuilder<'a> {
    key: &'a SigningKey,
    claims: Result<TokenClaims, BoxError>,
    now: UnixTime,
}

impl<'a> TokenBuilder<'a> {
    pub(crate) fn of_user(key: &'a SigningKey, user: &str, now: UnixTime) -> Self {
        let claims = || -> Result<TokenClaims, BoxError> {
            let mut claims = TokenClaims::new(
                TestIdentityProvider::ISSUER.parse()?,
                user.parse()?,
                TestIdentityProvider::AUDIENCE.parse()?,
                now.saturating_add(USER_LIFE),
            );
            claims.client_id = Some("web-shop".parse()?);
            claims.scope = "orders:read".parse()?;
            Ok(claims)
        };
        Self {
            key,
            claims: claims(),
            now,
        }
    }

    pub(crate) fn of_service(
        key: &'a SigningKey,
        caller: &str,
        callee: &str,
        now: UnixTime,
    ) -> Self {
        let claims = || -> Result<TokenClaims, BoxError> {
            let mut claims = of_the_issuer(caller, callee, now)?;
            claims.client_id = Some(caller.parse()?);
            claims.scope = TestIssuer::SCOPE.parse()?;
            Ok(claims)
        };
        Self {
            key,
            claims: claims(),
            now,
        }
    }

    pub(crate) fn exchanged(
        key: &'a SigningKey,
        (user, actor, callee): (&str, &str, &str),
        now: UnixTime,
    ) -> Self {
        let claims = || -> Result<TokenClaims, BoxError> {
            let mut claims = of_the_issuer(user, callee, now)?;
            claims.client_id = Some(actor.parse()?);
            claims.scope = "orders:read".parse()?;
            claims.actor = Some(Actor {
                subject: actor.parse()?,
                issuer: None,
                client_id: Some(actor.parse()?),
                actor: None,
            });
            Ok(claims)
        };
        Self {
            key,
            claims: claims(),
            now,
        }
    }

    /// Other scopes, separated by spaces.
    pub fn scope(self, scope: &str) -> Self {
        let scope = scope.parse();
        self.change(|claims| {
            claims.scope = scope?;
            Ok(())
        })
    }

    /// Roles, as the claim `roles`.
    pub fn roles(self, roles: &[&str]) -> Self {
        self.claim("roles", roles.iter().copied().collect())
    }

    /// Any claim that has no field of its own in a token, `tenant` for instance.
    pub fn claim(self, name: &str, value: Value) -> Self {
        self.change(|claims| {
            if TokenClaims::is_reserved(name) {
                return Err(format!("`{name}` is no further claim").into());
            }
            claims.extra.insert(name.to_owned(), value);
            Ok(())
        })
    }

    /// Another audience.
    pub fn audience(self, audience: &str) -> Self {
        let audience = audience.parse();
        self.change(|claims| {
            claims.audience = vec![audience?];
            Ok(())
        })
    }

    /// Another life, from now.
    pub fn expires_in(self, life: Duration) -> Self {
        let end = self.now.saturating_add(life);
        self.change(|claims| {
            claims.expires_at = end;
            Ok(())
        })
    }

    /// The token, for `Authorization: Bearer`.
    ///
    /// # Errors
    /// When a name or a claim was refused.
    pub fn token(self) -> Result<AccessToken, BoxError> {
        let mut claims = self.claims?;
        claims.issued_at = Some(self.now);
        Ok(sign(&claims, self.key, self.now)?)
    }

    /// The text of a token that must not be accepted.
    ///
    /// # Errors
    /// When a name or a claim was refused.
    pub fn broken(mut self, broken: Broken) -> Result<String, BoxError> {
        match broken {
            Broken::Expired => {
                let before = self.now.as_secs().saturating_sub(LONG.as_secs());
                self.now = UnixTime::from_secs(before);
                self = self.expires_in(Duration::from_secs(1));
            }
            Broken::NotYetValid => {
                let begin = self.now.saturating_add(LONG);
                self = self.change(|claims| {
                    claims.not_before = Some(begin);
                    claims.expires_at = begin.saturating_add(LONG);
                    Ok(())
                });
            }
            Broken::WrongAudience => self = self.audience("somebody-else"),
            Broken::UnknownIssuer => {
                self = self.change(|claims| {
                    claims.issuer = "https://stranger.test.example".parse()?;
                    Ok(())
                });
            }
            Broken::WrongKey => {
                let stranger = SigningKey::generate(Algorithm::Es256)?;
                let stranger = stranger.with_key_id(self.key.key_id().clone());
                let forged = TokenBuilder {
                    key: &stranger,
                    ..self
                };
                return Ok(forged.token()?.expose().to_owned());
            }
            Broken::Tampered | Broken::AlgNone | Broken::NoSignature => {}
        }
        let sound = self.token()?;
        let mut parts = sound.expose().split('.');
        let mut part = || parts.next().unwrap_or_default().to_owned();
        let [head, body, signature] = [part(), part(), part()];
        Ok(match broken {
            Broken::Tampered => {
                let changed = edit(&body, |claims| {
                    claims.insert("scope".to_owned(), "everything".into());
                })?;
                format!("{head}.{changed}.{signature}")
            }
            Broken::AlgNone => {
                let changed = edit(&head, |head| {
                    head.insert("alg".to_owned(), "none".into());
                })?;
                format!("{changed}.{body}.")
            }
            Broken::NoSignature => format!("{head}.{body}."),
            _ => sound.expose().to_owned(),
        })
    }

    /// Changes the claims, unless an earlier change has failed.
    fn change(mut self, change: impl FnOnce(&mut TokenClaims) -> Result<(), BoxError>) -> Self {
        self.claims = self
            .claims
            .and_then(|mut claims| change(&mut claims).map(|()| claims));
        self
    }
}

fn of_the_issuer(subject: &str, callee: &str, now: UnixTime) -> Result<TokenClaims, BoxError> {
    Ok(TokenClaims::new(
        "internal".parse()?,
        subject.parse()?,
        callee.parse()?,
        now.saturating_add(SERVICE_LIFE),
    ))
}

/// A part of a token with another content.
fn edit(part: &str, change: impl FnOnce(&mut Map<String, Value>)) -> Result<String, BoxError> {
    let mut content = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?;
    change(&mut content);
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(&content)?))
}
