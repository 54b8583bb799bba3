//! The package in a bare Debian, from the first installation to the purge.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::MutexGuard;

use super::made::{Made, is_installed, room, said, skip};

const NEXT: &str = "99.0.0";

/// A Debian with what is essential in it, removed at the end.
pub(super) struct Debian {
    folder: tempfile::TempDir,
    _room: MutexGuard<'static, ()>,
}

impl Debian {
    /// By the words of mmdebstrap for what is in it. `None`, said loudly, where none can be made.
    pub(super) fn bare(variant: &str) -> Option<Self> {
        let is_root = fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0);
        if !is_root || !is_installed("mmdebstrap") {
            return skip("a bare Debian needs mmdebstrap, and root");
        }
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let release = release
            .lines()
            .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
        let release = release.unwrap_or("stable").trim_matches('"');
        let room = room();
        // Where the build has its place.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut make = Command::new("mmdebstrap");
        // The executable of tests is not static; what it links is essential, but for this.
        make.args(["--mode=root", variant, "--include=passwd,libgcc-s1"]);
        make.arg(release).arg(folder.path().join("root"));
        match make.output() {
            Ok(output) if output.status.success() => Some(Self {
                folder,
                _room: room,
            }),
            Ok(output) => skip(&format!(
                "no bare Debian: {}",
                String::from_utf8_lossy(&output.stderr)
            )),
            Err(error) => skip(&format!("no bare Debian: {error}")),
        }
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder
            .path()
            .join("root")
            .join(path.trim_start_matches('/'))
    }

    fn in_it(&self, words: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(self.path("/")).args(words);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    fn says(&self, words: &[&str]) -> String {
        said(&mut self.in_it(words))
    }

    fn install(&self, package: &Path) -> Output {
        fs::copy(package, self.path("/tmp/package.deb")).unwrap();
        let install = ["dpkg", "--force-confold", "--install", "/tmp/package.deb"];
        let output = self.in_it(&install).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        fs::remove_file(self.path("/tmp/package.deb")).unwrap();
        output
    }

    /// Owner, group and mode.
    fn access(&self, path: &str) -> (String, String, u32) {
        let data = fs::metadata(self.path(path)).unwrap();
        let name = |database: &str, id: u32| {
            let line = self.says(&["getent", database, &id.to_string()]);
            line.split(':').next().unwrap().to_owned()
        };
        let mode = data.permissions().mode() & 0o7777;
        (name("passwd", data.uid()), name("group", data.gid()), mode)
    }
}

fn access(owner: &str, group: &str, mode: u32) -> (String, String, u32) {
    (owner.to_owned(), group.to_owned(), mode)
}

/// One test, since a Debian takes its time: each step begins where the one before has ended.
#[test]
fn the_package_is_installed_upgraded_removed_and_purged() {
    let made = Made::get();
    let Some(package) = made.package() else {
        return;
    };
    let Some(debian) = Debian::bare("--variant=essential") else {
        return;
    };

    installs(&debian, &package);
    let next = Made::anew("next", &["--without-sbom", "--package-version", NEXT]);
    upgrades(&debian, &next.package().unwrap());
    fs::remove_dir_all(&next.folder).unwrap();
    removes(&debian, &package);
    purges(&debian);
}

fn installs(debian: &Debian, package: &Path) {
    debian.install(package);
    let version = debian.says(&["hallpass", "--version"]);
    assert!(
        version.starts_with(concat!("hallpass ", env!("CARGO_PKG_VERSION"), "\ncommit ")),
        "{version}"
    );
    let user = debian.says(&["getent", "passwd", "hallpass"]);
    assert!(
        user.trim()
            .ends_with(":/var/lib/hallpass:/usr/sbin/nologin"),
        "{user}"
    );
    assert_eq!(
        debian.access("/usr/bin/hallpass"),
        access("root", "root", 0o755)
    );
    assert_eq!(
        debian.access("/etc/hallpass"),
        access("root", "hallpass", 0o750)
    );
    assert_eq!(
        debian.access("/etc/hallpass/issuer.yaml"),
        access("root", "root", 0o644)
    );
    assert_eq!(
        debian.access("/var/lib/hallpass"),
        access("hallpass", "hallpass", 0o700)
    );
    // What the unit's user does: he reads the configuration, and keeps a client in the store.
    let as_user = "exec setpriv --reuid=hallpass --regid=hallpass --init-groups \"$@\"";
    let client =
        "hallpass: { issuer: { clients: [{ client-id: first, audiences: [service-system] }] } }";
    fs::write(debian.path("/tmp/client.yaml"), client).unwrap();
    let words =
        "hallpass client add --from-file /tmp/client.yaml --config /etc/hallpass/issuer.yaml";
    let add: Vec<_> = words.split(' ').collect();
    debian.says(&[&["sh", "-c", as_user, "sh"][..], &add].concat());
    assert_eq!(
        debian.access("/var/lib/hallpass/hallpass.db"),
        access("hallpass", "hallpass", 0o600)
    );
    // Nobody else reads it.
    let nobody =
        "exec setpriv --reuid=nobody --regid=nogroup --clear-groups cat /etc/hallpass/issuer.yaml";
    assert!(
        !debian
            .in_it(&["sh", "-c", nobody])
            .output()
            .unwrap()
            .status
            .success()
    );
    let verified = debian.says(&["dpkg", "--verify", "hallpass"]);
    assert_eq!(verified, "");
}

fn upgrades(debian: &Debian, next: &Path) {
    let (issuer, mine) = (
        debian.path("/etc/hallpass/issuer.yaml"),
        "# mine\nhallpass: { issuer: { name: mine } }\n",
    );
    fs::write(&issuer, mine).unwrap();
    fs::remove_file(debian.path("/etc/hallpass/sidecar.yaml")).unwrap();
    // The administrator has let others in: that is not taken back.
    fs::set_permissions(
        debian.path("/etc/hallpass"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    debian.install(next);
    let status = debian.says(&[
        "dpkg-query",
        "--show",
        "--showformat=${Status} ${Version}",
        "hallpass",
    ]);
    assert_eq!(status, format!("install ok installed {NEXT}"));
    assert_eq!(fs::read_to_string(&issuer).unwrap(), mine);
    assert!(
        !debian.path("/etc/hallpass/sidecar.yaml").exists(),
        "what was deleted stays so"
    );
    assert_eq!(
        debian.access("/etc/hallpass"),
        access("root", "hallpass", 0o755)
    );
    assert!(debian.path("/var/lib/hallpass/hallpass.db").exists());
}

fn removes(debian: &Debian, package: &Path) {
    debian.says(&["dpkg", "--remove", "hallpass"]);
    assert!(!debian.path("/usr/bin/hallpass").exists());
    assert!(
        !debian
            .path("/usr/lib/systemd/system/hallpass-issuer.service")
            .exists()
    );
    assert!(debian.path("/etc/hallpass/issuer.yaml").exists());
    assert!(debian.path("/var/lib/hallpass/hallpass.db").exists());
    debian.says(&["getent", "passwd", "hallpass"]);
    // Installed again, it has its data and its configuration.
    debian.install(package);
    let issuer = fs::read_to_string(debian.path("/etc/hallpass/issuer.yaml")).unwrap();
    assert!(issuer.starts_with("# mine"), "{issuer}");
    assert_eq!(
        debian.access("/var/lib/hallpass/hallpass.db"),
        access("hallpass", "hallpass", 0o600)
    );
}

fn purges(debian: &Debian) {
    let key = debian.path("/etc/hallpass/seal.key");
    fs::write(&key, "a key that an administrator has put there").unwrap();
    let number = fs::metadata(debian.path("/etc/hallpass")).unwrap().gid();
    debian.says(&["dpkg", "--purge", "hallpass"]);
    for gone in [
        "/etc/hallpass/issuer.yaml",
        "/var/lib/hallpass",
        "/usr/share/doc/hallpass",
    ] {
        assert!(!debian.path(gone).exists(), "{gone}");
    }
    let user = debian
        .in_it(&["getent", "passwd", "hallpass"])
        .output()
        .unwrap();
    assert!(!user.status.success(), "{user:?}");
    // It stays, and whoever gets the number of the group next does not read it.
    assert!(key.exists());
    assert_ne!(
        fs::metadata(debian.path("/etc/hallpass")).unwrap().gid(),
        number
    );
    let query = debian
        .in_it(&["dpkg-query", "--show", "hallpass"])
        .output()
        .unwrap();
    assert!(!query.status.success(), "{query:?}");
}
