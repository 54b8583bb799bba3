package hallpass;

import java.util.Objects;
import org.springframework.boot.autoconfigure.security.oauth2.resource.OAuth2ResourceServerProperties;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Profile;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.JwtClaimValidator;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtTypeValidator;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;

/** For verifiers that are changed: takes the usual tokens of the issuer, and no others. */
@Profile("at-jwt")
@Configuration
class AtJwt {
    @Bean
    JwtDecoder jwtDecoder(OAuth2ResourceServerProperties properties) {
        var jwt = properties.getJwt();
        var decoder = NimbusJwtDecoder.withJwkSetUri(jwt.getJwkSetUri())
            .jwsAlgorithm(SignatureAlgorithm.ES256)
            .validateType(false)    // Nimbus would take `JWT` alone; the validator takes `at+jwt` alone
            .build();
        var ours = JwtValidators.createAtJwtValidator()
            .issuer(jwt.getIssuerUri())
            .audience(jwt.getAudiences().get(0))
            .validators(claims -> claims.put("client_id", new JwtClaimValidator<>("client_id", Objects::nonNull)))
            .build();
        // With the defaults, which hold a token to the certificate that it is bound to. In Spring Security 7 they have a rule for `typ` of
        // their own (`JWT` alone) unless there is one.
        decoder.setJwtValidator(JwtValidators.createDefaultWithValidators(
            new JwtTypeValidator("at+jwt", "application/at+jwt"), ours));
        return decoder;
    }
}
