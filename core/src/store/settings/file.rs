//! Reading and replacing one JSON file, without ever losing what was in it.

use super::{SettingsError, SettingsWarning};
use serde::Serialize;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The version of both files. It rises when an older program could misread a file.
pub(super) const VERSION: u64 = 1;

/// What was found at a path.
pub(super) enum Found {
    Nothing,
    Document(Value),
    SetAside(SettingsWarning),
}

/// Reads a file of our version. What is no JSON object with a version is set aside.
pub(super) fn read(path: &Path) -> Result<Found, SettingsError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(unusable(path, &error)),
    };
    let document: Value = match serde_json::from_slice(&bytes) {
        Ok(document) => document,
        Err(error) => return set_aside(path, error.to_string()).map(Found::SetAside),
    };
    match document.get("version").and_then(Value::as_u64) {
        Some(version) if version > VERSION => Err(SettingsError::LaterVersion {
            path: path.to_owned(),
            version,
        }),
        Some(VERSION) => Ok(Found::Document(document)),
        _ => set_aside(path, "it has no version".to_owned()).map(Found::SetAside),
    }
}

/// Gives the file another name.
pub(super) fn set_aside(path: &Path, detail: String) -> Result<SettingsWarning, SettingsError> {
    let kept_as = unused_name(path);
    fs::rename(path, &kept_as).map_err(|error| unusable(path, &error))?;
    Ok(SettingsWarning::SetAside {
        path: path.to_owned(),
        kept_as,
        detail,
    })
}

/// Keeps a copy of the file under another name.
pub(super) fn keep_copy(path: &Path) -> Result<PathBuf, SettingsError> {
    let kept_as = unused_name(path);
    fs::copy(path, &kept_as).map_err(|error| unusable(path, &error))?;
    Ok(kept_as)
}

/// Replaces the file as a whole: whoever reads it, at whatever moment, finds the old or the new one.
pub(super) fn save(path: &Path, content: &impl Serialize) -> Result<(), SettingsError> {
    let temporary = with_suffix(path, ".new");
    let saved = serde_json::to_vec_pretty(content)
        .map_err(io::Error::from)
        .and_then(|bytes| write_synced(&temporary, &bytes))
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_directory(path));
    saved.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        SettingsError::NotSaved {
            path: path.to_owned(),
            detail: error.to_string(),
        }
    })
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// The rename itself survives a power cut only when the directory is synced; Windows has no such call.
fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) if cfg!(unix) => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}

fn unused_name(path: &Path) -> PathBuf {
    let names = (1_u32..).map(|number| with_suffix(path, &format!(".bad-{number}")));
    names
        .into_iter()
        .find(|name| !name.exists())
        .unwrap_or_else(|| with_suffix(path, ".bad"))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn unusable(path: &Path, error: &io::Error) -> SettingsError {
    SettingsError::Unusable {
        path: path.to_owned(),
        detail: error.to_string(),
    }
}
