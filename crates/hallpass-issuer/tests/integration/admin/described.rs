//! The description (OpenAPI): that it is of what is served, and that what is served is as it says.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{Rig, bearer};
use crate::harness::Response;

static DESCRIPTION: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&hallpass_issuer::admin_description()).unwrap());

const PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi-admin.json");

/// Panics unless `response` is as the description says. Every request of the tests comes through here.
pub(crate) fn check_response(method: &str, path: &str, response: &Response) {
    let path = path.split('?').next().unwrap();
    let operation = operation(method, path);
    let Some(operation) = operation else {
        assert!(
            matches!(response.status, 401 | 403 | 404 | 405 | 421),
            "{method} {path}: {response:?}"
        );
        return;
    };
    let responses = operation["responses"].as_object().unwrap();
    let described = responses.get(&response.status.to_string());
    let described = described.unwrap_or(&responses["default"]);
    assert!(
        response.status >= 400 || responses.contains_key(&response.status.to_string()),
        "{method} {path} responds with {}",
        response.status
    );
    let Some(content) = described["content"].as_object() else {
        assert_eq!(response.body, "", "{method} {path}");
        return;
    };
    let (kind, content) = content.iter().next().unwrap();
    assert_eq!(
        response.header("content-type"),
        Some(kind.as_str()),
        "{method} {path}"
    );
    check(&content["schema"], &response.json(), path);
}

/// The operation of a path as it is sent.
fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let paths = DESCRIPTION["paths"].as_object().unwrap();
    let fits = |template: &str| {
        let (wanted, sent) = (template.split('/'), path.split('/'));
        template.split('/').count() == path.split('/').count()
            && wanted
                .zip(sent)
                .all(|(wanted, sent)| wanted.starts_with('{') || wanted == sent)
    };
    // A fixed path goes before one with a name in it.
    let mut found: Vec<_> = paths
        .iter()
        .filter(|(template, _)| fits(template))
        .collect();
    found.sort_by_key(|(template, _)| template.contains('{'));
    found.first()?.1.get(method)
}

/// Panics unless `value` is as `schema` says, and has nothing that it does not name.
fn check(schema: &Value, value: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/components/schemas/").unwrap();
        return check(&DESCRIPTION["components"]["schemas"][name], value, place);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let merged = parts.iter().fold(Map::new(), |mut all, part| {
            merge(&mut all, resolved(part));
            all
        });
        return check(&Value::Object(merged), value, place);
    }
    if let Some(parts) = schema["oneOf"].as_array() {
        let part = parts.iter().find(|part| part["type"] != "null").unwrap();
        if !value.is_null() {
            check(part, value, place);
        }
        return;
    }
    let kinds = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
        other => panic!("{place}: no type but {other}"),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(kinds.contains(&kind), "{place}: {value} is no {kinds:?}");
    if let Some(one_of) = schema["enum"].as_array() {
        assert!(one_of.contains(value), "{place}: {value}");
    }
    match value {
        Value::Array(elements) => {
            for element in elements {
                check(&schema["items"], element, place);
            }
        }
        Value::Object(members) if schema["properties"].is_object() => {
            for needed in schema["required"].as_array().into_iter().flatten() {
                let needed = needed.as_str().unwrap();
                assert!(
                    members.contains_key(needed),
                    "{place}: {needed} is missing in {value}"
                );
            }
            for (name, member) in members {
                let schema = &schema["properties"][name];
                assert!(!schema.is_null(), "{place}: {name} is not described");
                check(schema, member, &format!("{place} {name}"));
            }
        }
        _ => {}
    }
}

fn resolved(schema: &Value) -> &Value {
    match schema["$ref"].as_str() {
        Some(name) => {
            let name = name.strip_prefix("#/components/schemas/").unwrap();
            &DESCRIPTION["components"]["schemas"][name]
        }
        None => schema,
    }
}

fn merge(all: &mut Map<String, Value>, part: &Value) {
    for (name, value) in part.as_object().unwrap() {
        match (all.get_mut(name), value) {
            (Some(Value::Object(all)), Value::Object(more)) => all.extend(more.clone()),
            (Some(Value::Array(all)), Value::Array(more)) => all.extend(more.clone()),
            _ => {
                all.insert(name.clone(), value.clone());
            }
        }
    }
}

#[tokio::test]
async fn the_description_that_is_served_is_the_one_in_the_documentation() {
    let rig = Rig::start().await;
    let headers = [bearer(&rig.ops().await)];
    let served = rig.raw("GET /admin/v1/openapi.json", &headers, b"").await;
    assert_eq!(served.header("content-type"), Some("application/json"));
    assert_eq!(served.body, hallpass_issuer::admin_description());
    let committed = std::fs::read_to_string(PLACE).unwrap_or_default();
    assert!(
        committed == served.body,
        "docs/openapi-admin.json is not of this code: cargo test -p hallpass-issuer --test integration -- --ignored writes_the_description_anew"
    );
}

#[test]
#[ignore = "writes docs/openapi-admin.json"]
fn writes_the_description_anew() {
    std::fs::write(PLACE, hallpass_issuer::admin_description()).unwrap();
}

/// Every path of the description responds to its methods, and to no other: there is no operation that it does not name.
#[tokio::test]
async fn every_operation_that_is_served_is_described_and_the_other_way_round() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let paths = DESCRIPTION["paths"].as_object().unwrap();
    assert!(paths.len() >= 8, "{}", paths.len());
    for (template, operations) in paths {
        let path = template
            .replace("{kid}", "x")
            .replace("{id}", "x")
            .replace("{client_id}", "x");
        let described: Vec<_> = operations.as_object().unwrap().keys().collect();
        let mut allowed = None;
        for method in ["get", "put", "post", "delete", "patch"] {
            let line = format!("{} {path}", method.to_uppercase());
            let headers = [bearer(&token), super::JSON.to_owned()];
            // A body that no operation takes: nothing is done.
            let response = rig.raw(&line, &headers, b"[]").await;
            let is_described = described.iter().any(|known| *known == method);
            assert_eq!(response.status != 405, is_described, "{line}");
            if response.status == 405 {
                allowed = response.header("allow").map(str::to_owned);
            }
        }
        let allowed = allowed.unwrap().to_lowercase();
        let mut allowed: Vec<_> = allowed.split(',').filter(|it| *it != "head").collect();
        allowed.sort_unstable();
        let mut described: Vec<_> = described.iter().map(|it| it.as_str()).collect();
        described.sort_unstable();
        assert_eq!(allowed, described, "{template}");
    }
}

#[test]
fn every_operation_says_what_it_is_and_every_member_what_it_means() {
    let paths = DESCRIPTION["paths"].as_object().unwrap();
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert!(operation["operationId"].is_string(), "{method} {path}");
            assert!(
                operation["responses"]["default"].is_object(),
                "{method} {path}"
            );
        }
    }
    let schemas = DESCRIPTION["components"]["schemas"].as_object().unwrap();
    assert!(schemas.contains_key("Problem"));
    for (name, schema) in schemas {
        assert!(schema["description"].is_string(), "{name}");
    }
}
