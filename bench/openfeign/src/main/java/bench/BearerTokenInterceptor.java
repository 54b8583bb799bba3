package bench;

import feign.RequestInterceptor;
import feign.RequestTemplate;
import org.springframework.http.HttpHeaders;
import org.springframework.security.oauth2.client.OAuth2AuthorizeRequest;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClientManager;
import org.springframework.security.oauth2.core.OAuth2AuthenticationException;
import org.springframework.security.oauth2.core.OAuth2Error;
import org.springframework.stereotype.Component;
import org.springframework.web.context.request.RequestContextHolder;
import org.springframework.web.context.request.ServletRequestAttributes;

import java.util.regex.Pattern;

/**
 * Adds the token: the caller's own where the request that is served now has one, as it is read from the request's attributes, which the
 * breaker's thread has to have been given; else that of this service.
 */
@Component
class BearerTokenInterceptor implements RequestInterceptor {
    private static final Pattern BEARER = Pattern.compile("^Bearer (?<token>[a-zA-Z0-9-._~+/]+=*)$", Pattern.CASE_INSENSITIVE);

    private final OAuth2AuthorizedClientManager clients;

    BearerTokenInterceptor(OAuth2AuthorizedClientManager clients) {
        this.clients = clients;
    }

    @Override
    public void apply(RequestTemplate template) {
        template.removeHeader(HttpHeaders.AUTHORIZATION);
        template.header(HttpHeaders.AUTHORIZATION, "Bearer " + token());
    }

    private String token() {
        if (RequestContextHolder.getRequestAttributes() instanceof ServletRequestAttributes attributes) {
            var header = attributes.getRequest().getHeader(HttpHeaders.AUTHORIZATION);
            var matcher = header == null ? null : BEARER.matcher(header);
            if (matcher != null && matcher.matches()) {
                return matcher.group("token");
            }
        }
        var client = clients.authorize(OAuth2AuthorizeRequest.withClientRegistrationId("service-auth").principal("caller").build());
        if (client == null) {
            throw new OAuth2AuthenticationException(new OAuth2Error("no_token"));
        }
        return client.getAccessToken().getTokenValue();
    }
}
