//! What the tokens for a service look like beyond what every token has: signed with what, called what, saying what.

use std::collections::HashMap;

use hallpass_token::{Algorithm, Audience, TokenType};
use serde_json::{Map, Value};

use crate::settings::audience::AudienceSettings;

/// The shape of the tokens for one service.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TokenShape {
    /// What they are signed with; `None` when the service takes whatever the issuer signs with.
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) token_type: TokenType,
    /// Claims beside those that every token has.
    pub(crate) claims: Map<String, Value>,
}

/// The shapes by service; most services have none of their own.
#[derive(Debug, Default)]
pub(crate) struct TokenShapes {
    shapes: HashMap<Box<str>, TokenShape>,
    /// Of a service that is not named.
    usual: TokenShape,
}

impl TokenShapes {
    /// Of two entries for one service the first counts.
    pub(crate) fn new(audiences: &[AudienceSettings]) -> Self {
        let mut shapes = HashMap::with_capacity(audiences.len());
        for audience in audiences {
            shapes
                .entry(Box::from(audience.name.as_str()))
                .or_insert_with(|| TokenShape {
                    algorithm: audience.algorithm,
                    token_type: audience.token_type,
                    claims: audience.claims.clone(),
                });
        }
        Self {
            shapes,
            usual: TokenShape::default(),
        }
    }

    pub(crate) fn of(&self, audience: &Audience) -> &TokenShape {
        self.shapes.get(audience.as_str()).unwrap_or(&self.usual)
    }

    /// The algorithms that services demand.
    pub(crate) fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.shapes.values().filter_map(|shape| shape.algorithm)
    }
}
