//! `bib auth sign`: signs the challenge that the pages show. Asks no node: it works on any machine that has the key.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::session::Env;
use bib_proto::SIGN_IN_NAMESPACE;

/// The words of `bib auth sign`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib auth sign 12D3KooW...\n  bib auth sign 12D3KooW... --ssh-key ~/.ssh/id_ed25519"
)]
pub(crate) struct Args {
    /// What the sign-in page shows
    #[arg(value_name = "CHALLENGE")]
    challenge: String,
}

/// Prints the signature, armored. The namespace in it makes it worthless for anything but signing in.
pub(crate) async fn run(env: &Env, args: &Args) -> CliResult {
    let challenge = args.challenge.trim();
    if !is_challenge(challenge) {
        return Err(CliError::new(
            Exit::Usage,
            "this is not the challenge of a sign-in page: it is a node's id, a dot and a nonce",
        )
        .hint("copy it whole from the page, without spaces"));
    }
    let keys = env.keys(env.target()?.ssh_key).await?;
    let Some(key) = keys.first() else {
        return Err(CliError::new(Exit::NotLoggedIn, "there is no key to sign with").hint("ssh-keygen -t ed25519"));
    };
    let armored = env.sign_armored(key, SIGN_IN_NAMESPACE, challenge.as_bytes()).await?;
    crate::output::raw(&armored);
    env.out.remark("paste all of it into the sign-in page");
    Ok(())
}

/// Whether a text looks like a challenge. Nobody is made to sign something else.
fn is_challenge(text: &str) -> bool {
    let plain = |part: &str, allowed: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || allowed.contains(c));
    text.split_once('.').is_some_and(|(node, nonce)| {
        node.starts_with("12D3KooW") && node.len() == 52 && plain(node, "") && nonce.len() == 43 && plain(nonce, "-_")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_challenge_is_signed() {
        let node = "12D3KooWQNV9yRv3yvVjYWVPUmA4SvpQN1iDjZDVJnDVzZ1eDFGw";
        let nonce = "A".repeat(43);
        assert!(is_challenge(&format!("{node}.{nonce}")));
        for text in ["", "hello", node, &format!("{node}.x"), &format!("{node}.{nonce} "), &format!("x{node}.{nonce}")]
        {
            assert!(!is_challenge(text), "{text:?}");
        }
    }
}
