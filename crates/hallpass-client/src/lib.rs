//! AuthTokenService, token cache, identity context and bearer layer for calls between services.
