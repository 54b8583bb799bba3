package hallpass;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.DeleteMapping;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;

/** A controller as estates have them: text, nothing at all, parameters in camel case, a DELETE with a body. */
@RestController
@RequestMapping("/orders")
class Orders {
    record Page(int number, int pageSize) {}

    @GetMapping
    String list(Page page) {
        return "page " + page.number() + " of " + page.pageSize();
    }

    @GetMapping("/json")
    List<String> json() {
        return List.of("a");
    }

    @GetMapping("/{id}/status")
    String status(@PathVariable long id) {
        return id == 7 ? "über \"Land\"" : null;
    }

    @GetMapping("/{id}")
    Map<String, Object> find(@PathVariable long id) {
        return id == 7 ? Map.of("id", id) : null;
    }

    @GetMapping("/{id}/parent")
    Optional<Map<String, Object>> parent(@PathVariable long id) {
        return Optional.empty();
    }

    @PostMapping(consumes = MediaType.TEXT_PLAIN_VALUE)
    String note(@RequestBody String note) {
        return note.length() + " letters: " + note;
    }

    @DeleteMapping
    String remove(@RequestBody List<Long> ids) {
        return "removed " + ids;
    }

    @GetMapping("/refused")
    ResponseEntity<Map<String, String>> refused() {
        return ResponseEntity.status(409).header("X-Error-Code", "7").body(Map.of("title", "taken"));
    }
}
