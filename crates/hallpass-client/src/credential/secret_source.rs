//! The secret of a credential, which may stand in a file that somebody changes while the service runs.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hallpass_config::{Secret, files};
use hallpass_token::{AssertionSigner, UnixTime};
use hallpass_upstream::Reminders;

use crate::credential::assertion_file;
use crate::error::AssertionFault;

/// Where a secret comes from. Of a file it is read again before each token request, which is rare, so a mounted secret may
/// change without a restart and without anybody who watches it. What cannot be read, and an empty file, leave the last good one.
///
/// Issuer and file do not change in the same moment, and a file may be half written: so when the issuer refuses what the
/// file or the settings hold, the secret that it accepted last is tried once, and stays in use until that is refused or they hold another
/// one.
#[derive(Debug)]
pub(crate) struct SecretSource {
    file: Option<PathBuf>,
    form: SecretForm,
    known: Mutex<Known>,
    /// A file that stays as it is would be a line for each token request.
    said: Reminders,
}

/// What a secret looks like in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretForm {
    /// One line.
    Line,
    /// A private key in PEM.
    PrivateKey,
    /// A token of another issuer. It is first read when it is first needed, and never used after its end.
    Assertion,
}

/// Why nothing came of reading a file again.
enum Unread {
    /// What cannot be read again, such as a pipe, and need not.
    Once,
    Assertion(AssertionFault),
    Other(String),
}

impl SecretForm {
    fn read_again(self, path: &Path) -> Result<Secret, Unread> {
        match self {
            Self::Line => {
                let read = files::read_secret_again(path).ok_or(Unread::Once)?;
                read.map_err(|error| Unread::Other(error.to_string()))
            }
            Self::PrivateKey => {
                let read = files::read_text_again(path, files::MAX_SECRET_BYTES);
                let read = read.ok_or(Unread::Once)?;
                let pem = read.map_err(|error| Unread::Other(error.to_string()))?;
                match AssertionSigner::from_pem(&pem) {
                    Ok(_) => Ok(Secret::new(pem.as_str())),
                    Err(error) => Err(Unread::Other(error.to_string())),
                }
            }
            Self::Assertion => assertion_file::read(path).map_err(Unread::Assertion),
        }
    }
}

#[derive(Debug)]
struct Known {
    /// What the settings or the file held last that was good to read.
    newest: Secret,
    /// What the issuer accepted last.
    accepted: Option<Secret>,
    /// What it had accepted before that one: what was sealed with it is still read.
    accepted_before: Option<Secret>,
    /// Whether `accepted` is what it accepted of the settings before: it may be sent, but what was sealed with it is not read.
    is_inherited: bool,
    /// Whether the issuer has refused `newest`.
    is_refused: bool,
}

impl SecretSource {
    /// `secret` was read from `file`, if there is one.
    pub(crate) fn new(secret: Secret, file: Option<PathBuf>, form: SecretForm) -> Self {
        Self {
            file,
            form,
            known: Mutex::new(Known {
                newest: secret,
                accepted: None,
                accepted_before: None,
                is_inherited: false,
                is_refused: false,
            }),
            said: Reminders::default(),
        }
    }

    /// The same client with settings that were read again, and the secret in the same file or in none: what the issuer accepted of
    /// `before` may still be needed, since it may hear of the new one later.
    pub(crate) fn following(self, before: &Self) -> Self {
        if self.file == before.file && self.form == before.form {
            let accepted = before.known().accepted.clone();
            let mut known = self.known();
            known.accepted = accepted;
            known.is_inherited = true;
            drop(known);
        }
        self
    }

    /// The secret that is in use, and those whose seals are read as well.
    pub(crate) fn for_sealing(&self) -> (Secret, Vec<Secret>) {
        let known = self.known();
        let in_use = known.in_use();
        let accepted = known.accepted.as_ref().filter(|_| !known.is_inherited);
        let others = [
            Some(&known.newest),
            accepted,
            known.accepted_before.as_ref(),
        ];
        let others = others.into_iter().flatten();
        let others = others.filter(|other| !is_same(other, in_use));
        (in_use.clone(), others.cloned().collect())
    }

    /// Whether both seal with the same secret now.
    pub(crate) fn seals_like(&self, other: &Self) -> bool {
        let other = other.known().in_use().clone();
        is_same(self.known().in_use(), &other)
    }

    /// The secret to send now.
    ///
    /// # Errors
    /// When it is a token of another issuer, the file has none that can be used, and the last one has ended.
    pub(crate) async fn current(&self, now: UnixTime) -> Result<Secret, AssertionFault> {
        let fault = self.read_again().await;
        let known = self.known();
        if self.form != SecretForm::Assertion {
            return Ok(known.in_use().clone());
        }
        let ended = fault.unwrap_or(AssertionFault::Ended);
        known.alive(now).cloned().ok_or(ended)
    }

    /// The issuer has accepted `sent`.
    pub(crate) fn was_accepted(&self, sent: &Secret) {
        let mut known = self.known();
        if is_same(sent, &known.newest) {
            known.is_refused = false;
        }
        if known
            .accepted
            .as_ref()
            .is_none_or(|last| !is_same(last, sent))
        {
            let last = known.accepted.replace(sent.clone());
            known.accepted_before = last.filter(|_| !known.is_inherited);
        }
        known.is_inherited = false;
    }

    /// The issuer has refused `sent` (`invalid_client`): the other secret to try, if there is one.
    pub(crate) async fn after_refusal(&self, sent: &Secret, now: UnixTime) -> Option<Secret> {
        let _told = self.read_again().await;
        let mut known = self.known();
        let is_other = |secret: &Secret| {
            let has_ended = || assertion_file::has_ended(secret, now);
            !(is_same(sent, secret) || self.form == SecretForm::Assertion && has_ended())
        };
        if !is_same(sent, &known.newest) {
            return Some(known.newest.clone()).filter(is_other);
        }
        known.is_refused = true;
        known.accepted.clone().filter(is_other)
    }

    /// What is wrong with a token in the file, if it is that.
    async fn read_again(&self) -> Option<AssertionFault> {
        let path = self.file.clone()?;
        let form = self.form;
        let read = tokio::task::spawn_blocking(move || form.read_again(&path)).await;
        match read {
            Ok(Ok(secret)) => {
                self.said.over();
                let mut known = self.known();
                if !is_same(&secret, &known.newest) {
                    tracing::info!(file = ?self.file, "the file holds another client secret now");
                    known.newest = secret;
                    known.is_refused = false;
                }
                None
            }
            Ok(Err(Unread::Other(error))) => {
                if let Some(times) = self.said.times(&error) {
                    tracing::warn!(file = ?self.file, error, times, "the client secret cannot be read again, the last good one stays");
                }
                None
            }
            Ok(Err(Unread::Assertion(error))) => {
                if let Some(times) = self.said.times(&error.to_string()) {
                    tracing::warn!(file = ?self.file, %error, times, "the token that proves who this service is cannot be read; the last one is used until it ends");
                }
                Some(error)
            }
            // A pipe, or a runtime that is shutting down.
            Ok(Err(Unread::Once)) | Err(_) => None,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn in_use(&self) -> &Secret {
        let accepted = self.accepted.as_ref().filter(|_| self.is_refused);
        accepted.unwrap_or(&self.newest)
    }

    /// Of tokens that end: the one in use, or the other one where that has ended.
    fn alive(&self, now: UnixTime) -> Option<&Secret> {
        let mut all = [
            Some(self.in_use()),
            Some(&self.newest),
            self.accepted.as_ref(),
        ]
        .into_iter()
        .flatten();
        all.find(|token| !token.expose().is_empty() && !assertion_file::has_ended(token, now))
    }
}

/// Both are this process's own: there is nobody who could learn from how long the comparison takes.
fn is_same(one: &Secret, other: &Secret) -> bool {
    one.expose() == other.expose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_file(secret: &str, file: &str) -> SecretSource {
        let file = Some(PathBuf::from(file));
        SecretSource::new(Secret::from(secret), file, SecretForm::Line)
    }

    /// The secret that seals, and those that open as well.
    fn seals(source: &SecretSource) -> Vec<String> {
        let (newest, older) = source.for_sealing();
        let all = std::iter::once(newest).chain(older);
        all.map(|secret| secret.expose().to_owned()).collect()
    }

    #[test]
    fn what_was_sealed_with_the_two_accepted_before_is_still_read() {
        let source = in_file("one", "absent/secret");
        source.was_accepted(&Secret::from("one"));
        assert_eq!(seals(&source), ["one"]);
        source.known().newest = Secret::from("two");
        assert_eq!(seals(&source), ["two", "one"]);
        for _ in 0..2 {
            source.was_accepted(&Secret::from("two"));
            assert_eq!(seals(&source), ["two", "one"]);
        }
        source.known().newest = Secret::from("three");
        assert_eq!(seals(&source), ["three", "two", "one"]);
    }

    #[tokio::test]
    async fn other_settings_of_the_same_file_may_send_what_was_accepted_before_and_read_nothing_of_it()
     {
        let before = in_file("one", "absent/secret");
        before.was_accepted(&Secret::from("one"));
        let next = in_file("two", "absent/secret").following(&before);
        assert_eq!(seals(&next), ["two"]);
        let other = next
            .after_refusal(&Secret::from("two"), UnixTime::from_secs(1))
            .await;
        assert_eq!(other.unwrap().expose(), "one");
    }

    #[tokio::test]
    async fn a_secret_of_another_file_is_never_sent() {
        let before = in_file("one", "absent/secret");
        before.was_accepted(&Secret::from("one"));
        let next = in_file("two", "absent/other").following(&before);
        let other = next
            .after_refusal(&Secret::from("two"), UnixTime::from_secs(1))
            .await;
        assert!(other.is_none());
    }
}
