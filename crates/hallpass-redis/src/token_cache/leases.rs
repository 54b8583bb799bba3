//! Leases: of the processes that want a token one asks the issuer.

use std::sync::atomic::Ordering;
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
    pub(super) async fn lease(
        &self,
        key: &TokenKey,
        keep_for: Duration,
    ) -> Result<Lease, RedisError> {
        let Some(millis) = whole_millis(keep_for) else {
            return Ok(Lease::Unknown);
        };
        let (name, id) = (self.keys.lease(key), LeaseId::random());
        let mut command = redis::cmd("SET");
        command
            .arg(&name)
            .arg(id.to_string())
            .arg("NX")
            .arg("PX")
            .arg(millis);
        match self.call("lease", &name, &command).await? {
            Value::Nil => Ok(Lease::Elsewhere),
            _ => Ok(Lease::Held(id)),
        }
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
