//! What claims can be read into.

use serde::de::DeserializeOwned;

/// What [`Claims`](crate::Claims) can be read into: whatever derives `serde::Deserialize` and owns what it holds. There is nothing to
/// implement; what does not fit is named where `Claims<...>` is written, and not where a route takes the handler.
///
/// ```compile_fail,E0277
/// use hallpass_resource::Claims;
///
/// struct Tenant {
///     tenant: String,
/// }
///
/// // error[E0277]: the claims of a token cannot be read into `Tenant`
/// async fn tenant(Claims(claims): Claims<Tenant>) -> String {
///     claims.tenant
/// }
/// ```
///
/// ```compile_fail
/// use hallpass_resource::Claims;
///
/// #[derive(serde::Deserialize)]
/// struct Tenant<'a> {
///     tenant: &'a str,
/// }
///
/// // error[E0621]: explicit lifetime required: the token is gone by the time when a handler runs.
/// async fn tenant(Claims(claims): Claims<Tenant<'_>>) -> String {
///     claims.tenant.to_owned()
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "the claims of a token cannot be read into `{Self}`",
    label = "not a form for claims",
    note = "derive `serde::Deserialize` for `{Self}`, and let it own what it holds: `String`, not `&str`"
)]
pub trait ClaimsForm: DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> ClaimsForm for T {}
