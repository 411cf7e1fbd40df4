-- The audit table: an index of the audit log, which lies in files and is the source of truth. Rows are only added;
-- id is the record's position in the log, so nothing here needs a sequence.
create table audit_log (
    id bigint primary key check (id >= 0),
    epoch bigint not null check (epoch >= 0),
    time_ns bigint not null,
    "timestamp" timestamptz generated always as (to_timestamp(time_ns / 1e9::double precision)) stored,
    node_id text not null,
    actor text not null,
    session_hash bytea check (octet_length(session_hash) = 32),
    job_id text,
    operation_id bytea not null check (octet_length(operation_id) = 16),
    role_used text not null,
    action text not null,
    table_name text not null,
    query_hash text,
    rows_affected bigint,
    duration_us bigint not null,
    source_component text not null,
    outcome text not null check (outcome in ('intent', 'ok', 'refused', 'failed')),
    break_glass boolean not null,
    metadata text not null,
    prev_hash bytea not null check (octet_length(prev_hash) = 32),
    entry_hash bytea not null check (octet_length(entry_hash) = 32)
);
create index audit_log_by_actor on audit_log (actor, id);
create index audit_log_by_action on audit_log (action text_pattern_ops, id);
create index audit_log_by_operation on audit_log (operation_id);

create function audit_log_refuse() returns trigger
language plpgsql set search_path = pg_catalog as $$
begin
    raise exception 'the audit log is append-only: % refused', tg_op using errcode = 'insufficient_privilege';
end
$$;

create trigger audit_log_rows before update or delete on audit_log
    for each row execute function audit_log_refuse();
create trigger audit_log_whole before truncate on audit_log
    for each statement execute function audit_log_refuse();
-- Also when a session calls itself a replica.
alter table audit_log enable always trigger audit_log_rows;
alter table audit_log enable always trigger audit_log_whole;
