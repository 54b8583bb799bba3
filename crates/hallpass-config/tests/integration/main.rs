//! Loads whole configurations.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly too")]

mod estate;
mod foreign;
mod layers;
mod limits;
mod origins;
mod parts;
mod problems;
mod profiles;
mod sealed;
mod secrets;
mod spring;
mod trials;
mod watched;
mod yaml;

use hallpass_config::{Loader, Problems};

use estate::Settings;

/// The smallest `internal-token` section that is complete; lines may be added to it.
const TOKEN: &str = "\
hallpass:
  internal-token:
    client-id: caller
    client-secret: s3cret
    token-url: lb://service-auth/oauth2/token
";

/// A loader for `text`, with an empty environment.
fn loader(text: &str) -> Loader {
    let nothing: [(&str, &str); 0] = [];
    Loader::new("hallpass")
        .text("test.yaml", text)
        .environment(nothing)
}

fn load(text: &str) -> Settings {
    loader(text).load::<Settings>().unwrap().into_settings()
}

/// What is wrong with `text`, one problem a line, without the file's name.
fn problems(text: &str) -> Vec<String> {
    lines(&loader(text).load::<Settings>().unwrap_err())
}

fn lines(problems: &Problems) -> Vec<String> {
    let lines = problems.iter().map(ToString::to_string);
    lines
        .map(|line| line.replace("test.yaml:", "").replace("hallpass.", ""))
        .collect()
}
