//! What `deploy/prometheus` holds, with Prometheus's own programs.

#[cfg(test)]
mod programs;
#[cfg(test)]
mod rules;
