//! The extractor that demands scopes of the caller, named by a type.

use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use hallpass_token::{Scope, SecurityContext};
use http::request::Parts;

use crate::error::Denial;
use crate::extract::{Rejection, pass_or_refuse, somebody};

/// A scope, or several of which each is demanded, as a type: what [`Scoped`] demands. Made by
/// [`required_scope!`](crate::required_scope), which checks the text while it is compiled.
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no scope",
    label = "not a scope",
    note = "name one: `hallpass_resource::required_scope!({Self} = \"orders:read\");` (in a service `hallpass::resource::required_scope!`)"
)]
pub trait RequiredScope {
    /// The scopes, with one space between any two (RFC 6749 section 3.3).
    const SCOPE: &'static str;
}

/// The caller, whose token bears each scope of `S`: else 403 `insufficient_scope`, whose challenge names all of them
/// (RFC 6750 section 3.1), and without a caller 401. Dereferences to the [`SecurityContext`]. `Option<Scoped<S>>` is `None` for both.
///
/// It comes on top of the rule for the route, and opens nothing. Scopes that all requests of a path need belong into
/// its rule, where `hallpass policy explain` sees them. A call that passes for its mode (`report`, `off`) passes here too, with whom
/// the token names, and is counted as refused.
///
/// ```
/// use hallpass_resource::{Scoped, required_scope};
///
/// required_scope!(
///     /// Whoever may change orders.
///     pub OrdersWrite = "orders:read orders:write"
/// );
///
/// async fn cancel(caller: Scoped<OrdersWrite>) -> String {
///     format!("cancelled for {}", caller.subject())
/// }
/// ```
#[derive(Debug)]
pub struct Scoped<S: RequiredScope> {
    caller: SecurityContext,
    scope: PhantomData<fn() -> S>,
}

/// Names a scope by a type, for [`Scoped`]: `required_scope!(pub OrdersRead = "orders:read")`. Several in one text are all demanded.
/// A text that is no scope (RFC 6749 section 3.3) is an error of the compiler.
#[macro_export]
macro_rules! required_scope {
    ($(#[$attribute:meta])* $visibility:vis $name:ident = $scope:literal) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug)]
        $visibility enum $name {}

        impl $crate::RequiredScope for $name {
            const SCOPE: &'static str = $scope;
        }

        const _: () = ::core::assert!(
            $crate::is_scope($scope),
            "scopes are words with one space between two, of printable ASCII without commas, quotation marks and backslashes"
        );
    };
}

/// Whether this is a scope as RFC 6749 section 3.3 has it: words with one space between any two. A comma may be part of one there, and
/// here is a slip: Spring reads a list in it. What
/// [`required_scope!`](crate::required_scope) asks while it is compiled.
#[must_use]
pub const fn is_scope(text: &str) -> bool {
    let mut rest = text.as_bytes();
    let mut in_word = false;
    while let [byte, tail @ ..] = rest {
        match byte {
            b' ' if in_word => in_word = false,
            b',' => return false,
            0x21 | 0x23..=0x5b | 0x5d..=0x7e => in_word = true,
            _ => return false,
        }
        rest = tail;
    }
    in_word
}

/// What is missing of `S`, as the denial that says so.
fn demand<S: RequiredScope>(caller: &SecurityContext) -> Result<(), Denial> {
    let has_all = S::SCOPE.split(' ').all(|it| caller.scope().contains(it));
    match has_all {
        true => Ok(()),
        // A text that is no scope lets nobody pass: a type that did not come of the macro may have one.
        false => Err(Denial::InsufficientScope {
            required: S::SCOPE.parse().unwrap_or_else(|_| Scope::empty()),
        }),
    }
}

impl<S: RequiredScope> Scoped<S> {
    fn of(caller: SecurityContext) -> Self {
        Self {
            caller,
            scope: PhantomData,
        }
    }

    /// The caller.
    #[must_use]
    pub fn into_context(self) -> SecurityContext {
        self.caller
    }
}

impl<S: RequiredScope> Clone for Scoped<S> {
    fn clone(&self) -> Self {
        Self::of(self.caller.clone())
    }
}

impl<S: RequiredScope> Deref for Scoped<S> {
    type Target = SecurityContext;

    fn deref(&self) -> &SecurityContext {
        &self.caller
    }
}

impl<T: Send + Sync, S: RequiredScope> FromRequestParts<T> for Scoped<S> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &T) -> Result<Self, Rejection> {
        let caller = somebody(parts)?;
        // The placeholder was counted where it was handed out.
        if !caller.is_placeholder()
            && let Err(denial) = demand::<S>(&caller)
        {
            pass_or_refuse(parts, denial)?;
        }
        Ok(Self::of(caller))
    }
}

impl<T: Send + Sync, S: RequiredScope> OptionalFromRequestParts<T> for Scoped<S> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &T) -> Result<Option<Self>, Rejection> {
        let caller = parts.extensions.get::<SecurityContext>();
        let caller = caller.filter(|it| demand::<S>(it).is_ok());
        Ok(caller.cloned().map(Self::of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_words_with_one_space_between_them() {
        for text in ["a", "orders:read", "a b", "!#[]~"] {
            assert!(is_scope(text), "{text}");
            assert!(text.parse::<Scope>().is_ok(), "{text}");
        }
        for text in [
            "", " ", " a", "a ", "a  b", "a\tb", "a\"b", "a\\b", "\u{e9}", "a\nb",
        ] {
            assert!(!is_scope(text), "{text:?}");
        }
    }
}
