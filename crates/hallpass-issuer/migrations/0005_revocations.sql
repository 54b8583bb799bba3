-- What is taken back before its end. That the rows are all of them, and as they were written, is sealed in store_meta.

create table revocations (
    -- Grows with each entry that is written; none comes twice.
    seq           bigint primary key not null,
    digest        text not null unique,
    kind          text not null,
    -- null: also tokens that are still to come.
    issued_before bigint,
    ends_at       bigint not null
);

create index revocations_by_end on revocations (ends_at);
