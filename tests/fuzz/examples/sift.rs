//! Copies those inputs of a target that are accepted from one folder into another: `sift TARGET FROM TO`.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let name = arguments.next().ok_or("which target?")?;
    let from = arguments.next().ok_or("from which folder?")?;
    let to = PathBuf::from(arguments.next().ok_or("into which folder?")?);
    let target = toestel_fuzz::target(&name).ok_or("there is no such target")?;
    fs::create_dir_all(&to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let input = fs::read(entry.path())?;
        if (target.run)(&input) {
            fs::write(to.join(entry.file_name()), input)?;
        }
    }
    Ok(())
}
