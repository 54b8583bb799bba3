//! Leases: of the processes that want a token one asks the issuer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hallpass_client::{Lease, LeaseId, TokenKey};
use redis::Value;

use super::{Shared, whole_millis};
use crate::error::RedisError;

/// Extends a lease that is still the caller's own.
const EXTEND: &str = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0";
/// Gives a lease back that is still the caller's own.
const RELEASE: &str =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0";

impl Shared {
    /// A server that hangs does what it was asked for when it goes on, after nobody waits for it any more. Such a lease would
    /// keep all away from the issuer; so the process that asked for it takes it.
    pub(super) async fn lease(
        &self,
        key: &TokenKey,
        keep_for: Duration,
    ) -> Result<Lease, RedisError> {
        let Some(millis) = whole_millis(keep_for) else {
            return Ok(Lease::Unknown);
        };
        let (name, id) = (self.keys.lease(key), self.lease_id.to_string());
        let mut command = redis::cmd("SET");
        command.arg(&name).arg(&id).arg("NX").arg("PX").arg(millis);
        // Callers may give up too.
        let unanswered = Unanswered(Some(&self.may_hold_leases));
        let answer = self.call("lease", &name, &command).await;
        unanswered.ended_with(&answer);
        if answer? != Value::Nil {
            return Ok(Lease::Held(self.lease_id));
        }
        if !self.may_hold_leases.load(Ordering::Relaxed) {
            return Ok(Lease::Elsewhere);
        }
        let mut get = redis::cmd("GET");
        get.arg(&name);
        let holder = self.call("lease", &name, &get).await?;
        Ok(match holder == Value::BulkString(id.into_bytes()) {
            true => Lease::Held(self.lease_id),
            false => Lease::Elsewhere,
        })
    }

    pub(super) async fn extend(
        &self,
        key: &TokenKey,
        lease: &LeaseId,
        keep_for: Duration,
    ) -> Result<(), RedisError> {
        let Some(millis) = whole_millis(keep_for) else {
            return Ok(());
        };
        let (name, id) = (self.keys.lease(key), lease.to_string());
        if let Some(result) = self
            .script("extend", EXTEND, &name, &[&id, &millis.to_string()])
            .await
        {
            return result;
        }
        // In two steps: between them it may end and become another's, whose lease is then longer than it should be.
        let mut get = redis::cmd("GET");
        get.arg(&name);
        if self.call("extend", &name, &get).await? != Value::BulkString(id.into_bytes()) {
            return Ok(());
        }
        let mut expire = redis::cmd("PEXPIRE");
        expire.arg(&name).arg(millis);
        self.call("extend", &name, &expire).await?;
        Ok(())
    }

    pub(super) async fn release(&self, key: &TokenKey, lease: &LeaseId) -> Result<(), RedisError> {
        let (name, id) = (self.keys.lease(key), lease.to_string());
        // Without scripts it ends by itself: deleting in two steps could delete another's.
        self.script("release", RELEASE, &name, &[&id])
            .await
            .unwrap_or(Ok(()))
    }

    /// `None` where the server does not let this user run scripts.
    async fn script(
        &self,
        label: &'static str,
        script: &str,
        key: &str,
        arguments: &[&str],
    ) -> Option<Result<(), RedisError>> {
        if self.are_scripts_denied.load(Ordering::Relaxed) {
            return None;
        }
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(1).arg(key).arg(arguments);
        match self.call(label, key, &command).await {
            Err(error) if error.is_denied() => {
                self.are_scripts_denied.store(true, Ordering::Relaxed);
                tracing::warn!(
                    "the user of Redis may not run EVAL: leases are extended without it, and end by themselves"
                );
                None
            }
            result => Some(result.map(drop)),
        }
    }
}

/// A request for a lease that may be carried out although nobody hears of it.
struct Unanswered<'a>(Option<&'a AtomicBool>);

impl Unanswered<'_> {
    fn ended_with(mut self, answer: &Result<Value, RedisError>) {
        let is_known = match answer {
            Ok(_) => true,
            Err(RedisError::NotConnected | RedisError::NoNode | RedisError::BreakerOpen) => true,
            Err(error) => error.is_response(),
        };
        if is_known {
            self.0 = None;
        }
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(may_hold_leases) = self.0 {
            may_hold_leases.store(true, Ordering::Relaxed);
        }
    }
}
