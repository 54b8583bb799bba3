//! Whose identity a call carries, case by case.

mod relayed;
mod service;
