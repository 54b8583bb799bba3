//! `profile`: what contradicts it in the registration of a client.

use hallpass_token::{Algorithm, Audience};

use crate::clients::client_keys::ClientKeys;
use crate::clients::profile::ClientProfile;
use crate::settings::audience::AudienceSettings;
use crate::settings::client::ClientSettings;
use crate::settings::client::authentication::{
    ClientAuthentication, METHOD, TOKEN_ENDPOINT_AUDIENCE,
};

const PROFILE: &str = "profile";

/// The keys that contradict the profile, each with what is wrong; none without a profile. `usual` is what tokens are signed with
/// where `audiences` say nothing else.
pub(crate) fn problems(
    client: &ClientSettings,
    usual: Algorithm,
    audiences: &[AudienceSettings],
) -> Vec<(&'static str, String)> {
    let Some(profile) = client.profile else {
        return Vec::new();
    };
    let ClientProfile::Fapi2 = profile;
    let mut found = Vec::new();
    match &client.authentication {
        ClientAuthentication::PrivateKeyJwt(key) => {
            if key.dangerous_token_endpoint_audience {
                let message = "contradicts `profile: fapi2`: what it signs is for the issuer identifier alone";
                found.push((TOKEN_ENDPOINT_AUDIENCE, message.to_owned()));
            }
            if let ClientKeys::Inline(keys) = &key.keys
                && keys.keys().iter().any(|key| {
                    let mut allowed = profile.algorithms().iter();
                    !allowed.any(|algorithm| key.is_for(algorithm))
                })
            {
                let message =
                    "has a key that is not for PS256, ES256 or EdDSA, as `profile: fapi2` demands";
                found.push(("jwks", message.to_owned()));
            }
        }
        ClientAuthentication::TlsClientAuth(_)
        | ClientAuthentication::SelfSignedTlsClientAuth(_) => {}
        ClientAuthentication::Secret(_) | ClientAuthentication::FederatedJwt(_) => {
            let message = "must be `private_key_jwt`, `tls_client_auth` or `self_signed_tls_client_auth` with `profile: fapi2`";
            found.push((METHOD, message.to_owned()));
        }
    }
    if !client.dpop_bound_access_tokens && !client.tls_client_certificate_bound_access_tokens {
        let message = "needs `dpop-bound-access-tokens` or `tls-client-certificate-bound-access-tokens`: it has no tokens that are of use to others";
        found.push((PROFILE, message.to_owned()));
    }
    let targets = client.exchange.iter().flat_map(|rule| &rule.targets);
    let calls = client.calls.iter().map(|call| &call.audience);
    for audience in client.audiences.iter().chain(calls).chain(targets) {
        let algorithm = signs(audience, usual, audiences);
        if !profile.algorithms().contains(algorithm) {
            let message = format!(
                "is not for tokens that are signed with {algorithm}, as those for `{audience}` are"
            );
            found.push((PROFILE, message));
        }
    }
    found.dedup();
    found
}

/// What tokens for `audience` are signed with.
fn signs(audience: &Audience, usual: Algorithm, audiences: &[AudienceSettings]) -> Algorithm {
    let mut named = audiences.iter();
    let named = named.find(|it| it.name == audience.as_str());
    named.and_then(|it| it.algorithm).unwrap_or(usual)
}
