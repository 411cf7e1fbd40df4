//! The key that is this user: named, kept from before, the user's own, of the agent, or a new one.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::session::Env;
use crate::settings::write_private;
use bib_proto::client::{Credential, SshKey};
use russh::keys::ssh_key::{LineEnding, PrivateKey, PublicKey};
use std::path::{Path, PathBuf};

/// A key.
pub(super) struct Key {
    /// The private key's file; `None` if the agent holds it.
    pub(super) file: Option<PathBuf>,
    pub(super) public: String,
    /// The text of a private key that is not written yet.
    made: Option<String>,
}

impl Key {
    /// Whether it was made just now.
    pub(super) const fn is_new(&self) -> bool {
        self.made.is_some()
    }

    /// Writes a new key.
    pub(super) fn keep(&self) -> CliResult {
        if let (Some(file), Some(text)) = (&self.file, &self.made) {
            write_private(file, text)?;
            write_private(&file.with_extension("pub"), &format!("{}\n", self.public))?;
        }
        Ok(())
    }

    /// What the key calls itself.
    pub(super) fn comment(&self) -> &str {
        self.public.split(' ').nth(2).unwrap_or(&self.public)
    }
}

/// Finds or makes the key. `named`: by a file of answers.
pub(super) async fn find(env: &Env, named: Option<PathBuf>, asks: bool) -> CliResult<Key> {
    let own = env.home.path().join("id_ed25519");
    if let Some(file) = env.global.ssh_key.clone().or(named) {
        return of_file(&file);
    }
    let kept = env.settings.ssh_key.clone().or_else(|| own.exists().then(|| own.clone()));
    if let Some(file) = kept {
        return of_file(&file);
    }
    let usable: Vec<PathBuf> = own_files().into_iter().filter(|path| is_usable(path)).collect();
    if !asks {
        return usable.first().map_or_else(|| new(&own), |file| of_file(file));
    }
    let agent = SshKey::load(&Credential::Agent, SshKey::PATIENCE).await.unwrap_or_default();
    let mut choices: Vec<(String, Choice)> = Vec::new();
    choices.extend(usable.into_iter().map(|file| (file.display().to_string(), Choice::File(file))));
    for key in &agent {
        let public = openssh(key.public())?;
        let name = public.split(' ').nth(2).unwrap_or("without a name");
        choices
            .push((format!("of the SSH agent: {name} ({})", key.public().algorithm()), Choice::Agent(public.clone())));
    }
    choices.push((format!("a new one, in {}", own.display()), Choice::New));
    let texts: Vec<String> = choices.iter().map(|(text, _)| text.clone()).collect();
    let chosen = if texts.len() == 1 { 0 } else { env.ask().choose("Which SSH key is you?", &texts)? };
    match choices.swap_remove(chosen).1 {
        Choice::File(file) => of_file(&file),
        Choice::Agent(public) => Ok(Key { file: None, public, made: None }),
        Choice::New => new(&own),
    }
}

enum Choice {
    File(PathBuf),
    Agent(String),
    New,
}

fn new(own: &Path) -> CliResult<Key> {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), russh::keys::Algorithm::Ed25519)
        .map_err(|error| CliError::new(Exit::Failed, format!("cannot make a key: {error}")))?;
    let text = key.to_openssh(LineEnding::LF).map_err(|error| CliError::new(Exit::Failed, error.to_string()))?;
    let public = openssh(key.public_key())?;
    Ok(Key { file: Some(own.to_owned()), public, made: Some(text.to_string()) })
}

fn of_file(file: &Path) -> CliResult<Key> {
    let file = if file.extension().is_some_and(|ext| ext == "pub") { file.with_extension("") } else { file.to_owned() };
    let file = std::path::absolute(&file).unwrap_or(file);
    Ok(Key { public: public_of(&file)?, file: Some(file), made: None })
}

fn own_files() -> Vec<PathBuf> {
    let Some(home) = std::env::var_os("HOME") else { return Vec::new() };
    let folder = PathBuf::from(home).join(".ssh");
    ["id_ed25519", "id_ecdsa", "id_rsa"].iter().map(|name| folder.join(name)).filter(|path| path.is_file()).collect()
}

/// A key with a passphrase would be asked for at each login, where nobody may be there to answer.
fn is_usable(path: &Path) -> bool {
    let key = std::fs::read_to_string(path).ok().and_then(|text| PrivateKey::from_openssh(text).ok());
    key.is_some_and(|key| !key.is_encrypted())
}

fn public_of(file: &Path) -> CliResult<String> {
    let refuse = |why: String| {
        CliError::usage(format!("cannot use the key {}: {why}", file.display())).hint("make one: ssh-keygen -t ed25519")
    };
    let text = std::fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
    let key = PrivateKey::from_openssh(&text).map_err(|error| refuse(error.to_string()))?;
    openssh(key.public_key())
}

fn openssh(key: &PublicKey) -> CliResult<String> {
    key.to_openssh().map_err(|error| CliError::new(Exit::Failed, error.to_string()))
}
