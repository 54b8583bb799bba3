//! `hallpass client hash`: what stands in a configuration in place of a client's secret.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::Args;
use hallpass::config::Secret;
use hallpass::config::files;
use hallpass_issuer::SecretDigest;

use crate::input;
use crate::output::{self, Exit, Failure};

/// Most bytes read of a secret.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Print the digest of a client's secret, for `client-secret-digest`
///
/// Reads the secret from standard input, or at a terminal one line of it, which the terminal shows.
/// A secret of the shape that Hallpass generates gives `$sha256$...`, any other one
/// `$argon2id$...` with a new salt. In a shell or an `.env` file put the digest in single quotes.
#[derive(Args, Debug)]
pub(crate) struct ClientHash {
    /// Read the secret from this file; a line feed at its end does not count.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Make a new secret of 256 bits, and print it this once, with its digest.
    #[arg(long, conflicts_with = "secret_file")]
    generate: bool,
}

impl ClientHash {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        if self.generate {
            let made = SecretDigest::generate().map_err(|error| Failure::issuer(&error))?;
            let (secret, digest) = made;
            let secret = secret.expose();
            output::print_line(&format!(
                "client-secret: {secret}\nclient-secret-digest: {digest}"
            ))?;
            return Ok(Exit::Ok);
        }
        let digest = SecretDigest::of(&self.secret()?);
        let digest = digest.map_err(|error| Failure::issuer(&error))?;
        output::print_line(&digest.to_string())?;
        Ok(Exit::Ok)
    }

    fn secret(&self) -> Result<Secret, Failure> {
        if let Some(file) = &self.secret_file {
            return files::read_secret(file).map_err(|error| {
                Failure::usage(format_args!("cannot use {}: {error}", file.display()))
            });
        }
        let bytes = if io::stdin().is_terminal() {
            output::complain("the secret, then Enter:");
            let mut line = Vec::new();
            let read = io::stdin().lock().read_until(b'\n', &mut line);
            read.map_err(Failure::usage)?;
            line
        } else {
            let input = input::read(Path::new("-"), MAX_SECRET_BYTES)?;
            if input.cut {
                return Err(Failure::usage("the secret has more than 64 KiB"));
            }
            input.bytes
        };
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| Failure::usage("the secret on standard input is not UTF-8"))?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(Failure::usage("there is no secret on standard input")),
            secret => Ok(Secret::new(secret)),
        }
    }
}
