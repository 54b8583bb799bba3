SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public._sqlx_migrations (
    version bigint NOT NULL,
    description text NOT NULL,
    installed_on timestamp with time zone DEFAULT now() NOT NULL,
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
);
CREATE TABLE public.certificate_authorities (
    id text NOT NULL,
    state text NOT NULL,
    trust_domain text NOT NULL,
    certificate text NOT NULL,
    sealed_private text,
    created_at bigint NOT NULL,
    not_after bigint NOT NULL,
    since bigint NOT NULL,
    CONSTRAINT certificate_authorities_check CHECK (((state = 'retired'::text) OR (sealed_private IS NOT NULL))),
    CONSTRAINT certificate_authorities_state_check CHECK ((state = ANY (ARRAY['announced'::text, 'signing'::text, 'retired'::text])))
);
CREATE TABLE public.client_audiences (
    client_id text NOT NULL,
    audience text NOT NULL
);
CREATE TABLE public.client_grants (
    client_id text NOT NULL,
    grant_type text NOT NULL
);
CREATE TABLE public.client_registrations (
    client_id text NOT NULL,
    settings text NOT NULL,
    secret_digest text
);
CREATE TABLE public.client_secrets (
    client_id text NOT NULL,
    kind text NOT NULL,
    verifier text NOT NULL,
    not_after bigint,
    created_at bigint NOT NULL,
    CONSTRAINT client_secrets_kind_check CHECK ((kind = ANY (ARRAY['generated'::text, 'chosen'::text])))
);
CREATE TABLE public.clients (
    client_id text NOT NULL,
    scope text NOT NULL,
    token_life_seconds bigint NOT NULL,
    created_at bigint NOT NULL,
    seq bigint DEFAULT 0 NOT NULL,
    mac text
);
CREATE TABLE public.edge_uses (
    client_id text NOT NULL,
    audience text NOT NULL,
    scope text NOT NULL,
    first_used bigint NOT NULL,
    last_used bigint NOT NULL
);
CREATE TABLE public.refresh_families (
    seq bigint NOT NULL,
    family text NOT NULL,
    client_mark text NOT NULL,
    subject_mark text NOT NULL,
    secret_digest text NOT NULL,
    used_at bigint,
    started_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    granted text NOT NULL
);
CREATE TABLE public.removed_clients (
    seq bigint NOT NULL,
    client_id text NOT NULL
);
CREATE TABLE public.revocations (
    seq bigint NOT NULL,
    digest text NOT NULL,
    kind text NOT NULL,
    issued_before bigint,
    ends_at bigint NOT NULL
);
CREATE TABLE public.secret_uses (
    client_id text NOT NULL,
    secret text NOT NULL,
    used_at bigint NOT NULL
);
CREATE TABLE public.signing_keys (
    kid text NOT NULL,
    algorithm text NOT NULL,
    state text NOT NULL,
    origin text NOT NULL,
    public_jwk text NOT NULL,
    sealed_private text,
    created_at bigint NOT NULL,
    since bigint,
    awaits text,
    CONSTRAINT signing_keys_new_awaits_check CHECK ((awaits = 'adoption'::text)),
    CONSTRAINT signing_keys_new_check1 CHECK (((state = ANY (ARRAY['retired'::text, 'published'::text, 'tainted'::text])) OR (sealed_private IS NOT NULL))),
    CONSTRAINT signing_keys_new_origin_check1 CHECK ((origin = ANY (ARRAY['generated'::text, 'imported'::text]))),
    CONSTRAINT signing_keys_new_state_check1 CHECK ((state = ANY (ARRAY['announced'::text, 'signing'::text, 'retired'::text, 'published'::text, 'tainted'::text])))
);
CREATE TABLE public.store_meta (
    name text NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.verifiers (
    name text NOT NULL,
    seen_at bigint NOT NULL,
    kids text NOT NULL
);
INSERT INTO public._sqlx_migrations VALUES (1, 'first store', '2026-11-28 02:04:05.453326+00', true, '\x0f663472edf29db1f95c8d0eed9bb472202093cf81031e80b2325c6ed4e77406aebaf3d207490f3da667ea903bff2dff', 38802053);
INSERT INTO public._sqlx_migrations VALUES (2, 'announced keys', '2026-11-28 02:04:05.493252+00', true, '\xc937732d02d59d243b82a8ac7df6b87cdfbcf97bbe8c640083ad9e5828c7ccda84a76883ce718c79f9486166c1393367', 15673247);
INSERT INTO public._sqlx_migrations VALUES (3, 'key life', '2026-11-28 02:04:05.509357+00', true, '\x646faa1f3ac8740ad5325af1e1356dcb2a504462fef98504d176698d5b89db9c38ddf63d7f5b4a8a7b96ec8a6093a430', 22778659);
INSERT INTO public._sqlx_migrations VALUES (4, 'refresh tokens', '2026-11-28 02:04:05.537846+00', true, '\x488cc05b280922360063a7d9488e083c353fc1986fe7f6732eb9333e3035ef64c70e6acc10e58c87dac0feb1a87040d9', 8694546);
INSERT INTO public._sqlx_migrations VALUES (5, 'revocations', '2026-11-28 02:04:05.544148+00', true, '\xa6c4e5ceb2effc77976e3994e4cd703819fdef01498d67ddcbeffe018f08abfc15eecf24898d291e67b2df564ef5a3ea', 16523587);
INSERT INTO public._sqlx_migrations VALUES (6, 'client registrations', '2026-11-28 02:04:05.561094+00', true, '\x8ed01eb640ed6aabc9db58d8ace74abc2eaa5ed199809347b2fc12ccee67e585c448f8bd268dde3d183fc4b5b6051b03', 7145402);
INSERT INTO public._sqlx_migrations VALUES (7, 'certificate authorities', '2026-11-28 02:04:05.568632+00', true, '\xae1afe150cd7d0f86d29041e91fe53a780db2cca8240afc18eaffc0581c63b332c3aa5232c79a01ba82e29c52e274ba1', 2670238);
INSERT INTO public._sqlx_migrations VALUES (10, 'uses', '2026-11-28 02:04:05.571556+00', true, '\x2f746db5bd8f615b8fdac23aa19ae3f5ea0d54f457a8f9d1bf84778203de905e4120206171f760cff4885766438260a3', 3464958);
INSERT INTO public._sqlx_migrations VALUES (15, 'sealed clients', '2026-11-28 02:04:05.57522+00', true, '\xd93d429c3995c623b9ab7da47df89bfaba9305f422ee1b92edeaf1f39fe3ad13443042470cdccfbe5d04023700811218', 4327907);
INSERT INTO public.certificate_authorities VALUES ('72fde431582f59af', 'signing', 'golden.example', 'MIICDjCCAbSgAwIBAgIUcxofgaeaeibqBf4q+S5xVt+VYDMwCgYIKoZIzj0EAwIwQDEXMBUGA1UECgwOZ29sZGVuLmV4YW1wbGUxJTAjBgNVBAMMHGhhbGxwYXNzIGNhIDcyZmRlNDMxNTgyZjU5YWYwHhcNMjYxMTI4MDIwMjU0WhcNMjcwMTI4MDIxMzU0WjBAMRcwFQYDVQQKDA5nb2xkZW4uZXhhbXBsZTElMCMGA1UEAwwcaGFsbHBhc3MgY2EgNzJmZGU0MzE1ODJmNTlhZjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPgdp2v2bU2zlVGn1mEwugMxY36nWAYCera6/0gXRPumizo4FWDEi0MsSKtNNR7R0RBEbvTeBOgunE5P5pEJJkmjgYswgYgwHwYDVR0jBBgwFoAUxd0j/g4tnhf+7OZqM66v0eQQsCYwIgYDVR0RBBswGYYXc3BpZmZlOi8vZ29sZGVuLmV4YW1wbGUwDgYDVR0PAQH/BAQDAgEGMB0GA1UdDgQWBBTF3SP+Di2eF/7s5mozrq/R5BCwJjASBgNVHRMBAf8ECDAGAQH/AgEAMAoGCCqGSM49BAMCA0gAMEUCIEZbadr90e2KXZblxLnXQEEDHD6BwdMk/9A8QpZW/nFbAiEAi54v/+bLUuE5UAuGo0eiRtSMxx6139wEGu5clOKTwVQ', 'ATfxL+oFLalmclZbn5vPczPBfARWCBZcNWQ5L7Wz1IqTYsx6GQu7TT7N5UnLiIMjNpUu45W+QRDzXXz164MNup/vpMQfQuvF+UpMd0YdVSHp5t7Jp+PMTOeXJ5lv+ob5LbG62VBg7SjyYZMSnL6Fheo/nLYt/uGoBZslm6T2Lmgfy5poz+UZtjuPAJ6CeF+hAewWTLflAUc0Gz/ebUjVWswmpk6m25k', 1795831434, 1801102434, 1795831434);
INSERT INTO public.client_audiences VALUES ('internal-service-client', 'service-system');
INSERT INTO public.client_grants VALUES ('internal-service-client', 'client_credentials');
INSERT INTO public.client_registrations VALUES ('batch', '{"hallpass":{"issuer":{"clients":[{"audiences":["stock"],"client-id":"batch","scopes":["stock.read"]}]}}}', '$sha256$6g__jBI_VmJ0I6HstKpZ_XH8Epievvb4wDmxqCN1IfM');
INSERT INTO public.client_registrations VALUES ('caught', '{"hallpass":{"issuer":{"clients":[{"audiences":["stock"],"client-id":"caught"}]}}}', '$sha256$jeix43hrEL5nhtbZMgpoABp8v19_yQhA_1HabnZ4tbk');
INSERT INTO public.client_registrations VALUES ('web', '{"hallpass":{"issuer":{"clients":[{"audiences":["stock"],"client-id":"web","grant-types":["client_credentials","refresh_token"]}]}}}', '$sha256$Gpl5LiRuZvoHZWvOBwNfPip-2MBArX3hb6J1AnFavVA');
INSERT INTO public.client_registrations VALUES ('report', '{"hallpass":{"issuer":{"clients":[{"audiences":["stock"],"client-id":"report","dpop-bound-access-tokens":true,"exchange":[{"scopes":["orders:read"],"subject-kinds":["user"],"targets":["stock"]}],"grant-types":["client_credentials","urn:ietf:params:oauth:grant-type:token-exchange"]}]}}}', '$sha256$w0pyaYQyWqfTi48ullVCLBcuBPmS8O2DLSPlINaX6pM');
INSERT INTO public.client_secrets VALUES ('internal-service-client', 'generated', 'EyVFlekMxNqnEOyZt7YyDrglZDJha3xrv5nyj0-dulQ', NULL, 1795831434);
INSERT INTO public.clients VALUES ('internal-service-client', 'internal-service', 3600, 1795831434, 1, 'dFIKGwnT6GD0acjVsGAsKA');
INSERT INTO public.clients VALUES ('batch', '', 0, 1795831434, 2, 'y9DHFlnp-Y9D6UXjsSRJDQ');
INSERT INTO public.clients VALUES ('caught', '', 0, 1795831434, 3, 'pPt5mFawyNKF-hP5UugEag');
INSERT INTO public.clients VALUES ('web', '', 0, 1795831434, 4, 'XOc5phQNs6Y3vilsPWXipw');
INSERT INTO public.clients VALUES ('report', '', 0, 1795831435, 6, 'k26nxfgBBUjb_G9ueatnBg');
INSERT INTO public.edge_uses VALUES ('', '', '', 1795831444, 1795831444);
INSERT INTO public.edge_uses VALUES ('batch', 'stock', '', 1795824000, 1795824000);
INSERT INTO public.edge_uses VALUES ('caught', 'stock', '', 1795824000, 1795824000);
INSERT INTO public.edge_uses VALUES ('web', 'stock', '', 1795824000, 1795824000);
INSERT INTO public.refresh_families VALUES (1, 'SZ0DDWYKfRwQTqRYkiBoAw', '7mXzqdVsVslnNA_WqAGzVw', 'R-UUDxXPv7mV6y-ZpSKn-w', 'D5ljFKtTrvbHq9v3NaOaPvdYImWYIJRi5DoLUBPr6O4', NULL, 1795831439, 1795917839, 'AXBWcFK5CEEPZOKmI4VTqECeSaB82nGt32vcO+Ackhbp1omYH3PcnVhd60n4bGQJGI5wI3PVLWH6equ61/7wtGtKfJAoEl0AeleT6DjsXLijWoLnOyNI7jbtO2TcyVIKtB+V1TtuPS4H6sfFBhSXrSQEQC5Qp5hrdCiCVCD45TQ+yFqRE9fl7f6VTdPTMnXnTMjS5pULUFVBvnyvcqV6eHtYPWP5eOZOIzk/JZItnY71k7aw28fgGh3/7yMhw6vVbBkFe5c+QIyoeRo');
INSERT INTO public.removed_clients VALUES (7, 'gone');
INSERT INTO public.revocations VALUES (1, 'Jc-ll0n0ZCJe6zw023ejsw', 'token', NULL, 1795918139);
INSERT INTO public.revocations VALUES (2, '1vxSb6P74kKiI10xxYMvjQ', 'client', 1795831440, 1795918139);
INSERT INTO public.revocations VALUES (3, 'fjPkzwsuTWWzPNQH3U63mA', 'client', 1795831445, 1795918140);
INSERT INTO public.secret_uses VALUES ('batch', '12a629cf84cba723', 1795831436);
INSERT INTO public.secret_uses VALUES ('caught', '336f21a998764df1', 1795831439);
INSERT INTO public.secret_uses VALUES ('web', 'e5237e5dfcad36ca', 1795831439);
INSERT INTO public.signing_keys VALUES ('dVFCQFfLB290jm7JCnyXOI7LVUvsPw_o9x29dFvIf1Y', 'ES256', 'retired', 'generated', '{"alg":"ES256","crv":"P-256","kid":"dVFCQFfLB290jm7JCnyXOI7LVUvsPw_o9x29dFvIf1Y","kty":"EC","use":"sig","x":"zlTpUhJwKyRM-zm9WfpiNQOoaNIRZup-EvLb9Ra1SGw","y":"65t5So1XhAqIBUoJDDlCts8cRWku5TYx8NA9Bvv7VWw"}', NULL, 1795831434, 1795831436, NULL);
INSERT INTO public.signing_keys VALUES ('_-lrXXYiEhFz--nT0iLedxxUka0QZHS0Ap52YVbWPqU', 'ES256', 'tainted', 'generated', '{"alg":"ES256","crv":"P-256","kid":"_-lrXXYiEhFz--nT0iLedxxUka0QZHS0Ap52YVbWPqU","kty":"EC","use":"sig","x":"yHsGqbYHSgfc_iSC40ciO72BHv_tkSX9t1ZLIdB95OM","y":"8FnT2L-doge7j1-29r9bsXMCSYBfc3TYkq9Wo4ZMP_0"}', NULL, 1795831436, 1795831440, NULL);
INSERT INTO public.signing_keys VALUES ('M7KrCc3oVyU1lgnhXUIO7lzwFXR4bK6PpZ86MrJ2Npw', 'ES256', 'signing', 'generated', '{"alg":"ES256","crv":"P-256","kid":"M7KrCc3oVyU1lgnhXUIO7lzwFXR4bK6PpZ86MrJ2Npw","kty":"EC","use":"sig","x":"kWPMKvxEwJhkBCqrWa0es0DG_ForOeBQhtSEuKnDPGc","y":"EsRUChpIBhi3HGfVgKWysvbPWauQmnOPff5CpE7Eiqo"}', 'AZBxFQQSwe+NGxrBeHEmnJ/PiRGVm6iEyA7NokXAScarkz/n2H+2Edpy2TIcZIiNOvAbZpTsswpOiymvjMk3REI1m15bpBD3pkvR+Ax+LZ0xt0n0fOyFOC9slMFwlO9Vi05MdSYk/+7Pg96PDX0j4H94R/wbalmp0S7vxoPxHrgSlq9l0mC0GHCy+pXsHEAQutoUAWbp/4VKTeBW/d37JdQ6kiiuPdM', 1795831437, 1795831437, NULL);
INSERT INTO public.signing_keys VALUES ('TObBtMehLEUrgUeIJB7z1wg1qXYxdX155_5broDFEmg', 'ES256', 'announced', 'generated', '{"alg":"ES256","crv":"P-256","kid":"TObBtMehLEUrgUeIJB7z1wg1qXYxdX155_5broDFEmg","kty":"EC","use":"sig","x":"A_buG0SfVm-7bgqDq9PoD4AC8W8eP2FnoEKkI6zujSg","y":"4UsLCLafgpnqP2OsFrpsPGnaLuWcPGjgYgWIEB2II-U"}', 'ARbLdF0dkeBEdKqmiMSKvjAfq+SpkmmMVHl+YMTP14XsXS/Wa9iG9Mq0F1hZh1aFOHnp6aXF4vPlz5E98tR99QqYIsN0n4CYRSiEM0IIKHEqavs6WW4xRHXIiKSJphbT40Vu6YFoVrBtCjNYIpexwJFQZsrR43FUqwkcO21XLLU3Tna2jx8gQcAipBrIuKyF8lbgXtUw4jec9+6o7o5qCqji50PfD7c', 1795831440, 1795831441, NULL);
INSERT INTO public.store_meta VALUES ('rows_of_signing_keys', 'AYr2FAzsU2B2BpSCTPN6fHvtgvK7Dy0MyzhEVZ6YC5LY02V2P1rCwS2ND/SsbvOs6NYe5Ui7hSAlzitrcmFSOvj/wpfCaukHqCjNSokbgNoVghSEY0UDk1zk+cyJkXTIHXt0aSHcEqUwPGogZcejCt4T85dDQm+Z0dNrK5WFDdE9Y0lS9p8lQE8KzfF9+LWV/x8sFsfmW1bVcRnejqztOaRJ7wMDTZ6K1/sthlUQlS23KpfO1dHfDRzIpZVmgb7MEicMGbAkzRgl/cDdWqD/Eorz62ck256HG3KiyXj6BilkFwOLPL7JS691OhqPsuwUmx77dk2WuTlb5MEpb46zazCuNOYt6fjfR9ye03hCZY7OjgVxyVtlz7rVswgJSyRf6Rl9lkTU37vfZhFWIc+VjNmV/ZXe2DCfaeL77K2bqPQc4aqOWDnC3wM5kzNjnqtZR4VHQZPd6LWzIW+yYqunhn9FXb/VmvYfV6iDOM/z2QfAAumXJjXyaCr6NzRnE1tPYe4YZJmUHtApLZw9ks8');
INSERT INTO public.store_meta VALUES ('rows_of_clients', 'Ae5Wzv2/v2vP3XW5d7dQYO+/KdVXOSlRR0I+a5UXC8X7FWov2czfcEY7dmcLHBo/Mlle9++LMz7ZmYI0uqB6cTmVFEFVCMyHsbo3TSOTJzqPASY+WX0bqQiYeeenFp3/beEDUk+N5WAl+nR00hai7bGvjen9LukPbUZkLkoh+oUQE899Uhy+fbRD6fUUYN9Ei50ExqUZJo80hdwY');
INSERT INTO public.store_meta VALUES ('seal_salt', 'lbwWCTXgKWe6GFYNONS5aA');
INSERT INTO public.store_meta VALUES ('seal_check', 'AdIFFGZegeTH0Ty4WAnYuCM5mC3DjOIWDZwHNE5x0L9W1Vyb7wxdyyKBGYg4g8dHGAQGhrhRHz6yCvmZ98AO25KQxzeDzqDsZEEHJxqmbMNE/PuSxa594nDur2EW5OzSXdEiHILHSkIsL7Jb/wg8HPzM59zKBh6Zfrc');
INSERT INTO public.store_meta VALUES ('revocations', 'AWvkZ23s+zOkREy+w1IDwfsIDu7F+zedyeqxl+gXu0innN2OSVdMcRY7N9lXheuGppqDLBbpesls34ouhS1QRwjj20flQQPYdageSAxFCCylM5fEVNr/me0hECe6KVzyI3pVmNzz/fy+VVoTTs+eSS76CQoqHt1HvFJ7i/1SWHt3m8YkwStGiNQcuRbiXEjIrxih5SUjXKoWVf1M');
INSERT INTO public.store_meta VALUES ('refresh_families', 'AQ8ai7KJTr4xAOTJ/hB5mFt797zbtYswOsNYYWnBrRNzuEkiDWA6y+7b51EBMLdGOLf9KeUP9gllshLcgqCk9O/wLiir3oOjXC4l0YTNJuJ0WPbskkk0NZdSVXn6AKEO+a9ytYysPpNMiXPHFa7xnAy9LQDMseWegVh8ClfHnuI5kkOcqF7lxheeGQAXGuqg/k8fjZOdCTQjfsmS');
INSERT INTO public.store_meta VALUES ('rows_of_certificate_authorities', 'ARKWl9GDg1mXLiW59X5g66+fCKwUVnPfafkLGlofNlGttZ1rKpXu4E+y7XxN+CAQzXr5yapaX/VMKgbCZy6TnAXubKcKjC+8waw6iDfzaUnF/tmZBUJjx9DCMkPpUzk');
INSERT INTO public.store_meta VALUES ('whole', 'AaFZDikDzeUctdJzWFKjFNIM+iL4xUbBycFjDgg6t6KZHgDhV9vJtaEPcuf7T+6fdQvbveDadmREYvH2dQ');
ALTER TABLE ONLY public._sqlx_migrations
    ADD CONSTRAINT _sqlx_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.certificate_authorities
    ADD CONSTRAINT certificate_authorities_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.client_audiences
    ADD CONSTRAINT client_audiences_pkey PRIMARY KEY (client_id, audience);
ALTER TABLE ONLY public.client_grants
    ADD CONSTRAINT client_grants_pkey PRIMARY KEY (client_id, grant_type);
ALTER TABLE ONLY public.client_registrations
    ADD CONSTRAINT client_registrations_pkey PRIMARY KEY (client_id);
ALTER TABLE ONLY public.client_secrets
    ADD CONSTRAINT client_secrets_pkey PRIMARY KEY (client_id, verifier);
ALTER TABLE ONLY public.clients
    ADD CONSTRAINT clients_pkey PRIMARY KEY (client_id);
ALTER TABLE ONLY public.edge_uses
    ADD CONSTRAINT edge_uses_pkey PRIMARY KEY (client_id, audience, scope);
ALTER TABLE ONLY public.refresh_families
    ADD CONSTRAINT refresh_families_family_key UNIQUE (family);
ALTER TABLE ONLY public.refresh_families
    ADD CONSTRAINT refresh_families_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.removed_clients
    ADD CONSTRAINT removed_clients_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.revocations
    ADD CONSTRAINT revocations_digest_key UNIQUE (digest);
ALTER TABLE ONLY public.revocations
    ADD CONSTRAINT revocations_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.secret_uses
    ADD CONSTRAINT secret_uses_pkey PRIMARY KEY (client_id, secret);
ALTER TABLE ONLY public.signing_keys
    ADD CONSTRAINT signing_keys_new_pkey1 PRIMARY KEY (kid);
ALTER TABLE ONLY public.store_meta
    ADD CONSTRAINT store_meta_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.verifiers
    ADD CONSTRAINT verifiers_pkey PRIMARY KEY (name);
CREATE UNIQUE INDEX certificate_authorities_one_signs ON public.certificate_authorities USING btree (state) WHERE (state = 'signing'::text);
CREATE INDEX clients_by_seq ON public.clients USING btree (seq);
CREATE INDEX refresh_families_by_client ON public.refresh_families USING btree (client_mark, started_at);
CREATE INDEX refresh_families_by_end ON public.refresh_families USING btree (ends_at);
CREATE INDEX refresh_families_by_subject ON public.refresh_families USING btree (subject_mark);
CREATE INDEX revocations_by_end ON public.revocations USING btree (ends_at);
CREATE UNIQUE INDEX signing_keys_one_signing_per_algorithm ON public.signing_keys USING btree (algorithm) WHERE (state = 'signing'::text);
ALTER TABLE ONLY public.client_audiences
    ADD CONSTRAINT client_audiences_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(client_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.client_grants
    ADD CONSTRAINT client_grants_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(client_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.client_registrations
    ADD CONSTRAINT client_registrations_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(client_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.client_secrets
    ADD CONSTRAINT client_secrets_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(client_id) ON DELETE CASCADE;
