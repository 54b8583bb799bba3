//! The resource server before services that are not axum's, with other people's servers and clients.

#[cfg(test)]
mod alice;
#[cfg(test)]
mod arrived;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod grpc_client;
#[cfg(test)]
mod grpc_upload;
#[cfg(test)]
mod others;
#[cfg(test)]
mod plain_tower;
#[cfg(test)]
mod reqwest_client;
#[cfg(test)]
mod reqwest_places;
#[cfg(test)]
mod rig;
