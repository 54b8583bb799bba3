//! Internal authentication between services: the libraries of Hallpass under one name.
