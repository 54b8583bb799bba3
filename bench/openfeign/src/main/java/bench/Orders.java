package bench;

import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;

/** What the load asks for. */
@RestController
class Orders {
    private final Stock stock;

    Orders(Stock stock) {
        this.stock = stock;
    }

    @GetMapping("/orders/{number}")
    String order(@PathVariable("number") long number) {
        return stock.stock(number);
    }
}
