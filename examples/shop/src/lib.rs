//! The shop: three services that call one another, and nobody writes authentication code.
//!
//! ```text
//! customer --her token--> order-service --exchange: one token for this call-----> logistics-service
//!                                         (sub = the customer, act = order-service, aud = logistics-service)
//!                         order-service --relay: her token, unchanged-----------> identity provider
//!                         order-service --service token-------------------------> service-system (internal-only)
//! ```
//!
//! Read [`order_service`] first: it is the one with something to call. The configuration is in
//! `config/`: `internal-token.yaml` is the estate's own file as it stands, `shop.yaml` says where
//! things are and whose tokens count, `service-auth.yaml` who may act for customers.

#![expect(
    clippy::missing_errors_doc,
    reason = "an example: whatever fails at the start ends it and is shown"
)]

pub mod identity_provider;
pub mod logistics_service;
pub mod order_service;
mod running;
pub mod service_system;
mod shop;

pub use running::Running;
pub use shop::{SERVICE_AUTH_YAML, Shop, Sockets};
