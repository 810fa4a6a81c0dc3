//! Writes the seeds of a target into a folder: `seed TARGET FOLDER`.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let name = arguments.next().ok_or("which target?")?;
    let folder = PathBuf::from(arguments.next().ok_or("into which folder?")?);
    let target = toestel_fuzz::target(&name).ok_or("there is no such target")?;
    fs::create_dir_all(&folder)?;
    for (number, seed) in (target.seeds)().into_iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:03}")), seed)?;
    }
    Ok(())
}
