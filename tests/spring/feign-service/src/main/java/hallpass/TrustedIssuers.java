package hallpass;

import jakarta.servlet.http.HttpServletRequest;
import java.util.Collections;
import java.util.List;
import java.util.stream.Collectors;
import org.springframework.boot.context.properties.bind.Bindable;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.cloud.context.config.annotation.RefreshScope;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.env.Environment;
import org.springframework.security.authentication.AuthenticationManager;
import org.springframework.security.authentication.AuthenticationManagerResolver;
import org.springframework.security.oauth2.jwt.JwtClaimNames;
import org.springframework.security.oauth2.jwt.JwtClaimValidator;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtIssuerValidator;
import org.springframework.security.oauth2.jwt.JwtTypeValidator;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.oauth2.jwt.SupplierJwtDecoder;
import org.springframework.security.oauth2.server.resource.authentication.JwtAuthenticationProvider;
import org.springframework.security.oauth2.server.resource.authentication.JwtIssuerAuthenticationManagerResolver;

/** Whose tokens are taken: a list in the configuration, followed while the service runs. */
@Configuration
class TrustedIssuers {
    record Trusted(String issuer, List<String> audiences, boolean untyped) {}

    @Bean
    @RefreshScope
    AuthenticationManagerResolver<HttpServletRequest> issuers(Environment environment) {
        var trusted = Binder.get(environment).bind("trusted-issuers", Bindable.listOf(Trusted.class)).orElseGet(List::of);
        var managers = trusted.stream().collect(Collectors.toMap(Trusted::issuer, TrustedIssuers::manager));
        return new JwtIssuerAuthenticationManagerResolver(managers::get);
    }

    static AuthenticationManager manager(Trusted trusted) {
        // Its keys are asked for with its first token: it need not run before.
        var decoder = new SupplierJwtDecoder(() -> decoder(trusted));
        return new JwtAuthenticationProvider(decoder)::authenticate;
    }

    static JwtDecoder decoder(Trusted trusted) {
        var decoder = NimbusJwtDecoder.withIssuerLocation(trusted.issuer()).validateType(false).build();
        // Spring Authorization Server writes no `typ`, Hallpass `at+jwt`.
        var type = trusted.untyped() ? new JwtTypeValidator("JWT") : new JwtTypeValidator("at+jwt", "application/at+jwt");
        type.setAllowEmpty(trusted.untyped());
        // Of each issuer the audiences that it writes: a token for another service is none for this one.
        var audience = new JwtClaimValidator<List<String>>(JwtClaimNames.AUD,
            named -> named != null && !Collections.disjoint(named, trusted.audiences()));
        decoder.setJwtValidator(JwtValidators.createDefaultWithValidators(
            type, new JwtIssuerValidator(trusted.issuer()), audience));
        return decoder;
    }
}
