//! The one table of methods: who may call each. A method that is not in it cannot be called.

use bib_domain::Role;

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody, without a session.
    Public,
    /// A caller with this role or a higher one.
    Role(Role),
}

use Access::{Public, Role as Needs};

/// Every method of every service, by the path that stands in the request. A test compares it with the descriptors.
const TABLE: &[(&str, Access)] = &[
    ("/bib.v1.AdminService/ListAudit", Needs(Role::Admin)),
    ("/bib.v1.AdminService/Shutdown", Needs(Role::Admin)),
    ("/bib.v1.AdminService/VerifyAudit", Needs(Role::Admin)),
    ("/bib.v1.AuthService/CreateOneTimeToken", Needs(Role::Reader)),
    ("/bib.v1.AuthService/ExchangeOneTimeToken", Public),
    ("/bib.v1.AuthService/GetChallenge", Public),
    ("/bib.v1.AuthService/GetSignInChallenge", Public),
    ("/bib.v1.AuthService/Login", Public),
    ("/bib.v1.AuthService/Logout", Needs(Role::Reader)),
    ("/bib.v1.AuthService/SignIn", Public),
    ("/bib.v1.AuthService/WhoAmI", Needs(Role::Reader)),
    ("/bib.v1.DatasetService/Download", Needs(Role::Reader)),
    ("/bib.v1.DatasetService/GetDataset", Needs(Role::Reader)),
    ("/bib.v1.DatasetService/ListDatasets", Needs(Role::Reader)),
    ("/bib.v1.DatasetService/ListVersions", Needs(Role::Reader)),
    ("/bib.v1.DatasetService/Upload", Needs(Role::Researcher)),
    ("/bib.v1.DatasetService/Verify", Needs(Role::Reader)),
    ("/bib.v1.HealthService/GetHealth", Public),
    ("/bib.v1.NodeService/ConnectNode", Needs(Role::Operator)),
    ("/bib.v1.NodeService/CreateInvite", Needs(Role::Operator)),
    ("/bib.v1.NodeService/DisconnectNode", Needs(Role::Operator)),
    ("/bib.v1.NodeService/ForgetNode", Needs(Role::Operator)),
    ("/bib.v1.NodeService/GetNode", Needs(Role::Reader)),
    ("/bib.v1.NodeService/GetSelf", Needs(Role::Reader)),
    ("/bib.v1.NodeService/Join", Needs(Role::Operator)),
    ("/bib.v1.NodeService/ListNodes", Needs(Role::Reader)),
    ("/bib.v1.NodeService/WatchEvents", Needs(Role::Reader)),
    ("/bib.v1.QueryService/CheckView", Needs(Role::Researcher)),
    ("/bib.v1.QueryService/Explain", Needs(Role::Researcher)),
    ("/bib.v1.QueryService/Export", Needs(Role::Researcher)),
    ("/bib.v1.QueryService/GetStatistics", Needs(Role::Researcher)),
    ("/bib.v1.QueryService/Query", Needs(Role::Researcher)),
    ("/bib.v1.QueryService/ReadPage", Needs(Role::Researcher)),
    ("/bib.v1.TopicService/CreateTopic", Needs(Role::Operator)),
    ("/bib.v1.TopicService/GetTopic", Needs(Role::Reader)),
    ("/bib.v1.TopicService/ListTopics", Needs(Role::Reader)),
    ("/bib.v1.TopicService/Subscribe", Needs(Role::Operator)),
    ("/bib.v1.TopicService/Unsubscribe", Needs(Role::Operator)),
    ("/grpc.health.v1.Health/Check", Public),
    ("/grpc.health.v1.Health/Watch", Public),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Needs(Role::Reader)),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Needs(Role::Reader)),
];

/// Who may call the method at `path`; `None` when there is no such method.
#[must_use]
pub(crate) fn rule(path: &str) -> Option<Access> {
    TABLE.binary_search_by(|(known, _)| (*known).cmp(path)).ok().map(|at| TABLE[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;
    use prost_types::FileDescriptorSet;
    use std::collections::BTreeSet;

    fn methods(descriptors: &[u8]) -> BTreeSet<String> {
        let set = FileDescriptorSet::decode(descriptors).unwrap();
        let mut all = BTreeSet::new();
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    all.insert(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
                }
            }
        }
        all
    }

    #[test]
    fn the_table_is_exactly_what_is_served() {
        let mut served = methods(bib_proto::FILE_DESCRIPTOR_SET);
        assert!(served.len() > 20, "{served:?}");
        served.extend(methods(tonic_health::pb::FILE_DESCRIPTOR_SET));
        served.extend(methods(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET));
        served.extend(methods(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET));
        let listed: BTreeSet<String> = TABLE.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(listed, served);
    }

    #[test]
    fn it_is_sorted_and_found_by_path_alone() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(rule("/bib.v1.AdminService/Shutdown"), Some(Access::Role(Role::Admin)));
        for path in ["", "/", "/bib.v1.AdminService/shutdown", "/bib.v1.AdminService/Shutdown/", "//bib.v1"] {
            assert_eq!(rule(path), None, "{path}");
        }
    }

    #[test]
    fn only_login_and_health_are_public() {
        let public: Vec<_> =
            TABLE.iter().filter(|(_, access)| *access == Access::Public).map(|(path, _)| *path).collect();
        assert!(public.iter().all(|path| path.contains("Health") || path.contains("AuthService")), "{public:?}");
    }
}
