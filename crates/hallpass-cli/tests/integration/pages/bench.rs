//! The commands of the page about `hallpass bench`.

use std::fs;

use crate::bench::{Estate, SECRET};
use crate::gateway::Service;
use crate::pages::shown::blocks;
use crate::process::run;

const PAGE: &str = include_str!("../../../../../docs/bench.md");
const CONFIG: &str = "/etc/order-service/application.yaml";
const URL: &str = "https://orders.example/orders/1";

#[test]
fn what_the_page_about_bench_types_says_what_stands_there() {
    let (estate, service) = (Estate::start(), Service::start());
    let config = estate.path("application.yaml");
    let settings = format!(
        "hallpass: {{ internal-token: {{ client-id: web, client-secret: {SECRET}, token-url: '{}' }} }}\n",
        estate.issuer.url("/oauth2/token")
    );
    fs::write(&config, settings).unwrap();
    let blocks = blocks(PAGE);
    let of = |language: &str| {
        let mut those = blocks.iter().filter(|block| block.language == language);
        those.next().unwrap().text.clone()
    };
    let url = format!("http://{}/orders/1", service.address);
    let mut commands = 0;
    for typed in of("sh").lines() {
        let typed = typed
            .replace(CONFIG, &config)
            .replace(URL, &url)
            .replace("30s", "1s")
            // Others have the machine too: how long it takes is no matter here.
            .replace("--rate 200", "--rate 20")
            .replace("--p99-below 250", "--p99-below 60000");
        let words: Vec<&str> = typed.split(' ').collect();
        let (program, arguments) = words.split_first().unwrap();
        let outcome = run(arguments);
        assert_eq!((*program, outcome.code), ("hallpass", 0), "{outcome:?}");
        // All but the numbers.
        let words = |text: &str| {
            let word = |word: &&str| !word.starts_with(|it: char| it.is_ascii_digit());
            let words = text.split_whitespace().filter(word);
            words.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(words(&outcome.stdout), words(&of("text")), "{outcome:?}");
        commands += 1;
    }
    assert_eq!(commands, 3);
}
