package hallpass;

import static hallpass.Judge.demand;
import static hallpass.Judge.passed;

import com.fasterxml.jackson.databind.JsonNode;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import com.nimbusds.oauth2.sdk.AuthorizationGrant;
import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.JWTBearerGrant;
import com.nimbusds.oauth2.sdk.OAuth2Error;
import com.nimbusds.oauth2.sdk.RefreshTokenGrant;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenErrorResponse;
import com.nimbusds.oauth2.sdk.TokenIntrospectionRequest;
import com.nimbusds.oauth2.sdk.TokenIntrospectionResponse;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.TokenRevocationRequest;
import com.nimbusds.oauth2.sdk.as.AuthorizationServerMetadata;
import com.nimbusds.oauth2.sdk.auth.ClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.ClientSecretPost;
import com.nimbusds.oauth2.sdk.auth.JWTAuthenticationClaimsSet;
import com.nimbusds.oauth2.sdk.auth.PrivateKeyJWT;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.dpop.DefaultDPoPProofFactory;
import com.nimbusds.oauth2.sdk.dpop.JWKThumbprintConfirmation;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.id.Audience;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import com.nimbusds.oauth2.sdk.token.BearerAccessToken;
import com.nimbusds.oauth2.sdk.token.TokenTypeURI;
import com.nimbusds.oauth2.sdk.token.TypelessAccessToken;
import com.nimbusds.oauth2.sdk.tokenexchange.TokenExchangeGrant;
import com.nimbusds.openid.connect.sdk.Nonce;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import java.net.URI;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Connect2id's Nimbus SDK, the strictest reader of metadata and responses. */
class Nimbus {
    private final JsonNode asked;
    private final AuthorizationServerMetadata server;
    private final ClientAuthentication basic;

    Nimbus(JsonNode asked) throws Exception {
        this.asked = asked;
        var issuer = new Issuer(asked.at("/issuer").asText());
        server = AuthorizationServerMetadata.resolve(issuer);
        OIDCProviderMetadata.resolve(issuer);
        var id = new ClientID(asked.at("/client/id").asText());
        basic = new ClientSecretBasic(id, new Secret(asked.at("/client/secret").asText()));
    }

    void judge() throws Exception {
        passed("nimbus: metadata (RFC 8414)");
        var post = new ClientSecretPost(basic.getClientID(), ((ClientSecretBasic) basic).getClientSecret());
        for (var authentication : List.of(basic, post)) {
            var token = granted(authentication, new ClientCredentialsGrant(), asked.at("/audience").asText());
            var claims = validated(token, asked.at("/audience").asText());
            demand(claims.getSubject().equals(basic.getClientID().getValue()), claims);
        }
        passed("nimbus: client_credentials, basic and post");

        var wrong = new ClientSecretBasic(basic.getClientID(), new Secret("wrong"));
        var refused = send(wrong, new ClientCredentialsGrant(), "x").toErrorResponse().getErrorObject();
        demand(refused.equals(OAuth2Error.INVALID_CLIENT) && refused.getHTTPStatusCode() == 401, refused);
        passed("nimbus: refusals");

        var signer = ECKey.parse(asked.at("/signer/key").toString());
        var claims = new JWTAuthenticationClaimsSet(
            new ClientID(asked.at("/signer/id").asText()), new Audience(server.getIssuer().getValue()));
        var signing = new PrivateKeyJWT(claims, JWSAlgorithm.ES256, signer.toECPrivateKey(), signer.getKeyID(), null);
        var signed = granted(signing, new ClientCredentialsGrant(), asked.at("/audience").asText());
        demand(validated(signed, asked.at("/audience").asText()).getSubject().equals(asked.at("/signer/id").asText()), signed);
        passed("nimbus: clients that sign (private_key_jwt)");

        var user = asked.at("/user");
        var exchange = new TokenExchangeGrant(new TypelessAccessToken(user.at("/token").asText()), TokenTypeURI.ACCESS_TOKEN,
            null, null, null, Audience.create(user.at("/target").asText()));
        var exchanged = granted(basic, exchange, null);
        demand(TokenTypeURI.ACCESS_TOKEN.equals(exchanged.getIssuedTokenType()), exchanged.getIssuedTokenType());
        var ofUser = validated(exchanged, user.at("/target").asText());
        demand(ofUser.getSubject().equals(user.at("/subject").asText()), ofUser);
        demand(ofUser.getJSONObjectClaim("act").get("sub").equals(basic.getClientID().getValue()), ofUser);
        passed("nimbus: token exchange (RFC 8693)");

        var first = send(basic, new ClientCredentialsGrant(), asked.at("/audience").asText());
        var refresh = new RefreshTokenGrant(first.toSuccessResponse().getTokens().getRefreshToken());
        var second = send(basic, refresh, null).toSuccessResponse().getTokens();
        demand(!second.getRefreshToken().equals(refresh.getRefreshToken()), second);
        validated(second.getBearerAccessToken(), asked.at("/audience").asText());
        passed("nimbus: refresh tokens (RFC 6749 section 6)");

        var token = granted(basic, new ClientCredentialsGrant(), asked.at("/audience").asText());
        demand(isActive(token), token);
        var revocation = new TokenRevocationRequest(server.getRevocationEndpointURI(), basic, token);
        demand(revocation.toHTTPRequest().send().indicatesSuccess(), "revocation");
        demand(!isActive(token), token);
        passed("nimbus: introspection and revocation (RFC 7662, RFC 7009)");

        var proofs = new DefaultDPoPProofFactory(new ECKeyGenerator(Curve.P_256).generate(), JWSAlgorithm.ES256);
        var unheard = proven(proofs, null);
        demand(TokenErrorResponse.parse(unheard).getErrorObject().equals(OAuth2Error.USE_DPOP_NONCE), unheard.getBody());
        var bound = TokenResponse.parse(proven(proofs, unheard.getDPoPNonce())).toSuccessResponse().getTokens().getDPoPAccessToken();
        var confirmed = JWKThumbprintConfirmation.parse(validated(bound, asked.at("/audience").asText()));
        demand(confirmed.equals(JWKThumbprintConfirmation.of(proofs.getPublicJWK())), confirmed);
        passed("nimbus: proofs of possession with nonces (RFC 9449)");

        var partner = asked.at("/partner");
        var said = new JWTClaimsSet.Builder().issuer(partner.at("/issuer").asText()).subject("alice")
            .audience(server.getIssuer().getValue()).jwtID("nimbus").issueTime(new Date())
            .expirationTime(new Date(System.currentTimeMillis() + 60_000)).claim("scope", "shipments.read").build();
        var assertion = new SignedJWT(new JWSHeader.Builder(JWSAlgorithm.ES256).keyID(signer.getKeyID()).build(), said);
        assertion.sign(new ECDSASigner(signer));
        var ofPartner = validated(granted(basic, new JWTBearerGrant(assertion), user.at("/target").asText()), user.at("/target").asText());
        demand(ofPartner.getSubject().equals("partner|alice"), ofPartner);
        passed("nimbus: assertions of another issuer (RFC 7523)");
    }

    /** Asks for a token with a proof of possession. */
    private HTTPResponse proven(DefaultDPoPProofFactory proofs, Nonce nonce) throws Exception {
        var request = new TokenRequest.Builder(server.getTokenEndpointURI(), basic, new ClientCredentialsGrant())
            .scope(Scope.parse(asked.at("/scope").asText())).customParameter("audience", asked.at("/audience").asText())
            .build().toHTTPRequest();
        request.setDPoP(proofs.createDPoPJWT("POST", server.getTokenEndpointURI(), nonce));
        return request.send();
    }

    private boolean isActive(AccessToken token) throws Exception {
        var question = new TokenIntrospectionRequest(server.getIntrospectionEndpointURI(), basic, token);
        return TokenIntrospectionResponse.parse(question.toHTTPRequest().send()).toSuccessResponse().isActive();
    }

    private TokenResponse send(ClientAuthentication authentication, AuthorizationGrant grant, String audience) throws Exception {
        var request = new TokenRequest.Builder(server.getTokenEndpointURI(), authentication, grant);
        if (grant instanceof ClientCredentialsGrant) {
            request.scope(Scope.parse(asked.at("/scope").asText())).customParameter("audience", audience);
        }
        if (grant instanceof JWTBearerGrant) {
            request.customParameter("audience", audience);
        }
        return TokenResponse.parse(request.build().toHTTPRequest().send());
    }

    private BearerAccessToken granted(ClientAuthentication authentication, AuthorizationGrant grant, String audience)
            throws Exception {
        var response = send(authentication, grant, audience);
        demand(response.indicatesSuccess(), response.toHTTPResponse().getBody());
        return response.toSuccessResponse().getTokens().getBearerAccessToken();
    }

    /** As a service judges it: keys, `typ`, issuer, audience, and the claims that RFC 9068 demands. */
    private JWTClaimsSet validated(AccessToken token, String audience) throws Exception {
        var processor = new DefaultJWTProcessor<SecurityContext>();
        processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt")));
        var keys = JWKSourceBuilder.create(server.getJWKSetURI().toURL()).build();
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(Set.of(JWSAlgorithm.ES256, JWSAlgorithm.RS256), keys));
        processor.setJWTClaimsSetVerifier(new DefaultJWTClaimsVerifier<>(audience,
            new JWTClaimsSet.Builder().issuer(server.getIssuer().getValue()).build(),
            Set.of("sub", "exp", "iat", "jti", "client_id")));
        return processor.process(token.getValue(), null);
    }
}
