//! Claims of a wrong type, missing, for somebody else, or at another time; signed well, all of them.

use serde_json::{Value, json};

use crate::case::{Case, Expected, with_token};
use crate::forge::Forge;
use crate::rig::Rig;

pub(crate) fn cases(rig: &Rig) -> Vec<Case> {
    let mut cases = names(&rig.forge);
    cases.extend(audiences(&rig.forge));
    cases.extend(times(&rig.forge));
    cases.extend(bindings(&rig.forge));
    cases.extend(duplicates(&rig.forge));
    cases.extend(not_enough(&rig.forge));
    cases
}

fn of(forge: &Forge, claim: &'static str, values: Vec<Option<Value>>) -> Vec<Case> {
    let case = |value: Option<Value>| {
        let shown = value
            .as_ref()
            .map_or("missing".to_owned(), Value::to_string);
        let shown: String = shown.chars().take(60).collect();
        Case::bad_token(format!("{claim} {shown}"), &forge.with_claim(claim, value))
    };
    values.into_iter().map(case).collect()
}

/// Types that no text has.
fn no_text(own: &str) -> Vec<Option<Value>> {
    [
        json!(null),
        json!(1),
        json!(true),
        json!([]),
        json!({}),
        json!([own]),
    ]
    .map(Some)
    .to_vec()
}

pub(crate) fn names(forge: &Forge) -> Vec<Case> {
    let mut issuers = no_text("internal");
    issuers.push(None);
    for other in [
        "",
        "Internal",
        "internal ",
        "internal/",
        " internal",
        "internal\u{0}",
        "evil",
        "ïnternal",
    ] {
        issuers.push(Some(json!(other)));
    }
    let mut subjects = no_text("alice");
    subjects.extend([None, Some(json!(""))]);
    let mut cases = of(forge, "iss", issuers);
    cases.extend(of(forge, "sub", subjects));
    let others = |own| {
        no_text(own)
            .into_iter()
            .filter(|value| *value != Some(json!(null)))
            .collect()
    };
    for (claim, own) in [
        ("jti", "7"),
        ("client_id", "order-service"),
        ("scope", "orders"),
    ] {
        let values: Vec<Option<Value>> = others(own);
        // A list of scopes is what some products write, and is read as such.
        let values = values
            .into_iter()
            .filter(|value| claim != "scope" || !value.as_ref().is_some_and(Value::is_array));
        cases.extend(of(forge, claim, values.collect()));
    }
    cases
}

pub(crate) fn audiences(forge: &Forge) -> Vec<Case> {
    let mut values = vec![None];
    values.extend(
        [
            json!(null),
            json!(1),
            json!(true),
            json!([]),
            json!({}),
            json!(""),
            json!("other"),
            json!("Service-System"),
            json!("service-system "),
            json!("service-system/"),
            json!("service-system,other"),
            json!("service-system other"),
            json!("service-syste"),
            json!("*"),
            json!(["other"]),
            json!([1]),
            json!([["service-system"]]),
            json!(["service-system", 1]),
            json!({ "0": "service-system" }),
        ]
        .map(Some),
    );
    of(forge, "aud", values)
}

pub(crate) fn times(forge: &Forge) -> Vec<Case> {
    let now = forge.now();
    let no_number = |own: u64| {
        [
            json!(null),
            json!(true),
            json!([]),
            json!({}),
            json!([own]),
            json!(own.to_string()),
            json!(""),
        ]
        .map(Some)
    };
    let mut ends = no_number(now + 600).to_vec();
    ends.extend([
        None,
        Some(json!(0)),
        Some(json!(-1)),
        Some(json!(now - 3_600)),
        Some(json!(now - 60)),
        Some(json!(-1e300)),
    ]);
    let mut begins = no_number(now - 60).to_vec();
    begins.retain(|value| *value != Some(json!(null)));
    begins.extend([
        Some(json!(now + 120)),
        Some(json!(now + 1_000_000)),
        Some(json!(1e300)),
    ]);
    let mut cases = of(forge, "exp", ends);
    cases.extend(of(forge, "nbf", begins));
    let mut made = no_number(now).to_vec();
    made.retain(|value| *value != Some(json!(null)));
    cases.extend(of(forge, "iat", made));
    for text in [
        "1e400",
        "NaN",
        "Infinity",
        "0x7fffffff",
        "1_900_000_000",
        "+1900000000",
        "01900000000",
    ] {
        let claims = forge.claims().to_string();
        let end = format!("\"exp\":{}", now + 600);
        assert!(claims.contains(&end));
        let claims = claims.replace(&end, &format!("\"exp\":{text}"));
        let token = forge.raw(&forge.header().to_string(), &claims);
        cases.push(Case::bad_token(
            format!("exp {text}, which JSON has not"),
            &token,
        ));
    }
    cases
}

/// Tokens that are somebody's, or in somebody's name, in ways that cannot be checked here.
pub(crate) fn bindings(forge: &Forge) -> Vec<Case> {
    let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let mut cases = of(
        forge,
        "cnf",
        [
            json!({}),
            json!({ "jkt": thumbprint }),
            json!({ "jkt": thumbprint, "x5t#S256": thumbprint }),
            json!({ "x5t#S256": thumbprint }),
            json!({ "jwk": {} }),
            json!({ "kid": "7" }),
            json!({ "unknown": 1 }),
            json!("text"),
            json!(1),
            json!([]),
        ]
        .map(Some)
        .to_vec(),
    );
    let mut deep = json!({ "sub": "actor" });
    for _ in 0..64 {
        deep = json!({ "sub": "actor", "act": deep });
    }
    let actors = [
        json!("order-service"),
        json!(1),
        json!(true),
        json!([]),
        json!({ "sub": 1 }),
        json!({ "sub": ["a"] }),
        deep,
    ];
    cases.extend(of(forge, "act", actors.map(Some).to_vec()));
    cases
}

/// Two members of one name: two readers may take different ones (RFC 8725 section 2.4 and RFC 7519 section 4).
pub(crate) fn duplicates(forge: &Forge) -> Vec<Case> {
    let (header, claims) = (forge.header().to_string(), forge.claims().to_string());
    let mut cases = Vec::new();
    for first in [
        "\"sub\":\"root\"",
        "\"iss\":\"evil\"",
        "\"aud\":\"other\"",
        "\"exp\":1",
        "\"scope\":\"admin\"",
        "\"client_id\":\"other\"",
        "\"\\u0073ub\":\"root\"",
        "\"su\\u0062\":\"root\"",
    ] {
        let doubled = claims.replacen('{', &format!("{{{first},"), 1);
        cases.push(Case::bad_token(
            format!("{first} before the other"),
            &forge.raw(&header, &doubled),
        ));
        let doubled = format!("{},{first}}}", claims.trim_end_matches('}'));
        cases.push(Case::bad_token(
            format!("{first} after the other"),
            &forge.raw(&header, &doubled),
        ));
    }
    for first in [
        "\"alg\":\"none\"",
        "\"typ\":\"JWT\"",
        "\"kid\":\"nobody\"",
        "\"\\u0061lg\":\"none\"",
    ] {
        let doubled = header.replacen('{', &format!("{{{first},"), 1);
        cases.push(Case::bad_token(
            format!("{first} twice in the header"),
            &forge.raw(&doubled, &claims),
        ));
    }
    cases
}

/// Valid, and not enough for the route.
pub(crate) fn not_enough(forge: &Forge) -> Vec<Case> {
    let mut cases = Vec::new();
    let narrow = Expected::Refused(403, "insufficient_scope");
    for scope in [
        "",
        "order",
        "orders2",
        "Orders",
        "ORDERS",
        "orders:read",
        "orders.read",
        "order s",
        "xorders",
        "*",
        "admin",
    ] {
        let token = forge.with_claim("scope", Some(json!(scope)));
        cases.push(Case::new(
            format!("scope {scope:?}"),
            with_token("GET /orders/7", &token),
            narrow,
        ));
    }
    let without = forge.with_claim("scope", None);
    cases.push(Case::new(
        "no scope",
        with_token("GET /orders/7", &without),
        narrow,
    ));
    cases.push(Case::new(
        "none of two scopes",
        with_token("GET /either", &forge.good()),
        narrow,
    ));
    cases.push(Case::new(
        "no rule",
        with_token("GET /elsewhere", &forge.good()),
        narrow,
    ));
    cases.push(Case::new(
        "another method",
        with_token("PUT /orders/7", &forge.good()),
        narrow,
    ));
    let internal = Expected::Refused(403, "service_required");
    for path in ["/internal/report", "/internal", "/internal/a/b/c"] {
        cases.push(Case::new(
            format!("a user at {path}"),
            with_token(&format!("GET {path}"), &forge.good()),
            internal,
        ));
        let scope = forge.with_claim("scope", Some(json!("internal-service")));
        cases.push(Case::new(
            format!("a user with the scope at {path}"),
            with_token(&format!("GET {path}"), &scope),
            internal,
        ));
    }
    cases.extend(demands(forge));
    cases
}

/// Valid, and without what the rule demands beside an identity.
fn demands(forge: &Forge) -> Vec<Case> {
    let mut cases = Vec::new();
    for (path, code, claim, values) in [
        (
            "/reports",
            "role_required",
            "roles",
            vec![
                json!(["auditor"]),
                json!(["AUDIT"]),
                json!([]),
                json!("audi"),
                json!({ "0": "audit" }),
            ],
        ),
        (
            "/tenants/acme",
            "claim_not_allowed",
            "tenant",
            vec![
                json!("acme2"),
                json!("Acme"),
                json!("acm"),
                json!(["other"]),
                json!(1),
                json!(null),
            ],
        ),
        (
            "/orders/7/address",
            "actor_not_allowed",
            "act",
            vec![
                json!({ "sub": "order-service" }),
                json!({ "sub": "x", "act": { "sub": "billing-service" } }),
            ],
        ),
        (
            "/hosted",
            "insufficient_scope",
            "host",
            vec![json!("other.example")],
        ),
    ] {
        for value in values {
            let token = forge.with_claim(claim, Some(value.clone()));
            let bytes = with_token(&format!("GET {path}"), &token);
            cases.push(Case::new(
                format!("{path} with {claim} {value}"),
                bytes,
                Expected::Refused(403, code),
            ));
        }
    }
    cases.push(Case::new(
        "a user at /stock",
        with_token("GET /stock", &forge.good()),
        Expected::Refused(403, "service_required"),
    ));
    cases
}
