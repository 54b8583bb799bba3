package hallpass;

import jakarta.servlet.http.HttpServletRequest;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.openfeign.EnableFeignClients;
import org.springframework.context.annotation.Bean;
import org.springframework.security.authentication.AuthenticationManagerResolver;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.config.http.SessionCreationPolicy;
import org.springframework.security.web.SecurityFilterChain;

/** `orders` of a Spring Cloud Alibaba estate: found in Nacos, asks for a token, and calls `stock` by OpenFeign inside a breaker. */
@SpringBootApplication
@EnableFeignClients
public class FeignService {
    public static void main(String[] arguments) {
        SpringApplication.run(FeignService.class, arguments);
    }

    @Bean
    SecurityFilterChain tokens(HttpSecurity http, AuthenticationManagerResolver<HttpServletRequest> issuers) throws Exception {
        return http.authorizeHttpRequests(requests -> requests.anyRequest().authenticated())
            .oauth2ResourceServer(server -> server.authenticationManagerResolver(issuers))
            .sessionManagement(sessions -> sessions.sessionCreationPolicy(SessionCreationPolicy.STATELESS))
            .build();
    }
}
