//! Methods by the names that others give them.

use std::time::Duration;

use hallpass_upstream::GuardSettings;

/// What Resilience4j or Hystrix is told of one method, by the name of its interface and its own there: `DemoClient#getDemo(String)`, or without
/// signs, as OpenFeign has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedMethod {
    /// What is said of its breaker, bulkhead and rate.
    pub guards: GuardSettings,
    /// What is said of its deadline.
    pub deadline: Option<Duration>,
    /// By which keys, for the log.
    pub estate: Vec<String>,
}

/// What stands behind `owner` and `method` in `name`, which is a name without signs; `None` for the name of another method. Case and
/// `_` do not count: `get_demo` is `getDemo` there.
fn after<'n>(name: &'n str, owner: &str, method: &str) -> Option<&'n str> {
    let letters = |text: &str| text.replace(['-', '_', '.'], "");
    let wanted = letters(owner) + &letters(method);
    let (start, rest) = name.split_at_checked(wanted.len())?;
    start.eq_ignore_ascii_case(&wanted).then_some(rest)
}

/// Whether `rest` can be the types of arguments in Java, or there are none.
fn are_types(rest: &str) -> bool {
    const PRIMITIVES: [&str; 8] = [
        "boolean", "byte", "char", "double", "float", "int", "long", "short",
    ];
    rest.is_empty()
        || rest.starts_with(|c: char| c.is_ascii_uppercase())
        || PRIMITIVES.iter().any(|name| rest.starts_with(name))
}

/// Whether `name` is `method`, one of all `methods` of `owner`: of several that may be meant the longest is.
pub(super) fn is_named(name: &str, owner: &str, method: &str, methods: &[&str]) -> bool {
    let fits = |method: &str| after(name, owner, method).is_some_and(are_types);
    let longest = methods
        .iter()
        .filter(|method| fits(method))
        .max_by_key(|it| it.len());
    longest == Some(&method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_found_by_its_name_in_java() {
        let methods = ["get", "get_demo", "get_demos"];
        for (name, method) in [
            ("DemoClientgetDemo", Some("get_demo")),
            ("DemoClientgetDemoString", Some("get_demo")),
            ("DemoClientgetDemolong", Some("get_demo")),
            ("DemoClientgetDemosString", Some("get_demos")),
            ("DemoClientgetString", Some("get")),
            ("DemoClientgetter", None),
            ("DemoClient", None),
            ("OtherClientget", None),
        ] {
            let found = methods
                .iter()
                .find(|method| is_named(name, "DemoClient", method, &methods));
            assert_eq!(found.copied(), method, "{name}");
        }
        assert!(is_named(
            "demoservicegetDemo",
            "demo-service",
            "get_demo",
            &methods
        ));
    }
}
