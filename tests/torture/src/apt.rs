//! One package, fetched by an apt configuration of the tests' own: own list of sources, own state, own cache. The
//! mirror and the release are the machine's; the signature is checked with the distribution's key.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::archive::Result;

const PACKAGE: &str = "doc-rfc-informational";
/// Where Debian and Ubuntu keep it.
const COMPONENTS: &str = "non-free multiverse";
const KEYRINGS: [&str; 3] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
];

/// The text of an informational RFC.
pub(crate) fn rfc_text(rfc: u16, cache: &Path) -> Result<Vec<u8>> {
    let texts = cache.join("texts");
    if !texts.exists() {
        fetch(&cache.join("apt"), &texts)?;
    }
    let file = texts.join(format!("rfc{rfc}.txt.gz"));
    Ok(run(Command::new("gzip").arg("-dc").arg(file))?.stdout)
}

/// Leaves the texts that hold messages in `texts`, and nothing else of the package's 300 MB.
fn fetch(apt: &Path, texts: &Path) -> Result<()> {
    for folder in ["state/lists/partial", "cache/archives/partial", "deb"] {
        fs::create_dir_all(apt.join(folder))?;
    }
    fs::write(apt.join("sources.list"), sources()?)?;
    run(ours(apt).arg("update"))?;
    run(ours(apt).args(["download", PACKAGE]).current_dir(apt.join("deb")))?;
    for entry in fs::read_dir(apt.join("deb"))? {
        run(Command::new("dpkg-deb")
            .arg("-x")
            .arg(entry?.path())
            .arg(apt.join("unpacked")))?;
    }
    let unfinished = apt.join("texts");
    fs::create_dir_all(&unfinished)?;
    for file in ["rfc4475.txt.gz", "rfc5118.txt.gz"] {
        fs::copy(
            apt.join("unpacked/usr/share/doc/RFC/informational").join(file),
            unfinished.join(file),
        )?;
    }
    fs::rename(unfinished, texts)?;
    Ok(fs::remove_dir_all(apt)?)
}

/// The machine's first mirror of each release that is not one of updates alone.
fn sources() -> Result<String> {
    const FORMAT: &str = "$(REPO_URI) $(RELEASE)";
    const HINT: &str = "apt-get cannot be asked; without apt, set TOESTEL_RFC_TEXTS to a folder with rfc4475.txt and \
                        rfc5118.txt";
    let targets = run(Command::new("apt-get").args(["indextargets", "Created-By: Packages", "--format", FORMAT]))
        .map_err(|error| format!("{HINT} ({error})"))?;
    let key = KEYRINGS.into_iter().find(|path| Path::new(path).exists());
    let options = key.map(|path| format!("[signed-by={path}] ")).unwrap_or_default();
    let text = String::from_utf8_lossy(&targets.stdout).into_owned();
    let distributions = text.lines().filter_map(|line| line.split_once(' '));
    let (uri, release) = distributions
        .filter(|(uri, _)| uri.contains("/debian/") || uri.contains("/ubuntu/"))
        .find(|(_, release)| !release.contains(['-', '/']))
        .ok_or("apt has no source of Debian or Ubuntu")?;
    let mut list = String::new();
    writeln!(list, "deb {options}{uri} {release} {COMPONENTS}")?;
    Ok(list)
}

/// apt-get with everything it reads and writes under `apt`.
fn ours(apt: &Path) -> Command {
    let mut command = Command::new("apt-get");
    let mut option = |name: &str, value: &str| {
        command.arg("-o").arg(format!("{name}={value}"));
    };
    let under = |path: &str| apt.join(path).to_string_lossy().into_owned();
    option("Dir::Etc::SourceList", &under("sources.list"));
    option("Dir::Etc::SourceParts", "/dev/null");
    option("Dir::State", &under("state"));
    option("Dir::State::Lists", &under("state/lists"));
    option("Dir::Cache", &under("cache"));
    // The package holds no program: one index of packages for all machines is enough.
    option("APT::Architecture", "all");
    option("APT::Sandbox::User", "");
    option("APT::Update::Post-Invoke-Success::", "");
    command.arg("-q");
    command
}

fn run(command: &mut Command) -> Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{name} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{name} failed: {said}").into())
}
