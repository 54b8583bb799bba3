//! One token for each client that is configured: whether the issuer takes the client, what it may do, and how long its tokens live.

use hallpass::client::{
    AuthTokenService, AuthTokenServiceBuilder, CredentialSettings, DenialCode,
    InternalTokenSettings, IssuedToken, MemoryCacheSettings, ResponseFault, TokenError,
    TokenServiceSettings,
};
use hallpass::token::{Audience, Scope, UnixTime, UnverifiedToken};
use hallpass::upstream::{EndpointUrl, Network};

use super::causes;
use super::check::Check;
use super::finding::Finding;
use super::limits::{Limits, seconds};
use super::targets::{Target, Targets};

/// Longest token that is taken apart.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// A token that was had.
pub(super) struct Had {
    pub(super) token: IssuedToken,
    pub(super) audience: Audience,
    /// What was asked for.
    scope: Scope,
    pub(super) credential: CredentialSettings,
    /// How findings call the client.
    pub(super) who: String,
}

/// Asks for a token by each client, one after the other, and keeps none.
pub(super) async fn examine(
    settings: &InternalTokenSettings,
    targets: &Targets,
    network: &Network,
    (limits, dead): (&Limits, &[EndpointUrl]),
) -> (Vec<Finding>, Vec<Had>) {
    let (mut findings, mut all) = (Vec::new(), Vec::new());
    let Some(tokens) = &settings.token_service else {
        return (findings, all);
    };
    for (name, credential) in credentials(tokens) {
        let who = match name {
            Some(name) => format!("the client `{}` ({name})", credential.client_id),
            None => format!("the client `{}`", credential.client_id),
        };
        if dead.contains(&credential.token_url) {
            let why = format!("{who}: its token endpoint does not respond");
            findings.extend(skipped(&why));
            continue;
        }
        let own = credential.audience.clone().map(Target::own);
        let Some(target) = own.or_else(|| targets.first(name).cloned()) else {
            findings.extend(untried(&who));
            continue;
        };
        let service = match service(settings, credential, network, limits) {
            Ok(service) => service,
            Err(says) => {
                let advice = "correct `internal-token`";
                findings.push(Finding::failure(Check::Credential, says, advice));
                continue;
            }
        };
        let handle = service.handle(&target.audience, &target.scope);
        let token = limits.within(handle.token()).await;
        let token = token.unwrap_or(Err(TokenError::Timeout { after: limits.step }));
        match token {
            Ok(token) => {
                let now = UnixTime::from(network.clock.now());
                let had = Had {
                    token,
                    scope: target.scope_of(credential).clone(),
                    audience: target.audience,
                    credential: credential.clone(),
                    who,
                };
                findings.extend(had.findings(now));
                all.push(had);
            }
            Err(error) => findings.extend(refused(&who, credential, &target, &error)),
        }
    }
    (findings, all)
}

/// One for this credential alone, whatever audience others are for: without tiers, and without following what is revoked.
fn service(
    settings: &InternalTokenSettings,
    credential: &CredentialSettings,
    network: &Network,
    limits: &Limits,
) -> Result<AuthTokenService, String> {
    let alone = CredentialSettings {
        revocations_url: None,
        ..credential.clone()
    };
    let tokens = TokenServiceSettings {
        credential: alone,
        clients: Vec::new(),
        memory_cache: MemoryCacheSettings::default(),
    };
    let settings = InternalTokenSettings {
        token_service: Some(tokens),
        feign: settings.feign.clone(),
    };
    let builder = AuthTokenServiceBuilder::from_settings(&settings, network);
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(builder.fetch_timeout(limits.inner()).build())
}

fn credentials(
    tokens: &TokenServiceSettings,
) -> impl Iterator<Item = (Option<&str>, &CredentialSettings)> {
    let further = tokens.clients.iter();
    let further = further.map(|client| (Some(client.name.as_str()), &client.credential));
    std::iter::once((None, &tokens.credential)).chain(further)
}

/// Whether the issuer takes the client is not known, and nobody shall think so.
fn untried(who: &str) -> Vec<Finding> {
    let says = format!("{who} was NOT tried: no section says whom a token is for");
    let advice = "say with --audience for whom to ask, or name one in `internal-token.audience`";
    let mut findings = vec![Finding::untried(Check::Credential, says, advice)];
    let rest = [Check::Entitlement, Check::TokenLife];
    let why = format!("{who} was not tried");
    findings.extend(Finding::skipped_all(&rest, &why));
    findings
}

fn skipped(why: &str) -> Vec<Finding> {
    Finding::skipped_all(
        &[Check::Credential, Check::Entitlement, Check::TokenLife],
        why,
    )
}

impl Had {
    /// The token, taken apart; `None` for one that is no JWT.
    pub(super) fn unverified(&self) -> Option<UnverifiedToken<'_>> {
        UnverifiedToken::parse(self.token.access_token().expose(), MAX_TOKEN_BYTES).ok()
    }

    fn findings(&self, now: UnixTime) -> Vec<Finding> {
        let taken = format!("the issuer takes {}", self.who);
        vec![
            Finding::ok(Check::Credential, taken),
            self.entitlement(),
            self.life(now),
        ]
    }

    /// An issuer may give less than it was asked for (RFC 6749 section 3.3).
    fn entitlement(&self) -> Finding {
        let (who, audience) = (&self.who, &self.audience);
        let claims = self.unverified().and_then(|it| it.unverified_claims().ok());
        let asked = &self.scope;
        let missing: Vec<_> = match &claims {
            Some(claims) => {
                let has = |scope: &str| claims.scope.iter().any(|it| it == scope);
                asked.iter().filter(|scope| !has(scope)).collect()
            }
            None => Vec::new(),
        };
        match missing.is_empty() {
            true => Finding::ok(
                Check::Entitlement,
                format!("{who} gets tokens for `{audience}`"),
            ),
            false => Finding::warning(
                Check::Entitlement,
                format!(
                    "{who} asks for the scope `{}` and gets a token without it",
                    missing.join(" ")
                ),
                "register the scope for the client at the issuer, or leave it out of `internal-token.scope`",
            ),
        }
    }

    fn life(&self, now: UnixTime) -> Finding {
        let life = self.token.expires_at().duration_since(now);
        let (expire, ahead) = (
            self.credential.cache_life.expire(),
            self.credential.cache_life.refresh_ahead(),
        );
        let who = &self.who;
        let lives = format!("tokens of {who} live {}", seconds(life));
        if life <= ahead {
            return Finding::warning(
                Check::TokenLife,
                format!(
                    "{lives}, and are renewed {} before their end: each one at once",
                    seconds(ahead)
                ),
                "make `refresh-ahead-seconds` shorter, or let the issuer give longer tokens (`token-life-seconds`)",
            );
        }
        // A token is on its way for a moment.
        if life + seconds_of_a_moment() < expire {
            return Finding::warning(
                Check::TokenLife,
                format!(
                    "{lives}, and `cache-expire-seconds` is {}: it has no effect",
                    seconds(expire)
                ),
                "make `cache-expire-seconds` shorter than tokens live, or let the issuer give longer ones",
            );
        }
        Finding::ok(Check::TokenLife, lives)
    }
}

const fn seconds_of_a_moment() -> std::time::Duration {
    std::time::Duration::from_secs(5)
}

/// Why there is no token, said where it belongs.
fn refused(
    who: &str,
    credential: &CredentialSettings,
    target: &Target,
    error: &TokenError,
) -> Vec<Finding> {
    let why = format!("{who}: there is no token");
    let rest = |checks: &[Check]| Finding::skipped_all(checks, &why);
    if let TokenError::Denied { code, .. } = error
        && let Some((says, advice)) = not_entitled(*code, credential, target)
    {
        let taken = format!("the issuer takes {who}");
        let mut findings = vec![Finding::ok(Check::Credential, taken)];
        findings.push(match target.is_own {
            true => Finding::failure(Check::Entitlement, format!("{who} {says} ({code})"), advice),
            // What it may do for users shows when there is one.
            false => Finding::skipped(
                Check::Entitlement,
                format!("{who} asks for tokens of users alone (`exchange`)"),
            ),
        });
        findings.extend(rest(&[Check::TokenLife]));
        return findings;
    }
    let (says, advice) = not_taken(error);
    let says = format!("{who}, at {}: {says}", credential.token_url);
    let mut findings = vec![Finding::failure(Check::Credential, says, advice)];
    findings.extend(rest(&[Check::Entitlement, Check::TokenLife]));
    findings
}

/// What the issuer denies to a client that it has taken.
fn not_entitled(
    code: DenialCode,
    credential: &CredentialSettings,
    target: &Target,
) -> Option<(String, &'static str)> {
    match code {
        DenialCode::InvalidScope => Some((
            format!("may not have the scope `{}`", target.scope_of(credential)),
            "register the scope for the client at the issuer (`hallpass client set`), or leave it out of `internal-token.scope`",
        )),
        DenialCode::InvalidTarget => Some((
            format!("may not call `{}`", target.audience),
            "register the audience for the client at the issuer (`hallpass client set`), or correct `audience`",
        )),
        DenialCode::UnauthorizedClient | DenialCode::UnsupportedGrantType => Some((
            "may not get tokens of its own".to_owned(),
            "register the grant `client_credentials` for the client at the issuer",
        )),
        _ => None,
    }
}

fn not_taken(error: &TokenError) -> (String, &'static str) {
    const PROXY: &str = "correct `token-url`, and look at proxies in between";
    match error {
        TokenError::Denied {
            code: DenialCode::InvalidClient,
            ..
        }
        | TokenError::Status { status: 401 } => (
            "the issuer does not know the client, or the secret is another one (invalid_client)"
                .to_owned(),
            "compare `client-id`, `client-secret` and `client-authentication` with the registration (`hallpass client show`); for a client that signs, the clocks too",
        ),
        TokenError::Denied {
            code: DenialCode::InvalidRequest,
            ..
        } => (
            "the issuer does not understand the request (invalid_request)".to_owned(),
            "see `target-parameter` and `client-authentication`: some issuers know only one way",
        ),
        TokenError::Denied {
            code: DenialCode::InvalidDpopProof | DenialCode::UseDpopNonce,
            ..
        } => (
            "the issuer does not take the proof of possession".to_owned(),
            "set the clocks, and see that proxies leave the address of the token endpoint as it is",
        ),
        TokenError::Status { status: 404 | 405 } => (
            "there is no token endpoint at this address".to_owned(),
            PROXY,
        ),
        TokenError::Response(fault) => (
            format!("what responds is no token endpoint: {fault}"),
            of_response(fault),
        ),
        TokenError::ClientAssertion(fault) => (
            format!("the token of `client-assertion-file` cannot be used: {fault}"),
            "see that the platform writes the file, for the audience of the issuer",
        ),
        TokenError::Unreachable(error) => {
            let told = causes::told(error);
            (told.says, told.advice)
        }
        TokenError::Timeout { .. } => {
            let told = causes::silent();
            (told.says, told.advice)
        }
        other => (other.to_string(), "look at the log of the issuer"),
    }
}

const fn of_response(fault: &ResponseFault) -> &'static str {
    match fault {
        ResponseFault::OtherCertificate => {
            "let the proxy on the way to the issuer pass TLS on, or bind tokens to a key (`internal-token.dpop`)"
        }
        ResponseFault::Expired => "set the clocks of this machine and of the issuer",
        _ => "correct `token-url`, and look at proxies in between",
    }
}
