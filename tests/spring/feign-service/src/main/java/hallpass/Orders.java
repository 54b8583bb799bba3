package hallpass;

import java.util.HashMap;
import java.util.Map;
import org.springframework.security.oauth2.server.resource.authentication.JwtAuthenticationToken;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;

/** Says who called, and what `stock` says of who called it. */
@RestController
@RequestMapping("/orders/{number}")
class Orders {
    private final Stock.OfTheUser forTheUser;
    private final Stock.OfOurselves byOurselves;

    Orders(Stock.OfTheUser forTheUser, Stock.OfOurselves byOurselves) {
        this.forTheUser = forTheUser;
        this.byOurselves = byOurselves;
    }

    @GetMapping("/relayed")
    Map<String, Object> relayed(@PathVariable("number") long number, JwtAuthenticationToken caller) {
        return seen(caller, forTheUser.item(number));
    }

    @GetMapping("/own")
    Map<String, Object> own(@PathVariable("number") long number, JwtAuthenticationToken caller) {
        return seen(caller, byOurselves.item(number));
    }

    private static Map<String, Object> seen(JwtAuthenticationToken caller, Map<String, Object> stock) {
        var token = caller.getToken();
        var seen = new HashMap<String, Object>();
        seen.put("iss", token.getClaimAsString("iss"));
        seen.put("sub", caller.getName());
        seen.put("act", token.getClaim("act"));
        seen.put("thread", Thread.currentThread().getName());
        seen.put("stock", stock);
        return seen;
    }
}
