//! Real issuers and services on loopback and a hand-driven clock, for tests of code that uses Hallpass.
