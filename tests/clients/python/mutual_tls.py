"""Drives an issuer over mutual TLS with Authlib: a client that its certificate proves, and tokens that are bound to it (RFC 8705).

The argument is a JSON object that says where the issuer is and which files there are; prints a line when all has passed.
"""

import base64
import hashlib
import json
import ssl
import sys

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import get_well_known_url
from joserfc import jwt
from joserfc.jwk import KeySet

asked = json.loads(sys.argv[1])
issuer, ca, own, other = (asked[part] for part in ("issuer", "ca", "own", "other"))
server = requests.get(get_well_known_url(issuer, external=True), verify=ca, timeout=10).json()
assert "tls_client_auth" in server["token_endpoint_auth_methods_supported"], server


def token(pair):
    # With `none` Authlib sends the client id alone, as RFC 8705 section 2 wants it.
    session = OAuth2Session(asked["client"], token_endpoint_auth_method="none")
    session.trust_env = False
    session.verify = ca
    session.cert = (pair["certificate"], pair["key"]) if pair else None
    return session.fetch_token(
        server["token_endpoint"], grant_type="client_credentials", audience=asked["audience"]
    )


keys = KeySet.import_key_set(requests.get(server["jwks_uri"], verify=ca, timeout=10).json())
claims = jwt.decode(token(own)["access_token"], keys, algorithms=["ES256"]).claims
der = ssl.PEM_cert_to_DER_cert(open(own["certificate"], encoding="ascii").read())
thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
assert claims["cnf"] == {"x5t#S256": thumbprint}, claims
for pair in (other, None):
    try:
        token(pair)
        raise AssertionError("was not refused")
    except OAuthError as refused:
        assert refused.error == "invalid_client", refused
print("authlib: tls_client_auth and bound tokens (RFC 8705)")
