package bench;

import org.springframework.http.HttpStatus;
import org.springframework.stereotype.Component;
import org.springframework.web.server.ResponseStatusException;

/** A call that fails fails the request, so that the load sees it. */
@Component
class NoStock implements Stock {
    @Override
    public String stock(long item) {
        throw new ResponseStatusException(HttpStatus.BAD_GATEWAY);
    }
}
