package hallpass;

import org.springframework.core.env.Environment;
import org.springframework.security.authentication.AuthenticationCredentialsNotFoundException;
import org.springframework.security.core.context.SecurityContextHolder;
import org.springframework.security.oauth2.client.OAuth2AuthorizeRequest;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClientManager;
import org.springframework.security.oauth2.server.resource.authentication.JwtAuthenticationToken;
import org.springframework.stereotype.Component;

/** What calls are made with. */
@Component
class Identities {
    private final OAuth2AuthorizedClientManager clients;
    private final Environment environment;

    Identities(OAuth2AuthorizedClientManager clients, Environment environment) {
        this.clients = clients;
        this.environment = environment;
    }

    /** The token that this service was called with, which Spring Security has verified. */
    String user() {
        if (SecurityContextHolder.getContext().getAuthentication() instanceof JwtAuthenticationToken caller) {
            return caller.getToken().getTokenValue();
        }
        throw new AuthenticationCredentialsNotFoundException("nobody's token is known on this thread");
    }

    /** A token of this service, by the registration that the configuration names now. */
    String own() {
        var registration = environment.getRequiredProperty("own-tokens-by");
        var client = clients.authorize(OAuth2AuthorizeRequest.withClientRegistrationId(registration).principal("orders").build());
        if (client == null) {
            throw new AuthenticationCredentialsNotFoundException("no token by " + registration);
        }
        return client.getAccessToken().getTokenValue();
    }
}
