package hallpass;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

/**
 * Drives an issuer with the OAuth libraries of the Java world. The argument is a JSON object that says where the issuer is
 * and what may be asked; prints a line a check that passed.
 */
public class Judge {
    public static void main(String[] arguments) throws Exception {
        JsonNode asked = new ObjectMapper().readTree(arguments[0]);
        if (asked.has("own")) {
            new MutualTls(asked).judge();
            return;
        }
        new Nimbus(asked).judge();
        new SpringSecurity(asked).judge();
    }

    static void passed(String check) {
        System.out.println(check);
    }

    static void demand(boolean holds, Object seen) {
        if (!holds) {
            throw new AssertionError(String.valueOf(seen));
        }
    }
}
