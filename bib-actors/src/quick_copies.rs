//! How the C library copies memory.
//!
//! Before version 2.40, glibc copies what is longer than 2 KiB by the instruction `rep movsb` on AMD's processors, too, where
//! that takes several times as long as its loop of vector instructions, and up to twenty times where the two places lie badly
//! (sourceware's bug 30994). It chooses when a program starts, and only the environment can tell it otherwise: so the program
//! is started anew, as the same process, with a word in its environment. Later versions choose the loop by themselves, and for
//! them the word says what they do.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What glibc reads such words from.
const VARIABLE: &str = "GLIBC_TUNABLES";
/// From which length on the instruction is used: for more than any copy has.
const WORDS: &str = "glibc.cpu.x86_rep_movsb_threshold=0x40000000:glibc.cpu.x86_rep_stosb_threshold=0x40000000";
/// Whoever has set this knows better, or has been started anew.
const DECIDED: &str = "x86_rep_movsb_threshold";

/// Starts the program anew if its copies would be slow. Returns if that is not so, or cannot be done.
pub fn choose() {
    if !cfg!(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")) {
        return;
    }
    if let Some(words) = wanted(&processor(), std::env::var_os(VARIABLE).as_deref()) {
        let mut said = std::env::args_os();
        let (Some(name), Ok(program)) = (said.next(), std::env::current_exe()) else { return };
        // it comes back only with an error; everything works without, and takes longer
        let _ = Command::new(program).arg0(name).args(said).env(VARIABLE, words).exec();
    }
}

/// What the system says of the first processor, as far as its maker.
fn processor() -> String {
    // the rest may be long, and takes the system a while
    let mut beginning = [0; 256];
    let read = File::open("/proc/cpuinfo").and_then(|mut file| file.read(&mut beginning));
    String::from_utf8_lossy(&beginning[..read.unwrap_or_default()]).into_owned()
}

/// What the variable has to be, if the program is to be started anew.
fn wanted(processor: &str, set: Option<&OsStr>) -> Option<OsString> {
    if !processor.contains("AuthenticAMD") {
        return None;
    }
    match set.map(|set| set.to_str()) {
        None => Some(WORDS.into()),
        // what cannot be read is not changed
        Some(None) => None,
        Some(Some(set)) if set.contains(DECIDED) => None,
        Some(Some("")) => Some(WORDS.into()),
        Some(Some(set)) => Some(format!("{set}:{WORDS}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    const AMD: &str = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\n";

    #[test]
    fn a_program_is_started_anew_once_and_where_it_helps() {
        assert_eq!(wanted(AMD, None), Some(WORDS.into()));
        assert_eq!(wanted(AMD, Some(WORDS.as_ref())), None, "it has been");
        assert_eq!(wanted(AMD, Some("glibc.cpu.x86_rep_movsb_threshold=4096".as_ref())), None, "somebody knows better");
        let kept = wanted(AMD, Some("glibc.malloc.check=1".as_ref())).unwrap();
        assert_eq!(kept, OsString::from(format!("glibc.malloc.check=1:{WORDS}")));
        assert_eq!(wanted(AMD, Some(OsStr::from_bytes(b"\xff"))), None);
        assert_eq!(wanted("processor\t: 0\nvendor_id\t: GenuineIntel\n", None), None);
        assert_eq!(wanted("", None), None);
    }
}
