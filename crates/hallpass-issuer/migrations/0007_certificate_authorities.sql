-- Authorities of certificates. Private keys are sealed (AES-256-GCM) as those that sign tokens are; one that signs no more has none.

create table certificate_authorities (
    id             text primary key not null,
    state          text not null check (state in ('announced', 'signing', 'retired')),
    trust_domain   text not null,
    -- DER, in base64.
    certificate    text not null,
    sealed_private text,
    created_at     bigint not null,
    not_after      bigint not null,
    -- When an issuer saw it enter its state.
    since          bigint not null,
    check (state = 'retired' or sealed_private is not null)
);

create unique index certificate_authorities_one_signs on certificate_authorities (state) where state = 'signing';
