//! Internal authentication between services: the libraries of Hallpass under one name.

pub use hallpass_client as client;
pub use hallpass_config as config;
pub use hallpass_feign as feign;
pub use hallpass_resource as resource;
pub use hallpass_token as token;
