//! `toestel accounts`: what is configured, changed by hand.
//!
//! Settings go to the state directory, the password to the key store of the system and nowhere else; where there is no
//! key store that is said, and the password is asked for at each use.

mod add;
mod values;

use crate::error::Failure;
use crate::options::media_word;
use clap::{Args, Subcommand};
use std::io::Write;
use toestel_core::store::secrets::Secrets;
use toestel_core::store::settings::{Accounts, StateDir, StoredAccount};

/// What to do with them.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  toestel accounts add 201@pbx.example.nl
  toestel accounts add 201@pbx.example.nl --server 192.0.2.1:5061 --ca pbx.pem --display-name Reception
  toestel accounts list
  toestel accounts remove 201@pbx.example.nl")]
pub struct AccountsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Add an account, and keep its password in the system's key store
    Add(Box<add::AddArgs>),
    /// List the accounts
    List(ListArgs),
    /// Remove an account and forget its password
    Remove(RemoveArgs),
}

#[derive(Args, Debug)]
struct ListArgs {
    /// One JSON array instead of a list for people
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct RemoveArgs {
    /// Its address, user@domain, or its user where only one has it
    account: String,
}

/// Adds, lists or removes.
///
/// # Errors
/// When the account cannot be as it is given, there is none such, or the state directory cannot be used.
pub fn run(args: AccountsArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::device)?;
    match args.action {
        Action::Add(args) => runtime.block_on(add::add(*args)),
        Action::List(args) => list(&args),
        Action::Remove(args) => runtime.block_on(remove(&args)),
    }
}

/// The accounts, after a line on standard error for whatever was wrong with their file.
///
/// # Errors
/// When they cannot be read and must not be overwritten.
pub fn load(directory: &StateDir) -> Result<Accounts, Failure> {
    let (accounts, warnings) = directory.load_accounts().map_err(Failure::usage)?;
    for warning in warnings {
        say(&warning.to_string())?;
    }
    Ok(accounts)
}

/// The account that is meant by its address, or by its user if no other has it.
///
/// # Errors
/// When there is none, or there are several.
pub fn pick<'a>(accounts: &'a Accounts, wanted: &str) -> Result<&'a StoredAccount, Failure> {
    let mut meant = accounts.iter().filter(|account| {
        account.config.address().eq_ignore_ascii_case(wanted) || account.config.user.eq_ignore_ascii_case(wanted)
    });
    match (meant.next(), meant.next()) {
        (Some(account), None) => Ok(account),
        (None, _) => Err(Failure::usage(format!(
            "There is no account {wanted}: see `toestel accounts list`, or add it with `toestel accounts add`."
        ))),
        (Some(_), Some(_)) => Err(Failure::usage(format!(
            "There is more than one account {wanted}: give its address, user@domain."
        ))),
    }
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let accounts = load(&StateDir::open_default().map_err(Failure::usage)?)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let accounts: Vec<&StoredAccount> = accounts.iter().collect();
        let json = serde_json::to_string(&accounts).map_err(Failure::device)?;
        return writeln!(out, "{json}").map_err(Failure::device);
    }
    if accounts.iter().next().is_none() {
        return writeln!(out, "There are no accounts. Add one: toestel accounts add USER@DOMAIN")
            .map_err(Failure::device);
    }
    for account in accounts.iter() {
        let config = &account.config;
        let off = if account.enabled { "" } else { ", switched off" };
        let place = config.destination();
        writeln!(
            out,
            "{}  by {} to {place}, encryption of calls {}{off}",
            config.address(),
            config.transport.name(),
            media_word(config.media)
        )
        .map_err(Failure::device)?;
    }
    Ok(())
}

async fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    let directory = StateDir::open_default().map_err(Failure::usage)?;
    let mut accounts = load(&directory)?;
    let account = pick(&accounts, &args.account)?;
    let (id, address) = (account.id, account.config.address());
    accounts.remove(id);
    directory.save_accounts(&accounts).map_err(Failure::outcome)?;
    let (mut learnt, _) = directory.load_learnt().map_err(Failure::usage)?;
    learnt.forget(&address);
    directory.save_learnt(&learnt).map_err(Failure::outcome)?;
    say(&format!("Removed {address}."))?;
    match Secrets::native().forget(&address).await {
        Ok(()) => Ok(()),
        Err(error) => say(&format!(
            "Its password, if there was one, could not be removed from the key store. {error}"
        )),
    }
}

/// A line for the person; standard output is kept for what was asked for.
fn say(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stderr().lock(), "{text}").map_err(Failure::device)
}
