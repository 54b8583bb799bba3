//! 10,000 random trees of tasks: whatever runs wherever, it never sees a neighbour's identity, tenant or tag.

use std::sync::Arc;

use hallpass_client::context::{self, scope_all};
use hallpass_token::{AccessToken, SecurityContext, TokenClaims, UnixTime, VerifiedClaims};

use http_body::{Body as HttpBody, Frame};
use rayon::{ThreadPool, ThreadPoolBuilder, Yield, yield_now};

#[path = "../../../../tests/trees/places.rs"]
mod places;
#[path = "../../../../tests/trees/tree.rs"]
mod tree;

use tree::{Random, SEVERAL, World};

const TREES: u64 = 10_000;
/// Trees at once.
const AT_ONCE: u64 = 64;

fn user(number: u8) -> SecurityContext {
    let claims = TokenClaims::new(
        "internal".parse().unwrap(),
        format!("user-{number}").parse().unwrap(),
        "order-service".parse().unwrap(),
        UnixTime::from_secs(9),
    );
    let token = AccessToken::new(format!("token-of-{number}"));
    SecurityContext::new(VerifiedClaims::dangerous_unverified(claims), token)
}

#[test]
fn in_ten_thousand_random_trees_nobody_ever_sees_a_neighbours_identity() {
    let seed = hallpass_upstream::random_below(u64::MAX);
    println!("seed {seed}");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let world = Arc::new(World {
        users: (0..SEVERAL).map(user).collect(),
        call: Box::new(|| Box::pin(async { places::look() })),
    });
    let mut places = 0;
    for first in (0..TREES).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let numbers = first..(first + AT_ONCE).min(TREES);
        let running: Vec<_> = numbers
            .map(|number| {
                let mut random = Random(seed.wrapping_add(number));
                let (here, tree) = (random.seen(), random.tree());
                let run = scope_all(world.context(here), tree.clone().run(Arc::clone(&world)));
                (number, here, tree, runtime.spawn(run))
            })
            .collect();
        for (number, here, tree, task) in running {
            let mut expected = Vec::new();
            tree.expected(here, &mut expected);
            let found = runtime.block_on(task).unwrap();
            assert_eq!(
                found, expected,
                "tree {number} of seed {seed}: {tree:#?} in {here:?}"
            );
            places += found.len();
        }
    }
    assert!(places > 20_000, "{places} places were looked at");
}
