//! The site as mdBook makes it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::assert_tidy;
use crate::tree;

#[test]
fn every_link_of_the_site_leads_somewhere() {
    let Some(path) = path_with_mdbook() else {
        let line = b"\n!! SKIPPED, the site of the documentation: mdBook is not installed (CONTRIBUTING.md says how); the pages themselves are checked\n";
        // No test runner keeps back what is written there.
        let _unheard = std::io::stderr().write_all(line);
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(tree::root().join("scripts/book.sh"))
        .arg(folder.path())
        .env("PATH", path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
    let site = folder.path().join("site");
    let pages: Vec<PathBuf> = files(&site)
        .into_iter()
        .filter(|path| is_page(path))
        .collect();
    assert!(pages.len() > 40, "{}", pages.len());
    let mut problems = Vec::new();
    for page in &pages {
        let text = std::fs::read_to_string(page).unwrap();
        let name = page.strip_prefix(&site).unwrap().display();
        let broken = links(&text)
            .into_iter()
            .filter(|link| !leads_somewhere(page, link));
        problems.extend(broken.map(|link| format!("{name}: {link} leads nowhere")));
    }
    assert_tidy(&problems);
}

#[test]
fn a_link_of_a_page_that_leads_nowhere_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("a.html");
    let text = "<h2 id=\"there\"></h2><a href=\"b.html#here\">b</a><img src=\"c.png\"><a href=\"https://host.example/\">d</a>";
    std::fs::write(&page, text).unwrap();
    assert_eq!(links(text), ["b.html#here", "c.png"]);
    std::fs::write(folder.path().join("b.html"), "<p id=\"here\">").unwrap();
    assert!(leads_somewhere(&page, "b.html#here"));
    assert!(leads_somewhere(&page, "#there"));
    for bad in ["b.html#gone", "#here", "c.png", "../a.html"] {
        assert!(!leads_somewhere(&page, bad), "{bad}");
    }
}

/// The search path with mdBook in it, as it is or below the build's folder.
fn path_with_mdbook() -> Option<std::ffi::OsString> {
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mdbook/bin");
    let before = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&before).chain([built]).collect();
    let has_it = folders.iter().any(|folder| folder.join("mdbook").is_file());
    has_it.then(|| std::env::join_paths(folders).unwrap())
}

fn is_page(path: &Path) -> bool {
    let is_html = path
        .extension()
        .is_some_and(|extension| extension == "html");
    // All pages in one, whose links lead to places that it has under other names.
    is_html && !path.ends_with("print.html") && !path.ends_with("404.html")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.path().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

/// What a page links to and shows, but for other hosts.
fn links(text: &str) -> Vec<String> {
    let of = |attribute: &str| {
        let begin = format!(" {attribute}=\"");
        let rest = text.split(&begin).skip(1);
        rest.filter_map(|rest| {
            rest.split_once('"')
                .map(|(link, _)| link.replace("&amp;", "&"))
        })
        .collect::<Vec<_>>()
    };
    let all = of("href").into_iter().chain(of("src"));
    all.filter(|link| {
        !link.contains("://") && !link.starts_with("data:") && !link.starts_with("mailto:")
    })
    .filter(|link| !link.is_empty())
    .collect()
}

fn leads_somewhere(page: &Path, link: &str) -> bool {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => page.to_owned(),
        path => plain(&page.parent().unwrap().join(path)),
    };
    let target = match target.is_dir() {
        true => target.join("index.html"),
        false => target,
    };
    let Ok(text) = std::fs::read(&target) else {
        return false;
    };
    anchor.is_empty() || ids(&String::from_utf8_lossy(&text)).contains(anchor)
}

fn ids(text: &str) -> BTreeSet<String> {
    let rest = text.split(" id=\"").skip(1);
    rest.filter_map(|rest| rest.split_once('"').map(|(id, _)| id.to_owned()))
        .collect()
}

/// Without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}
