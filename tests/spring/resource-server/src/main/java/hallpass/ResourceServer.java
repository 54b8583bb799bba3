package hallpass;

import java.util.List;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.security.core.GrantedAuthority;
import org.springframework.security.oauth2.server.resource.authentication.AbstractOAuth2TokenAuthenticationToken;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/**
 * A stock resource server: Spring Boot's own security, which a property for the issuer, for its keys or for its introspection switches on. No bean and
 * no line of code says how a token is checked, unless the profile of AtJwt is active.
 */
@SpringBootApplication
@RestController
public class ResourceServer {
    public static void main(String[] arguments) {
        SpringApplication.run(ResourceServer.class, arguments);
    }

    @GetMapping("/whoami")
    Map<String, Object> whoami(AbstractOAuth2TokenAuthenticationToken<?> caller) {
        List<String> authorities = caller.getAuthorities().stream().map(GrantedAuthority::getAuthority).sorted().toList();
        return Map.of("name", caller.getName(), "authorities", authorities);
    }
}
