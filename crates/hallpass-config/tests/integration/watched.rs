//! When a configuration is worth loading again.

use std::fs;

use hallpass_config::{Loader, WatchedLoader, YamlText};
use tempfile::TempDir;

use crate::estate::Settings;

const YAML: &str = "\
hallpass:
  internal-token:
    client-id: caller
    client-secret-file: secret
    token-url: lb://service-auth/oauth2/token
";

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.yaml"), YAML).unwrap();
    fs::write(folder.path().join("secret"), "s3cret\n").unwrap();
    folder
}

fn watched(folder: &TempDir) -> WatchedLoader {
    let file = folder.path().join("app.yaml");
    WatchedLoader::new(Loader::new("hallpass").file(file))
}

#[test]
fn a_changed_file_and_a_changed_secret_are_seen_and_the_same_content_is_no_change() {
    let folder = folder();
    let (yaml, secret) = (folder.path().join("app.yaml"), folder.path().join("secret"));
    let mut watched = watched(&folder);
    watched.load::<Settings>().unwrap();
    assert!(!watched.has_changed());
    fs::write(&yaml, YAML).unwrap();
    assert!(!watched.has_changed(), "the content counts, not the time");
    for (file, content) in [(&yaml, format!("{YAML}\n")), (&secret, "other".to_owned())] {
        fs::write(file, content).unwrap();
        assert!(watched.has_changed(), "{}", file.display());
        watched.load::<Settings>().unwrap();
        assert!(!watched.has_changed());
    }
}

#[test]
fn a_file_that_could_not_be_read_is_seen_when_it_comes() {
    let folder = folder();
    let secret = folder.path().join("secret");
    fs::remove_file(&secret).unwrap();
    let mut watched = watched(&folder);
    watched.load::<Settings>().unwrap_err();
    assert!(!watched.has_changed(), "it is as wrong as before");
    fs::write(&secret, "s3cret").unwrap();
    assert!(watched.has_changed());
    watched.load::<Settings>().unwrap();
}

#[cfg(unix)]
#[test]
fn a_swapped_link_of_a_mounted_volume_is_seen() {
    use std::os::unix::fs::symlink;
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::rename(at("app.yaml"), at("first.yaml")).unwrap();
    fs::write(at("second.yaml"), format!("{YAML}    scope: other\n")).unwrap();
    symlink("first.yaml", at("app.yaml")).unwrap();
    let mut watched = watched(&folder);
    watched.load::<Settings>().unwrap();
    symlink("second.yaml", at("new")).unwrap();
    fs::rename(at("new"), at("app.yaml")).unwrap();
    assert!(watched.has_changed());
}

#[test]
fn a_change_is_complete_when_it_stays_the_same_for_a_moment() {
    let folder = folder();
    let secret = folder.path().join("secret");
    let mut watched = watched(&folder);
    watched.load::<Settings>().unwrap();
    fs::write(&secret, "half").unwrap();
    let seen = watched.refreshed();
    fs::write(&secret, "half and half").unwrap();
    assert!(seen.has_changed());
    assert!(!seen.refreshed().has_changed());
    assert!(watched.has_changed());
}

#[test]
fn nothing_that_was_read_is_shown() {
    let folder = folder();
    let mut watched = watched(&folder);
    watched.load::<Settings>().unwrap();
    let shown = format!("{watched:?}");
    assert!(shown.contains("app.yaml"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn a_folder_in_the_place_of_a_file_is_seen_and_so_is_the_file_that_comes_back() {
    let folder = folder();
    let secret = folder.path().join("secret");
    let mut watched = watched(&folder);
    watched.load::<Settings>().unwrap();
    fs::remove_file(&secret).unwrap();
    fs::create_dir(&secret).unwrap();
    assert!(watched.has_changed());
    watched.load::<Settings>().unwrap_err();
    assert!(!watched.has_changed(), "it is as wrong as before");
    fs::remove_dir(&secret).unwrap();
    fs::write(&secret, "s3cret").unwrap();
    assert!(watched.has_changed());
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let folder = folder();
    let secret = folder.path().join("secret");
    let mut watched = watched(&folder);
    watched.load::<Settings>().unwrap();
    fs::remove_file(&secret).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&secret).status();
    assert!(made.unwrap().success());
    // Nobody ever writes to it: who opens it waits without an end.
    let (sender, seen) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let changed = watched.has_changed() || watched.refreshed().has_changed();
        sender.send((changed, watched)).unwrap();
    });
    let seen = seen.recv_timeout(std::time::Duration::from_secs(20));
    let (changed, watched) = seen.expect("it does not wait");
    assert!(!changed, "there is nothing in it to compare");
    fs::remove_file(&secret).unwrap();
    fs::write(&secret, "other").unwrap();
    assert!(watched.has_changed());
}

#[test]
fn texts_from_elsewhere_go_over_the_files_and_below_the_environment_for_one_load() {
    let folder = folder();
    let loader = Loader::new("hallpass")
        .file(folder.path().join("app.yaml"))
        .environment([("HALLPASS_INTERNAL_TOKEN_SCOPE", "of-the-environment")]);
    let mut watched = WatchedLoader::new(loader);
    let text = "hallpass: { internal-token: { client-id: elsewhere, scope: elsewhere } }";
    let texts = [YamlText::new("the server", text.into())];
    let shown = watched.load_with::<Settings>(texts).unwrap().effective();
    assert!(shown.contains("client-id: elsewhere"), "{shown}");
    assert!(shown.contains("# the server:1"), "{shown}");
    assert!(shown.contains("scope: of-the-environment"), "{shown}");
    let shown = watched.load::<Settings>().unwrap().effective();
    assert!(shown.contains("client-id: caller"), "{shown}");
}

#[cfg(unix)]
#[test]
fn what_comes_through_a_pipe_is_held_for_a_loader_that_is_asked_twice() {
    let folder = folder();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let writer = pipe.clone();
    let written = std::thread::spawn(move || fs::write(writer, YAML).unwrap());
    let loader = Loader::new("hallpass").file(pipe).hold_pipes();
    written.join().unwrap();
    for _time in 0..2 {
        // The file beside the pipe is found, so it still counts as a file.
        loader.load::<Settings>().unwrap();
    }
}

#[test]
fn a_file_that_lost_its_settings_is_refused_and_one_that_takes_them_away_is_not() {
    let folder = folder();
    let overlay = folder.path().join("overlay.yaml");
    let loader = Loader::new("hallpass").file(folder.path().join("app.yaml"));
    let mut watched = WatchedLoader::new(loader.file(&overlay));
    fs::write(&overlay, "# nothing yet\n").unwrap();
    watched.load::<Settings>().unwrap();
    fs::write(&overlay, "hallpass: { internal-token: { scope: a } }").unwrap();
    watched.load::<Settings>().unwrap();
    // The same twice, since what was refused is tried again.
    for text in ["", "", "\n# rules\n---\n", " \r\n"] {
        fs::write(&overlay, text).unwrap();
        let problems = watched.load::<Settings>().unwrap_err().to_string();
        assert!(problems.contains("overlay.yaml: is empty"), "{problems}");
    }
    fs::write(&overlay, "hallpass: {}\n").unwrap();
    watched.load::<Settings>().unwrap();
}
