//! `hallpass demo`: the shop over loopback HTTP, with real tokens.

mod curl;
mod estate;
mod outage;
mod refusals;
mod steady_state;
mod story;

use std::io::{self, IsTerminal};

use clap::Args;

use crate::command::demo::estate::Estate;
use crate::output::{self, Exit, Failure};
use crate::runtime;
use crate::table::Table;

/// See it work: a shop of real services with real identities on loopback
///
/// Starts an issuer, an identity provider for customers and three services on free loopback ports,
/// lets them call one another, and shows each hop. Exits 1 when anything is not as it should be.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// End after the last table; without it everything stays up until Ctrl-C, to be called by curl.
    #[arg(long)]
    once: bool,
}

impl Demo {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        runtime::block_on(play(self.once))?
    }
}

/// What a part of the demo came to: text to show, and what was not as expected.
#[derive(Debug)]
struct Scene {
    title: &'static str,
    /// Why this is worth a look, in a sentence or two.
    caption: &'static str,
    table: Table,
    /// A closing line under the table.
    remark: Option<String>,
    unmet: Vec<String>,
}

impl Scene {
    fn new(title: &'static str, caption: &'static str, table: Table) -> Self {
        Self {
            title,
            caption,
            table,
            remark: None,
            unmet: Vec::new(),
        }
    }
}

async fn play(once: bool) -> Result<Exit, Failure> {
    let mut estate = Estate::start().await.map_err(Failure::failed)?;
    let scenes = [
        story::play(&estate).await,
        refusals::play(&estate).await,
        outage::play(&mut estate).await,
        steady_state::play(&estate).await,
    ];
    let styled = io::stdout().is_terminal();
    let mut unmet = Vec::new();
    for scene in scenes {
        let scene = scene.map_err(Failure::failed)?;
        show(&scene, styled)?;
        unmet.extend(scene.unmet);
    }
    if !unmet.is_empty() {
        for problem in &unmet {
            output::complain(problem);
        }
        return Err(Failure::failed(format_args!(
            "{} of the demo's expectations not met",
            unmet.len()
        )));
    }
    output::print_line("Everything was as it should be.")?;
    if !once {
        output::print_line(&curl::lines(&estate).map_err(Failure::failed)?)?;
        estate.stay_up().await;
    }
    estate.stop().await.map_err(Failure::failed)?;
    Ok(Exit::Ok)
}

fn show(scene: &Scene, styled: bool) -> Result<(), Failure> {
    let title = if styled {
        format!("\u{1b}[1m{}\u{1b}[0m", scene.title)
    } else {
        scene.title.to_owned()
    };
    let remark = scene
        .remark
        .as_ref()
        .map(|remark| format!("\n{remark}\n"))
        .unwrap_or_default();
    let table = scene.table.render(styled);
    output::print_line(&format!("{title}\n{}\n\n{table}{remark}", scene.caption))
}
