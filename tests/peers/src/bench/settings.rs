//! How each phone is set up: Opus, SRTP with SDES keys, TLS with the authority checked, the same two sound devices.

use std::fs;
use std::path::Path;

use super::phone::Kind;
use crate::asterisk;
use crate::lab::{Lab, PBX, write};

const BARESIP: &str = "poll_method epoll
sip_cafile @CA@
sip_trans_def tls
call_local_timeout 120
call_max_calls 4
audio_player alsa,default
audio_source alsa,default
audio_alert alsa,default
audio_level no
ausrc_srate 48000
auplay_srate 48000
ausrc_channels 1
auplay_channels 1
audio_txmode thread
jitter_buffer_delay 5-10
module_path /usr/lib/baresip/modules
module stdio.so
module opus.so
module g711.so
module alsa.so
module srtp.so
module_tmp account.so
module_app menu.so
opus_bitrate 28000
opus_inbandfec yes
";

const LINPHONE: &str = "[sip]
verify_server_certs=1
root_ca=@CA@
sip_port=-1
sip_tcp_port=-1
sip_tls_port=-1
media_encryption=srtp
media_encryption_mandatory=1
default_proxy=0
use_ipv6=0
[proxy_0]
reg_proxy=<sip:@PBX@:5061;transport=tls>
reg_identity=sip:@USER@@@PBX@
reg_expires=300
reg_sendregister=1
[auth_info_0]
username=@USER@
passwd=secret-@USER@
realm=@DOMAIN@
userid=@USER@
[sound]
playback_dev_id=PulseAudio Unknown: speaker
capture_dev_id=PulseAudio Unknown: microphone
ringer_dev_id=PulseAudio Unknown: speaker
echocancellation=0
[audio_codec_0]
mime=opus
rate=48000
channels=2
enabled=1
[audio_codec_1]
mime=PCMA
rate=8000
enabled=1
[video]
enabled=0
capture=0
display=0
";

/// ALSA's default devices are PulseAudio's: Debian's baresip speaks ALSA.
const ALSA: &str = "pcm.!default {
    type asym
    playback.pcm { type pulse device \"speaker\" }
    capture.pcm { type pulse device \"microphone\" }
}
";

/// Writes what `kind` reads into `folder`, and returns its command line.
pub fn prepare(lab: &Lab, kind: Kind, folder: &Path) -> Vec<String> {
    let user = kind.user();
    let ca = lab.authority.certificate.display().to_string();
    let values = [
        ("CA", ca.as_str()),
        ("USER", user),
        ("PBX", PBX),
        ("DOMAIN", asterisk::DOMAIN),
    ];
    let path = |name: &str| folder.join(name).display().to_string();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match kind {
        Kind::Toestel => {
            let server = format!("{PBX}:5061");
            let (domain, state) = (asterisk::DOMAIN, path("state"));
            let [s, d, u, c, f] = ["--server", "--domain", "--user", "--ca", "--state-dir"];
            let own = [s, &server, d, domain, u, user, c, &ca, f, &state];
            let common = "agent --password-stdin --transport tls --media required --audio device";
            common.split(' ').chain(own).map(str::to_owned).collect()
        }
        Kind::Baresip => {
            let account = format!(
                "<sip:{user}@{PBX}:5061;transport=tls>;auth_pass=secret-{user};audio_codecs=opus/48000/2,pcma\
                 ;regint=300;mediaenc=srtp-mand\n"
            );
            write(&folder.join("config"), BARESIP, &values);
            for (name, text) in [("accounts", account.as_str()), ("contacts", "")] {
                fs::write(folder.join(name), text).expect("the lab's folder can be written");
            }
            words(&["-4", "-f", &folder.display().to_string()])
        }
        Kind::Linphone => {
            write(&folder.join("linphonerc"), LINPHONE, &values);
            fs::create_dir_all(folder.join(".local/share/linphone")).expect("the lab's folder can be written");
            words(&["-c", &path("linphonerc"), "-d", "0"])
        }
    }
}

/// Writes ALSA's configuration for this lab.
pub fn write_alsa(path: &Path) {
    fs::write(path, ALSA).expect("the lab's folder can be written");
}
