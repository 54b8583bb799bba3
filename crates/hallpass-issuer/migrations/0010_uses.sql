-- When secrets of clients were used last, and which client got tokens for which service and scope. Noted seldom, and decides nothing; so it is on no
-- sealed list.

create table secret_uses (
    client_id text not null,
    -- A name for it that reveals nothing of it.
    secret    text not null,
    used_at   bigint not null,
    primary key (client_id, secret)
);

-- The one row without names says since when.
create table edge_uses (
    client_id  text not null,
    audience   text not null,
    -- Empty for tokens without any.
    scope      text not null,
    first_used bigint not null,
    last_used  bigint not null,
    primary key (client_id, audience, scope)
);
