//! The subcommands: one file each.

mod apply;
mod authz;
mod bench_call;
mod bench_token;
mod ca_bundle;
mod ca_distrust;
mod ca_list;
mod ca_request;
mod ca_rotate;
mod client_add;
mod client_delete;
mod client_disable;
mod client_enable;
mod client_export;
mod client_hash;
mod client_key;
mod client_list;
mod client_rotate_secret;
mod client_set;
mod client_show;
mod completions;
mod config_check;
#[cfg(feature = "nacos")]
mod config_nacos;
mod config_reference;
mod doctor;
mod gateway;
mod issuer;
mod jws_verify;
mod key_export_public;
mod key_import;
mod key_list;
mod key_rotate;
mod key_schedule;
mod key_taint;
mod man;
mod policy_edges;
mod policy_explain;
mod policy_list;
mod policy_readiness;
mod policy_source;
mod revocations;
mod revoke;
mod rollout_advance;
mod rollout_back;
mod rollout_plan;
mod rollout_status;
mod sidecar;
mod store_backup;
mod store_check;
mod store_migrate;
mod store_restore;
mod token_get;
mod token_inspect;
mod token_verify;

use clap::Subcommand;

use crate::logging::Log;
use crate::output::{Exit, Failure};

/// What `hallpass` can do. The help of each command is the documentation of its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Issuer(issuer::Issuer),
    Authz(authz::AuthzCommand),
    Gateway(gateway::GatewayCommand),
    Sidecar(sidecar::SidecarCommand),
    /// Manage the issuer's keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Manage the issuer's certificate authorities, and get certificates.
    #[command(subcommand)]
    Ca(CaCommand),
    /// Check, back up, restore and bring up to date the issuer's store.
    #[command(subcommand)]
    Store(StoreCommand),
    Revoke(revoke::Revoke),
    Revocations(revocations::Revocations),
    /// Register clients in the issuer's store, and prepare their registration.
    #[command(subcommand)]
    Client(ClientCommand),
    Apply(apply::Apply),
    /// Get, inspect and check tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Check raw signatures.
    #[command(subcommand)]
    Jws(JwsCommand),
    /// See which rules a service has, and what they decide; and who may call whom at the issuer.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Roll verification out, step by step by a plan, and back.
    #[command(subcommand)]
    Rollout(RolloutCommand),
    /// Check and explain configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    Doctor(doctor::Doctor),
    /// Load an issuer or a service at a constant rate, and measure it.
    #[command(subcommand)]
    Bench(Box<BenchCommand>),
    Completions(completions::Completions),
    Man(man::Man),
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    List(key_list::KeyList),
    Schedule(key_schedule::KeySchedule),
    Rotate(key_rotate::KeyRotate),
    Taint(key_taint::KeyTaint),
    Import(key_import::KeyImport),
    ExportPublic(key_export_public::KeyExportPublic),
}

impl KeyCommand {
    fn run(&self) -> Result<Exit, Failure> {
        match self {
            Self::List(command) => command.run(),
            Self::Schedule(command) => command.run(),
            Self::Rotate(command) => command.run(),
            Self::Taint(command) => command.run(),
            Self::Import(command) => command.run(),
            Self::ExportPublic(command) => command.run(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    Check(store_check::StoreCheck),
    Migrate(store_migrate::StoreMigrate),
    Backup(store_backup::StoreBackup),
    Restore(store_restore::StoreRestore),
}

impl StoreCommand {
    fn run(&self) -> Result<Exit, Failure> {
        match self {
            Self::Check(command) => command.run(),
            Self::Migrate(command) => command.run(),
            Self::Backup(command) => command.run(),
            Self::Restore(command) => command.run(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum CaCommand {
    Request(ca_request::CaRequest),
    List(ca_list::CaList),
    Rotate(ca_rotate::CaRotate),
    Distrust(ca_distrust::CaDistrust),
    Bundle(ca_bundle::CaBundle),
}

impl CaCommand {
    fn run(&self) -> Result<Exit, Failure> {
        match self {
            Self::Request(command) => command.run(),
            Self::List(command) => command.run(),
            Self::Rotate(command) => command.run(),
            Self::Distrust(command) => command.run(),
            Self::Bundle(command) => command.run(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    Add(client_add::ClientAdd),
    List(client_list::ClientList),
    Show(client_show::ClientShow),
    Set(client_set::ClientSet),
    RotateSecret(client_rotate_secret::ClientRotateSecret),
    Disable(client_disable::ClientDisable),
    Enable(client_enable::ClientEnable),
    #[command(visible_alias = "remove")]
    Delete(client_delete::ClientDelete),
    Export(client_export::ClientExport),
    Hash(client_hash::ClientHash),
    Key(client_key::ClientKey),
}

impl ClientCommand {
    fn run(&self) -> Result<Exit, Failure> {
        match self {
            Self::Add(command) => command.run(),
            Self::List(command) => command.run(),
            Self::Show(command) => command.run(),
            Self::Set(command) => command.run(),
            Self::RotateSecret(command) => command.run(),
            Self::Disable(command) => command.run(),
            Self::Enable(command) => command.run(),
            Self::Delete(command) => command.run(),
            Self::Export(command) => command.run(),
            Self::Hash(command) => command.run(),
            Self::Key(command) => command.run(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    Get(token_get::TokenGet),
    Inspect(token_inspect::TokenInspect),
    Verify(token_verify::TokenVerify),
}

#[derive(Debug, Subcommand)]
pub(crate) enum JwsCommand {
    Verify(jws_verify::JwsVerify),
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    Token(bench_token::BenchToken),
    Call(bench_call::BenchCall),
}

impl BenchCommand {
    fn run(&self) -> Result<Exit, Failure> {
        match self {
            Self::Token(command) => command.run(),
            Self::Call(command) => command.run(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    List(policy_list::PolicyList),
    Explain(policy_explain::PolicyExplain),
    Readiness(policy_readiness::PolicyReadiness),
    Edges(policy_edges::PolicyEdges),
}

impl PolicyCommand {
    fn run(&self) -> Result<Exit, Failure> {
        match self {
            Self::List(command) => command.run(),
            Self::Explain(command) => command.run(),
            Self::Readiness(command) => command.run(),
            Self::Edges(command) => command.run(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    Plan(rollout_plan::RolloutPlan),
    Status(rollout_status::RolloutStatus),
    Advance(rollout_advance::RolloutAdvance),
    Back(rollout_back::RolloutBack),
}

impl RolloutCommand {
    fn run(&self) -> Result<Exit, Failure> {
        match self {
            Self::Plan(command) => command.run(),
            Self::Status(command) => command.run(),
            Self::Advance(command) => command.run(),
            Self::Back(command) => command.run(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    Check(config_check::ConfigCheck),
    Reference(config_reference::ConfigReference),
    #[cfg(feature = "nacos")]
    Push(config_nacos::ConfigPush),
    #[cfg(feature = "nacos")]
    Pull(config_nacos::ConfigPull),
    #[cfg(feature = "nacos")]
    Diff(config_nacos::ConfigDiff),
}

impl Command {
    /// Runs the command to its end. `whole` describes the whole command line, for completions and manual pages; `log` is
    /// what a server counts the lines of.
    pub(crate) fn run(&self, whole: fn() -> clap::Command, log: &Log) -> Result<Exit, Failure> {
        match self {
            Self::Issuer(command) => command.run(log),
            Self::Authz(command) => command.run(log),
            Self::Gateway(command) => command.run(log),
            Self::Sidecar(command) => command.run(log),
            Self::Key(command) => command.run(),
            Self::Ca(command) => command.run(),
            Self::Store(command) => command.run(),
            Self::Revoke(command) => command.run(),
            Self::Revocations(command) => command.run(),
            Self::Client(command) => command.run(),
            Self::Apply(command) => command.run(),
            Self::Token(TokenCommand::Get(command)) => command.run(),
            Self::Token(TokenCommand::Inspect(command)) => command.run(),
            Self::Token(TokenCommand::Verify(command)) => command.run(),
            Self::Jws(JwsCommand::Verify(command)) => command.run(),
            Self::Policy(command) => command.run(),
            Self::Rollout(command) => command.run(),
            Self::Config(ConfigCommand::Check(command)) => command.run(),
            Self::Config(ConfigCommand::Reference(command)) => command.run(),
            #[cfg(feature = "nacos")]
            Self::Config(ConfigCommand::Push(command)) => command.run(),
            #[cfg(feature = "nacos")]
            Self::Config(ConfigCommand::Pull(command)) => command.run(),
            #[cfg(feature = "nacos")]
            Self::Config(ConfigCommand::Diff(command)) => command.run(),
            Self::Doctor(command) => command.run(),
            Self::Bench(command) => command.run(),
            Self::Completions(command) => command.run(whole()),
            Self::Man(command) => command.run(whole()),
        }
    }

    /// What to log by default: a server logs its work.
    pub(crate) fn default_log(&self) -> &'static str {
        match self {
            Self::Issuer(_) | Self::Authz(_) | Self::Gateway(_) | Self::Sidecar(_) => "info",
            Self::Key(_)
            | Self::Ca(_)
            | Self::Store(_)
            | Self::Revoke(_)
            | Self::Revocations(_)
            | Self::Client(_)
            | Self::Apply(_)
            | Self::Token(_)
            | Self::Jws(_)
            | Self::Policy(_)
            | Self::Rollout(_)
            | Self::Config(_)
            | Self::Completions(_)
            | Self::Man(_) => "warn",
            // They say by themselves what is wrong, and how often.
            Self::Doctor(_) | Self::Bench(_) => "error",
        }
    }
}
