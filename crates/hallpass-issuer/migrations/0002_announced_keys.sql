-- A key is announced before it signs: published, so that verifiers know it by then.

create table signing_keys_new (
    kid            text primary key not null,
    algorithm      text not null,
    state          text not null check (state in ('announced', 'signing', 'published')),
    origin         text not null check (origin in ('generated', 'imported')),
    public_jwk     text not null,
    sealed_private text,
    created_at     bigint not null,
    -- When an issuer began to publish an announced key.
    announced_at   bigint,
    check (state = 'published' or sealed_private is not null)
);

insert into signing_keys_new (kid, algorithm, state, origin, public_jwk, sealed_private, created_at)
    select kid, algorithm, state, origin, public_jwk, sealed_private, created_at from signing_keys;

drop table signing_keys;

alter table signing_keys_new rename to signing_keys;

create unique index signing_keys_one_signing_per_algorithm
    on signing_keys (algorithm) where state = 'signing';
