-- Refresh tokens by family: all that follow one another from one first token have one row. That the rows are all of them, and
-- as they were written, is sealed in store_meta.

create table refresh_families (
    -- Grows with each row that is written; none comes twice.
    seq           bigint primary key not null,
    family        text not null unique,
    -- Digests, as on the deny-list: names of clients and subjects do not stand here.
    client_mark   text not null,
    subject_mark  text not null,
    -- Of the token that counts; it is not stored itself.
    secret_digest text not null,
    -- When it came in the place of the one before it.
    used_at       bigint,
    started_at    bigint not null,
    ends_at       bigint not null,
    -- What is granted, sealed.
    granted       text not null
);

create index refresh_families_by_client on refresh_families (client_mark, started_at);

create index refresh_families_by_subject on refresh_families (subject_mark);

create index refresh_families_by_end on refresh_families (ends_at);
