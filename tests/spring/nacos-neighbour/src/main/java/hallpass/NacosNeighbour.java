package hallpass;

import java.util.List;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.client.discovery.DiscoveryClient;
import org.springframework.cloud.client.loadbalancer.LoadBalanced;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.env.Environment;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestTemplate;

/** A service of a Spring Cloud Alibaba estate: registered in Nacos, and finding others there. */
@SpringBootApplication
@RestController
public class NacosNeighbour {
    private final DiscoveryClient discovery;
    private final RestTemplate calls;
    private final Environment environment;

    NacosNeighbour(DiscoveryClient discovery, RestTemplate calls, Environment environment) {
        this.discovery = discovery;
        this.calls = calls;
        this.environment = environment;
    }

    public static void main(String[] arguments) {
        SpringApplication.run(NacosNeighbour.class, arguments);
    }

    @GetMapping("/hello")
    String hello() {
        return "from Spring";
    }

    /** Where it thinks that the service is. */
    @GetMapping("/instances/{service}")
    List<String> instances(@PathVariable String service) {
        return discovery.getInstances(service).stream()
            .map(it -> it.getUri() + " " + it.getMetadata().get("preserved.register.source")).toList();
    }

    /** What the service says to it. */
    @GetMapping("/call/{service}")
    String call(@PathVariable String service) {
        return calls.getForObject("http://" + service + "/hello", String.class);
    }

    /** What a property of its configuration is. */
    @GetMapping("/property/{name}")
    String property(@PathVariable String name) {
        return environment.getProperty(name);
    }

    @Configuration
    static class Calls {
        @Bean
        @LoadBalanced
        RestTemplate calls() {
            return new RestTemplate();
        }
    }
}
