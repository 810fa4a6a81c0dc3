//! Says how many inputs of a target in some folders are accepted: `share TARGET FOLDER...`.

use std::error::Error;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let name = arguments.next().ok_or("which target?")?;
    let target = toestel_fuzz::target(&name).ok_or("there is no such target")?;
    let (mut accepted, mut all) = (0_u32, 0_u32);
    for folder in arguments {
        for entry in fs::read_dir(folder)? {
            all += 1;
            accepted += u32::from((target.run)(&fs::read(entry?.path())?));
        }
    }
    println!("{name}: {accepted} of {all} inputs accepted");
    Ok(())
}
