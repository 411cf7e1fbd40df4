-- Takes the core tables away. The signed manifests and the chunks stay in their directories.
drop table requests;
drop table sessions;
drop table user_keys;
drop table users;
drop table invites;
drop table manifests;
drop table dataset_versions;
drop table datasets;
drop table subscriptions;
drop table topics;
drop table nodes;
drop table counters;
