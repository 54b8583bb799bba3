//! What `deploy/prometheus` and `deploy/grafana` hold, with Prometheus's own programs and Grafana's own schema.

#[cfg(test)]
mod dashboards;
#[cfg(test)]
mod fired;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod server;
