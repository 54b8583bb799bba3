-- Portable on purpose (text and bigint only): the same file serves SQLite now and PostgreSQL later.

create table store_meta (
    name  text primary key not null,
    value text not null
);

-- Private keys are sealed (AES-256-GCM); a key without one was imported for verifiers only.
create table signing_keys (
    kid            text primary key not null,
    algorithm      text not null,
    state          text not null check (state in ('signing', 'published')),
    origin         text not null check (origin in ('generated', 'imported')),
    public_jwk     text not null,
    sealed_private text,
    created_at     bigint not null,
    check (state = 'published' or sealed_private is not null)
);

create unique index signing_keys_one_signing_per_algorithm
    on signing_keys (algorithm) where state = 'signing';

create table clients (
    client_id          text primary key not null,
    scope              text not null,
    token_life_seconds bigint not null,
    created_at         bigint not null
);

create table client_audiences (
    client_id text not null references clients (client_id) on delete cascade,
    audience  text not null,
    primary key (client_id, audience)
);

create table client_grants (
    client_id  text not null references clients (client_id) on delete cascade,
    grant_type text not null,
    primary key (client_id, grant_type)
);

-- At most two live secrets a client: the current one, and the one before it with an end.
create table client_secrets (
    client_id  text not null references clients (client_id) on delete cascade,
    kind       text not null check (kind in ('generated', 'chosen')),
    verifier   text not null,
    not_after  bigint,
    created_at bigint not null,
    primary key (client_id, verifier)
);
