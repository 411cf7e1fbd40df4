//! `bib connect ADDR`: trust on first use, log in, remember.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::session::Env;
use bib_proto::client::{Address, Client, ClientError, ClientOptions, Fingerprint, Trust, TrustError};
use bib_proto::v1::GetSelfRequest;
use serde_json::json;

/// Which node.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib connect lab-a:4000\n  bib connect https://10.0.0.7:4000 --fingerprint sha256:1f2e..."
)]
pub(crate) struct Args {
    /// HOST, HOST:PORT, https://HOST:PORT or unix:///PATH
    address: String,
    /// Fingerprint that the node must show, as `bib status` prints it there
    #[arg(long, value_name = "FP")]
    fingerprint: Option<Fingerprint>,
    /// Log in and check, but go on using the node that was used before
    #[arg(long)]
    no_default: bool,
}

/// Connects, asks whether to trust, logs in, remembers the address.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let address: Address = args.address.parse().map_err(ClientError::from)?;
    let trust = match args.fingerprint {
        Some(fingerprint) => Trust::Expect(fingerprint),
        None => Trust::KnownOnly,
    };
    let mut client = match env.connect(&address, trust).await {
        Err(error) if error.exit == Exit::Trust && args.fingerprint.is_none() => {
            let seen = ask_for_trust(env, &address, error).await?;
            env.connect(&address, Trust::Expect(seen)).await?
        }
        outcome => outcome?,
    };
    let user = match &address {
        Address::Unix(_) => None,
        Address::Tcp { .. } => Some(env.log_in(&mut client).await?),
    };
    let node = env.call(client.nodes().get_self(GetSelfRequest {})).await?.into_inner();
    let known = node.node.unwrap_or_default();
    if !args.no_default {
        let mut settings = env.settings.clone();
        settings.node = Some(address.to_string());
        if let Some(key) = &env.global.ssh_key {
            settings.ssh_key = Some(std::path::absolute(key).unwrap_or_else(|_| key.clone()));
        }
        env.home.save(&settings)?;
    }
    let (who, role) = user.map_or_else(|| ("local user".to_owned(), "admin".to_owned()), |s| (s.user, s.role));
    let record = json!({"name": known.name, "id": known.id, "address": address.to_string(), "user": who, "role": role,
        "fingerprint": crate::views::fingerprint(&node.tls_fingerprint)});
    env.out.object(&record, || format!("connected to {} ({}) as {who}, {role}", known.name, known.id));
    if !args.no_default {
        env.out.remark("commands go to this node from now on");
    }
    Ok(())
}

/// A stranger is trusted only by a person at a terminal; a changed fingerprint never by a question.
async fn ask_for_trust(env: &Env, address: &Address, refused: CliError) -> CliResult<Fingerprint> {
    let known = env.home.trust().get(address).map_err(ClientError::from)?;
    if known.is_some() || !env.global.may_ask() {
        return Err(refused);
    }
    let (store, options) = (env.home.trust(), ClientOptions::default());
    let seen = match Client::connect(address, &store, Trust::KnownOnly, options).await {
        Err(ClientError::Trust(TrustError::Unknown { seen, .. })) => seen,
        Err(error) => return Err(error.into()),
        Ok(_) => return Err(refused),
    };
    crate::output::note(&format!(
        "The node at {address} was never met. It shows this fingerprint:\n  {seen}\n\
         `bib status` on that machine prints the fingerprint that it must be."
    ));
    let yes = inquire::Confirm::new("Are the two the same?").with_default(false);
    match yes.prompt() {
        Ok(true) => Ok(seen),
        Ok(false) | Err(_) => Err(CliError::new(Exit::Cancelled, "nothing was trusted, nothing was changed")),
    }
}
