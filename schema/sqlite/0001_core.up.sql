-- Core tables: the catalogue, peers, people and the bookkeeping of requests. The same tables as in PostgreSQL,
-- without roles: SQLite is the limited mode.
-- Times are Unix milliseconds. Hashes, keys and request ids are raw bytes.

-- Numbers that only grow. 'catalog' is the position of the last entry in the catalogue: its row lock puts
-- publications in order, so that a reader that asks for what came after a position misses nothing.
create table counters (
    name text primary key,
    value integer not null check (value >= 0)
) strict;
insert into counters (name, value) values ('catalog', 0);

create table nodes (
    node_id text primary key check (length(node_id) between 40 and 64),
    name text not null,
    mode text not null check (mode in ('', 'full', 'selective', 'proxy')),
    storage text not null check (storage in ('', 'postgres', 'sqlite')),
    addresses text not null,
    base integer not null check (base in (0, 1)),
    blamed text not null,
    last_seen_ms integer not null check (last_seen_ms >= 0),
    sync_cursor integer not null check (sync_cursor >= 0),
    created_ms integer not null,
    updated_ms integer not null
) strict;

create table topics (
    name text primary key check (length(name) between 1 and 100),
    description text not null,
    owner text not null check (length(owner) between 40 and 64),
    position integer not null unique check (position > 0),
    created_ms integer not null,
    updated_ms integer not null
) strict;

create table subscriptions (
    topic text primary key references topics (name) on delete cascade,
    created_by text not null,
    created_ms integer not null
) strict;

create table datasets (
    id integer primary key,
    topic text not null references topics (name) on delete restrict,
    name text not null check (length(name) between 1 and 100),
    latest blob check (length(latest) = 32),
    latest_bytes integer not null check (latest_bytes >= 0),
    versions integer not null check (versions >= 0),
    highest_number integer not null check (highest_number >= 0),
    created_ms integer not null,
    updated_ms integer not null,
    unique (topic, name)
) strict;

create table dataset_versions (
    id blob primary key check (length(id) = 32),
    dataset integer not null references datasets (id) on delete restrict,
    number integer not null check (number > 0),
    message text not null,
    publisher blob not null check (length(publisher) = 32),
    created_ms integer not null,
    parents blob not null check (length(parents) % 32 = 0),
    files integer not null check (files >= 0),
    bytes integer not null check (bytes >= 0),
    chunks integer not null check (chunks >= 0),
    row_count integer not null check (row_count >= 0),
    complete integer not null check (complete in (0, 1)),
    completed_ms integer not null check (completed_ms >= 0),
    position integer unique check (position > 0),
    audit_seq integer not null check (audit_seq >= 0),
    stored_ms integer not null,
    check ((complete = 1) = (position is not null))
) strict;
-- The order in which a dataset's latest version is chosen.
create index dataset_versions_by_dataset on dataset_versions (dataset, complete, number, created_ms, id);
create index dataset_versions_incomplete on dataset_versions (stored_ms) where complete = 0;

-- The signed bytes lie in <data_dir>/manifests; this row says that they are there and how many they are.
create table manifests (
    version blob primary key references dataset_versions (id) on delete cascade,
    signature blob not null check (length(signature) = 64),
    bytes integer not null check (bytes > 0)
) strict;

create table invites (
    secret_hash blob primary key check (length(secret_hash) = 32),
    created_by text not null,
    created_ms integer not null,
    expires_ms integer not null,
    used_by text check (length(used_by) between 40 and 64),
    used_ms integer,
    check ((used_by is null) = (used_ms is null))
) strict;

create table users (
    name text primary key check (length(name) between 1 and 200),
    role text not null check (role in ('admin', 'operator', 'researcher', 'reader')),
    suspended integer not null check (suspended in (0, 1)),
    created_ms integer not null,
    updated_ms integer not null
) strict;

create table user_keys (
    fingerprint text primary key check (length(fingerprint) between 1 and 200),
    user_name text not null references users (name) on delete cascade,
    public_key text not null,
    created_ms integer not null
) strict;
create index user_keys_by_user on user_keys (user_name);

create table sessions (
    token_hash blob primary key check (length(token_hash) = 32),
    user_name text not null references users (name) on delete cascade,
    role text not null check (role in ('admin', 'operator', 'researcher', 'reader')),
    key_fingerprint text not null,
    created_ms integer not null,
    expires_ms integer not null,
    ended_ms integer not null check (ended_ms >= 0)
) strict;
create index sessions_by_expiry on sessions (expires_ms);

-- What each request did, so that a retry gets the same answer and nothing is done twice.
create table requests (
    request_id blob not null check (length(request_id) = 16),
    action text not null,
    object text not null,
    result text not null,
    created_ms integer not null,
    primary key (request_id, action, object)
) strict;
create index requests_by_age on requests (created_ms);
