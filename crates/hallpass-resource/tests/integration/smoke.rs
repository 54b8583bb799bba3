//! The fuzz targets without a fuzzer: seeds, and what small damage makes of them.

use crate::damage::Damage;
use crate::entries;

const PATHS: [&str; 12] = [
    "/open",
    "/open/page",
    "/orders/7/items",
    "/orders/7",
    "/files/a/b%20c/d",
    "/internal/report",
    "/open/../orders/7",
    "/open/..;/internal/report",
    "/orders%2f7/items",
    "/files/%2e%2e/internal/report",
    "/open/%252e%252e/edit",
    "http://shop/open?x=/internal/report#y",
];

const RULES: [&str; 3] = [
    "mode: enforce\naudience: shop\njwks-url: http://127.0.0.1:1/oauth2/jwks\nroutes:\n  - { path: /whoami, rule: authenticated }\n  - path: /orders/{id}\n    methods: [GET, HEAD]\n    rule: scopes\n    all: [orders]\n",
    "routes: [{ path: /either/**, rule: scopes, any: [a, b] }]\ninternal-only: { paths: [/internal/**], scope: internal-service }\njwks-url: http://127.0.0.1:1/jwks\n",
    "jwks-url: http://127.0.0.1:1/jwks\nissuer: internal\nleeway-seconds: 10\nroutes:\n  - { path: /a/*/c, rule: internal-only, scope: x }\n",
];

fn run(entry: fn(&[u8]), seeds: &[&str], target: &str) {
    let damage = Damage::new(&[
        b"/", b"%2f", b"%2e", b"..", b"/../", b"//", b";", b"\\", b"%", b"%25", b"%00", b"{",
        b"**", b": ", b"\n", b"\xff",
    ]);
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|&seed| seed.into()).collect();
    let seeds_in = format!("{}/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    damage.run(entry, &seeds, &seeds_in);
}

#[tokio::test]
async fn the_target_for_paths_runs() {
    run(entries::path, &PATHS, "path");
}

#[tokio::test]
async fn the_target_for_rules_runs() {
    run(entries::policy, &RULES, "policy");
}
