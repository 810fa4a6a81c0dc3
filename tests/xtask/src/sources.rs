//! The Rust files of the project, read once.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::{Failure, Result};

/// One Rust file.
pub struct Source {
    /// Its path from the clone's folder, with `/` on every system.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// Whether it is one of these files, or in one of these folders (without `.rs`, so that a file may become a folder).
    pub fn is_in(&self, places: &[&str]) -> bool {
        let path = self.path.trim_end_matches(".rs");
        places
            .iter()
            .any(|place| path == *place || path.starts_with(&format!("{place}/")))
    }

    /// Whether the whole file is a test: `tests.rs`, or anything in a folder `tests` of a crate.
    pub fn is_test(&self) -> bool {
        // The first folder `tests` is the one that holds the test crates themselves.
        let inside = self.path.strip_prefix("tests/").unwrap_or(&self.path);
        inside.ends_with("/tests.rs") || inside.contains("/tests/") || inside.contains("/benches/")
    }
}

/// Every Rust file below `root`, in the order of their paths.
pub fn read(root: &Path) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    walk(root, &mut files)?;
    files.sort();
    files.iter().map(|file| source(root, file)).collect()
}

fn source(root: &Path, file: &Path) -> Result<Source> {
    let text = fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    let path = file
        .strip_prefix(root)
        .unwrap_or(file)
        .to_string_lossy()
        .replace('\\', "/");
    Ok(Source { path, text })
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                walk(&path, files)?;
            }
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure(format!("{} cannot be read: {error}", path.display()))
}
