//! The archive of messages at the end of an RFC's text: base64 of a compressed tar (RFC 4475 appendix A, RFC 5118
//! appendix A).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::apt;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The messages by name, from the cache if they are there.
pub(crate) fn messages(rfc: u16) -> Result<BTreeMap<String, Vec<u8>>> {
    let cache = cache()?.join("torture");
    fs::create_dir_all(&cache)?;
    // Several tests, and several test programs, may ask at once.
    let lock = fs::File::create(cache.join("lock"))?;
    lock.lock()?;
    let folder = cache.join(format!("rfc{rfc}"));
    if !folder.exists() {
        let text = text(rfc, &cache)?;
        let unpacked = cache.join(format!("rfc{rfc}.unfinished"));
        unpack(&archive(&text)?, &unpacked)?;
        fs::rename(unpacked, &folder)?;
    }
    read_all(&folder)
}

/// `TOESTEL_RFC_TEXTS` names a folder with `rfc4475.txt` and `rfc5118.txt`, for systems without apt.
fn text(rfc: u16, cache: &Path) -> Result<String> {
    let bytes = match std::env::var_os("TOESTEL_RFC_TEXTS") {
        Some(folder) => fs::read(Path::new(&folder).join(format!("rfc{rfc}.txt")))?,
        None => apt::rfc_text(rfc, cache)?,
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The base64 between the last markers (the first are in the RFC's own script that unpacks it); lines with more than one word are the RFC's page heads and feet.
fn archive(text: &str) -> Result<Vec<u8>> {
    let inside = text
        .rsplit_once("-- END MESSAGE ARCHIVE --")
        .and_then(|(before, _)| before.rsplit_once("-- BEGIN MESSAGE ARCHIVE --"))
        .ok_or("its text holds no archive")?;
    let base64: String = inside
        .1
        .lines()
        .map(str::trim)
        .filter(|line| !line.contains(char::is_whitespace))
        .collect();
    Ok(STANDARD.decode(base64)?)
}

fn unpack(archive: &[u8], folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    fs::create_dir_all(folder)?;
    let mut tar = Command::new("tar")
        .arg("-xzC")
        .arg(folder)
        .stdin(Stdio::piped())
        .spawn()?;
    tar.stdin.take().ok_or("tar has no input")?.write_all(archive)?;
    if tar.wait()?.success() {
        Ok(())
    } else {
        Err("tar could not unpack the archive".into())
    }
}

fn read_all(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut messages = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        messages.insert(name, fs::read(path)?);
    }
    Ok(messages)
}

/// Outside the clone: what is fetched once is kept for the next clone too.
fn cache() -> Result<PathBuf> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("TOESTEL_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|caches| caches.join("toestel")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/toestel")))
        .ok_or_else(|| "neither TOESTEL_CACHE nor HOME is set".into())
}
