//! `hallpass issuer`, as an operator runs it, with its audit log in a file; and what a service sends to it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::token::{SigningKey, TokenClaims, UnixTime, sign};

use super::case::Case;
use crate::measure::Failure;

/// Signed by its own key; the load trusts it as it is.
pub(super) const CERTIFICATE_FILE: &str = "server.pem";
pub(super) const PRIVATE_KEY_FILE: &str = "server.key";
/// Where the audit log goes.
const LOG_FILE: &str = "issuer.log";

const CLIENT_ID: &str = "internal-service-client";
/// A secret of the generated shape.
const SECRET: &str = "hallpass_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const FORM: &str = "grant_type=client_credentials&scope=internal-service&audience=service-system";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// Longer than a measurement.
const SUBJECT_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// The issuer of a case: its configuration in a folder, and the token that is exchanged.
pub(super) struct Issuer {
    program: PathBuf,
    configuration: PathBuf,
    log: PathBuf,
    form: String,
}

impl Issuer {
    /// Writes everything that the case needs into `folder`.
    pub(super) fn prepare(case: Case, folder: &Path) -> Result<Self, Failure> {
        let program = std::env::current_exe()?.with_file_name("hallpass");
        if !program.exists() {
            let program = program.display();
            return Err(format!(
                "{program} is missing: build it first (cargo build --release -p hallpass-cli)"
            )
            .into());
        }
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        std::fs::write(folder.join(CERTIFICATE_FILE), certified.cert.pem())?;
        std::fs::write(
            folder.join(PRIVATE_KEY_FILE),
            certified.signing_key.serialize_pem(),
        )?;
        let issuer = Self {
            program,
            configuration: folder.join("service-auth.yaml"),
            log: folder.join(LOG_FILE),
            form: FORM.to_owned(),
        };
        std::fs::write(&issuer.configuration, yaml(case, folder))?;
        match case.exchange {
            true => issuer.with_subject(case, folder),
            false => Ok(issuer),
        }
    }

    /// The key that signs the user's token is one of the issuer's: it was before in use elsewhere.
    fn with_subject(mut self, case: Case, folder: &Path) -> Result<Self, Failure> {
        let key = SigningKey::generate(case.algorithm)?;
        let file = folder.join("users.pem");
        let body = STANDARD.encode(&*key.to_pkcs8()?);
        std::fs::write(
            &file,
            format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"),
        )?;
        let mut import = Command::new(&self.program);
        import.args(["key", "import"]).arg(&file);
        let imported = import.arg("--config").arg(&self.configuration).output()?;
        if !imported.status.success() {
            return Err(String::from_utf8_lossy(&imported.stderr)
                .into_owned()
                .into());
        }
        let now = UnixTime::from(SystemClock::new().now());
        let mut claims = TokenClaims::new(
            "internal".parse()?,
            "alice".parse()?,
            CLIENT_ID.parse()?,
            now.saturating_add(SUBJECT_LIFE),
        );
        claims.client_id = Some("web".parse()?);
        claims.scope = "internal-service".parse()?;
        claims.issued_at = Some(now);
        let token = sign(&claims, &key, now)?;
        self.form = format!(
            "grant_type={EXCHANGE}&audience=service-system&subject_token={}\
             &subject_token_type=urn:ietf:params:oauth:token-type:access_token",
            token.expose()
        );
        Ok(self)
    }

    /// The program with its arguments; its audit log goes into a file.
    pub(super) fn command(&self) -> Result<(PathBuf, Vec<PathBuf>, std::fs::File), Failure> {
        let arguments = ["issuer", "--config"].map(PathBuf::from);
        let mut arguments = Vec::from(arguments);
        arguments.push(self.configuration.clone());
        Ok((
            self.program.clone(),
            arguments,
            std::fs::File::create(&self.log)?,
        ))
    }

    /// Decisions that the audit log tells of.
    pub(super) fn logged(&self) -> Result<u64, Failure> {
        let log = std::fs::read_to_string(&self.log)?;
        Ok(log.matches("event=\"token_issued\"").count().try_into()?)
    }

    /// What a service sends for its token.
    pub(super) fn request(&self) -> Vec<u8> {
        let basic = STANDARD.encode(format!("{CLIENT_ID}:{SECRET}"));
        let form = &self.form;
        format!(
            "POST /oauth2/token HTTP/1.1\r\nhost: service-auth\r\nauthorization: Basic {basic}\r\n\
             content-type: application/x-www-form-urlencoded\r\naccept: application/json\r\n\
             content-length: {}\r\n\r\n{form}",
            form.len()
        )
        .into_bytes()
    }
}

fn yaml(case: Case, folder: &Path) -> String {
    let mut yaml = format!(
        "scccy:\n  issuer:\n    listen: 127.0.0.1:0\n    name: internal\n    store: service-auth.db\n    algorithm: {}\n    \
         clients:\n      - client-id: {CLIENT_ID}\n        client-secret: {SECRET}\n        scopes: [internal-service]\n        \
         audiences: [service-system]\n        grant-types: [client_credentials, '{EXCHANGE}']\n        exchange:\n          \
         - {{ subject-kinds: user, targets: service-system, scopes: internal-service }}\n",
        case.algorithm.as_str()
    );
    if case.tls {
        let file = |name: &str| folder.join(name).display().to_string();
        let _never_fails = writeln!(
            yaml,
            "    tls: {{ certificate-file: '{}', private-key-file: '{}' }}",
            file(CERTIFICATE_FILE),
            file(PRIVATE_KEY_FILE)
        );
    }
    yaml
}
