//! Keys: which way they go, that none is lost on any, and what is dialled behind a number.

use super::*;
use crate::account_config::DtmfMode;

/// An answer without telephone-events.
const SPEECH_ONLY: &str = "v=0\r\no=pbx 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 20000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n";

/// The shortest time from key to key.
const LEAST: Duration = Duration::from_millis(170);

fn hundred() -> String {
    "0123456789*#ABCD".chars().cycle().take(100).collect()
}

/// A call with an account that sends tones so, answered with `sdp` and this Allow.
fn talking_with(mode: DtmfMode, sdp: &str, allow: Option<&str>) -> (Bench, CallId, Dialog) {
    let mut config = plain();
    config.dtmf = mode;
    let mut bench = Bench::with(config);
    let call = bench.dial("1002");
    let invite = bench.request(Method::Invite);
    let mut answer = reply(&invite, 200, "b", Some(sdp));
    if let Some(allow) = allow {
        answer.headers.push(HeaderName::Allow, allow);
    }
    bench.deliver(&answer.to_bytes());
    bench.request(Method::Ack);
    bench.wishes.clear();
    (bench, call, Dialog::placed(&invite, "b"))
}

impl Bench {
    fn press(&mut self, digits: &str) -> Result<Accepted, Refused> {
        let digits = digits.to_owned();
        self.command(Command::Dtmf { call: None, digits })
    }

    /// Every tone from now on with its moment and its way, as long as any comes; INFOs are taken.
    fn tones(&mut self, patience: Duration) -> Vec<(Instant, char, &'static str)> {
        let mut tones = Vec::new();
        let mut idle = Duration::ZERO;
        while idle < patience {
            let before = tones.len();
            for wish in std::mem::take(&mut self.wishes) {
                match wish {
                    Output::Digit { digit, .. } => tones.push((self.now, digit.key(), "event")),
                    Output::Tone { digit, .. } => tones.push((self.now, digit.key(), "sound")),
                    _ => {}
                }
            }
            while let Some(said) = self.said.pop_front() {
                if let Message::Request(info) = said.message
                    && info.method == Method::Info
                {
                    let text = std::str::from_utf8(&info.body).unwrap().to_owned();
                    let key = text.strip_prefix("Signal=").unwrap().chars().next().unwrap();
                    tones.push((self.now, key, "info"));
                    self.reply(&info, 200, "b", None);
                }
            }
            idle = if tones.len() == before {
                idle + Duration::from_millis(5)
            } else {
                Duration::ZERO
            };
            self.run(Duration::from_millis(5));
        }
        tones
    }
}

fn assert_none_lost(bench: &mut Bench, way: &str) {
    bench.press(&hundred()).unwrap();
    let tones = bench.tones(SECOND);
    let keys: String = tones.iter().map(|(_, key, _)| *key).collect();
    assert_eq!(keys, hundred());
    assert!(tones.iter().all(|(_, _, how)| *how == way), "{way}: {tones:?}");
    for pair in tones.windows(2) {
        let gap = pair[1].0 - pair[0].0;
        assert!(gap >= LEAST, "{way}: {gap:?} from key to key");
    }
}

#[test]
fn no_tone_of_a_hundred_is_lost_on_any_of_the_three_ways() {
    let (mut bench, ..) = talking_with(DtmfMode::Auto, ANSWER, None);
    assert_none_lost(&mut bench, "event");
    let (mut bench, ..) = talking_with(DtmfMode::Auto, SPEECH_ONLY, None);
    assert_none_lost(&mut bench, "info");
    let (mut bench, ..) = talking_with(DtmfMode::Auto, SPEECH_ONLY, Some("INVITE, ACK, BYE, CANCEL"));
    assert_none_lost(&mut bench, "sound");
}

#[test]
fn the_account_overrides_what_the_far_end_offers() {
    for (mode, way) in [(DtmfMode::Info, "info"), (DtmfMode::Inband, "sound")] {
        let (mut bench, ..) = talking_with(mode, ANSWER, None);
        bench.press("5").unwrap();
        assert_eq!(bench.tones(SECOND)[0].2, way);
    }
    let (mut bench, ..) = talking_with(DtmfMode::Rfc4733, SPEECH_ONLY, None);
    assert_eq!(bench.press("5"), Err(Refused::Tones));
}

#[test]
fn a_key_whose_info_is_refused_is_sent_as_sound_and_so_are_the_others() {
    let (mut bench, ..) = talking_with(DtmfMode::Auto, SPEECH_ONLY, None);
    bench.press("12").unwrap();
    let info = bench.request(Method::Info);
    bench.reply(&info, 415, "b", None);
    let tones = bench.tones(SECOND);
    let keys: Vec<(char, &str)> = tones.iter().map(|(_, key, way)| (*key, *way)).collect();
    assert_eq!(keys, [('1', "sound"), ('2', "sound")]);
    assert!(bench.warnings().is_empty());
}

#[test]
fn keys_wait_while_the_far_end_does_not_listen() {
    let (mut bench, _, dialog) = talking_with(DtmfMode::Auto, ANSWER, None);
    let mut hold = bench.inside(Method::Invite, &dialog, 2);
    hold.set_body("application/sdp", described("sendonly"));
    bench.ask(&hold);
    bench.press("12").unwrap();
    bench.run(SECOND * 10);
    assert_eq!(bench.count(|wish| matches!(wish, Output::Digit { .. })), 0);
    let mut back = bench.inside(Method::Invite, &dialog, 3);
    back.set_body("application/sdp", described("sendrecv"));
    bench.ask(&back);
    let keys: String = bench.tones(SECOND).iter().map(|(_, key, _)| *key).collect();
    assert_eq!(keys, "12");
}

#[test]
fn what_is_dialled_behind_a_number_follows_the_answer_pauses_included() {
    let mut bench = Bench::new();
    bench.dial("0201234567,,12#");
    let invite = bench.request(Method::Invite);
    assert_eq!(invite.uri.user().as_deref(), Some("0201234567"));
    bench.reply(&invite, 183, "b", Some(ANSWER));
    assert!(bench.tones(SECOND * 6).is_empty(), "nobody has answered");
    let answered_at = bench.now;
    bench.reply(&invite, 200, "b", Some(ANSWER));
    let tones = bench.tones(SECOND * 6);
    let keys: String = tones.iter().map(|(_, key, _)| *key).collect();
    assert_eq!(keys, "12#");
    let waited = tones[0].0 - answered_at;
    assert!((SECOND * 4..SECOND * 5).contains(&waited), "{waited:?}");
}

#[test]
fn keys_can_pause_in_a_call_too() {
    let (mut bench, ..) = talking_with(DtmfMode::Auto, ANSWER, None);
    bench.press("1w2").unwrap();
    let tones = bench.tones(SECOND * 3);
    assert!(tones[1].0 - tones[0].0 >= SECOND * 2);
    assert_eq!(bench.press("1x"), Err(Refused::Digit('x')));
}

#[test]
fn nobody_is_transferred_to_tones() {
    let (mut bench, ..) = talking();
    let target = "1003,12".to_owned();
    let refused = bench.command(Command::Transfer { call: None, target });
    assert!(matches!(refused, Err(Refused::Target(_))), "{refused:?}");
}
