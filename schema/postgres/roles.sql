-- Group roles: they hold the privileges and cannot log in. Logins (bibd_<role>_a, bibd_<role>_b) are members of
-- one group each, own nothing, and are made by bibd with SCRAM verifiers. Run at every start, before migrations.
do $$
declare
    wanted text;
begin
    foreach wanted in array array[
        'bibd_owner', 'bibd_node', 'bibd_scrape', 'bibd_query', 'bibd_transform', 'bibd_admin_jobs', 'bibd_audit'
    ] loop
        if not exists (select from pg_catalog.pg_roles where rolname = wanted) then
            execute format('create role %I nologin nosuperuser nocreatedb nocreaterole noreplication', wanted);
        end if;
    end loop;
end
$$;

revoke all on database bib from public;
grant connect on database bib
    to bibd_node, bibd_scrape, bibd_query, bibd_transform, bibd_admin_jobs, bibd_audit;
revoke all on schema public from public;

create schema if not exists bib authorization bibd_owner;
revoke all on schema bib from public;
grant usage on schema bib
    to bibd_node, bibd_scrape, bibd_query, bibd_transform, bibd_admin_jobs, bibd_audit;

-- Which migrations ran, and the checksums of the text that ran. Nobody but the superuser writes it.
create table if not exists bib.schema_migrations (
    version bigint primary key check (version > 0),
    name text not null,
    up_sha256 text not null check (length(up_sha256) = 64),
    down_sha256 text not null check (length(down_sha256) = 64),
    applied_ms bigint not null
);
