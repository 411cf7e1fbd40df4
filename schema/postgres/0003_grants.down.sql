-- Takes every grant on the tables away.
revoke all on
    counters, nodes, topics, subscriptions, datasets, dataset_versions, manifests,
    invites, users, user_keys, sessions, requests, audit_log
    from bibd_node, bibd_scrape, bibd_query, bibd_transform, bibd_admin_jobs, bibd_audit;
