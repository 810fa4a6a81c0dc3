//! Says of each target's `corpus/NAME/` how many inputs are accepted; fails where it is less than half.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

fn main() -> io::Result<ExitCode> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let wanted: Vec<String> = env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| word == name);
    let mut enough = true;
    for target in toestel_fuzz::TARGETS.iter().filter(|target| is_wanted(target.name)) {
        let (mut accepted, mut all) = (0_u32, 0_u32);
        for entry in fs::read_dir(corpus.join(target.name))? {
            all += 1;
            accepted += u32::from((target.run)(&fs::read(entry?.path())?));
        }
        println!("{}: {accepted} of {all} inputs accepted", target.name);
        enough &= accepted * 2 >= all;
    }
    Ok(if enough { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
