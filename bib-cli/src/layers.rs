//! Where a setting comes from: a file of the project, the user's own, or the system's. Flags and the environment stand
//! above all of them.

use crate::error::{CliError, CliResult};
use crate::global::{Global, parse_duration};
use crate::settings::{Context, Home, Settings, read_settings};
use clap::ValueEnum;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file of a project, in its folder or any above.
const PROJECT_FILE: &str = ".bib.toml";
/// The file for everybody on this machine.
const SYSTEM_FILE: &str = "/etc/bib/config.toml";
/// What to do about a damaged file that is not the user's own.
const ADVICE: &str = "mend that line; bib config and bib doctor go on without the file";

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    /// Its path.
    pub(crate) path: PathBuf,
    /// What it says.
    pub(crate) settings: Settings,
}

/// All files, the strongest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layers(Vec<Layer>);

impl Layers {
    /// Reads the files that are there, and says which are damaged, or say what they may not: those are left out.
    pub(crate) fn load(home: &Home, own: &Settings) -> (Self, Vec<CliError>) {
        let (mut layers, mut damage) = (Vec::new(), Vec::new());
        let mut take = |read: CliResult<Option<Layer>>| match read {
            Ok(layer) => layers.extend(layer),
            Err(error) => damage.push(error),
        };
        let here = std::env::current_dir().unwrap_or_default();
        if let Some(path) = here.ancestors().map(|folder| folder.join(PROJECT_FILE)).find(|path| path.is_file()) {
            take(project(&path));
        }
        take(Ok(Some(Layer { path: home.file().to_owned(), settings: own.clone() })));
        let system = Path::new(SYSTEM_FILE);
        let read = read_settings(system, ADVICE);
        take(read.map(|read| read.map(|settings| Layer { path: system.to_owned(), settings })));
        (Self(layers), damage)
    }

    /// The same with other settings in the user's own file.
    #[must_use]
    pub(crate) fn with_own(&self, own: &Path, settings: &Settings) -> Self {
        let mut layers = self.0.clone();
        layers.iter_mut().filter(|layer| layer.path == own).for_each(|layer| layer.settings = settings.clone());
        Self(layers)
    }

    /// The files, the strongest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Layer> {
        self.0.iter()
    }

    /// The strongest value, and the file that says it.
    #[must_use]
    pub(crate) fn find<T>(&self, pick: impl Fn(&Settings) -> Option<T>) -> Option<(T, &Path)> {
        self.0.iter().find_map(|layer| pick(&layer.settings).map(|value| (value, layer.path.as_path())))
    }

    /// A context by its name.
    #[must_use]
    pub(crate) fn context(&self, name: &str) -> Option<&Context> {
        self.0.iter().find_map(|layer| layer.settings.contexts.get(name))
    }

    /// Puts into the flags what neither they nor the environment said. Says which values cannot be read: those are left
    /// out. `own`: the user's own file.
    pub(crate) fn fill(&self, global: &mut Global, own: &Path) -> Vec<CliError> {
        fn choice<T: ValueEnum>(text: &str) -> Result<T, String> {
            T::from_str(text, false)
        }
        let filled = [
            self.fill_one(own, "output", &mut global.output, |settings| settings.output.clone(), choice),
            self.fill_one(own, "color", &mut global.color, |settings| settings.color.clone(), choice),
            self.fill_one(own, "progress", &mut global.progress, |settings| settings.progress.clone(), choice),
            self.fill_one(own, "timeout", &mut global.timeout, |settings| settings.timeout.clone(), parse_duration),
        ];
        filled.into_iter().filter_map(Result::err).collect()
    }

    fn fill_one<T>(
        &self,
        own: &Path,
        key: &str,
        flag: &mut Option<T>,
        pick: impl Fn(&Settings) -> Option<String>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> CliResult {
        if flag.is_none()
            && let Some((text, path)) = self.find(pick)
        {
            let value = read(&text).map_err(|why| {
                let advice = if path == own { format!("bib config unset {key}") } else { "mend that line".to_owned() };
                CliError::usage(format!("{}: {key} = {text:?}: {why}", path.display()))
                    .because("BAD_CONFIG")
                    .hint(advice)
                    .hint("bib config list --show-origin")
            })?;
            *flag = Some(value);
        }
        Ok(())
    }
}

/// A project's file: it comes with the data of others, so it may say where to look, not who one is.
fn project(path: &Path) -> CliResult<Option<Layer>> {
    let owner = std::fs::metadata(path).map(|seen| seen.uid()).unwrap_or(u32::MAX);
    let trusted = owner == 0 || owner == rustix::process::geteuid().as_raw();
    if !trusted {
        crate::output::note(&format!("{} belongs to another user, so it is not read", path.display()));
        return Ok(None);
    }
    let Some(settings) = read_settings(path, ADVICE)? else { return Ok(None) };
    if settings.ssh_key.is_some() || settings.data_dir.is_some() || !settings.contexts.is_empty() {
        let text = format!("{} may not say ssh_key, data_dir or contexts", path.display());
        return Err(CliError::usage(text)
            .because("BAD_CONFIG")
            .hint("those belong into your own file: bib config path"));
    }
    Ok(Some(Layer { path: path.to_owned(), settings }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::global::Format;
    use clap::Parser;

    fn layers() -> Layers {
        let layer = |path: &str, output: Option<&str>, timeout: Option<&str>| Layer {
            path: path.into(),
            settings: Settings {
                output: output.map(str::to_owned),
                timeout: timeout.map(str::to_owned),
                ..Settings::default()
            },
        };
        Layers(vec![
            layer("project", None, Some("5s")),
            layer("user", Some("yaml"), Some("9s")),
            layer("system", Some("csv"), None),
        ])
    }

    #[test]
    fn the_strongest_file_wins_and_flags_win_over_files() {
        let mut global = crate::Cli::try_parse_from(["bib", "status", "--timeout", "1s"]).unwrap().into_global();
        assert!(layers().fill(&mut global, Path::new("user")).is_empty());
        assert_eq!(global.output, Some(Format::Yaml));
        assert_eq!(global.timeout, Some(std::time::Duration::from_secs(1)));
        let layers = layers();
        let (timeout, from) = layers.find(|settings| settings.timeout.clone()).unwrap();
        assert_eq!((timeout.as_str(), from), ("5s", Path::new("project")));
    }

    #[test]
    fn what_cannot_be_read_names_its_file() {
        let wrong = Settings {
            color: Some("pink".into()),
            timeout: Some("5 min".into()),
            output: Some("csv".into()),
            ..Settings::default()
        };
        let layers = Layers(vec![Layer { path: "here.toml".into(), settings: wrong }]);
        let mut global = crate::Cli::try_parse_from(["bib", "status"]).unwrap().into_global();
        let errors = layers.fill(&mut global, Path::new("here.toml"));
        let [color, timeout] = &errors[..] else { panic!("{errors:?}") };
        assert!(color.message.contains("here.toml") && color.message.contains("pink"), "{color:?}");
        assert_eq!(timeout.hints[0], "bib config unset timeout");
        assert_eq!(global.output, Some(Format::Csv), "the others are taken");
        let elsewhere = layers.fill(&mut global, Path::new("own.toml"));
        assert_eq!(elsewhere[0].hints[0], "mend that line", "no command changes the files of others");
    }

    #[test]
    fn a_project_may_not_say_who_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(PROJECT_FILE);
        std::fs::write(&path, "node = \"lab-a\"\n").unwrap();
        assert_eq!(project(&path).unwrap().unwrap().settings.node.as_deref(), Some("lab-a"));
        std::fs::write(&path, "ssh_key = \"/tmp/x\"\n").unwrap();
        assert!(project(&path).unwrap_err().message.contains("ssh_key"));
    }
}
