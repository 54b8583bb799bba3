//! The fuzz targets without a fuzzer: seeds, and what small damage makes of them.

use crate::entries;

/// Damaged copies of each seed.
const MUTATIONS: u32 = 300;

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

/// A small generator (splitmix64) with a fixed start: the same inputs in every run.
struct Damage(u64);

impl Damage {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit.max(1) as u64).unwrap()
    }

    fn of(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let inserted: [&[u8]; 16] = [
                b"/", b"%2f", b"%2e", b"..", b"/../", b"//", b";", b"\\", b"%", b"%25", b"%00",
                b"{", b"**", b": ", b"\n", b"\xff",
            ];
            match self.below(4) {
                0 if at < bytes.len() => drop(bytes.remove(at)),
                1 => bytes.truncate(at.max(1)),
                2 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                _ => {
                    let insertion = inserted[self.below(inserted.len())];
                    drop(bytes.splice(at..at, insertion.iter().copied()));
                }
            }
        }
        bytes
    }
}

fn run(entry: fn(&[u8]), seeds: &[&str]) {
    let mut damage = Damage(1);
    for seed in seeds {
        entry(seed.as_bytes());
        for _ in 0..MUTATIONS {
            entry(&damage.of(seed.as_bytes()));
        }
    }
}

#[tokio::test]
async fn the_target_for_paths_runs() {
    run(entries::path, &PATHS);
}

#[tokio::test]
async fn the_target_for_rules_runs() {
    run(entries::policy, &RULES);
}
