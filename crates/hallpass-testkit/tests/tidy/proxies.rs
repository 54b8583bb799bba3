//! What proxies are told of the header of the tenant: every form and file that is copied from here has it in both directions.

use crate::assert_tidy;
use crate::tree;

/// The header of `context.tenant`, as the forms and files have it.
const TENANT: &str = "x-tenant-id";

/// Where a form or file names headers: what the list begins with, and what it ends with.
type Lists = &'static [(&'static str, &'static str)];

/// Of the two lists: those that the question has, and those that are taken from the answer. nginx and Caddy hand every header in, and Envoy takes
/// by itself what an answer by gRPC sets.
const ENVOY: Lists = &[("allowed_headers", "]"), ("allowed_upstream_headers", "]")];
const ENVOY_BY_GRPC: Lists = &[("allowed_headers", "]")];
const NGINX: Lists = &[
    (
        "$upstream_http_x_client_id;",
        "$upstream_http_authorization",
    ),
    (
        "proxy_set_header X-Client-Id",
        "proxy_set_header Authorization",
    ),
];
const TRAEFIK: Lists = &[("authRequestHeaders", "]"), ("authResponseHeaders", "]")];
const CADDY: Lists = &[("copy_headers", "\n")];
const APISIX: Lists = &[("\"request_headers\"", "]"), ("\"upstream_headers\"", "]")];
const FILTER: Lists = &[("ASKED_WITH = ", ";"), ("FOR_SERVICE = ", ";")];

/// The forms of `docs/authz.md`, by their headings.
const FORMS: [(&str, Lists); 6] = [
    ("### Envoy", ENVOY),
    ("### nginx", NGINX),
    ("### Traefik", TRAEFIK),
    ("### Caddy", CADDY),
    ("### APISIX", APISIX),
    ("### Higress", ENVOY),
];

const FILES: [(&str, Lists); 9] = [
    ("envoy/http.yaml", ENVOY),
    ("envoy/grpc.yaml", ENVOY_BY_GRPC),
    ("nginx/nginx.conf", NGINX),
    ("traefik/routes.yaml", TRAEFIK),
    ("caddy/Caddyfile", CADDY),
    ("apisix/route.json", APISIX),
    ("higress/envoy.yaml", ENVOY),
    (
        "spring-cloud-gateway/src/main/java/hallpass/HallpassFilter.java",
        FILTER,
    ),
    ("shenyu/src/main/java/hallpass/HallpassPlugin.java", FILTER),
];

#[test]
fn each_form_of_a_proxy_hands_the_tenant_in_and_takes_it_from_the_answer() {
    let page = tree::file("docs/authz.md").unwrap().text;
    let mut problems = Vec::new();
    for (heading, lists) in FORMS {
        let form = page
            .split(heading)
            .nth(1)
            .and_then(|it| it.split("```").nth(1));
        problems.extend(unnamed(heading, form.unwrap_or_default(), lists));
    }
    for (name, lists) in FILES {
        let path = format!("deploy/proxies/{name}");
        let text = tree::file(&path).unwrap().text;
        problems.extend(unnamed(&path, &text, lists));
    }
    assert_tidy(&problems);
}

/// What has no such list is a problem too: it was renamed, and nothing would be looked at.
fn unnamed(place: &str, text: &str, lists: Lists) -> Vec<String> {
    let names = |(begin, end): &(&str, &str)| {
        let list = text.split(begin).nth(1);
        let list = list.and_then(|it| it.split(end).next());
        let list = list.unwrap_or_default().to_ascii_lowercase();
        list.replace('_', "-").contains(TENANT)
    };
    let missing = lists.iter().filter(|list| !names(list));
    missing
        .map(|(begin, _)| format!("{place}: {TENANT} is not among `{begin}`"))
        .collect()
}

#[test]
fn a_form_that_leaves_the_tenant_out_in_one_direction_is_found() {
    let whole = "\"request_headers\": [\"X-Tenant-Id\"],\n\"upstream_headers\": [\"X-User-Id\", \"X-Tenant-Id\"],";
    assert_eq!(unnamed("here", whole, APISIX), Vec::<String>::new());
    let one = whole.replace("[\"X-Tenant-Id\"]", "[\"DPoP\"]");
    let found = unnamed("here", &one, APISIX);
    assert_eq!(
        found,
        ["here: x-tenant-id is not among `\"request_headers\"`"]
    );
    assert_eq!(unnamed("here", "", APISIX).len(), 2);
}
