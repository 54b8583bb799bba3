//! The documents of the estate in Nacos, as the guide shows them.

use hallpass::nacos::NacosDocuments;

use crate::guide_block;
use crate::nacos::NacosServer;
use crate::nacos::config::publish;

pub(super) const STOCK: &str = "estate-stock.yaml";
pub(super) const ORDERS: &str = "estate-orders.yaml";
pub(super) const EDGE: &str = "estate-edge.yaml";

/// What documents name.
pub(super) const SECRETS: [(&str, &str); 2] = [
    ("EDGE_SECRET", "secret-of-edge"),
    ("ORDERS_SECRET", "secret-of-orders"),
];

pub(super) fn secret_of(client: &str) -> String {
    format!("secret-of-{client}")
}

/// The blocks of the guide, with the addresses of these issuers.
pub(super) struct Documents {
    nacos: NacosDocuments,
    old: String,
    new: String,
}

impl Documents {
    pub(super) fn new(nacos: &NacosServer, old: &str, new: &str) -> Self {
        Self {
            nacos: NacosDocuments::connect(&nacos.parts()).unwrap(),
            old: old.to_owned(),
            new: new.to_owned(),
        }
    }

    pub(super) fn old(&self) -> &str {
        &self.old
    }

    pub(super) fn new_one(&self) -> &str {
        &self.new
    }

    pub(super) async fn stock_trusts(&self, trusted: &[&str]) {
        let text = self.block("### What a service here needs to be moved");
        publish(&self.nacos, STOCK, &trusting(&text, trusted)).await;
    }

    pub(super) async fn orders(&self, own_tokens_by: &str, trusted: &[&str]) {
        let text = self.block("The whole program is `tests/spring/feign-service`");
        let by = "own-tokens-by: login";
        assert!(text.contains(by), "{text}");
        let text = text.replace(by, &format!("own-tokens-by: {own_tokens_by}"));
        publish(&self.nacos, ORDERS, &trusting(&text, trusted)).await;
    }

    pub(super) async fn edge_asks(&self, issuer: &str) {
        let text = self.block("`edge`, as a caller");
        let text = text.replace(&self.old, issuer);
        publish(&self.nacos, EDGE, &text).await;
    }

    fn block(&self, heading: &str) -> String {
        let text = guide_block(heading);
        assert!(text.contains("https://login.example"), "{text}");
        text.replace("https://login.example", &self.old)
            .replace("https://auth.example", &self.new)
    }
}

/// The document without the lines that trust another issuer: each has a line.
fn trusting(document: &str, trusted: &[&str]) -> String {
    let stays = |line: &&str| {
        let is_of = |issuer: &&str| line.contains(&format!(" issuer: \"{issuer}\""));
        !line.contains(" issuer: ") || trusted.iter().any(is_of)
    };
    document
        .lines()
        .filter(stays)
        .fold(String::new(), |text, line| text + line + "\n")
}
