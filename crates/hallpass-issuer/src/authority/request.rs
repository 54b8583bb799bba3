//! A request for a certificate as a typed value.

use std::borrow::Cow;

use http::HeaderMap;

use crate::token::credentials::{CredentialParameters, Credentials};
use crate::token::form;
use crate::token::refusal::{CertificateFault, Refusal};
use crate::token::request::is_form;

/// The parameters of one request; nothing is checked yet.
pub(super) struct CertificateRequest<'a> {
    pub(super) credentials: Credentials<'a>,
    /// PKCS#10, in PEM.
    pub(super) unverified_csr: Cow<'a, str>,
}

impl<'a> CertificateRequest<'a> {
    /// Reads the form and the client credentials. Other parameters are for other authorities.
    ///
    /// # Errors
    /// Those of the form and of credentials, and [`CertificateFault::Missing`].
    pub(super) fn parse(headers: &HeaderMap, body: &'a [u8]) -> Result<Self, Refusal> {
        if !is_form(headers) {
            return Err(Refusal::NotAForm);
        }
        let (mut client, mut csr) = (CredentialParameters::default(), None);
        form::each_parameter(body, &[], |name, value| match client.take(name, value) {
            Some(value) if name == "csr" && !value.is_empty() => csr = Some(value),
            _ => {}
        })?;
        let credentials = Credentials::read(headers, client)?;
        let csr = csr.ok_or(Refusal::Certificate(CertificateFault::Missing));
        Ok(Self {
            credentials,
            unverified_csr: csr?,
        })
    }
}
