package hallpass;

import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import org.apache.shenyu.common.constant.Constants;
import org.apache.shenyu.plugin.api.ShenyuPlugin;
import org.apache.shenyu.plugin.api.ShenyuPluginChain;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.core.Ordered;
import org.springframework.http.HttpHeaders;
import org.springframework.http.ResponseEntity;
import org.springframework.http.server.reactive.ServerHttpRequest;
import org.springframework.http.server.reactive.ServerHttpResponse;
import org.springframework.stereotype.Component;
import org.springframework.web.reactive.function.client.WebClient;
import org.springframework.web.server.ServerWebExchange;
import reactor.core.publisher.Mono;

/** Asks `hallpass authz` for each request, before any other plugin sees it. */
@Component
public class HallpassPlugin implements ShenyuPlugin {
    private static final List<String> ASKED_WITH = List.of("Authorization", "DPoP", "Traceparent", "Tracestate", "X-Tenant-Id");
    private static final List<String> FOR_SERVICE = List.of("Authorization", "X-User-Id", "X-Username", "X-Authorities", "X-Client-Id", "X-Tenant-Id");
    private static final List<String> FOR_CLIENT = List.of("WWW-Authenticate", "DPoP-Nonce", "Content-Type", "Retry-After");

    private final WebClient hallpass;
    private final Duration timeout;

    HallpassPlugin(@Value("${hallpass.authz.uri}") String uri, @Value("${hallpass.authz.timeout}") Duration timeout) {
        this.hallpass = WebClient.create(uri);
        this.timeout = timeout;
    }

    @Override
    public int getOrder() {
        return Ordered.HIGHEST_PRECEDENCE;
    }

    @Override
    public String named() {
        return "hallpass";
    }

    @Override
    public Mono<Void> execute(ServerWebExchange exchange, ShenyuPluginChain chain) {
        ServerHttpRequest request = exchange.getRequest();
        // The service sees the host that the rules judge.
        exchange.getAttributes().put(Constants.PRESERVE_HOST, true);
        return hallpass.get().uri("/authz/forward").headers(asked -> ask(request, asked))
            .exchangeToMono(answer -> answer.toEntity(byte[].class))
            .timeout(timeout)
            // Nobody decides: nobody gets through.
            .onErrorReturn(ResponseEntity.status(503).build())
            .flatMap(answer -> answer.getStatusCode().is2xxSuccessful()
                ? chain.execute(exchange.mutate().request(admitted(request, answer.getHeaders())).build())
                : deny(exchange.getResponse(), answer));
    }

    private static void ask(ServerHttpRequest request, HttpHeaders asked) {
        URI uri = request.getURI();
        asked.set("X-Forwarded-Method", request.getMethod().name());
        asked.set("X-Forwarded-Proto", uri.getScheme());
        asked.set("X-Forwarded-Host", uri.getRawAuthority());
        // As the client wrote it: what the service gets.
        asked.set("X-Forwarded-Uri", uri.getRawPath() + (uri.getRawQuery() == null ? "" : "?" + uri.getRawQuery()));
        asked.set("X-Forwarded-For", request.getRemoteAddress().getAddress().getHostAddress());
        ASKED_WITH.forEach(name -> request.getHeaders().getOrEmpty(name).forEach(value -> asked.add(name, value)));
    }

    private static ServerHttpRequest admitted(ServerHttpRequest request, HttpHeaders said) {
        return request.mutate().headers(headers -> {
            // X_User_Id and X.User.Id are X-User-Id for many servers; how the request came says this gateway alone. By `rpc_type` and
            // `specifyDomain` a client would choose the plugin and the server for its request.
            headers.keySet().removeIf(name -> name.matches(".*[^A-Za-z0-9-].*")
                || name.toLowerCase(Locale.ROOT).matches("(x-forwarded|x-original)-.*|forwarded|x-http-method-override|specifydomain"));
            // A header that the client names in Connection would be dropped again, after it was set.
            if (headers.remove("Connection") != null && headers.containsKey("Upgrade")) {
                headers.set("Connection", "Upgrade");
            }
            for (String name : FOR_SERVICE) {
                headers.remove(name);
                said.getOrEmpty(name).forEach(value -> headers.add(name, value));
            }
        }).build();
    }

    private static Mono<Void> deny(ServerHttpResponse response, ResponseEntity<byte[]> answer) {
        response.setStatusCode(answer.getStatusCode());
        FOR_CLIENT.forEach(name -> answer.getHeaders().getOrEmpty(name).forEach(value -> response.getHeaders().add(name, value)));
        byte[] body = answer.getBody() == null ? new byte[0] : answer.getBody();
        return response.writeWith(Mono.just(response.bufferFactory().wrap(body)));
    }
}
