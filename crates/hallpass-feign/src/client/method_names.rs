//! Under which names the settings of a client may speak of its methods.

use std::collections::BTreeMap;

use crate::settings::MethodName;
use crate::spec::{ClientSpec, MethodSpec};

/// All names of the methods of `spec`.
pub(super) fn names(spec: &ClientSpec) -> Vec<MethodName> {
    let names = spec.methods.iter().map(|method| {
        let name = MethodName::of(method);
        let further = with_slash(spec, &name);
        [Some(name), further]
    });
    names.flatten().flatten().collect()
}

/// What `all` says of a method, with the name that it says it under.
pub(super) fn said<'a, T>(
    all: &'a BTreeMap<MethodName, T>,
    spec: &ClientSpec,
    method: &MethodSpec,
) -> Option<(&'a MethodName, &'a T)> {
    if all.is_empty() {
        return None;
    }
    let name = MethodName::of(method);
    let further = || all.get_key_value(&with_slash(spec, &name)?);
    all.get_key_value(&name).or_else(further)
}

/// The name with a slash behind it, unless that is another method's. The path `/` of a method behind that of its trait is the latter here,
/// and in the names of an estate (Sentinel's among them) it ends in a slash.
fn with_slash(spec: &ClientSpec, name: &MethodName) -> Option<MethodName> {
    let further = name.with_slash()?;
    let is_own = |method: &MethodSpec| MethodName::of(method) == further;
    (!spec.methods.iter().any(is_own)).then_some(further)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{SharedSpec, Verb};

    const fn get(template: &'static str) -> MethodSpec {
        MethodSpec {
            name: "any",
            verb: Verb::Get,
            template,
            shared: SharedSpec {
                identity: None,
                when_absent: None,
                audience: None,
                scope: None,
                deadline_ms: None,
                headers: &[],
            },
            idempotent: true,
            idempotency_key: false,
        }
    }

    const ORDERS: ClientSpec = ClientSpec {
        trait_name: "Orders",
        name: "order-service",
        url: None,
        shared: get("/").shared,
        isolate: false,
        methods: &[get("/orders"), get("/lines"), get("/lines/"), get("/")],
    };

    #[test]
    fn a_slash_at_the_end_does_not_count_unless_another_method_has_it() {
        let said = |names: &[&str], number: usize| {
            let all: BTreeMap<MethodName, ()> = names
                .iter()
                .map(|name| (name.parse().unwrap(), ()))
                .collect();
            said(&all, &ORDERS, &ORDERS.methods[number]).map(|(name, ())| name.to_string())
        };
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(said(&["GET /orders/"], 0), some("GET /orders/"));
        let both = ["GET /orders", "GET /orders/"];
        assert_eq!(said(&both, 0), some("GET /orders"));
        assert_eq!(said(&["GET /lines/"], 1), None);
        assert_eq!(said(&["GET /lines/"], 2), some("GET /lines/"));
        assert_eq!(said(&["GET /lines"], 2), None);
        assert_eq!(said(&["GET /"], 3), some("GET /"));
        assert_eq!(said(&["POST /orders/"], 0), None);
        assert_eq!(names(&ORDERS).len(), 5, "and no two slashes");
    }
}
