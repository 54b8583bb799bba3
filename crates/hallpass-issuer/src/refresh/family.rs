//! All refresh tokens that follow one another from one first token, and what they were given for.

use std::time::Duration;

use aws_lc_rs::hmac;
use hallpass_token::{
    Actor, Algorithm, Audience, ClientId, Confirmation, Issuer, KeyId, RevocationMarks, Scope,
    Subject, Thumbprint, TokenClaims, TokenId, UnixTime,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clients::exchange_rule::SubjectKind;
use crate::clients::registration::GrantType;
use crate::refresh::token::{FamilyId, RefreshToken, SecretDigest};

/// Access tokens of one family that may be alive at once: each is remembered, so that it can be taken back with the family.
const MAX_LIVE_TOKENS: usize = 64;

/// A family as it stands at one moment.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) id: FamilyId,
    /// That of the token that counts.
    pub(crate) digest: SecretDigest,
    /// When it came in the place of the one before it.
    pub(crate) used_at: Option<UnixTime>,
    pub(crate) started_at: UnixTime,
    /// No token of it counts from then on, however often it was replaced.
    pub(crate) ends_at: UnixTime,
    pub(crate) granted: Granted,
}

/// What a family was given for.
#[derive(Debug)]
pub(crate) struct Granted {
    /// The only client that may use it.
    pub(crate) client_id: ClientId,
    /// By which grant it began.
    pub(crate) grant: GrantType,
    pub(crate) audience: Audience,
    /// It never gets more.
    pub(crate) scope: Scope,
    /// What its client has proven to hold when it began, or at the first use with a proof: without it, none of its tokens counts
    /// from then on.
    pub(crate) bound_to: Holder,
    /// For whom the client acts, when it is not for itself.
    pub(crate) exchanged: Option<Exchanged>,
    /// The access tokens that may still be alive, with their ends.
    pub(crate) live: Vec<(TokenId, UnixTime)>,
}

/// What a client has proven to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holder {
    /// A key (DPoP).
    pub(crate) key: Option<Thumbprint>,
    /// The certificate of its connection.
    pub(crate) certificate: Option<Thumbprint>,
}

impl Holder {
    /// Whether `shown` has all that this one has.
    pub(crate) fn is(self, shown: Self) -> bool {
        let has = |mine: Option<_>, theirs| mine.is_none() || mine == theirs;
        has(self.key, shown.key) && has(self.certificate, shown.certificate)
    }

    /// What was proven before stays, and what was not is added.
    pub(crate) fn and(self, proven: Self) -> Self {
        Self {
            key: self.key.or(proven.key),
            certificate: self.certificate.or(proven.certificate),
        }
    }
}

/// The token that was exchanged, as it was verified then.
#[derive(Clone, Debug)]
pub(crate) struct Exchanged {
    pub(crate) claims: TokenClaims,
    /// What its subject is called here: another issuer calls it otherwise, and as somebody else may be called here.
    pub(crate) name: Subject,
    /// What the key is called that it was signed with.
    pub(crate) key_id: Option<KeyId>,
    /// How another issuer has signed it; `None` for a token of this one.
    pub(crate) signed: Option<ForeignSignature>,
    /// What its subject is; `None`: it could not be told.
    pub(crate) kind: Option<SubjectKind>,
}

/// How a token of another issuer was signed, as that was verified: whether it would still be believed is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForeignSignature {
    /// Of the key itself, whatever it is called.
    pub(crate) key: Thumbprint,
    pub(crate) algorithm: Algorithm,
    /// Whether its header says that it is an access token.
    pub(crate) is_typed: bool,
}

/// What a token is to its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The one that counts.
    Current,
    /// The one before it, so short a while after its use that its response may have been lost.
    JustReplaced,
    /// It was replaced before, or is none of the family's: somebody has a token that he should not have.
    Reused,
}

impl Family {
    /// What `token`, which names this family, is to it. `key` makes successors.
    pub(crate) fn standing(
        &self,
        token: &RefreshToken,
        key: &hmac::Key,
        now: UnixTime,
        grace: Duration,
    ) -> Standing {
        if token.digest() == self.digest {
            return Standing::Current;
        }
        let is_recent = |used_at| !grace.is_zero() && now.duration_since(used_at) <= grace;
        // Not when the successor was used too: then its response was not lost.
        let is_before = token.successor(key).digest() == self.digest;
        match is_before && self.used_at.is_some_and(is_recent) {
            true => Standing::JustReplaced,
            false => Standing::Reused,
        }
    }

    /// Whom its access tokens are about.
    pub(crate) fn subject(&self) -> Subject {
        match &self.granted.exchanged {
            Some(exchanged) => exchanged.name.clone(),
            None => Subject::from(&self.granted.client_id),
        }
    }

    /// By what the deny-list may deny it. It counts as issued when its first token was.
    pub(crate) fn marks(&self) -> RevocationMarks {
        let granted = &self.granted;
        let mut claims = TokenClaims::new(
            Issuer::internal(),
            self.subject(),
            granted.audience.clone(),
            self.ends_at,
        );
        claims.client_id = Some(granted.client_id.clone());
        claims.issued_at = Some(self.started_at);
        RevocationMarks::of(&claims, None)
    }
}

impl Granted {
    /// Notes an access token, and forgets those that have ended.
    ///
    /// # Errors
    /// How long until there is room again, when too many are alive.
    pub(crate) fn add_live(
        &mut self,
        token: (TokenId, UnixTime),
        now: UnixTime,
    ) -> Result<(), Duration> {
        self.live.retain(|(_, ends_at)| now < *ends_at);
        if self.live.len() >= MAX_LIVE_TOKENS {
            let first = self.live.iter().map(|(_, ends_at)| *ends_at).min();
            return Err(first.unwrap_or(now).duration_since(now));
        }
        self.live.push(token);
        Ok(())
    }

    /// As the store seals it.
    pub(crate) fn to_text(&self) -> Option<String> {
        serde_json::to_string(&Text {
            client_id: self.client_id.clone(),
            grant: self.grant.as_str().to_owned(),
            audience: self.audience.clone(),
            scope: self.scope.as_str().to_owned(),
            bound: self.bound_to.key.map(|Thumbprint(bytes)| bytes),
            certificate: self.bound_to.certificate.map(|Thumbprint(bytes)| bytes),
            exchanged: self.exchanged.as_ref().map(ExchangedText::of),
            live: self.live.clone(),
        })
        .ok()
    }

    /// Reads what [`to_text`](Self::to_text) writes.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text: Text = serde_json::from_slice(text).ok()?;
        let exchanged = match text.exchanged {
            Some(exchanged) => Some(exchanged.read()?),
            None => None,
        };
        Some(Self {
            client_id: text.client_id,
            grant: GrantType::named(&text.grant)?,
            audience: text.audience,
            scope: read_scope(&text.scope)?,
            bound_to: Holder {
                key: text.bound.map(Thumbprint),
                certificate: text.certificate.map(Thumbprint),
            },
            exchanged,
            live: text.live,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Text {
    client_id: ClientId,
    grant: String,
    audience: Audience,
    scope: String,
    bound: Option<[u8; 32]>,
    certificate: Option<[u8; 32]>,
    exchanged: Option<ExchangedText>,
    live: Vec<(TokenId, UnixTime)>,
}

#[derive(Serialize, Deserialize)]
struct ExchangedText {
    iss: Issuer,
    sub: Subject,
    /// What `sub` is called here, where that is something else.
    name: Option<Subject>,
    aud: Vec<Audience>,
    client_id: Option<ClientId>,
    scope: String,
    iat: Option<UnixTime>,
    exp: UnixTime,
    jti: Option<TokenId>,
    kid: Option<KeyId>,
    signed: Option<SignatureText>,
    kind: Option<String>,
    /// `cnf`: only its holder may exchange it.
    jkt: Option<[u8; 32]>,
    x5t_s256: Option<[u8; 32]>,
    /// The newest first.
    actors: Vec<ActorText>,
    extra: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct SignatureText {
    key: [u8; 32],
    alg: String,
    typed: bool,
}

#[derive(Serialize, Deserialize)]
struct ActorText {
    sub: Subject,
    iss: Option<Issuer>,
    client_id: Option<ClientId>,
}

impl ExchangedText {
    fn of(
        Exchanged {
            claims,
            name,
            key_id,
            signed,
            kind,
        }: &Exchanged,
    ) -> Self {
        let actors = std::iter::successors(claims.actor.as_ref(), |it| it.actor.as_deref());
        let actor = |actor: &Actor| ActorText {
            sub: actor.subject.clone(),
            iss: actor.issuer.clone(),
            client_id: actor.client_id.clone(),
        };
        let bound = |of: fn(&Confirmation) -> Option<Thumbprint>| {
            let bound = claims.confirmation.as_ref().and_then(of);
            bound.map(|Thumbprint(bytes)| bytes)
        };
        Self {
            iss: claims.issuer.clone(),
            sub: claims.subject.clone(),
            name: Some(name.clone()).filter(|name| *name != claims.subject),
            aud: claims.audience.clone(),
            client_id: claims.client_id.clone(),
            scope: claims.scope.as_str().to_owned(),
            iat: claims.issued_at,
            exp: claims.expires_at,
            jti: claims.token_id.clone(),
            kid: key_id.clone(),
            signed: signed.map(SignatureText::of),
            kind: kind.map(|kind| kind.as_str().to_owned()),
            jkt: bound(|it| it.jkt),
            x5t_s256: bound(|it| it.x5t_s256),
            actors: actors.map(actor).collect(),
            extra: claims.extra.clone(),
        }
    }

    fn read(self) -> Option<Exchanged> {
        let audience = self.aud.first()?.clone();
        let mut claims = TokenClaims::new(self.iss, self.sub, audience, self.exp);
        claims.audience = self.aud;
        claims.client_id = self.client_id;
        claims.scope = read_scope(&self.scope)?;
        claims.issued_at = self.iat;
        claims.token_id = self.jti;
        claims.extra = self.extra;
        let is_bound = self.jkt.is_some() || self.x5t_s256.is_some();
        claims.confirmation = is_bound.then(|| Confirmation {
            jkt: self.jkt.map(Thumbprint),
            x5t_s256: self.x5t_s256.map(Thumbprint),
            ..Confirmation::default()
        });
        claims.actor = self.actors.into_iter().rev().fold(None, |before, actor| {
            Some(Actor {
                issuer: actor.iss,
                client_id: actor.client_id,
                actor: before.map(Box::new),
                ..Actor::new(actor.sub)
            })
        });
        Some(Exchanged {
            name: self.name.unwrap_or_else(|| claims.subject.clone()),
            claims,
            key_id: self.kid,
            signed: match self.signed {
                Some(signed) => Some(signed.read()?),
                None => None,
            },
            kind: match self.kind {
                Some(name) => Some(SubjectKind::named(&name)?),
                None => None,
            },
        })
    }
}

impl SignatureText {
    fn of(signed: ForeignSignature) -> Self {
        let Thumbprint(key) = signed.key;
        Self {
            key,
            alg: signed.algorithm.as_str().to_owned(),
            typed: signed.is_typed,
        }
    }

    fn read(self) -> Option<ForeignSignature> {
        Some(ForeignSignature {
            key: Thumbprint(self.key),
            algorithm: self.alg.parse().ok()?,
            is_typed: self.typed,
        })
    }
}

fn read_scope(text: &str) -> Option<Scope> {
    match text.is_empty() {
        true => Some(Scope::empty()),
        false => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
    const GRACE: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> UnixTime {
        NOW.saturating_add(Duration::from_secs(seconds))
    }

    fn granted() -> Granted {
        Granted {
            client_id: "order".parse().unwrap(),
            grant: GrantType::ClientCredentials,
            audience: "billing".parse().unwrap(),
            scope: "read write".parse().unwrap(),
            bound_to: Holder::default(),
            exchanged: None,
            live: Vec::new(),
        }
    }

    fn family(token: &RefreshToken, used_at: Option<UnixTime>) -> Family {
        Family {
            id: token.family,
            digest: token.digest(),
            used_at,
            started_at: NOW,
            ends_at: at(3_600),
            granted: granted(),
        }
    }

    #[test]
    fn a_used_token_is_forgiven_for_a_while_and_only_while_its_successor_is_unused() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let first = RefreshToken::generate(&key).unwrap();
        let second = first.successor(&key);
        let third = second.successor(&key);
        let state = family(&second, Some(NOW));
        let standing = |token, now| state.standing(token, &key, now, GRACE);
        assert_eq!(standing(&second, at(900)), Standing::Current);
        assert_eq!(standing(&first, NOW), Standing::JustReplaced);
        assert_eq!(standing(&first, at(10)), Standing::JustReplaced);
        assert_eq!(standing(&first, at(11)), Standing::Reused);
        assert_eq!(standing(&third, NOW), Standing::Reused, "not given yet");
        let none = state.standing(&first, &key, NOW, Duration::ZERO);
        assert_eq!(none, Standing::Reused, "no grace at all");
        let later = family(&third, Some(NOW));
        assert_eq!(
            later.standing(&first, &key, NOW, GRACE),
            Standing::Reused,
            "its successor was used"
        );
        let unused = family(&first, None);
        let stranger = RefreshToken::generate(&key).unwrap();
        assert_eq!(
            unused.standing(&stranger, &key, NOW, GRACE),
            Standing::Reused
        );
    }

    #[test]
    fn what_is_granted_is_read_as_it_was_written() {
        let mut granted = granted();
        granted.scope = Scope::empty();
        granted.bound_to = Holder {
            key: Some(Thumbprint([8; 32])),
            certificate: Some(Thumbprint([9; 32])),
        };
        granted.live = vec![("jti-1".parse().unwrap(), at(5))];
        let mut claims = TokenClaims::new(
            "internal".parse().unwrap(),
            "alice".parse().unwrap(),
            "order".parse().unwrap(),
            at(300),
        );
        claims.audience.push("web".parse().unwrap());
        claims.client_id = Some("web".parse().unwrap());
        claims.scope = "openid read".parse().unwrap();
        claims.issued_at = Some(NOW);
        claims.token_id = Some("jti-0".parse().unwrap());
        claims.extra.insert("may_act".into(), "x".into());
        claims.confirmation = Some(Confirmation {
            jkt: Some(Thumbprint([7; 32])),
            ..Confirmation::default()
        });
        let first = Actor {
            issuer: Some("other".parse().unwrap()),
            ..Actor::new("batch".parse().unwrap())
        };
        claims.actor = Some(Actor {
            client_id: Some("web".parse().unwrap()),
            actor: Some(Box::new(first)),
            ..Actor::new("web".parse().unwrap())
        });
        granted.exchanged = Some(Exchanged {
            name: "other|alice".parse().unwrap(),
            claims,
            key_id: Some("kid-1".parse().unwrap()),
            signed: Some(ForeignSignature {
                key: Thumbprint([9; 32]),
                algorithm: Algorithm::Ps256,
                is_typed: true,
            }),
            kind: Some(SubjectKind::User),
        });
        granted.grant = GrantType::TokenExchange;
        let text = granted.to_text().unwrap();
        let read = Granted::parse(text.as_bytes()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{granted:?}"));
        assert!(Granted::parse(b"{}").is_none());
        // One that was written before keys and signatures were kept.
        granted.bound_to = Holder::default();
        granted.exchanged.as_mut().unwrap().signed = None;
        let text = granted.to_text().unwrap();
        let before = text.replace("\"bound\":null,", "");
        let before = before.replace("\"signed\":null,", "");
        assert!(before.len() < text.len() - 20, "{text}");
        let read = Granted::parse(before.as_bytes()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{granted:?}"));
    }

    #[test]
    fn only_so_many_access_tokens_of_a_family_live_at_once() {
        let mut granted = granted();
        let token = |end| ("jti".parse::<TokenId>().unwrap(), at(end));
        for end in 0..64 {
            granted.add_live(token(100 + end), NOW).unwrap();
        }
        let wait = granted.add_live(token(200), at(1)).unwrap_err();
        assert_eq!(wait, Duration::from_secs(99), "until the first one ends");
        granted.add_live(token(200), at(100)).unwrap();
        assert_eq!(granted.live.len(), 64);
    }
}
