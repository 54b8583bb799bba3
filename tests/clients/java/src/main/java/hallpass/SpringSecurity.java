package hallpass;

import static hallpass.Judge.demand;
import static hallpass.Judge.passed;

import com.fasterxml.jackson.databind.JsonNode;
import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.dpop.DefaultDPoPProofFactory;
import com.nimbusds.openid.connect.sdk.Nonce;
import java.net.URI;
import java.text.ParseException;
import java.util.Date;
import java.util.List;
import java.util.Map;
import org.springframework.http.converter.FormHttpMessageConverter;
import org.springframework.security.oauth2.client.endpoint.JwtBearerGrantRequest;
import org.springframework.security.oauth2.client.endpoint.NimbusJwtClientAuthenticationParametersConverter;
import org.springframework.security.oauth2.client.endpoint.OAuth2ClientCredentialsGrantRequest;
import org.springframework.security.oauth2.client.endpoint.OAuth2RefreshTokenGrantRequest;
import org.springframework.security.oauth2.client.endpoint.RestClientClientCredentialsTokenResponseClient;
import org.springframework.security.oauth2.client.endpoint.RestClientJwtBearerTokenResponseClient;
import org.springframework.security.oauth2.client.endpoint.RestClientRefreshTokenTokenResponseClient;
import org.springframework.security.oauth2.client.endpoint.RestClientTokenExchangeTokenResponseClient;
import org.springframework.security.oauth2.client.endpoint.TokenExchangeGrantRequest;
import org.springframework.security.oauth2.client.http.OAuth2ErrorResponseErrorHandler;
import org.springframework.security.oauth2.client.registration.ClientRegistration;
import org.springframework.security.oauth2.client.registration.ClientRegistrations;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.core.OAuth2AccessToken;
import org.springframework.security.oauth2.core.OAuth2AuthorizationException;
import org.springframework.security.oauth2.core.http.converter.OAuth2AccessTokenResponseHttpMessageConverter;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.oauth2.server.resource.introspection.BadOpaqueTokenException;
import org.springframework.security.oauth2.server.resource.introspection.SpringOpaqueTokenIntrospector;
import org.springframework.util.LinkedMultiValueMap;
import org.springframework.web.client.RestClient;

/** Spring Security's own clients, one a grant, and the introspector of an opaque-token service. */
class SpringSecurity {
    private final JsonNode asked;
    private final ClientRegistration.Builder registration;

    SpringSecurity(JsonNode asked) {
        this.asked = asked;
        registration = ClientRegistrations.fromIssuerLocation(text("/issuer"))
            .clientId(text("/client/id")).clientSecret(text("/client/secret"));
    }

    void judge() {
        passed("spring security: metadata");
        var own = registration.authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS).scope(text("/scope")).build();
        var credentials = new RestClientClientCredentialsTokenResponseClient();
        credentials.addParametersConverter(request -> audience(text("/audience")));
        var token = credentials.getTokenResponse(new OAuth2ClientCredentialsGrantRequest(own)).getAccessToken();
        demand(token.getScopes().contains(text("/scope")), token.getScopes());
        demand(decoded(own, token).getSubject().equals(text("/client/id")), token);
        passed("spring security: client_credentials");

        var signer = ClientRegistrations.fromIssuerLocation(text("/issuer")).clientId(text("/signer/id"))
            .clientAuthenticationMethod(ClientAuthenticationMethod.PRIVATE_KEY_JWT)
            .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS).build();
        var assertions = new NimbusJwtClientAuthenticationParametersConverter<OAuth2ClientCredentialsGrantRequest>(of -> key());
        assertions.setJwtClientAssertionCustomizer(context -> context.getClaims().audience(List.of(text("/issuer"))));
        credentials.addParametersConverter(assertions);
        var signed = credentials.getTokenResponse(new OAuth2ClientCredentialsGrantRequest(signer)).getAccessToken();
        demand(decoded(own, signed).getSubject().equals(text("/signer/id")), signed);
        passed("spring security: clients that sign (private_key_jwt)");

        var exchange = registration.authorizationGrantType(AuthorizationGrantType.TOKEN_EXCHANGE).scope(text("/user/scope")).build();
        var client = new RestClientTokenExchangeTokenResponseClient();
        client.addParametersConverter(request -> audience(text("/user/target")));
        var exchanged = client.getTokenResponse(new TokenExchangeGrantRequest(exchange, ofUser(), null)).getAccessToken();
        var claims = decoded(own, exchanged);
        demand(claims.getSubject().equals(text("/user/subject")), claims.getClaims());
        demand(claims.getClaimAsMap("act").get("sub").equals(text("/client/id")), claims.getClaims());
        var elsewhere = new RestClientTokenExchangeTokenResponseClient();
        elsewhere.addParametersConverter(request -> audience("nobody"));
        try {
            elsewhere.getTokenResponse(new TokenExchangeGrantRequest(exchange, ofUser(), null));
            throw new AssertionError("a target that is not registered");
        } catch (OAuth2AuthorizationException refused) {
            demand(refused.getError().getErrorCode().equals("invalid_target"), refused.getError());
        }
        passed("spring security: token exchange");

        var introspector = SpringOpaqueTokenIntrospector.withIntrospectionUri(text("/issuer") + "/oauth2/introspect")
            .clientId(text("/client/id")).clientSecret(text("/client/secret")).build();
        var said = introspector.introspect(token.getTokenValue());
        demand(said.getAttribute("client_id").equals(text("/client/id")), said.getAttributes());
        try {
            introspector.introspect("nonsense");
            throw new AssertionError("nonsense is no token");
        } catch (BadOpaqueTokenException refused) {
            passed("spring security: introspection");
        }
        refreshes(own);
        shows(own);
        proves(own);
        asserts();
    }

    /** With a refresh token, which is replaced with each use. */
    private void refreshes(ClientRegistration own) {
        var credentials = new RestClientClientCredentialsTokenResponseClient();
        credentials.addParametersConverter(request -> audience(text("/audience")));
        var first = credentials.getTokenResponse(new OAuth2ClientCredentialsGrantRequest(own));
        var refresh = new OAuth2RefreshTokenGrantRequest(own, first.getAccessToken(), first.getRefreshToken());
        var second = new RestClientRefreshTokenTokenResponseClient().getTokenResponse(refresh);
        demand(!second.getRefreshToken().getTokenValue().equals(first.getRefreshToken().getTokenValue()), second);
        demand(decoded(own, second.getAccessToken()).getAudience().contains(text("/audience")), second);
        passed("spring security: refresh tokens");
    }

    /** As a pod shows the token of its service account: with two parameters, and without a secret. */
    private void shows(ClientRegistration own) {
        var pod = ClientRegistrations.fromIssuerLocation(text("/issuer")).clientId(text("/pod/id"))
            .clientAuthenticationMethod(ClientAuthenticationMethod.PRIVATE_KEY_JWT)
            .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS).build();
        var credentials = new RestClientClientCredentialsTokenResponseClient();
        var account = signed(new JWTClaimsSet.Builder().issuer(text("/pod/issuer")).subject(text("/pod/subject")));
        credentials.addParametersConverter(request -> {
            var parameters = new LinkedMultiValueMap<String, String>();
            parameters.add("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
            parameters.add("client_assertion", account);
            return parameters;
        });
        var token = credentials.getTokenResponse(new OAuth2ClientCredentialsGrantRequest(pod)).getAccessToken();
        demand(decoded(own, token).getSubject().equals(text("/pod/id")), token);
        passed("spring security: the token of a service account in place of a secret");
    }

    /** With a proof of possession, and once more with the nonce that the issuer demands. */
    private void proves(ClientRegistration own) {
        var proofs = proofs();
        var credentials = new RestClientClientCredentialsTokenResponseClient();
        credentials.addParametersConverter(request -> audience(text("/audience")));
        credentials.setRestClient(restClient().requestInterceptor((request, body, execution) -> {
            request.getHeaders().set("DPoP", proof(proofs, request.getURI(), null));
            var response = execution.execute(request, body);
            var nonce = response.getHeaders().getFirst("DPoP-Nonce");
            if (response.getStatusCode().value() != 400 || nonce == null) {
                return response;
            }
            response.close();
            request.getHeaders().set("DPoP", proof(proofs, request.getURI(), new Nonce(nonce)));
            return execution.execute(request, body);
        }).build());
        var token = credentials.getTokenResponse(new OAuth2ClientCredentialsGrantRequest(own)).getAccessToken();
        demand(token.getTokenType().equals(OAuth2AccessToken.TokenType.DPOP), token.getTokenType().getValue());
        demand(decoded(own, token).getClaimAsMap("cnf").containsKey("jkt"), token);
        passed("spring security: proofs of possession with nonces");
    }

    /** With what another issuer says of a user. */
    private void asserts() {
        var client = registration.authorizationGrantType(AuthorizationGrantType.JWT_BEARER).scope(text("/user/scope")).build();
        var said = signed(new JWTClaimsSet.Builder().issuer(text("/partner/issuer")).subject("alice").claim("scope", text("/user/scope")));
        var assertion = new Jwt(said, null, null, Map.of("alg", "ES256"), Map.of("sub", "alice"));
        var bearer = new RestClientJwtBearerTokenResponseClient();
        bearer.addParametersConverter(request -> audience(text("/user/target")));
        var token = bearer.getTokenResponse(new JwtBearerGrantRequest(client, assertion)).getAccessToken();
        demand(decoded(client, token).getSubject().equals("partner|alice"), token);
        passed("spring security: assertions of another issuer");
    }

    /** Something that another issuer has signed for this one. */
    private String signed(JWTClaimsSet.Builder claims) {
        try {
            var whole = claims.audience(text("/issuer")).jwtID("spring").issueTime(new Date())
                .expirationTime(new Date(System.currentTimeMillis() + 60_000)).build();
            var jwt = new SignedJWT(new JWSHeader.Builder(JWSAlgorithm.ES256).keyID(key().getKeyID()).build(), whole);
            jwt.sign(new ECDSASigner(key().toECKey()));
            return jwt.serialize();
        } catch (JOSEException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static DefaultDPoPProofFactory proofs() {
        try {
            return new DefaultDPoPProofFactory(new ECKeyGenerator(Curve.P_256).generate(), JWSAlgorithm.ES256);
        } catch (JOSEException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static String proof(DefaultDPoPProofFactory proofs, URI endpoint, Nonce nonce) {
        try {
            return proofs.createDPoPJWT("POST", endpoint, nonce).serialize();
        } catch (JOSEException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** What Spring's clients for tokens have unless they are given one. */
    static RestClient.Builder restClient() {
        return RestClient.builder()
            .messageConverters(converters -> {
                converters.clear();
                converters.add(new FormHttpMessageConverter());
                converters.add(new OAuth2AccessTokenResponseHttpMessageConverter());
            })
            .defaultStatusHandler(new OAuth2ErrorResponseErrorHandler());
    }

    /** Access tokens say what they are by `typ`, which Spring then leaves to others to judge. */
    private Jwt decoded(ClientRegistration registration, OAuth2AccessToken token) {
        return NimbusJwtDecoder.withJwkSetUri(registration.getProviderDetails().getJwkSetUri()).validateType(false)
            .jwsAlgorithm(SignatureAlgorithm.ES256).build().decode(token.getTokenValue());
    }

    /** The user's token as a resource server hands it to the client; Spring has no EdDSA to decode it with. */
    private OAuth2AccessToken ofUser() {
        return new OAuth2AccessToken(OAuth2AccessToken.TokenType.BEARER, text("/user/token"), null, null);
    }

    private JWK key() {
        try {
            return JWK.parse(asked.at("/signer/key").toString());
        } catch (ParseException unreadable) {
            throw new IllegalStateException(unreadable);
        }
    }

    private static LinkedMultiValueMap<String, String> audience(String name) {
        var parameters = new LinkedMultiValueMap<String, String>();
        parameters.add("audience", name);
        return parameters;
    }

    private String text(String place) {
        return asked.at(place).asText();
    }
}
