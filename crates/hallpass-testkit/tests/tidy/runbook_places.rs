//! What the runbook calls units, deployments and files of a package and of Kubernetes is what they are called there.

use std::collections::BTreeSet;

use crate::assert_tidy;
use crate::tree;

const PAGES: [&str; 2] = ["docs/runbook.md", "docs/zh-CN/runbook.md"];

#[test]
fn units_deployments_and_files_of_the_runbook_are_those_that_we_ship() {
    let deployed = tree::files(&[".yaml", ".service"]).unwrap();
    let deployed = deployed.iter().filter(|it| it.path.starts_with("deploy/"));
    let deployed: Vec<_> = deployed.map(|it| (it.path.as_str(), &*it.text)).collect();
    let mut problems = Vec::new();
    for page in PAGES {
        let text = tree::file(page).unwrap().text;
        let table: Vec<_> = text.lines().filter(|line| line.starts_with("| ")).collect();
        let named = names(&table.join("\n"));
        assert!(named.len() >= 6, "{page}: {named:?}");
        let missing = missing(named, &deployed).into_iter();
        problems.extend(missing.map(|name| format!("{page}: {name}")));
    }
    assert_tidy(&problems);
}

#[test]
fn what_is_called_otherwise_is_found() {
    let unit = (
        "deploy/systemd/a.service",
        "ExecStart=x --config /etc/hallpass/a.yaml\n",
    );
    let pod = (
        "deploy/kubernetes/a/deployment.yaml",
        "kind: Deployment\nmetadata:\n  name: a\n",
    );
    let of = |text: &str| missing(names(text), &[unit, pod]);
    assert!(of("`systemctl stop a` `-n x deploy/a --` `/etc/hallpass/a.yaml`").is_empty());
    assert_eq!(
        of("`systemctl stop b`, `journalctl -u c`, `exec deploy/d`, `/etc/hallpass/e.yaml`"),
        ["/etc/hallpass/e.yaml", "b.service", "c.service", "deploy/d"]
    );
}

/// Units (with their ending), deployments (`deploy/NAME`) and configurations that code in a text names.
fn names(text: &str) -> BTreeSet<String> {
    let code = text.split('`').skip(1).step_by(2);
    let mut names = BTreeSet::new();
    for code in code {
        let words: Vec<_> = code.split_whitespace().collect();
        let unit = match words.as_slice() {
            ["systemctl", _, unit] | ["journalctl", "-u", unit, ..] => {
                Some(format!("{unit}.service"))
            }
            _ => None,
        };
        names.extend(unit);
        // `deploy/kubernetes` alone is a folder.
        let in_command = words.iter().skip(1);
        let deployments = in_command.filter(|word| word.starts_with("deploy/"));
        names.extend(deployments.map(|word| (*word).to_owned()));
        let files = words
            .iter()
            .filter(|word| word.starts_with("/etc/hallpass/"));
        names.extend(files.map(|word| (*word).to_owned()));
    }
    names
}

/// Those that no file of `deployed` (path, text) has.
fn missing(named: BTreeSet<String>, deployed: &[(&str, &str)]) -> Vec<String> {
    let has = |name: &str| match name.strip_prefix("deploy/") {
        Some(deployment) => deployed.iter().any(|(path, text)| {
            let own = format!("\n  name: {deployment}\n");
            path.ends_with("/deployment.yaml") && text.contains(&own)
        }),
        None if name.ends_with(".service") => {
            let unit = format!("deploy/systemd/{name}");
            deployed.iter().any(|(path, _)| *path == unit)
        }
        // What follows `@` of a unit stands where it is used.
        None => {
            let file = name.replace("NAME", "%i");
            deployed.iter().any(|(_, text)| text.contains(&file))
        }
    };
    named.into_iter().filter(|name| !has(name)).collect()
}
