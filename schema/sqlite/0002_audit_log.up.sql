-- The audit table: an index of the audit log, which lies in files and is the source of truth. Rows are only added;
-- id is the record's position in the log.
create table audit_log (
    id integer primary key check (id >= 0),
    epoch integer not null check (epoch >= 0),
    time_ns integer not null,
    node_id text not null,
    actor text not null,
    session_hash blob check (length(session_hash) = 32),
    job_id text,
    operation_id blob not null check (length(operation_id) = 16),
    role_used text not null,
    action text not null,
    table_name text not null,
    query_hash text,
    rows_affected integer,
    duration_us integer not null,
    source_component text not null,
    outcome text not null check (outcome in ('intent', 'ok', 'refused', 'failed')),
    break_glass integer not null check (break_glass in (0, 1)),
    metadata text not null,
    prev_hash blob not null check (length(prev_hash) = 32),
    entry_hash blob not null check (length(entry_hash) = 32)
) strict;
create index audit_log_by_actor on audit_log (actor, id);
create index audit_log_by_action on audit_log (action, id);
create index audit_log_by_operation on audit_log (operation_id);

create trigger audit_log_no_update before update on audit_log begin
    select raise(abort, 'the audit log is append-only: update refused');
end;
create trigger audit_log_no_delete before delete on audit_log begin
    select raise(abort, 'the audit log is append-only: delete refused');
end;
