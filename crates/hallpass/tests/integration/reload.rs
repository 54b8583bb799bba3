//! Settings that change while the process runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hallpass::config::{Configuration, Key, Loader, Section};
use hallpass::reload::{ReloadMetrics, Reloader};
use hallpass::{BoxError, Hallpass, Settings};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;

/// Often enough for a test, and more than once while nothing changes.
const INTERVAL: Duration = Duration::from_millis(10);
/// Long enough for a slow machine; nothing waits for it unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// A reloader at work on a file of its own.
struct Rig {
    folder: TempDir,
    taken: UnboundedReceiver<Settings>,
    metrics: ReloadMetrics,
    running: JoinHandle<()>,
}

impl Rig {
    /// Looks at its file this often. Names that begin with `refused` are not taken.
    fn start(yaml: &str, interval: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hallpass.yaml");
        fs::write(&file, yaml).unwrap();
        let loader = Loader::new("hallpass").file(file);
        let mut reloader = Reloader::new(loader).unwrap().every(interval);
        reloader.load::<Settings>().unwrap();
        let metrics = reloader.metrics().clone();
        let (sender, taken) = unbounded_channel();
        let running = tokio::spawn(reloader.run(move |settings: Settings| {
            let name = settings.service.name.as_deref().unwrap_or_default();
            if name.starts_with("refused") {
                return std::future::ready(Err(BoxError::from("not this one")));
            }
            sender.send(settings).unwrap();
            std::future::ready(Ok(()))
        }));
        Self {
            folder,
            taken,
            metrics,
            running,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, yaml: &str) {
        replace(&self.file("hallpass.yaml"), yaml);
    }

    /// The next settings that are taken.
    async fn next(&mut self) -> Settings {
        let next = tokio::time::timeout(PATIENCE, self.taken.recv()).await;
        next.unwrap().unwrap()
    }

    async fn next_name(&mut self) -> String {
        self.next().await.service.name.unwrap()
    }

    fn metrics(&self) -> String {
        text(&self.metrics)
    }

    /// Waits until so many reloads have been refused.
    async fn refused(&self, times: u32) {
        let line = format!("hallpass_config_reloads_total{{result=\"refused\"}} {times}\n");
        let seen = async {
            let mut looks = tokio::time::interval(INTERVAL);
            while !self.metrics().contains(&line) {
                looks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.unwrap();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// At once: whoever looks never sees half of it.
fn replace(file: &Path, yaml: &str) {
    let new = file.with_extension("new");
    fs::write(&new, yaml).unwrap();
    fs::rename(new, file).unwrap();
}

fn text(metrics: &ReloadMetrics) -> String {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

fn named(name: &str) -> String {
    format!("hallpass: {{ service: {{ name: {name} }} }}")
}

#[tokio::test]
async fn a_changed_file_is_taken() {
    let mut rig = Rig::start(&named("one"), INTERVAL);
    // In its place. On a machine that stands still right then, nothing may be read of it at first.
    fs::write(rig.file("hallpass.yaml"), named("two")).unwrap();
    while rig.next().await.service.name.as_deref() != Some("two") {}
    // As Kubernetes does, and many editors.
    rig.write(&named("three"));
    assert_eq!(rig.next_name().await, "three");
}

#[tokio::test]
async fn a_broken_file_leaves_the_last_good_settings_and_a_mended_one_is_taken() {
    let mut rig = Rig::start(&named("one"), INTERVAL);
    rig.write("hallpass: { service: { name: ");
    rig.refused(1).await;
    // Settings that can be read and not be used are the same.
    rig.write(&named("refused-by-a-part"));
    rig.refused(2).await;
    rig.write(&named("two"));
    assert_eq!(rig.next_name().await, "two");
    assert!(rig.metrics().contains("{result=\"ok\"} 1\n"));
    // What is broken was told once a change, not once a look.
    rig.refused(2).await;
}

#[tokio::test]
async fn a_secret_in_a_file_of_its_own_is_taken() {
    let yaml = "hallpass: { internal-token: { client-id: caller, client-secret-file: secret, \
                token-url: 'http://127.0.0.1:1/token' } }";
    let mut rig = Rig::start(&named("one"), INTERVAL);
    fs::write(rig.file("secret"), "first").unwrap();
    rig.write(yaml);
    rig.next().await;
    fs::write(rig.file("secret"), "second\n").unwrap();
    let settings = rig.next().await;
    let service = settings.internal_token.token_service.unwrap();
    assert!(!format!("{service:?}").contains("second"));
}

/// In a process of its own: the signal goes to everybody in it.
#[test]
fn sighup_loads_again() {
    let test = "reload::sighup_loads_without_waiting_for_the_next_look";
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--ignored", "--exact", test]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("1 passed"), "{told}");
}

#[ignore = "run by the test above, alone in a process"]
#[tokio::test]
async fn sighup_loads_without_waiting_for_the_next_look() {
    let mut rig = Rig::start(&named("one"), Duration::from_secs(3600));
    rig.write(&named("two"));
    let kill = ["-c", r#"kill -s HUP "$0""#, &std::process::id().to_string()];
    assert!(Command::new("sh").args(kill).status().unwrap().success());
    assert_eq!(rig.next_name().await, "two");
    assert!(
        rig.metrics()
            .contains("last_reload_success_timestamp_seconds ")
    );
}

#[tokio::test(start_paused = true)]
async fn files_that_do_not_change_are_left_alone() {
    let mut rig = Rig::start(&named("one"), Duration::from_secs(5));
    let nothing = tokio::time::timeout(Duration::from_secs(60), rig.taken.recv()).await;
    assert!(nothing.is_err());
    assert!(rig.metrics().contains("{result=\"ok\"} 0\n"));
    assert!(rig.metrics().contains("{result=\"refused\"} 0\n"));
}

#[test]
fn outside_of_a_runtime_there_is_no_reloader() {
    assert!(Reloader::new(Loader::new("hallpass")).is_err());
}

#[tokio::test]
async fn a_panic_while_settings_are_taken_is_counted_though_nobody_waits_for_the_task() {
    let mut rig = Rig::start(&named("one"), INTERVAL);
    // The other end of the channel is gone: the rig panics when it takes these.
    rig.taken.close();
    rig.write(&named("two"));
    rig.refused(1).await;
}

#[tokio::test]
async fn the_first_refusal_is_an_increase() {
    let rig = Rig::start(&named("one"), INTERVAL);
    rig.refused(0).await;
}

#[tokio::test]
async fn settings_that_were_refused_are_tried_again_until_they_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hallpass.yaml");
    fs::write(&file, named("before")).unwrap();
    let loader = Loader::new("hallpass").file(&file);
    let mut reloader = Reloader::new(loader).unwrap().every(INTERVAL);
    reloader.load::<Settings>().unwrap();
    let metrics = reloader.metrics().clone();
    let (sender, mut taken) = unbounded_channel();
    let mut tries = 0;
    let running = tokio::spawn(reloader.run(move |settings: Settings| {
        tries += 1;
        if tries < 4 {
            return std::future::ready(Err(BoxError::from("the store is locked")));
        }
        sender.send(settings).unwrap();
        std::future::ready(Ok(()))
    }));
    replace(&file, &named("after"));
    let settings = tokio::time::timeout(PATIENCE, taken.recv()).await.unwrap();
    assert_eq!(settings.unwrap().service.name.as_deref(), Some("after"));
    running.abort();
    // Said and counted once, however often it was tried.
    let text = text(&metrics);
    assert!(text.contains("{result=\"refused\"} 1\n"), "{text}");
}

/// Whether [`Unreadable`] can be read.
static READABLE: AtomicBool = AtomicBool::new(false);

/// Settings that cannot be read for a while, as when too many files are open.
struct Unreadable;

impl Configuration for Unreadable {
    fn keys() -> Vec<Key> {
        Settings::keys()
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        if !READABLE.load(Ordering::Relaxed) {
            root.problem("service", "too many files are open");
            return None;
        }
        Settings::read(root).map(|_| Self)
    }
}

#[tokio::test]
async fn settings_that_could_not_be_read_are_read_again_without_another_change() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hallpass.yaml");
    fs::write(&file, named("before")).unwrap();
    let loader = Loader::new("hallpass").file(&file);
    let mut reloader = Reloader::new(loader).unwrap().every(INTERVAL);
    reloader.load::<Settings>().unwrap();
    let metrics = reloader.metrics().clone();
    let (sender, mut taken) = unbounded_channel();
    let running = tokio::spawn(reloader.run(move |_settings: Unreadable| {
        sender.send(()).unwrap();
        std::future::ready(Ok::<_, BoxError>(()))
    }));
    replace(&file, &named("after"));
    let refused = async {
        while !text(&metrics).contains("{result=\"refused\"} 1\n") {
            tokio::time::sleep(INTERVAL).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    READABLE.store(true, Ordering::Relaxed);
    let taken = tokio::time::timeout(PATIENCE, taken.recv()).await;
    assert_eq!(taken.unwrap(), Some(()));
    running.abort();
    // Said and counted once, however often it was tried.
    assert!(text(&metrics).contains("{result=\"refused\"} 1\n"));
}

#[tokio::test]
async fn no_interval_between_two_looks_is_too_long() {
    let mut rig = Rig::start("hallpass.service.name: a\n", Duration::MAX);
    tokio::select! {
        ended = &mut rig.running => panic!("{ended:?}"),
        () = tokio::time::sleep(Duration::from_millis(20)) => {}
    }
    rig.running.abort();
}

/// A source of one document that the test changes.
#[derive(Debug)]
struct Elsewhere {
    text: tokio::sync::watch::Receiver<String>,
    kept: tokio::sync::mpsc::UnboundedSender<String>,
}

impl hallpass::reload::Documents for Elsewhere {
    fn texts(&mut self) -> Vec<hallpass::config::YamlText> {
        let text = self.text.borrow_and_update().clone();
        vec![hallpass::config::YamlText::new("elsewhere", text.into())]
    }

    fn changed(&mut self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            if self.text.changed().await.is_err() {
                std::future::pending().await
            }
        })
    }

    fn keep(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        let (kept, text) = (self.kept.clone(), self.text.borrow().clone());
        Box::pin(async move { kept.send(text).unwrap() })
    }
}

#[tokio::test]
async fn a_document_that_is_no_file_is_followed_and_kept_when_it_is_good() {
    let (change, text) = tokio::sync::watch::channel(named("one"));
    let (kept, mut keeps) = unbounded_channel();
    let loader = Loader::new("hallpass").text("below", named("hidden"));
    let mut reloader = Reloader::new(loader)
        .unwrap()
        .every(Duration::from_secs(3_600))
        .documents(Elsewhere { text, kept });
    let loaded = reloader.load::<Settings>().unwrap();
    assert_eq!(loaded.settings().service.name.as_deref(), Some("one"));
    assert_eq!(keeps.recv().await.unwrap(), named("one"));
    let metrics = reloader.metrics().clone();
    let (sender, mut taken) = unbounded_channel();
    let running = tokio::spawn(reloader.run(move |settings: Settings| {
        sender.send(settings.service.name.unwrap()).unwrap();
        std::future::ready(Ok::<_, BoxError>(()))
    }));
    change.send("hallpass: { service: {".to_owned()).unwrap();
    let refused = async {
        while !self::text(&metrics).contains("{result=\"refused\"} 1") {
            tokio::time::sleep(INTERVAL).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    change.send(named("two")).unwrap();
    assert_eq!(taken.recv().await.unwrap(), "two");
    assert_eq!(
        keeps.recv().await.unwrap(),
        named("two"),
        "never the broken one"
    );
    running.abort();
}

#[tokio::test]
async fn a_file_that_comes_slowly_keeps_nothing_else_from_the_thread_of_a_service() {
    let folder = tempfile::tempdir().unwrap();
    let (file, pipe) = (folder.path().join("a.yaml"), folder.path().join("ca.pem"));
    fs::write(&file, "hallpass: {}\n").unwrap();
    let mut reloader = Reloader::new(Loader::new("hallpass").file(&file))
        .unwrap()
        .every(INTERVAL);
    let loaded = reloader.load::<Settings>().unwrap();
    let hallpass = Hallpass::from_settings(loaded.settings()).unwrap();
    let following = tokio::spawn(hallpass.follow(reloader));
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let named = format!("hallpass: {{ tls: {{ ca-file: '{}' }} }}\n", pipe.display());
    replace(&file, &named);
    // Once both ends are open it is read, for five seconds, and gets nothing.
    let open = move || (fs::File::options().write(true).open(&pipe), Instant::now());
    let opened = tokio::time::timeout(PATIENCE, spawn_blocking(open)).await;
    let (held, since) = opened.unwrap().unwrap();
    assert!(since.elapsed() < Duration::from_secs(3));
    drop(held.unwrap());
    following.abort();
}
