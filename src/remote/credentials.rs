//! Secrets that systemd hands over (`LoadCredential=`): files in a folder that only this service sees.

use std::path::{Path, PathBuf};

use super::SettingsError;

/// What such a file is named by.
const PREFIX: &str = "credential:";

/// Whether `file` is one that systemd hands over: nothing beside the configuration.
pub fn is_credential(file: &Path) -> bool {
    file.to_str().is_some_and(|text| text.starts_with(PREFIX))
}

/// # Errors
/// `file` is a credential's, and its name cannot be one.
pub fn check_name(file: &Path) -> Result<(), SettingsError> {
    credential_name(file).map(drop)
}

/// Where `file` really is.
///
/// # Errors
/// A credential of which only the service knows, or whose name cannot be one.
pub fn find(file: &Path) -> Result<PathBuf, SettingsError> {
    find_in(file, std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from).as_deref())
}

fn find_in(file: &Path, folder: Option<&Path>) -> Result<PathBuf, SettingsError> {
    match (credential_name(file)?, folder) {
        (None, _) => Ok(file.to_owned()),
        (Some(name), Some(folder)) => Ok(folder.join(name)),
        (Some(name), None) => Err(SettingsError::ServiceOnly(name.to_owned())),
    }
}

/// The name of the credential that `file` stands for; none where it is a plain file.
fn credential_name(file: &Path) -> Result<Option<&str>, SettingsError> {
    match file.to_str().and_then(|text| text.strip_prefix(PREFIX)) {
        Some(name) if name.is_empty() || name.starts_with('.') || name.contains('/') => {
            Err(SettingsError::CredentialName(name.to_owned()))
        }
        name => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_lies_where_systemd_puts_it_and_other_files_where_they_are() {
        let find = |file: &str, folder: Option<&str>| find_in(Path::new(file), folder.map(Path::new)).unwrap();
        assert_eq!(find("/etc/password", None), Path::new("/etc/password"));
        assert_eq!(find("credential:mqtt", Some("/run/credentials/r")), Path::new("/run/credentials/r/mqtt"));
        let error = find_in(Path::new("credential:mqtt"), None).unwrap_err();
        assert!(
            error.to_string().contains("LoadCredential=mqtt:FILE") && matches!(error, SettingsError::ServiceOnly(_))
        );
        check_name(Path::new("credential:mqtt")).unwrap();
        for wrong in ["credential:", "credential:../x", "credential:a/b", "credential:.."] {
            let wrong = Path::new(wrong);
            assert!(find_in(wrong, Some(Path::new("/run"))).is_err() && check_name(wrong).is_err(), "{wrong:?}");
        }
    }
}
