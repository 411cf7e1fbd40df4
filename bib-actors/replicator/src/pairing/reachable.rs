//! Which of this node's addresses are worth telling to others. Pure.

/// The addresses without the peer id at their end. Unspecified ones are left out; link-local and loopback ones too,
/// unless there are no others: then all who could come are on this link or this machine.
pub(crate) fn reachable(addresses: &[String]) -> Vec<String> {
    let bare = addresses.iter().map(|address| address.split("/p2p/").next().unwrap_or(address).to_owned());
    let mut kept: Vec<String> = Vec::new();
    for address in bare.filter(|address| !is_unspecified(address)) {
        if !kept.contains(&address) {
            kept.push(address);
        }
    }
    for narrow in [is_loopback, is_link_local] {
        if kept.iter().any(|address| !narrow(address)) {
            kept.retain(|address| !narrow(address));
        }
    }
    kept
}

fn host(address: &str) -> &str {
    address.split('/').nth(2).unwrap_or_default()
}

fn is_unspecified(address: &str) -> bool {
    address.is_empty() || matches!(host(address), "0.0.0.0" | "::")
}

fn is_loopback(address: &str) -> bool {
    let host = host(address);
    host == "::1" || host == "localhost" || (address.starts_with("/ip4/") && host.starts_with("127."))
}

fn is_link_local(address: &str) -> bool {
    // they need the name of an interface of the machine that dials
    address.starts_with("/ip6/fe80:") || address.starts_with("/ip4/169.254.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &[&str], expected: &[&str]) {
        let given: Vec<String> = given.iter().map(ToString::to_string).collect();
        assert_eq!(reachable(&given), expected);
    }

    #[test]
    fn keeps_what_others_can_use() {
        check(
            &[
                "/ip4/10.0.0.5/tcp/4001/p2p/12D3",
                "/ip4/0.0.0.0/tcp/4001",
                "/ip4/127.0.0.1/tcp/4001/p2p/12D3",
                "/ip6/::/tcp/1",
            ],
            &["/ip4/10.0.0.5/tcp/4001"],
        );
        check(&["/dns4/localhost/tcp/1", "/dns4/lab.example/tcp/4001"], &["/dns4/lab.example/tcp/4001"]);
    }

    #[test]
    fn link_local_is_a_last_resort() {
        check(&["/ip6/fe80::1/tcp/1", "/ip4/10.0.0.5/tcp/1"], &["/ip4/10.0.0.5/tcp/1"]);
        check(&["/ip6/fe80::1/tcp/1", "/ip4/127.0.0.1/tcp/1"], &["/ip6/fe80::1/tcp/1"]);
    }

    #[test]
    fn keeps_loopback_when_there_is_nothing_else() {
        check(&["/ip4/127.0.0.1/tcp/4001", "/ip6/::1/tcp/4001"], &["/ip4/127.0.0.1/tcp/4001", "/ip6/::1/tcp/4001"]);
        check(&["/ip4/127.0.0.1/tcp/4001", "/ip4/127.0.0.1/tcp/4001/p2p/12D3"], &["/ip4/127.0.0.1/tcp/4001"]);
        check(&[], &[]);
    }
}
