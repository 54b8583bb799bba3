//! `POST /oauth2/token`, from the form to the signed token; [`endpoint`] holds the steps in their order.

pub(crate) mod attempt;
pub(crate) mod claimed_issuer;
pub(crate) mod client_auth;
pub(crate) mod client_rate;
pub(crate) mod credentials;
pub(crate) mod endpoint;
pub(crate) mod entitlement;
pub(crate) mod form;
pub(crate) mod grant;
mod introspection_jwt;
pub(crate) mod message;
pub(crate) mod metrics;
mod patience;
pub(crate) mod possession;
pub(crate) mod question;
mod refreshing;
pub(crate) mod refusal;
mod refusing;
pub(crate) mod request;
mod revoking;
pub(crate) mod shown;
pub(crate) mod throttle;
pub(crate) mod token_id;
pub(crate) mod token_response;
