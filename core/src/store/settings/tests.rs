use super::*;
use toestel_proto::account_config::{AccountConfig, CallerId, DtmfMode, Feature, HostPort, Pin, Roots, Transport};
use toestel_proto::codec::{Codec, MediaPolicy};
use toestel_proto::ids::AccountId;

/// A directory that is gone after the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("toestel-settings-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self) -> StateDir {
        StateDir::open(&self.0).unwrap()
    }

    fn write(&self, file: &str, content: &str) {
        fs::write(self.0.join(file), content).unwrap();
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn plain(user: &str) -> AccountConfig {
    AccountConfig::new("pbx.example.com", user)
}

/// An account with every field away from its default.
fn full() -> AccountConfig {
    let host_port = |text: &str| text.parse::<HostPort>().unwrap();
    AccountConfig {
        auth_user: Some("auth".into()),
        display_name: Some("Jan \"de\" Vries ☎".into()),
        server: Some(host_port("[2001:db8::1]:5071")),
        outbound_proxy: Some(host_port("edge.example.net")),
        transport: Transport::Tls,
        tls_name: Some("sip.example.org".into()),
        roots: Roots::File("/etc/toestel/ca.pem".into()),
        pins: vec![Pin([0xab; 32])],
        media: MediaPolicy::Preferred,
        expires: 120,
        voicemail: Some("*97".into()),
        country: "DE".into(),
        outside_line_prefix: Some("0".into()),
        caller_id: CallerId::Number("+31201234567".into()),
        codecs: vec![Codec::Pcma, Codec::Opus],
        dtmf: DtmfMode::Info,
        feature_codes: [(Feature::Park, "#72".to_owned())].into(),
        ..plain("100")
    }
}

#[test]
fn accounts_and_what_they_learnt_survive_a_restart() {
    let place = Place::new("restart");
    let (mut accounts, mut learnt) = (Accounts::default(), Learnt::default());
    let id = accounts.add(full()).unwrap();
    accounts.add(plain("101")).unwrap();
    accounts.enable(id, false);
    let mut known = learnt.account("100@pbx.example.com");
    known.last_contacts = vec!["sip:abc@192.0.2.1:5061;transport=tls".into()];
    known.login.accepted = true;
    learnt.remember("100@pbx.example.com", known);
    {
        let dir = place.open();
        dir.save_accounts(&accounts).unwrap();
        dir.save_learnt(&learnt).unwrap();
    }
    let dir = place.open();
    assert_eq!(dir.load_accounts().unwrap(), (accounts, Vec::new()));
    assert_eq!(dir.load_learnt().unwrap(), (learnt, Vec::new()));
    assert_eq!(place.files(), ["accounts.json", "learnt.json", "lock"]);
}

#[test]
fn a_directory_is_one_processs_at_a_time() {
    let place = Place::new("lock");
    let first = place.open();
    let error = StateDir::open(&place.0).unwrap_err();
    assert_eq!(error, SettingsError::InUse { path: place.0.clone() });
    assert!(error.to_string().contains("close that one"));
    drop(first);
    place.open();
}

#[test]
fn a_directory_that_is_a_file_is_unusable() {
    let place = Place::new("file");
    fs::write(&place.0, "").unwrap();
    let error = StateDir::open(&place.0).unwrap_err();
    assert!(matches!(error, SettingsError::Unusable { .. }), "{error}");
    assert_eq!(error.blame(), Blame::Device);
    fs::remove_file(&place.0).unwrap();
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_look() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new("private");
    place.open().save_accounts(&Accounts::default()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.0), 0o700);
    assert_eq!(mode(&place.0.join(ACCOUNTS)), 0o600);
}

#[test]
fn a_file_that_cannot_be_read_is_set_aside_each_time() {
    let place = Place::new("bad");
    let dir = place.open();
    for (number, bad) in (1..).zip(["", "{\"version\":1,", "[]", "{\"accounts\":[]}", "{\"version\":1}"]) {
        place.write(ACCOUNTS, bad);
        let (accounts, warnings) = dir.load_accounts().unwrap();
        assert_eq!(accounts, Accounts::default());
        let kept_as = place.0.join(format!("accounts.json.bad-{number}"));
        assert!(
            matches!(&warnings[..], [SettingsWarning::SetAside { kept_as: k, .. }] if *k == kept_as),
            "{bad:?}"
        );
        assert_eq!(fs::read_to_string(kept_as).unwrap(), bad);
        assert!(!place.0.join(ACCOUNTS).exists());
    }
    place.write(LEARNT, "{\"version\":1,\"accounts\":{\"100@pbx\":{}}}");
    let (learnt, warnings) = dir.load_learnt().unwrap();
    assert_eq!((learnt, warnings.len()), (Learnt::default(), 1));
}

#[test]
fn one_bad_account_does_not_take_the_others_with_it() {
    let place = Place::new("one-bad");
    let dir = place.open();
    let file = r#"{"version":1,"next_id":9,"accounts":[
        {"id":1,"config":{"domain":"pbx.example.com","user":"100"}},
        {"id":2,"config":{"domain":"pbx.example.com","user":"101","pinz":[]}},
        {"id":3,"config":{"domain":"pbx.example.com","user":"10\n2"}},
        {"id":4,"config":{"domain":"PBX.example.com","user":"100"}},
        {"id":1,"config":{"domain":"pbx.example.com","user":"104"}}]}"#;
    place.write(ACCOUNTS, file);
    let (mut accounts, warnings) = dir.load_accounts().unwrap();
    assert_eq!(
        accounts
            .iter()
            .map(|account| account.config.user.as_str())
            .collect::<Vec<_>>(),
        ["100"]
    );
    let left_out: Vec<usize> = warnings
        .iter()
        .map(|warning| match warning {
            SettingsWarning::LeftOut { number, .. } => *number,
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(left_out, [2, 3, 4, 5]);
    assert!(warnings[0].to_string().contains("pinz"), "{}", warnings[0]);
    assert_eq!(place.read("accounts.json.bad-1"), file);
    assert_eq!(accounts.add(plain("105")).unwrap(), AccountId(9));
}

#[test]
fn a_file_of_a_later_version_is_left_alone() {
    let place = Place::new("later");
    let dir = place.open();
    let file = r#"{"version":2,"things":[]}"#;
    place.write(ACCOUNTS, file);
    let error = dir.load_accounts().unwrap_err();
    assert_eq!(
        error,
        SettingsError::LaterVersion {
            path: place.0.join(ACCOUNTS),
            version: 2
        }
    );
    assert_eq!(place.read(ACCOUNTS), file);
}

#[test]
fn what_cannot_be_saved_leaves_the_old_file() {
    let place = Place::new("not-saved");
    let dir = place.open();
    let mut accounts = Accounts::default();
    accounts.add(plain("100")).unwrap();
    dir.save_accounts(&accounts).unwrap();
    let before = place.read(ACCOUNTS);
    // A directory in the temporary file's place makes writing fail as a full disk would.
    fs::create_dir(place.0.join("accounts.json.new")).unwrap();
    accounts.add(plain("101")).unwrap();
    let error = dir.save_accounts(&accounts).unwrap_err();
    assert!(matches!(error, SettingsError::NotSaved { .. }), "{error}");
    assert!(error.retry_helps());
    assert_eq!(place.read(ACCOUNTS), before);
}

#[test]
fn numbers_are_never_given_twice_and_addresses_are_not_doubled() {
    let mut accounts = Accounts::default();
    let first = accounts.add(plain("100")).unwrap();
    accounts.remove(first).unwrap();
    let second = accounts.add(plain("100")).unwrap();
    assert_ne!(first, second);
    let double = SettingsError::Double {
        address: "100@pbx.example.com".into(),
    };
    assert_eq!(accounts.add(plain("100")), Err(double.clone()));
    let third = accounts.add(plain("101")).unwrap();
    assert_eq!(accounts.change(third, plain("100")), Err(double));
    assert_eq!(accounts.change(third, plain("101")), Ok(()));
    assert!(matches!(accounts.add(plain("")), Err(SettingsError::Account(_))));
    assert_eq!(accounts.iter().count(), 2);
}

#[cfg(all(unix, not(target_vendor = "apple")))]
#[test]
fn the_usual_directory_follows_xdg() {
    let with = |set: &[(&str, &str)]| {
        let set: Vec<(String, OsString)> = set
            .iter()
            .map(|(name, path)| ((*name).into(), (*path).into()))
            .collect();
        default_dir(move |name| set.iter().find(|(set, _)| set == name).map(|(_, path)| path.clone()))
    };
    assert_eq!(
        with(&[("XDG_DATA_HOME", "/d"), ("HOME", "/h")]),
        Some("/d/toestel".into())
    );
    assert_eq!(
        with(&[("XDG_DATA_HOME", "relative"), ("HOME", "/h")]),
        Some("/h/.local/share/toestel".into())
    );
    assert_eq!(with(&[("HOME", "")]), None);
}
