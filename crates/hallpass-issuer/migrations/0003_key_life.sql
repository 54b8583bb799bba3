-- The whole life of a key: retired keys are deleted at their end, tainted ones are not published.

create table signing_keys_new (
    kid            text primary key not null,
    algorithm      text not null,
    state          text not null check (state in ('announced', 'signing', 'retired', 'published', 'tainted')),
    origin         text not null check (origin in ('generated', 'imported')),
    public_jwk     text not null,
    sealed_private text,
    created_at     bigint not null,
    -- When an issuer saw it enter its state.
    since          bigint,
    -- 'adoption': announced, and does not sign before the known verifiers have it.
    awaits         text check (awaits in ('adoption')),
    check (state in ('retired', 'published', 'tainted') or sealed_private is not null)
);

insert into signing_keys_new (kid, algorithm, state, origin, public_jwk, sealed_private, created_at, since)
    select kid, algorithm, state, origin, public_jwk, sealed_private, created_at, announced_at from signing_keys;

drop table signing_keys;

alter table signing_keys_new rename to signing_keys;

create unique index signing_keys_one_signing_per_algorithm
    on signing_keys (algorithm) where state = 'signing';

-- Who fetched which keys, by the name that it gave itself. It decides nothing but when a key that awaits adoption signs.
create table verifiers (
    name    text primary key not null,
    seen_at bigint not null,
    kids    text not null
);
