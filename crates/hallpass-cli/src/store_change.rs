//! The one way to change the issuer's store by a command: the change is made, and leaves its audit event.

use std::cell::RefCell;
use std::sync::Arc;

use hallpass::clock::Clock;
use hallpass_issuer::{Error, IssuerSettings, OperatorChange, audit_operator};

use crate::issuer_store::{IssuerStore, clock};
use crate::output::{self, Failure};
use crate::runtime;

/// The issuer whose store is changed.
pub(crate) struct Changing {
    pub(crate) settings: IssuerSettings,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What is changed, as audit events call it: each with what it is done to.
#[derive(Debug)]
pub(crate) struct Changes(RefCell<Vec<(&'static str, Option<String>)>>);

impl Changes {
    /// One, of which nobody knows yet what it is done to.
    pub(crate) fn of(action: &'static str) -> Self {
        Self(RefCell::new(vec![(action, None)]))
    }

    /// One, to `object`.
    pub(crate) fn to(action: &'static str, object: impl Into<String>) -> Self {
        Self(RefCell::new(vec![(action, Some(object.into()))]))
    }

    /// It has turned out what is changed: these, and nothing else.
    pub(crate) fn are(&self, changes: impl IntoIterator<Item = (&'static str, String)>) {
        let changes = changes.into_iter();
        let changes = changes.map(|(action, object)| (action, Some(object)));
        self.0.replace(changes.collect());
    }
}

impl IssuerStore {
    /// To change the store of this issuer.
    ///
    /// # Errors
    /// Those of the configuration.
    pub(crate) fn to_change(&self) -> Result<Changing, Failure> {
        Ok(Changing {
            settings: self.settings()?,
            clock: clock(),
        })
    }
}

impl Changing {
    /// Makes the change, and leaves an audit event of each of `changes`, however it ends.
    ///
    /// # Errors
    /// What stood in the way of the change. An event that cannot be written is said on standard error, and undoes nothing.
    pub(crate) fn make<T>(
        &self,
        changes: &Changes,
        change: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        let made = runtime::block_on(change)?;
        let operator = operator();
        for (action, object) in changes.0.take() {
            let change = OperatorChange {
                operator: &operator,
                action,
                object: object.as_deref(),
            };
            let result = made.as_ref().map(|_| ());
            let audit = &self.settings.audit;
            let left = audit_operator(audit, self.clock.as_ref(), change, result);
            if let Err(error) = left {
                output::complain(&format!(
                    "the audit event of {action} could not be written: {error}"
                ));
            }
        }
        made.map_err(|error| Failure::issuer(&error))
    }
}

/// Who runs this command, as the operating system says: a name could be one of several that it has.
fn operator() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}
