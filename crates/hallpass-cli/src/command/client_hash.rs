//! `hallpass client hash`: what stands in a configuration in place of a secret.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::Args;
use hallpass::config::{Configuration as _, Secret, files, sealing};
use hallpass::token::ValueSealer;
use hallpass_issuer::SecretDigest;

use crate::input;
use crate::output::{self, Exit, Failure};
use crate::settings::Everything;

/// Most bytes read of a secret.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Print what stands in a configuration in place of a secret: its digest, or with --seal the secret sealed
///
/// Reads the secret from standard input, or at a terminal one line of it, which the terminal shows.
/// The issuer needs no more than the digest (`client-secret-digest`): `$sha256$...` of a secret of the
/// shape that Hallpass generates, `$argon2id$...` with a new salt of any other. Who uses the secret needs
/// it back: `--seal internal-token.client-secret --sealing-key-file seal.key` prints `$sealed$...`, which
/// may stand where the secret would, at that place, for who has the key (`sealing.key-file`); so with any
/// secret of the configuration, as `redis.password`.
/// In a shell or an `.env` file put the text in single quotes.
#[derive(Args, Debug)]
pub(crate) struct ClientHash {
    /// Read the secret from this file; a line feed at its end does not count.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Make a new secret of 256 bits, and print it this once, with its digest; with --seal print it sealed only.
    #[arg(long, conflicts_with = "secret_file")]
    generate: bool,
    /// Another program has made the secret of random bytes, 32 characters at least: its digest is `$sha256$...` too.
    #[arg(long, conflicts_with_all = ["generate", "seal"])]
    random: bool,
    /// Seal the secret for this key of the configuration: `internal-token.client-secret`, `redis.password`, or in a list by
    /// the name of the entry: `internal-token.clients[billing].client-secret`.
    #[arg(long, value_name = "KEY", requires = "sealing_key_file")]
    seal: Option<String>,
    /// The file with the key to seal with, 32 bytes at least: `openssl rand -base64 32 > seal.key` makes one.
    #[arg(long, value_name = "FILE", requires = "seal")]
    sealing_key_file: Option<PathBuf>,
}

/// Seals for one place.
struct Seal {
    sealer: ValueSealer,
    place: String,
}

impl ClientHash {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let seal = self.seal()?;
        if self.generate {
            let made = SecretDigest::generate().map_err(|error| Failure::issuer(&error))?;
            let (secret, digest) = made;
            let shown = match &seal {
                Some(seal) => seal.of(&secret)?,
                None => secret.expose().to_owned(),
            };
            output::print_secret(&format!(
                "client-secret: {shown}\nclient-secret-digest: {digest}"
            ))?;
            return Ok(Exit::Ok);
        }
        let secret = self.secret()?;
        let text = match seal {
            Some(seal) => seal.of(&secret)?,
            None => self.digest(&secret)?.to_string(),
        };
        output::print_line(&text)?;
        Ok(Exit::Ok)
    }

    fn digest(&self, secret: &Secret) -> Result<SecretDigest, Failure> {
        if self.random {
            let digest = SecretDigest::of_random(secret);
            return digest.ok_or_else(|| {
                Failure::usage("a random secret has 32 characters at least, and this one has fewer")
            });
        }
        SecretDigest::of(secret).map_err(|error| Failure::issuer(&error))
    }

    fn seal(&self) -> Result<Option<Seal>, Failure> {
        let (Some(path), Some(file)) = (&self.seal, &self.sealing_key_file) else {
            return Ok(None);
        };
        let place = sealing::place_of(path, &Everything::keys())
            .map_err(|message| Failure::usage(format_args!("--seal {path}: {message}")))?;
        let cannot_use = |error: &dyn std::fmt::Display| {
            Failure::usage(format_args!("cannot use {}: {error}", file.display()))
        };
        let key = files::read_secret(file).map_err(|error| cannot_use(&error))?;
        let sealer = ValueSealer::new(key.expose()).map_err(|error| cannot_use(&error))?;
        Ok(Some(Seal { sealer, place }))
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
            text if text.contains(['\r', '\n', '\0']) => Err(Failure::usage(
                "the secret on standard input is not one line",
            )),
            secret => Ok(Secret::new(secret)),
        }
    }
}

impl Seal {
    fn of(&self, secret: &Secret) -> Result<String, Failure> {
        let sealed = self.sealer.seal(secret.expose(), &self.place);
        Ok(sealed.map_err(Failure::failed)?.to_string())
    }
}
