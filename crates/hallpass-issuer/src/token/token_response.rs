//! The body of a response with a token (RFC 6749 section 5.1).

use std::time::Duration;

use hallpass_token::AccessToken;

use crate::refresh::token::RefreshToken;

/// Room for the response around the token.
const OVERHEAD_BYTES: usize = 96;

/// What such a response says.
pub(crate) struct TokenResponse<'r> {
    pub(crate) token: &'r AccessToken,
    pub(crate) token_type: &'static str,
    pub(crate) expires_in: Duration,
    /// RFC 8693 section 2.2.1.
    pub(crate) issued_token_type: Option<&'static str>,
    pub(crate) refresh_token: Option<RefreshToken>,
    pub(crate) scope: &'r str,
}

impl TokenResponse<'_> {
    /// Every part is free of characters that JSON escapes: base64url, digits, and the charset of RFC 6749 scopes.
    pub(crate) fn into_json(self) -> String {
        let (token, scope) = (self.token.expose(), self.scope);
        let mut json = String::with_capacity(token.len() + scope.len() + OVERHEAD_BYTES);
        json.push_str("{\"access_token\":\"");
        json.push_str(token);
        json.push_str("\",\"token_type\":\"");
        json.push_str(self.token_type);
        json.push_str("\",\"expires_in\":");
        json.push_str(&self.expires_in.as_secs().to_string());
        if let Some(token_type) = self.issued_token_type {
            json.push_str(",\"issued_token_type\":\"");
            json.push_str(token_type);
            json.push('"');
        }
        if let Some(refresh_token) = self.refresh_token {
            json.push_str(",\"refresh_token\":\"");
            json.push_str(&refresh_token.to_text());
            json.push('"');
        }
        if !scope.is_empty() {
            json.push_str(",\"scope\":\"");
            json.push_str(scope);
            json.push('"');
        }
        json.push('}');
        json
    }
}
