-- Clients that were registered by `hallpass client add`: what `issuer.clients` would say of them, and the digest of a secret that was made for
-- one. Their rows in `clients` hold the name; what stands here belongs to it, and is on its sealed list.

create table client_registrations (
    client_id     text primary key not null references clients (client_id) on delete cascade,
    settings      text not null,
    secret_digest text
);
