//! The resource server before frameworks that its tower layer does not fit: see the two modules, and `README.md`.

pub mod actix;
pub mod poem;
