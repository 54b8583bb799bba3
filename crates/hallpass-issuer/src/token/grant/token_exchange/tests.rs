mod dice;
mod random_chains;

use std::time::{Duration, UNIX_EPOCH};

use hallpass_clock::ManualClock;
use hallpass_token::{
    Algorithm, Audience, Issuer, RevocationList, Scope, SigningKey, TokenClaims, TokenType,
    UnixTime, sign_as,
};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};

use super::*;
use crate::clients::authentication::Authentication;
use crate::clients::exchange_rule::{ExchangeRule, SubjectKind};
use crate::clients::registration::{GrantType, Registration};
use crate::clients::registry::{ClientMetrics, Registry};
use crate::keys::record::{KeyOrigin, KeyRecord, KeyState};
use crate::keys::ring::KeyRing;
use crate::token::attempt::Attempt;
use crate::token::possession::Possession;
use crate::token::token_id;
use crate::token_shapes::TokenShapes;
use crate::trusted_issuers::TrustedIssuers;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// An issuer's state, without sockets.
struct Estate {
    registry: Registry,
    ring: KeyRing,
    key: SigningKey,
    /// For what may wait.
    runtime: tokio::runtime::Runtime,
}

impl Estate {
    fn of(clients: Vec<Registration>) -> Self {
        let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
        let record = KeyRecord::of(&key, KeyState::Signing, KeyOrigin::Generated, NOW).unwrap();
        let shapes = TokenShapes::new(&[]);
        let ring = KeyRing::new(&[record], Algorithm::EdDsa, Duration::ZERO, shapes).unwrap();
        Self {
            registry: registry(clients),
            ring,
            key,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    fn sign(&self, claims: &TokenClaims) -> String {
        signed(claims, &self.key)
    }

    /// What `client` gets for `token` at `now`, where these other issuers are trusted; `query` goes behind the usual parameters.
    fn exchange(
        &self,
        (registry, client, trusted): (&Registry, &str, &TrustedIssuers),
        token: &str,
        query: &str,
        now: UnixTime,
    ) -> Result<TokenClaims, Refusal> {
        let body = format!(
            "grant_type={}&client_id=x&client_secret=y&subject_token={token}&subject_token_type={}{query}",
            GrantType::TokenExchange.as_str(),
            TOKEN_TYPES[0],
        );
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        let request = TokenRequest::parse(&headers, body.as_bytes())?;
        let issuer = Issuer::internal();
        let client = registry.find(client).unwrap();
        let asked = Asked {
            issuer: &issuer,
            registry,
            trusted,
            family: None,
            standing_key: None,
            brought: None,
            client,
            possession: Possession::default(),
            request: &request,
            attempt: Attempt {
                source: None,
                now,
                monotonic: Duration::ZERO,
                trace: None,
            },
        };
        let clock = ManualClock::at(UNIX_EPOCH + Duration::from_secs(now.as_secs()));
        let brought = self.runtime.block_on(bring(asked, &clock))?;
        let asked = Asked {
            brought: brought.as_ref(),
            ..asked
        };
        let held = Held {
            keys: self.ring.at(now),
            revoked: &RevocationList::default(),
        };
        let entitlement = grant(asked, held)?;
        let id = token_id::next().unwrap();
        Ok(entitlement.into_claims(&issuer, client, id, now))
    }
}

fn signed(claims: &TokenClaims, key: &SigningKey) -> String {
    let now = claims.issued_at.unwrap_or(NOW);
    let token = sign_as(claims, key, TokenType::AccessToken, now);
    token.unwrap().expose().to_owned()
}

fn registry(clients: Vec<Registration>) -> Registry {
    Registry::build(clients, None, &ClientMetrics::default()).unwrap()
}

fn client(id: &str, exchange: Vec<ExchangeRule>) -> Registration {
    Registration {
        client_id: id.parse().unwrap(),
        scope: Scope::empty(),
        audiences: Vec::new(),
        grants: GrantType::ALL.into_iter().collect(),
        token_life: Duration::from_secs(600),
        refresh_life: Duration::from_secs(60),
        is_dpop_bound: false,
        is_certificate_bound: false,
        profile: None,
        exchange,
        may_revoke: Vec::new(),
        calls: Vec::new(),
        claims: Map::new(),
        certificate_names: None,
        authentication: Authentication::by_secrets(Vec::new()),
    }
}

fn rule(kinds: &[SubjectKind], targets: &[&str], scope: &str) -> ExchangeRule {
    let targets = targets.iter().map(|target| target.parse().unwrap());
    ExchangeRule {
        subject_kinds: kinds.to_vec(),
        targets: targets.collect(),
        scope: scope.parse().unwrap(),
        ..ExchangeRule::new()
    }
}

fn subject(name: &str, client: &str, audience: &str, scope: &str, life: u64) -> TokenClaims {
    let end = NOW.saturating_add(Duration::from_secs(life));
    let audience: Audience = audience.parse().unwrap();
    let mut claims = TokenClaims::new(Issuer::internal(), name.parse().unwrap(), audience, end);
    claims.client_id = Some(client.parse().unwrap());
    claims.scope = scope.parse().unwrap();
    claims.issued_at = Some(NOW);
    claims
}

/// `s0` may pass users on to `s1`, and `s1` on to `s0`.
fn two_services() -> Vec<Registration> {
    let users = |target| vec![rule(&[SubjectKind::User], &[target], "a b")];
    vec![client("s0", users("s1")), client("s1", users("s0"))]
}

#[test]
fn a_chain_of_a_hundred_exchanges_never_passes_the_end_of_the_first_token() {
    let estate = Estate::of(two_services());
    let nobody = TrustedIssuers::default();
    let first = subject("alice", "web", "s0", "a b", 900);
    let (mut token, mut now, mut exchanges) = (first.clone(), NOW, 0);
    while exchanges < 100 {
        let by = token.audience[0].to_string();
        now = now.saturating_add(Duration::from_secs(5));
        match estate.exchange(
            (&estate.registry, &by, &nobody),
            &estate.sign(&token),
            "",
            now,
        ) {
            Ok(next) => {
                assert!(next.expires_at <= first.expires_at);
                exchanges += 1;
                token = next;
            }
            // Four actors are the most: go on from the first token, as long as it lives.
            Err(refusal) => {
                assert_eq!(refusal, Refusal::TooManyActors);
                token = first.clone();
            }
        }
    }
    let end = first.expires_at;
    let by = token.audience[0].to_string();
    let refused = estate.exchange(
        (&estate.registry, &by, &nobody),
        &estate.sign(&token),
        "",
        end,
    );
    assert!(matches!(
        refused,
        Err(Refusal::ExpiredSubjectToken | Refusal::TooManyActors)
    ));
    let refused = estate.exchange(
        (&estate.registry, "s0", &nobody),
        &estate.sign(&first),
        "",
        end,
    );
    assert_eq!(refused, Err(Refusal::ExpiredSubjectToken));
}
