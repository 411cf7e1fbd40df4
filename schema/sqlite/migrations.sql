-- Which migrations ran, and the checksums of the text that ran.
create table if not exists schema_migrations (
    version integer primary key check (version > 0),
    name text not null,
    up_sha256 text not null check (length(up_sha256) = 64),
    down_sha256 text not null check (length(down_sha256) = 64),
    applied_ms integer not null
) strict;
