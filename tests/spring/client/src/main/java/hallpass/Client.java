package hallpass;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Profile;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.oauth2.client.AuthorizedClientServiceOAuth2AuthorizedClientManager;
import org.springframework.security.oauth2.client.OAuth2AuthorizeRequest;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClientManager;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClientService;
import org.springframework.security.oauth2.client.registration.ClientRegistrationRepository;
import org.springframework.security.oauth2.client.web.client.OAuth2ClientHttpRequestInterceptor;
import org.springframework.security.oauth2.client.web.client.RequestAttributeClientRegistrationIdResolver;
import org.springframework.security.oauth2.core.OAuth2AuthorizationException;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestClient;

/** A service that calls others with Spring Security's own OAuth2 client; its registrations are properties. */
@SpringBootApplication
public class Client {
    public static void main(String[] arguments) {
        SpringApplication.run(Client.class, arguments);
    }

    /** As Spring Cloud OpenFeign makes it where there is none. */
    @Bean
    @Profile("!audience")
    OAuth2AuthorizedClientManager stock(ClientRegistrationRepository registrations, OAuth2AuthorizedClientService clients) {
        return new AuthorizedClientServiceOAuth2AuthorizedClientManager(registrations, clients);
    }

    /** Not about tokens: everybody may ask this program. */
    @Bean
    SecurityFilterChain open(HttpSecurity http) throws Exception {
        return http.authorizeHttpRequests(requests -> requests.anyRequest().permitAll()).build();
    }
}

@RestController
class Tokens {
    private final OAuth2AuthorizedClientManager manager;
    private final RestClient calls;

    Tokens(OAuth2AuthorizedClientManager manager, OAuth2AuthorizedClientService clients) {
        this.manager = manager;
        var tokens = new OAuth2ClientHttpRequestInterceptor(manager);
        tokens.setAuthorizationFailureHandler(OAuth2ClientHttpRequestInterceptor.authorizationFailureHandler(clients));
        calls = RestClient.builder().requestInterceptor(tokens).build();
    }

    /** The status of a call with the token of this registration; one that is refused is dropped. */
    @GetMapping("/call/{registration}")
    String call(@PathVariable String registration, @RequestParam String url) {
        return calls.get().uri(url)
            .attributes(RequestAttributeClientRegistrationIdResolver.clientRegistrationId(registration))
            .exchange((request, response) -> String.valueOf(response.getStatusCode().value()));
    }

    /** The token by this registration, or the error code of the issuer. */
    @GetMapping("/token/{registration}")
    String token(@PathVariable String registration) {
        var request = OAuth2AuthorizeRequest.withClientRegistrationId(registration).principal("client").build();
        try {
            return manager.authorize(request).getAccessToken().getTokenValue();
        } catch (OAuth2AuthorizationException refused) {
            return refused.getError().getErrorCode();
        }
    }
}
