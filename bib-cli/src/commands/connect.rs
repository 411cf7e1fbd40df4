//! `bib connect ADDR`: trust on first use, log in, remember.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::session::{Env, LOCAL_CONTEXT, Target};
use crate::settings::Context;
use bib_proto::client::{Address, Client, ClientError, ClientOptions, Fingerprint, Trust, TrustError};
use bib_proto::v1::GetSelfRequest;
use serde_json::json;
use std::path::PathBuf;

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
    if let Some(name) = &args.name {
        check_name(env, name, &address)?;
    }
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
    let over_tls = matches!(address, Address::Tcp { .. });
    let first = expected_key(env, &address, args.name.as_deref());
    let mut user = if over_tls { Some(env.log_in(&mut client, first.clone()).await?) } else { None };
    let node = env.call(client.nodes().get_self(GetSelfRequest {})).await?.into_inner();
    let known = node.node.unwrap_or_default();
    let name = args.name.clone().unwrap_or_else(|| usual_name(env, &address, &known.name));
    let key = key_of(env, &name);
    if over_tls && key != first {
        // the node's name led to a context with another key: commands will be that one
        user = Some(env.log_in(&mut client, key).await?);
    }
    let elsewhere = remember(env, &args, &address, &name)?;
    let (who, role) = user.map_or_else(|| ("local user".to_owned(), "admin".to_owned()), |s| (s.user, s.role));
    let record = json!({"name": known.name, "id": known.id, "address": address.to_string(), "user": who, "role": role,
        "context": name, "fingerprint": crate::views::fingerprint(&node.tls_fingerprint)});
    env.out.object(&record, || format!("✓ connected to {} ({}) as {who}, {role}", known.name, known.id))?;
    if let Some(elsewhere) = elsewhere {
        crate::output::note(&format!("! {elsewhere}; to send one here: bib --context {name} status"));
    } else if args.no_default {
        env.out.remark(&format!("to send a command there: bib --context {name} status"));
    } else {
        env.out.remark("commands go to this node from now on; back to the one on this machine: bib context use local");
    }
    Ok(())
}

/// A context that is there is not made another node's: its name is known, and maybe its key is that node's.
fn check_name(env: &Env, name: &str, address: &Address) -> CliResult {
    if name == LOCAL_CONTEXT {
        return Err(CliError::usage(format!("{LOCAL_CONTEXT:?} is the node on this machine; choose another --name")));
    }
    match env.layers.context(name).filter(|context| !is_at(context, address)) {
        None => Ok(()),
        Some(context) => {
            Err(CliError::new(Exit::Conflict, format!("there is a context {name} already, of {}", context.node))
                .because("CONTEXT_EXISTS")
                .hint(format!("bib connect {address} --name OTHER"))
                .hint(format!("bib context remove {name}")))
        }
    }
}

fn is_at(context: &Context, address: &Address) -> bool {
    context.node.parse::<Address>().is_ok_and(|own| own == *address)
}

/// The node's own name, unless that names another node already.
fn usual_name(env: &Env, address: &Address, name: &str) -> String {
    let taken = env.layers.context(name).is_some_and(|context| !is_at(context, address));
    if taken || name.is_empty() || name == LOCAL_CONTEXT { address.to_string() } else { name.to_owned() }
}

fn key_of(env: &Env, name: &str) -> Option<PathBuf> {
    env.layers.context(name)?.ssh_key.clone()
}

/// The key of the context that this will be. Without a name that depends on what the node calls itself, so the context
/// in use comes first, or any other at that address.
fn expected_key(env: &Env, address: &Address, name: Option<&str>) -> Option<PathBuf> {
    if let Some(name) = name {
        return key_of(env, name);
    }
    if let Some(used) = env.target().ok().filter(|target| target.address == *address && target.ssh_key.is_some()) {
        return used.ssh_key;
    }
    let mut contexts = env.layers.iter().flat_map(|layer| layer.settings.contexts.values());
    contexts.find(|context| is_at(context, address))?.ssh_key.clone()
}

/// Keeps the context. Says where commands go all the same, if not there.
fn remember(env: &Env, args: &Args, address: &Address, name: &str) -> CliResult<Option<String>> {
    let mut settings = env.settings.clone();
    let known = || env.layers.context(name).cloned().unwrap_or_default();
    let context = settings.contexts.entry(name.to_owned()).or_insert_with(known);
    context.node = address.to_string();
    if let Some(key) = &env.global.ssh_key {
        context.ssh_key = Some(std::path::absolute(key).unwrap_or_else(|_| key.clone()));
    }
    let wanted = Target::at(address.clone(), context.ssh_key.clone());
    if !args.no_default {
        settings.node = None;
        settings.context = Some(name.to_owned());
    }
    env.home.save(&settings)?;
    Ok(if args.no_default { None } else { env.later(&settings).goes_elsewhere(&wanted) })
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
