//! The state of reading claims: what was noted, whose turn it is, and what every claim is read by.

use std::cell::Cell;

use serde::de::{Error, MapAccess};
use serde_json::value::RawValue;

use super::numeric_date::{self, Fault, Round};
use crate::error::VerifyError;
use crate::json::{Notes, Text};
use crate::name::InvalidName;
use crate::time::UnixTime;

/// What is known while claims are read, beside the claims.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) notes: Notes,
    /// The reason of an error that this reader, not serde, has made.
    pub(super) fault: Cell<Option<VerifyError>>,
    /// The claim that is being read: a type error of serde belongs to it.
    pub(super) claim: Cell<Option<&'static str>>,
}

impl Reader {
    pub(super) fn fail<E: Error>(&self, fault: VerifyError) -> E {
        self.fault.set(Some(fault));
        E::custom(fault)
    }

    pub(super) fn bad_value<E: Error>(&self) -> E {
        self.fail(VerifyError::ClaimValue {
            claim: self.claim.get().unwrap_or_default(),
        })
    }

    /// Reads one claim into its place, and notes it when the place is taken.
    pub(super) fn once<T, E: Error>(
        &self,
        claim: &'static str,
        place: &mut Option<T>,
        read: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<(), E> {
        self.claim.set(Some(claim));
        if place.replace(read(self)?).is_some() {
            self.notes.duplicate.set(true);
        }
        Ok(())
    }

    pub(super) fn name<'de, T, A>(&self, members: &mut A) -> Result<T, A::Error>
    where
        T: for<'a> TryFrom<&'a str, Error = InvalidName>,
        A: MapAccess<'de>,
    {
        T::try_from(&members.next_value_seed(Text)?).map_err(|_| self.bad_value())
    }

    /// Seconds; a fraction of one is rounded so that the token is good for less time.
    pub(super) fn time<'de, A: MapAccess<'de>>(
        &self,
        members: &mut A,
        round: Round,
    ) -> Result<UnixTime, A::Error> {
        let number: &RawValue = members.next_value()?;
        numeric_date::parse(number.get(), round).map_err(|fault| match fault {
            Fault::Type => self.fail(VerifyError::ClaimType {
                claim: self.claim.get().unwrap_or_default(),
            }),
            Fault::Range => self.bad_value(),
        })
    }
}
