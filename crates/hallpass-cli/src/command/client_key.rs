//! `hallpass client key`: a key pair for a client that signs what proves who it is.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use hallpass::config::files;
use hallpass::token::{Algorithm, AssertionSigner, JwkSet, KeyId};

use crate::output::{self, Exit, Failure};

/// Most bytes read of a key file.
const MAX_KEY_BYTES: usize = 64 * 1024;

/// Make a key pair for a client, keep the private key in a file and print the public one as a JWK set
///
/// What is printed stands at the issuer as `jwks` of a client whose `token-endpoint-auth-method` is
/// `private_key_jwt`; the file is `private-key-file` of the client, which then needs no secret. The file is
/// for its owner alone, and one that is there is never overwritten. --existing prints the public key of a
/// file that is there already, such as one that `openssl` has made.
#[derive(Args, Debug)]
pub(crate) struct ClientKey {
    /// The file that the private key is written to, as PEM.
    #[arg(long, value_name = "FILE")]
    private_key_file: PathBuf,
    /// ES256, EdDSA or RS256.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "ES256",
        conflicts_with = "existing"
    )]
    algorithm: Algorithm,
    /// The name of the key (`kid`); otherwise its thumbprint (RFC 7638). The client must name it too: `key-id`.
    #[arg(long, value_name = "NAME")]
    key_id: Option<KeyId>,
    /// Make no key: read the file.
    #[arg(long)]
    existing: bool,
}

impl ClientKey {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let signer = match self.existing {
            true => self.read()?,
            false => self.make()?,
        };
        let signer = match &self.key_id {
            Some(key_id) => signer.with_key_id(key_id.clone()),
            None => signer,
        };
        let keys = JwkSet::new([signer.public_jwk()]);
        output::print_line(&keys.to_json().to_string())?;
        Ok(Exit::Ok)
    }

    fn make(&self) -> Result<AssertionSigner, Failure> {
        let signer = AssertionSigner::generate(self.algorithm)
            .map_err(|error| Failure::usage(format_args!("--algorithm: {error}")))?;
        let pem = signer.to_pem().map_err(Failure::failed)?;
        let path = self.private_key_file.as_path();
        write_new(path, pem.as_bytes())
            .map_err(|error| Failure::failed(format_args!("{}: {error}", path.display())))?;
        Ok(signer)
    }

    fn read(&self) -> Result<AssertionSigner, Failure> {
        let path = self.private_key_file.as_path();
        let problem = |error: &dyn std::fmt::Display| {
            Failure::usage(format_args!("{}: {error}", path.display()))
        };
        let pem = files::read_text(path, MAX_KEY_BYTES).map_err(|error| problem(&error))?;
        AssertionSigner::from_pem(&pem).map_err(|error| problem(&error))
    }
}

/// For its owner alone from the first byte on; one that is there stays as it is.
fn write_new(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(text)?;
    file.sync_all()
}
