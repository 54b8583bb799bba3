-- Each client is sealed by itself, with the number of the change that wrote it: one more client must not cost a walk through a million.
-- What stood here before is numbered when the store is opened.

alter table clients add column seq bigint not null default 0;

-- An HMAC over the number, and over all that belongs to the client.
alter table clients add column mac text;

create index clients_by_seq on clients (seq);

-- Names of clients that were taken away, with the number of that change, for those who follow. It decides nothing: the sum of the clients, which
-- is sealed in store_meta, tells whether any is missed here. Old ones are deleted.
create table removed_clients (
    seq       bigint primary key not null,
    client_id text not null
);
