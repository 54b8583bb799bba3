//! Names the lifetimes that an `async fn` may leave out, for the boxed form where they must be written.

use syn::visit_mut::{self, VisitMut};
use syn::{Lifetime, Type, TypeFnPtr, TypeReference, TypeTraitObject};

/// The type with every elided lifetime written as `lifetime`.
pub(crate) fn named(ty: &Type, lifetime: &Lifetime) -> Type {
    let mut ty = ty.clone();
    Elided(lifetime).visit_type_mut(&mut ty);
    ty
}

struct Elided<'a>(&'a Lifetime);

impl VisitMut for Elided<'_> {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        reference.lifetime.get_or_insert_with(|| self.0.clone());
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = self.0.clone();
        }
    }

    // Inside these, an elided lifetime is the pointer's own and not the call's.
    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}
    fn visit_type_trait_object_mut(&mut self, _: &mut TypeTraitObject) {}
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;
    use syn::parse_quote;

    fn check(ty: &syn::Type, expected: &syn::Type) {
        let named = super::named(ty, &parse_quote!('call));
        assert_eq!(
            named.to_token_stream().to_string(),
            expected.to_token_stream().to_string()
        );
    }

    #[test]
    fn elided_lifetimes_are_named_and_others_are_left_alone() {
        check(&parse_quote!(&str), &parse_quote!(&'call str));
        check(
            &parse_quote!(Option<&[Cow<'_, str>]>),
            &parse_quote!(Option<&'call [Cow<'call, str>]>),
        );
        check(&parse_quote!(&'static str), &parse_quote!(&'static str));
        check(&parse_quote!(fn(&str) -> u8), &parse_quote!(fn(&str) -> u8));
    }
}
