//! Reads where the keys of an issuer are.

use hallpass_config::{Preferred, Section};

use super::JwksLocation;

impl JwksLocation {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        if !section.has("jwks-url") && !section.has("jwks-file") {
            if section.section("introspection").is_given() {
                return Some(Self::Nowhere);
            }
            section.missing("jwks-url", "is required, or jwks-file");
        }
        match section.prefer("jwks-url", "jwks-file")? {
            Preferred::First => section.parsed("jwks-url").map(Self::Url),
            Preferred::Second => section.file("jwks-file").map(Self::File),
        }
    }
}
