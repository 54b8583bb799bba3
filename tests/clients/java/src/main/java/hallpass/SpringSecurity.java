package hallpass;

import static hallpass.Judge.demand;
import static hallpass.Judge.passed;

import com.fasterxml.jackson.databind.JsonNode;
import com.nimbusds.jose.jwk.JWK;
import java.text.ParseException;
import java.util.List;
import org.springframework.security.oauth2.client.endpoint.NimbusJwtClientAuthenticationParametersConverter;
import org.springframework.security.oauth2.client.endpoint.RestClientClientCredentialsTokenResponseClient;
import org.springframework.security.oauth2.client.endpoint.RestClientTokenExchangeTokenResponseClient;
import org.springframework.security.oauth2.client.endpoint.OAuth2ClientCredentialsGrantRequest;
import org.springframework.security.oauth2.client.endpoint.TokenExchangeGrantRequest;
import org.springframework.security.oauth2.client.registration.ClientRegistration;
import org.springframework.security.oauth2.client.registration.ClientRegistrations;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.core.OAuth2AccessToken;
import org.springframework.security.oauth2.core.OAuth2AuthorizationException;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.oauth2.server.resource.introspection.BadOpaqueTokenException;
import org.springframework.security.oauth2.server.resource.introspection.SpringOpaqueTokenIntrospector;
import org.springframework.util.LinkedMultiValueMap;

/** Spring Security's own clients: client credentials, token exchange, and the introspector of an opaque-token service. */
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
