//! What stands on a page as YAML is a configuration that loads, and so is what earlier versions took (`tests/golden`).

use std::fs;
use std::path::{Path, PathBuf};

use crate::pages::named::pages;
use crate::pages::shown::blocks;
use crate::process::{command, run};

/// Blocks that are no configuration by themselves: the page, how the block begins, and what is done with it.
#[rustfmt::skip]
const SPECIAL: &[(&str, &str, How)] = &[
    ("docs/api.md", "issuer:", How::Elsewhere("all of the page together are the issuer that its requests go to: api_page.rs")),
    ("docs/authz.md", "http_filters:", How::Elsewhere("Envoy: tests/proxies run deploy/proxies")),
    ("docs/authz.md", "      grpc_service:", How::Elsewhere("Envoy: tests/proxies run deploy/proxies")),
    ("docs/authz.md", "http:", How::Elsewhere("Traefik: tests/proxies run deploy/proxies")),
    ("docs/authz.md", "http_service:", How::Elsewhere("Higress: tests/proxies run deploy/proxies")),
    ("docs/certificates.md", "resources:", How::Elsewhere("a secret of Envoy: mutual_tls.rs of tests/proxies")),
    ("docs/clients.md", "- client-id: order-service", How::Add),
    ("docs/gateway.md", "gateway:\n  rates:", How::With("redis: { host: 127.0.0.1 }")),
    ("docs/install.md", "hallpass:\n  issuer:\n    clients:", How::Add),
    ("docs/kubernetes.md", "apiVersion: v1", How::Elsewhere("objects of Kubernetes")),
    ("docs/migration-from-spring.md", "own-tokens-by:", How::Elsewhere("a document of a Spring service: estate.rs of tests/spring")),
    ("docs/migration-from-spring.md", "spring.security.oauth2.client:", How::Elsewhere("a Spring client: tests/spring")),
    ("docs/operations.md", "hallpass:\n  issuer:\n    clients:\n      - client-id: batch", How::Add),
    ("docs/operations.md", "hallpass:\n  issuer:\n    clients:\n      - client-id: report", How::Add),
    ("docs/operations.md", "hallpass:\n  sealing:", How::Elsewhere("a sealed secret that is cut short: client_hash.rs seals and opens one")),
    ("docs/resilience.md", "spring.cloud.openfeign", How::With("")),
    ("docs/roll-out.md", "# below hallpass.security.internal-jwt", How::Below("security:\n  internal-jwt:\n      jwks-url: https://auth.example/oauth2/jwks\n      audience: order-service")),
    ("docs/runbook.md", "hallpass:\n  issuer:\n    clients:", How::Elsewhere("a client with a certificate of the page's issuer: pages.rs adds it there")),
    ("docs/sidecar.md", "apiVersion: v1", How::Elsewhere("an object of Kubernetes: sidecar.rs reads it")),
    ("docs/sidecar.md", "services:", How::Elsewhere("Docker Compose: sidecar.rs reads it")),
];
const SECTIONS: [&str; 3] = ["gateway:", "issuer:", "security:"];
/// Variables that pages fill in.
const VARIABLES: [&str; 11] = [
    "ALICE_SECRET",
    "CLIENT_SECRET",
    "EDGE_SECRET",
    "GATEWAY_SECRET",
    "ORDER_SECRET",
    "ORDER_SERVICE_SECRET",
    "ORDERS_SECRET",
    "REPORT_SECRET",
    "SHOP_SECRET",
    "STOCK_SECRET",
    "WAREHOUSE_SECRET",
];
const FEWEST: usize = 60;

enum How {
    /// It is a client, for `hallpass client add`.
    Add,
    /// It needs this section beside it.
    With(&'static str),
    /// It stands below this, in the page's own indentation.
    Below(&'static str),
    /// Something else holds it, or nobody can here.
    Elsewhere(&'static str),
}

#[test]
fn each_yaml_of_a_page_is_a_configuration_that_loads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = Files::new();
    let (mut problems, mut number) = (Vec::new(), 0);
    let mut unused: Vec<_> = SPECIAL
        .iter()
        .map(|(page, begin, _)| (*page, *begin))
        .collect();
    for path in pages(&root) {
        let name = path
            .strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let text = fs::read_to_string(&path).unwrap();
        // A Chinese page shows what its English one shows.
        let english = name.replace("zh-CN/", "");
        for block in blocks(&text)
            .iter()
            .filter(|block| block.language == "yaml")
        {
            number += 1;
            let is_it =
                |(page, begin): &(&str, &str)| *page == english && block.text.starts_with(begin);
            let special = SPECIAL
                .iter()
                .find(|(page, begin, _)| is_it(&(page, begin)));
            unused.retain(|row| !is_it(row));
            let problem = files.problem(&block.text, special.map(|(.., how)| how));
            problems.extend(problem.map(|problem| format!("{name}:{}: {problem}", block.line)));
        }
    }
    problems.extend(
        unused
            .iter()
            .map(|(page, begin)| format!("{page}: no block begins with {begin:?} any more")),
    );
    assert!(number > FEWEST, "{number} blocks");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn each_configuration_that_an_earlier_version_took_still_loads() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let files = Files::new();
    let (mut problems, mut versions) = (Vec::new(), 0);
    for entry in fs::read_dir(golden).unwrap().map(Result::unwrap) {
        let Ok(text) = fs::read_to_string(entry.path().join("configurations.yaml")) else {
            continue;
        };
        versions += 1;
        let version = entry.file_name().into_string().unwrap();
        let each: Vec<_> = text.split("--- # ").skip(1).collect();
        assert!(each.len() > FEWEST, "{version}: {}", each.len());
        for one in each {
            let (name, text) = one.split_once('\n').unwrap();
            let problem = files.problem(text, None);
            problems.extend(problem.map(|problem| format!("{version}: {name}: {problem}")));
        }
    }
    assert!(versions > 0);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_configuration_that_does_not_load_is_found() {
    let files = Files::new();
    assert_eq!(
        files.problem(
            "hallpass:\n  feign: { defaults: { deadline-ms: 9 } }\n",
            None
        ),
        None
    );
    for bad in [
        "hallpass:\n  fein: {}\n",
        "gateway:\n  rate: []\n",
        "a: b\n",
    ] {
        assert!(files.problem(bad, None).is_some(), "{bad}");
    }
}

/// What configurations name.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("secret", "a-secret-of-forty-characters-for-a-page-");
        write(
            "token",
            "eyJhbGciOiJFUzI1NiJ9.eyJleHAiOjk5OTk5OTk5OTl9.AAAA",
        );
        write(
            "key.pem",
            include_str!("../../../../hallpass-issuer/tests/integration/data/ec-p256.pem"),
        );
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Why it is none.
    fn problem(&self, text: &str, special: Option<&How>) -> Option<String> {
        let below_root = |text: &str| -> String {
            let lines = text.lines().map(|line| format!("  {line}\n"));
            format!("hallpass:\n{}", lines.collect::<String>())
        };
        let is_section = SECTIONS.iter().any(|section| text.starts_with(section));
        let text = match special {
            Some(How::Elsewhere(why)) => {
                assert!(!why.is_empty());
                return None;
            }
            Some(How::Add) => return self.problem_of_client(text),
            Some(How::With(section)) if is_section => below_root(&format!("{text}{section}\n")),
            Some(How::With(section)) => format!("{text}hallpass:\n  {section}\n"),
            Some(How::Below(parents)) => below_root(&format!("{parents}\n{text}")),
            None if is_section => below_root(text),
            None => text.to_owned(),
        };
        let file = self.path("page.yaml");
        fs::write(&file, self.with_files(&text)).unwrap();
        let mut check = command(&["config", "check", file.to_str().unwrap()]);
        check.envs(VARIABLES.map(|name| (name, "a-secret-of-forty-characters-for-a-page-")));
        let output = check.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        (!output.status.success()).then(|| said.into_owned())
    }

    fn problem_of_client(&self, text: &str) -> Option<String> {
        let (file, store) = (self.path("client.yaml"), self.path("issuer.db"));
        fs::write(&file, text).unwrap();
        let _none_of_before = fs::remove_file(&store);
        let (file, store) = (file.to_str().unwrap(), store.to_str().unwrap());
        let added = run(&["client", "add", "--from-file", file, "--store", store]);
        (added.code != 0).then_some(added.stderr)
    }

    /// The same with files that are there.
    fn with_files(&self, text: &str) -> String {
        let lines = text.lines().map(|line| {
            let mut changed = String::new();
            let mut rest = line;
            while let Some((before, after)) = rest.split_once("-file: ") {
                let end = after.find([',', ' ', '}']).unwrap_or(after.len());
                let is_alone = before.trim() == "private-key";
                let name = match before.rsplit([' ', '{']).next().unwrap_or_default() {
                    "private-key" if is_alone => "key.pem",
                    "client-assertion" => "token",
                    _ => "secret",
                };
                changed.push_str(&format!("{before}-file: '{}'", self.path(name).display()));
                rest = &after[end..];
            }
            format!("{changed}{rest}\n")
        });
        lines.collect()
    }
}
