//! Secrets that systemd hands over (`LoadCredential=`): files in a folder that only this service sees.

use std::path::{Path, PathBuf};

/// What such a file is named by.
const PREFIX: &str = "credential:";

/// Whether `file` is one that systemd hands over: nothing beside the configuration.
pub fn is_credential(file: &Path) -> bool {
    file.to_str().is_some_and(|text| text.starts_with(PREFIX))
}

/// Why a credential is not had.
#[derive(Debug, Clone, PartialEq)]
pub enum Missing {
    /// Its name cannot be one; in words.
    Misnamed(String),
    /// Only the service has it; in words.
    HandedOver(String),
}

/// In words, what is wrong with the name of `file`, where it is a credential's.
pub fn fault(file: &Path) -> Option<String> {
    match find_in(file, None) {
        Err(Missing::Misnamed(why)) => Some(why),
        _ => None,
    }
}

/// Where `file` really is.
pub fn find(file: &Path) -> Result<PathBuf, Missing> {
    find_in(file, std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from).as_deref())
}

fn find_in(file: &Path, folder: Option<&Path>) -> Result<PathBuf, Missing> {
    let Some(name) = file.to_str().and_then(|text| text.strip_prefix(PREFIX)) else { return Ok(file.to_owned()) };
    if name.is_empty() || name.starts_with('.') || name.contains('/') {
        return Err(Missing::Misnamed(format!("`{PREFIX}{name}` names no credential")));
    }
    let folder = folder.ok_or_else(|| {
        Missing::HandedOver(format!(
            "`{PREFIX}{name}` is handed over by systemd to the service alone (LoadCredential={name}:FILE)"
        ))
    })?;
    Ok(folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_lies_where_systemd_puts_it_and_other_files_where_they_are() {
        let find = |file: &str, folder: Option<&str>| find_in(Path::new(file), folder.map(Path::new));
        assert_eq!(find("/etc/password", None), Ok("/etc/password".into()));
        assert_eq!(find("credential:mqtt", Some("/run/credentials/r")), Ok("/run/credentials/r/mqtt".into()));
        let Err(Missing::HandedOver(why)) = find("credential:mqtt", None) else { panic!("nothing hands it over") };
        assert!(why.contains("LoadCredential=mqtt:FILE") && fault(Path::new("credential:mqtt")).is_none());
        for wrong in ["credential:", "credential:../x", "credential:a/b", "credential:.."] {
            assert!(find(wrong, Some("/run")).is_err() && fault(Path::new(wrong)).is_some(), "{wrong}");
        }
    }
}
