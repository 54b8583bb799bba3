package hallpass;

import java.util.List;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestClient;

/**
 * The warehouse: reserves goods for whoever calls, and has the ledger note it.
 *
 * <p>Who calls, and as whom it calls others, is the business of the sidecar beside it: there is no word of it here. Its calls go by the proxy that the
 * JVM is told of ({@code -Dhttp.proxyHost}), which is that sidecar.
 */
@SpringBootApplication
@RestController
public class Warehouse {
    private final RestClient clients;
    private final String ledger;

    /** Without {@code ledger.url} nothing is noted. */
    Warehouse(RestClient.Builder clients, @Value("${ledger.url:}") String ledger) {
        this.clients = clients.build();
        this.ledger = ledger;
    }

    public static void main(String[] arguments) {
        SpringApplication.run(Warehouse.class, arguments);
    }

    record Reserved(String goods, String caller, String name, List<String> authorities, String ledger) {}

    @GetMapping("/reserve/{number}")
    Reserved reserve(
            @PathVariable String number,
            @RequestHeader("X-User-Id") String caller,
            @RequestHeader(name = "X-Username", required = false) String name,
            @RequestHeader(name = "X-Authorities", defaultValue = "") List<String> authorities) {
        return new Reserved(number, caller, name, authorities, note(number));
    }

    private String note(String number) {
        if (ledger.isEmpty()) {
            return null;
        }
        return clients.get().uri(ledger + "/entries/{number}", number).retrieve().body(String.class);
    }
}
