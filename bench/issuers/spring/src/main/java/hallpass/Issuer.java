package hallpass;

import com.nimbusds.jose.Algorithm;
import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.jwk.gen.RSAKeyGenerator;
import com.nimbusds.jose.jwk.source.ImmutableJWKSet;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.SecurityContext;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.crypto.bcrypt.BCryptPasswordEncoder;
import org.springframework.security.crypto.password.NoOpPasswordEncoder;
import org.springframework.security.crypto.password.PasswordEncoder;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.server.authorization.token.JwtEncodingContext;
import org.springframework.security.oauth2.server.authorization.token.OAuth2TokenCustomizer;

/** Spring Authorization Server as Spring Boot sets it up; its client and its name are properties. */
@SpringBootApplication
public class Issuer {
    public static void main(String[] arguments) {
        SpringApplication.run(Issuer.class, arguments);
    }

    @Bean
    JWKSource<SecurityContext> keys(@Value("${algorithm}") String algorithm) throws JOSEException {
        JWK key = algorithm.equals("RS256")
                ? new RSAKeyGenerator(2048).keyID("k1").algorithm(Algorithm.parse(algorithm)).generate()
                : new ECKeyGenerator(Curve.P_256).keyID("k1").algorithm(Algorithm.parse(algorithm)).generate();
        return new ImmutableJWKSet<>(new JWKSet(key));
    }

    /** Access tokens are signed by RS256 unless somebody says otherwise. */
    @Bean
    OAuth2TokenCustomizer<JwtEncodingContext> signedBy(@Value("${algorithm}") String algorithm) {
        return context -> context.getJwsHeader().algorithm(SignatureAlgorithm.from(algorithm));
    }

    /** Spring's own one is bcrypt; secrets in clear are compared at no cost to speak of. */
    @Bean
    @SuppressWarnings("deprecation")
    PasswordEncoder secrets(@Value("${secrets}") String secrets) {
        return secrets.equals("bcrypt") ? new BCryptPasswordEncoder() : NoOpPasswordEncoder.getInstance();
    }
}
