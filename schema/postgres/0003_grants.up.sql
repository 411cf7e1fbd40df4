-- Who may do what. Nobody but the owner gets anything that is not named here.

-- bibd_node: the node's own bookkeeping - topics, peers, people, sessions, invitations.
grant select, insert, update on topics, nodes, users, counters to bibd_node;
grant select, insert, update, delete on subscriptions, invites, user_keys, sessions, requests to bibd_node;
grant delete on nodes to bibd_node;
grant select on datasets, dataset_versions to bibd_node;

-- bibd_query: reads the catalogue, writes nothing, sees no person, session or invitation.
grant select on topics, subscriptions, datasets, dataset_versions, manifests, nodes, counters
    to bibd_query;

-- bibd_scrape: adds data to topics that are there; changes and removes nothing.
grant select on topics to bibd_scrape;
grant select, insert on datasets, dataset_versions, manifests to bibd_scrape;
grant select, insert, update on requests to bibd_scrape;

-- bibd_transform: publishes versions.
grant select on topics to bibd_transform;
grant select, insert, update on datasets, dataset_versions, requests to bibd_transform;
grant select, insert on manifests to bibd_transform;
grant select, update on counters to bibd_transform;

-- bibd_admin_jobs: maintenance of everything but the audit log, which it only reads.
grant select, insert, update, delete on
    counters, nodes, topics, subscriptions, datasets, dataset_versions, manifests,
    invites, users, user_keys, sessions, requests to bibd_admin_jobs;
grant select on audit_log to bibd_admin_jobs;

-- bibd_audit: adds rows to the audit log and reads it.
grant select, insert on audit_log to bibd_audit;
