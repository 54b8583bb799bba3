package hallpass;

import static hallpass.Judge.demand;
import static hallpass.Judge.passed;

import com.fasterxml.jackson.databind.JsonNode;
import com.nimbusds.jose.util.X509CertUtils;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.OAuth2Error;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.as.AuthorizationServerMetadata;
import com.nimbusds.oauth2.sdk.auth.ClientAuthenticationMethod;
import com.nimbusds.oauth2.sdk.auth.PKITLSClientAuthentication;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.id.ClientID;
import java.net.URI;
import java.net.http.HttpClient;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import javax.net.ssl.SSLContext;
import org.springframework.boot.ssl.SslBundle;
import org.springframework.boot.ssl.pem.PemSslStoreBundle;
import org.springframework.boot.ssl.pem.PemSslStoreDetails;
import org.springframework.http.client.JdkClientHttpRequestFactory;
import org.springframework.security.oauth2.client.endpoint.OAuth2ClientCredentialsGrantRequest;
import org.springframework.security.oauth2.client.endpoint.RestClientClientCredentialsTokenResponseClient;
import org.springframework.security.oauth2.client.registration.ClientRegistration;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.OAuth2AuthorizationException;
import org.springframework.util.LinkedMultiValueMap;

/** A client that its certificate proves, and tokens that are bound to it (RFC 8705): by Nimbus, and by Spring Security. */
class MutualTls {
    private final JsonNode asked;

    MutualTls(JsonNode asked) {
        this.asked = asked;
    }

    void judge() throws Exception {
        var found = new HTTPRequest(HTTPRequest.Method.GET, URI.create(text("/issuer") + "/.well-known/oauth-authorization-server"));
        found.setSSLSocketFactory(showing(null).getSocketFactory());
        var server = AuthorizationServerMetadata.parse(found.send().getBodyAsJSONObject());
        demand(server.getTokenEndpointAuthMethods().contains(ClientAuthenticationMethod.TLS_CLIENT_AUTH), server);
        demand(server.supportsTLSClientCertificateBoundAccessTokens(), server);
        var granted = byNimbus(server, asked.at("/own")).toSuccessResponse().getTokens().getBearerAccessToken();
        demandBound(granted.getValue());
        for (var pair : new JsonNode[] {asked.at("/other"), null}) {
            var refused = byNimbus(server, pair).toErrorResponse().getErrorObject();
            demand(refused.equals(OAuth2Error.INVALID_CLIENT), refused);
        }
        passed("nimbus: tls_client_auth and bound tokens (RFC 8705)");

        demandBound(bySpring(asked.at("/own")));
        for (var pair : new JsonNode[] {asked.at("/other"), null}) {
            try {
                bySpring(pair);
                throw new AssertionError("was not refused");
            } catch (OAuth2AuthorizationException refused) {
                // Spring reads the `error` of a 400 alone; that of another status stands in its message.
                demand(refused.getMessage().contains("invalid_client"), refused);
            }
        }
        passed("spring security: tls_client_auth and bound tokens (RFC 8705)");
    }

    private TokenResponse byNimbus(AuthorizationServerMetadata server, JsonNode pair) throws Exception {
        var client = new PKITLSClientAuthentication(new ClientID(text("/client")), showing(pair).getSocketFactory());
        var request = new TokenRequest.Builder(server.getTokenEndpointURI(), client, new ClientCredentialsGrant())
            .customParameter("audience", text("/audience")).build();
        return TokenResponse.parse(request.toHTTPRequest().send());
    }

    private String bySpring(JsonNode pair) {
        var registration = ClientRegistration.withRegistrationId(text("/audience")).clientId(text("/client"))
            .clientAuthenticationMethod(org.springframework.security.oauth2.core.ClientAuthenticationMethod.TLS_CLIENT_AUTH)
            .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS).tokenUri(text("/issuer") + "/oauth2/token").build();
        var tokens = new RestClientClientCredentialsTokenResponseClient();
        tokens.addParametersConverter(request -> new LinkedMultiValueMap<>(Map.of("audience", java.util.List.of(text("/audience")))));
        var connections = new JdkClientHttpRequestFactory(HttpClient.newBuilder().sslContext(showing(pair)).build());
        tokens.setRestClient(SpringSecurity.restClient().requestFactory(connections).build());
        return tokens.getTokenResponse(new OAuth2ClientCredentialsGrantRequest(registration)).getAccessToken().getTokenValue();
    }

    private void demandBound(String token) throws Exception {
        var certificate = X509CertUtils.parse(Files.readString(Path.of(text("/own/certificate"))));
        var thumbprint = X509CertUtils.computeSHA256Thumbprint(certificate).toString();
        var confirmation = SignedJWT.parse(token).getJWTClaimsSet().getJSONObjectClaim("cnf");
        demand(confirmation.equals(Map.of("x5t#S256", thumbprint)), confirmation);
    }

    /** For connections that show this pair of files, as Spring Boot makes it of the properties of a bundle. */
    private SSLContext showing(JsonNode pair) {
        var trusted = PemSslStoreDetails.forCertificate("file:" + text("/ca"));
        var own = pair == null ? null : PemSslStoreDetails.forCertificate("file:" + pair.at("/certificate").asText())
            .withPrivateKey("file:" + pair.at("/key").asText());
        return SslBundle.of(new PemSslStoreBundle(own, trusted)).createSslContext();
    }

    private String text(String place) {
        return asked.at(place).asText();
    }
}
