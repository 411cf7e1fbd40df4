//! `bib ui`: opens the node's pages in a browser, signed in by a link that is good once.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::session::Env;
use bib_proto::v1::CreateOneTimeTokenRequest;
use serde_json::json;
use std::process::{Command, Stdio};

/// The words of `bib ui`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib ui\n  bib ui /datasets/weather/stations\n  bib ui --print-url   # for a browser elsewhere, through ssh -L 4080:127.0.0.1:4080"
)]
pub(crate) struct Args {
    /// Page to open
    #[arg(value_name = "PATH", default_value = "/")]
    path: String,
    /// Print the link instead of opening it; it is good once, for a minute
    #[arg(long)]
    print_url: bool,
}

/// Makes the link and opens or prints it.
pub(crate) async fn run(env: &Env, args: Args) -> CliResult {
    if !args.path.starts_with('/') || args.path.starts_with("//") {
        let path = args.path.trim_start_matches('/');
        return Err(CliError::new(Exit::Usage, format!("{:?} is not a page: a path begins with /", args.path))
            .hint(format!("bib ui /{path}")));
    }
    let client = env.client().await?;
    let made = env.call(client.auth().create_one_time_token(CreateOneTimeTokenRequest {})).await?.into_inner();
    if made.pages_url.is_empty() {
        return Err(CliError::new(Exit::Unreachable, "the node does not serve its pages now").hint("bib status"));
    }
    let mut url = format!("{}/auth/ott?token={}", made.pages_url, made.token);
    if args.path != "/" {
        url.push_str(&format!("&next={}", encoded(&args.path)));
    }
    let opened = !args.print_url && open(&url);
    if opened {
        // the link itself is used up by now
        let record = json!({"url": made.pages_url, "opened": true});
        return env.out.object(&record, || format!("opened {} in your browser, signed in", made.pages_url));
    }
    if !args.print_url {
        env.out.remark("no browser could be opened here; open this in one, within a minute:");
    }
    let record = json!({"url": url, "opened": false, "expiresMs": made.expires_ms});
    env.out.object(&record, || url.clone())
}

/// Hands the link to the desktop. Its word is all there is: whether a window came up, nobody tells.
fn open(url: &str) -> bool {
    let wanted = std::env::var("BROWSER").ok().filter(|name| !name.is_empty());
    let graphical = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    let program = match wanted {
        Some(program) => program,
        None if cfg!(target_os = "macos") => "open".to_owned(),
        None if graphical => "xdg-open".to_owned(),
        None => return false,
    };
    let run = Command::new(program).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_stands_in_the_link_as_one_value() {
        assert_eq!(encoded("/datasets?q=a b&c=ä"), "/datasets%3Fq%3Da%20b%26c%3D%C3%A4");
    }
}
