package hallpass;

import feign.RequestInterceptor;
import java.util.Map;
import org.springframework.cloud.openfeign.FeignClient;
import org.springframework.context.annotation.Bean;
import org.springframework.http.HttpHeaders;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;

/** The service that is called, by a client for each identity: none of them takes the other's where its own is missing. */
interface Stock {
    @GetMapping("/{item}")
    Map<String, Object> item(@PathVariable("item") long item);

    /** For the user whom this service works for. */
    @FeignClient(name = "stock", contextId = "stock-for-the-user", path = "/stock", configuration = ForTheUser.class)
    interface OfTheUser extends Stock {}

    /** By this service itself. */
    @FeignClient(name = "stock", contextId = "stock-by-ourselves", path = "/stock", configuration = ByOurselves.class)
    interface OfOurselves extends Stock {}

    class ForTheUser {
        @Bean
        RequestInterceptor relayed(Identities identities) {
            return template -> template.header(HttpHeaders.AUTHORIZATION, "Bearer " + identities.user())
                .header("X-Thread", Thread.currentThread().getName());
        }
    }

    class ByOurselves {
        @Bean
        RequestInterceptor own(Identities identities) {
            return template -> template.header(HttpHeaders.AUTHORIZATION, "Bearer " + identities.own())
                .header("X-Thread", Thread.currentThread().getName());
        }
    }
}
