-- Core tables: the catalogue, peers, people and the bookkeeping of requests.
-- Times are Unix milliseconds. Hashes, keys and request ids are raw bytes.

-- Numbers that only grow. 'catalog' is the position of the last entry in the catalogue: its row lock puts
-- publications in order, so that a reader that asks for what came after a position misses nothing.
create table counters (
    name text primary key,
    value bigint not null check (value >= 0)
);
insert into counters (name, value) values ('catalog', 0);

create table nodes (
    node_id text primary key check (length(node_id) between 40 and 64),
    name text not null,
    mode text not null check (mode in ('', 'full', 'selective', 'proxy')),
    storage text not null check (storage in ('', 'postgres', 'sqlite')),
    addresses text not null,
    base boolean not null,
    blamed text not null,
    last_seen_ms bigint not null check (last_seen_ms >= 0),
    sync_cursor bigint not null check (sync_cursor >= 0),
    created_ms bigint not null,
    updated_ms bigint not null
);

create table topics (
    name text primary key check (length(name) between 1 and 100),
    description text not null,
    owner text not null check (length(owner) between 40 and 64),
    position bigint not null unique check (position > 0),
    created_ms bigint not null,
    updated_ms bigint not null
);

create table subscriptions (
    topic text primary key references topics (name) on delete cascade,
    created_by text not null,
    created_ms bigint not null
);

create table datasets (
    id bigint generated always as identity primary key,
    topic text not null references topics (name) on delete restrict,
    name text not null check (length(name) between 1 and 100),
    latest bytea check (octet_length(latest) = 32),
    latest_bytes bigint not null check (latest_bytes >= 0),
    versions bigint not null check (versions >= 0),
    highest_number bigint not null check (highest_number >= 0),
    created_ms bigint not null,
    updated_ms bigint not null,
    unique (topic, name)
);

create table dataset_versions (
    id bytea primary key check (octet_length(id) = 32),
    dataset bigint not null references datasets (id) on delete restrict,
    number bigint not null check (number > 0),
    message text not null,
    publisher bytea not null check (octet_length(publisher) = 32),
    created_ms bigint not null,
    parents bytea not null check (octet_length(parents) % 32 = 0),
    files bigint not null check (files >= 0),
    bytes bigint not null check (bytes >= 0),
    chunks bigint not null check (chunks >= 0),
    row_count bigint not null check (row_count >= 0),
    complete boolean not null,
    completed_ms bigint not null check (completed_ms >= 0),
    position bigint unique check (position > 0),
    audit_seq bigint not null check (audit_seq >= 0),
    stored_ms bigint not null,
    check (complete = (position is not null))
);
-- The order in which a dataset's latest version is chosen.
create index dataset_versions_by_dataset on dataset_versions (dataset, complete, number, created_ms, id);
create index dataset_versions_incomplete on dataset_versions (stored_ms) where not complete;

-- The signed bytes lie in <data_dir>/manifests; this row says that they are there and how many they are.
create table manifests (
    version bytea primary key references dataset_versions (id) on delete cascade,
    signature bytea not null check (octet_length(signature) = 64),
    bytes bigint not null check (bytes > 0)
);

create table invites (
    secret_hash bytea primary key check (octet_length(secret_hash) = 32),
    created_by text not null,
    created_ms bigint not null,
    expires_ms bigint not null,
    used_by text check (length(used_by) between 40 and 64),
    used_ms bigint,
    check ((used_by is null) = (used_ms is null))
);

create table users (
    name text primary key check (length(name) between 1 and 200),
    role text not null check (role in ('admin', 'operator', 'researcher', 'reader')),
    suspended boolean not null,
    created_ms bigint not null,
    updated_ms bigint not null
);

create table user_keys (
    fingerprint text primary key check (length(fingerprint) between 1 and 200),
    user_name text not null references users (name) on delete cascade,
    public_key text not null,
    created_ms bigint not null
);
create index user_keys_by_user on user_keys (user_name);

create table sessions (
    token_hash bytea primary key check (octet_length(token_hash) = 32),
    user_name text not null references users (name) on delete cascade,
    role text not null check (role in ('admin', 'operator', 'researcher', 'reader')),
    key_fingerprint text not null,
    created_ms bigint not null,
    expires_ms bigint not null,
    ended_ms bigint not null check (ended_ms >= 0)
);
create index sessions_by_expiry on sessions (expires_ms);

-- What each request did, so that a retry gets the same answer and nothing is done twice.
create table requests (
    request_id bytea not null check (octet_length(request_id) = 16),
    action text not null,
    object text not null,
    result text not null,
    created_ms bigint not null,
    primary key (request_id, action, object)
);
create index requests_by_age on requests (created_ms);
