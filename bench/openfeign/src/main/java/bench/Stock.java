package bench;

import org.springframework.cloud.openfeign.FeignClient;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;

/** The service that is called. */
@FeignClient(name = "service-system", path = "/internal", fallback = NoStock.class)
public interface Stock {
    @GetMapping("/stock/{item}")
    String stock(@PathVariable("item") long item);
}
