//! `bib connect ADDR`: trust on first use, log in, remember.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::session::{Env, LOCAL_CONTEXT};
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
    /// Name of the context that it is remembered by [default: the node's name]
    #[arg(long)]
    name: Option<String>,
    /// Remember it, but go on using the node that was used before
    #[arg(long)]
    no_default: bool,
    /// Connect and log in as a check, and remember nothing
    #[arg(long)]
    dry_run: bool,
}

/// Connects, asks whether to trust, logs in, remembers the address.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let address: Address = args.address.parse().map_err(ClientError::from)?;
    if args.dry_run {
        return plan(env, &address, args.fingerprint).await;
    }
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
        Address::Tcp { .. } => Some(env.log_in(&mut client, None).await?),
    };
    let node = env.call(client.nodes().get_self(GetSelfRequest {})).await?.into_inner();
    let known = node.node.unwrap_or_default();
    let name = args.name.clone().unwrap_or_else(|| usual_name(env, &address, &known.name));
    remember(env, &args, &address, &name)?;
    let (who, role) = user.map_or_else(|| ("local user".to_owned(), "admin".to_owned()), |s| (s.user, s.role));
    let record = json!({"name": known.name, "id": known.id, "address": address.to_string(), "user": who, "role": role,
        "context": name, "fingerprint": crate::views::fingerprint(&node.tls_fingerprint)});
    env.out.object(&record, || format!("✓ connected to {} ({}) as {who}, {role}", known.name, known.id))?;
    if args.no_default {
        env.out.remark(&format!("to send a command there: bib --context {name} status"));
    } else {
        env.out.remark("commands go to this node from now on; back to the one on this machine: bib context use local");
    }
    Ok(())
}

/// The node's own name, unless that names another node already.
fn usual_name(env: &Env, address: &Address, name: &str) -> String {
    let address = address.to_string();
    let taken = env.layers.context(name).is_some_and(|context| context.node != address);
    if taken || name.is_empty() || name == LOCAL_CONTEXT { address } else { name.to_owned() }
}

fn remember(env: &Env, args: &Args, address: &Address, name: &str) -> CliResult {
    if name == LOCAL_CONTEXT {
        return Err(CliError::usage(format!("{LOCAL_CONTEXT:?} is the node on this machine; choose another --name")));
    }
    let mut settings = env.settings.clone();
    let context = settings.contexts.entry(name.to_owned()).or_default();
    context.node = address.to_string();
    if let Some(key) = &env.global.ssh_key {
        context.ssh_key = Some(std::path::absolute(key).unwrap_or_else(|_| key.clone()));
    }
    if !args.no_default {
        settings.node = None;
        settings.context = Some(name.to_owned());
    }
    env.home.save(&settings)
}

/// Looks who answers; nothing is sent but the greeting, and nothing is remembered.
async fn plan(env: &Env, address: &Address, expected: Option<Fingerprint>) -> CliResult {
    let known = env.home.trust().get(address).map_err(ClientError::from)?;
    let seen = match env.connect(address, Trust::KnownOnly).await {
        Ok(_) => known,
        Err(error) if error.exit != Exit::Trust || known.is_some() => return Err(error),
        Err(_) => Some(look(env, address).await?),
    };
    if let (Some(expected), Some(seen)) = (expected, seen)
        && expected != seen
    {
        let error = TrustError::Changed { address: address.to_string(), known: expected, seen };
        return Err(ClientError::Trust(error).into());
    }
    let fingerprint = seen.map(|seen| seen.to_string());
    let record = json!({"address": address.to_string(), "fingerprint": fingerprint, "known": known.is_some(),
        "dryRun": true});
    env.out.object(&record, || match (fingerprint, known.is_some()) {
        (None, _) => format!("would use the node at {address}"),
        (Some(fingerprint), true) => format!("would log in at {address}, whose fingerprint {fingerprint} is known"),
        (Some(fingerprint), false) => {
            format!("would trust {address} from now on, by its fingerprint\n  {fingerprint}\nand log in there")
        }
    })
}

/// The fingerprint of a node that was never met.
async fn look(env: &Env, address: &Address) -> CliResult<Fingerprint> {
    match Client::connect(address, &env.home.trust(), Trust::KnownOnly, ClientOptions::default()).await {
        Err(ClientError::Trust(TrustError::Unknown { seen, .. })) => Ok(seen),
        Err(error) => Err(error.into()),
        Ok(_) => Err(CliError::new(Exit::Conflict, "the node became known meanwhile").hint("look again")),
    }
}

/// A stranger is trusted only by a person at a terminal; a changed fingerprint never by a question.
async fn ask_for_trust(env: &Env, address: &Address, refused: CliError) -> CliResult<Fingerprint> {
    let known = env.home.trust().get(address).map_err(ClientError::from)?;
    if known.is_some() || !env.global.may_ask() {
        return Err(refused);
    }
    let seen = look(env, address).await?;
    crate::output::note(&format!(
        "The node at {address} was never met. It shows this fingerprint:\n  {seen}\n\
         `bib status` on that machine prints the fingerprint that it must be."
    ));
    if env.ask().confirm("Are the two the same?", false)? {
        return Ok(seen);
    }
    Err(CliError::new(Exit::Cancelled, "nothing was trusted, nothing was changed"))
}
