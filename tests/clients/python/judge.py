"""Drives an issuer with Authlib, the OAuth library of most Python programs.

The argument is a JSON object that says where the issuer is and what may be asked; prints a line a check that passed.
"""

import json
import sys
import time

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"

asked = json.loads(sys.argv[1])
issuer, client, signer, user = (asked[part] for part in ("issuer", "client", "signer", "user"))
audience, scope = asked["audience"], asked["scope"]


def session(method):
    return OAuth2Session(
        client["id"], client["secret"], token_endpoint_auth_method=method, scope=scope
    )


def claims_of(token, server):
    keys = KeySet.import_key_set(requests.get(server["jwks_uri"], timeout=10).json())
    return jwt.decode(token, keys, algorithms=["ES256", "RS256", "EdDSA", "Ed25519"]).claims


server = AuthorizationServerMetadata(
    requests.get(get_well_known_url(issuer, external=True), timeout=10).json()
)
assert server["issuer"] == issuer
for part in ["issuer", "token_endpoint", "jwks_uri", "scopes_supported", "grant_types_supported",
             "token_endpoint_auth_methods_supported", "revocation_endpoint",
             "revocation_endpoint_auth_methods_supported", "introspection_endpoint",
             "introspection_endpoint_auth_methods_supported"]:
    assert part in server, part
    if part not in ("issuer", "token_endpoint", "jwks_uri", "revocation_endpoint", "introspection_endpoint"):
        # Addresses must be https for Authlib, which those of a test are not; lists are judged.
        getattr(server, f"validate_{part}")()
print("authlib: metadata (RFC 8414)")

for method in ("client_secret_basic", "client_secret_post"):
    token = session(method).fetch_token(
        server["token_endpoint"], grant_type="client_credentials", audience=audience
    )
    assert token["scope"] == scope and token["token_type"] == "Bearer", token
    claims = claims_of(token["access_token"], server)
    assert (claims["sub"], claims["aud"]) == (client["id"], audience), claims
print("authlib: client_credentials, basic and post")

try:
    session("client_secret_basic").fetch_token(
        server["token_endpoint"], grant_type="client_credentials", audience="nobody"
    )
    raise AssertionError("was not refused")
except OAuthError as refused:
    assert refused.error == "invalid_target", refused
print("authlib: refusals")

signing = OAuth2Session(
    signer["id"], ECKey.import_key(signer["key"]), token_endpoint_auth_method="private_key_jwt"
)
# The audience is the issuer and no longer its token endpoint; without `exp` the assertion would live for an hour.
signing.register_client_auth_method(
    PrivateKeyJWT(issuer, {"exp": int(time.time()) + 60}, {"kid": signer["key"]["kid"]}, "ES256")
)
token = signing.fetch_token(
    server["token_endpoint"], grant_type="client_credentials", audience=audience
)
assert claims_of(token["access_token"], server)["sub"] == signer["id"]
print("authlib: clients that sign (private_key_jwt)")

exchanged = session("client_secret_basic")
exchanged.scope = None
token = exchanged.fetch_token(
    server["token_endpoint"], grant_type=EXCHANGE, audience=user["target"],
    subject_token=user["token"], subject_token_type=ACCESS_TOKEN,
)
claims = claims_of(token["access_token"], server)
assert (claims["sub"], claims["act"]["sub"]) == (user["subject"], client["id"]), claims
print("authlib: token exchange (RFC 8693)")

mine = session("client_secret_basic")
first = mine.fetch_token(
    server["token_endpoint"], grant_type="client_credentials", audience=audience
)
second = mine.refresh_token(server["token_endpoint"], refresh_token=first["refresh_token"])
assert second["refresh_token"] != first["refresh_token"], second
assert claims_of(second["access_token"], server)["sub"] == client["id"], second
print("authlib: refresh tokens (RFC 6749 section 6)")

token = mine.fetch_token(
    server["token_endpoint"], grant_type="client_credentials", audience=audience
)["access_token"]
said = mine.introspect_token(server["introspection_endpoint"], token=token).json()
assert said["active"] and said["client_id"] == client["id"], said
assert mine.revoke_token(server["revocation_endpoint"], token=token).status_code == 200
said = mine.introspect_token(server["introspection_endpoint"], token=token).json()
assert said == {"active": False}, said
print("authlib: introspection and revocation (RFC 7662, RFC 7009)")
