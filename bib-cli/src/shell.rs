//! Paths in commands that are copied from a hint into a shell.

use std::path::Path;

/// The path as one word of a command: in single quotes where a shell would read more into it, and behind `./` where a
/// program would take it for an option.
#[must_use]
pub(crate) fn word(path: &Path) -> String {
    let dash = path.as_os_str().as_encoded_bytes().starts_with(b"-");
    let text = format!("{}{}", if dash { "./" } else { "" }, path.display());
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+,:@".contains(letter);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_path_and_nothing_else() {
        let paths =
            ["/data/a-1.part7", "-rf", "Größe.csv", "my data", "a;rm -r ~", "~/x", "it's", "$HOME\"*", "a\nb", ""];
        let words: Vec<String> = paths.iter().map(|path| word(Path::new(path))).collect();
        let expected = ["/data/a-1.part7", "./-rf", "Größe.csv", "'my data'", "'a;rm -r ~'", "'~/x'", r"'it'\''s'"];
        assert_eq!(words[..7], expected);
        let script = format!("printf '%s\\0' {}", words.join(" "));
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let read = String::from_utf8(output.stdout).unwrap();
        let read: Vec<&str> = read.split_terminator('\0').map(|path| path.strip_prefix("./").unwrap_or(path)).collect();
        assert_eq!(read, paths);
    }
}
