-- Takes the index of the audit log away. The log itself is in files and stays.
drop table audit_log;
drop function audit_log_refuse();
