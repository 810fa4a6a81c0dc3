//! The options of `accounts add` that are more than a word: codecs, tones, the caller's number, feature codes.

use clap::ValueEnum;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NoFeature, StrDeserializer};
use std::str::FromStr;
use toestel_core::{AutoAnswer, CallerId, Codec, DtmfMode, Feature};

/// A codec.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum CodecArg {
    /// Wide band at a low rate, and repairs itself
    Opus,
    /// Wide band at 64 kbit/s
    G722,
    /// G.711 as in Europe
    Pcma,
    /// G.711 as in North America and Japan
    Pcmu,
}

/// How keys that are pressed in a call are sent.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum DtmfArg {
    /// As the far end can take them
    Auto,
    /// In the sound's stream
    Rfc4733,
    /// By signalling
    Info,
    /// As sound
    Inband,
}

impl From<CodecArg> for Codec {
    fn from(arg: CodecArg) -> Self {
        match arg {
            CodecArg::Opus => Self::Opus,
            CodecArg::G722 => Self::G722,
            CodecArg::Pcma => Self::Pcma,
            CodecArg::Pcmu => Self::Pcmu,
        }
    }
}

impl From<DtmfArg> for DtmfMode {
    fn from(arg: DtmfArg) -> Self {
        match arg {
            DtmfArg::Auto => Self::Auto,
            DtmfArg::Rfc4733 => Self::Rfc4733,
            DtmfArg::Info => Self::Info,
            DtmfArg::Inband => Self::Inband,
        }
    }
}

/// What is done with a call that wants to be answered by itself.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum AutoAnswerArg {
    /// It rings like any other
    Off,
    /// It is answered with a closed microphone
    Muted,
    /// It is answered, and the caller hears the room
    TwoWay,
}

impl From<AutoAnswerArg> for AutoAnswer {
    fn from(arg: AutoAnswerArg) -> Self {
        match arg {
            AutoAnswerArg::Off => Self::Off,
            AutoAnswerArg::Muted => Self::Muted,
            AutoAnswerArg::TwoWay => Self::TwoWay,
        }
    }
}

/// `shown`, `withheld`, `number:NUMBER` or `prefix:DIGITS`.
///
/// # Errors
/// A sentence, for anything else.
pub fn caller_id(text: &str) -> Result<CallerId, String> {
    match (text, text.split_once(':')) {
        ("shown", _) => Ok(CallerId::Shown),
        ("withheld", _) => Ok(CallerId::Withheld),
        (_, Some(("number", number))) => Ok(CallerId::Number(number.to_owned())),
        (_, Some(("prefix", digits))) => Ok(CallerId::Prefix(digits.to_owned())),
        _ => Err("give shown, withheld, number:NUMBER or prefix:DIGITS".to_owned()),
    }
}

/// A feature and the code that the PBX understands for it.
#[derive(Clone, Debug)]
pub struct FeatureCode {
    /// What it does.
    pub feature: Feature,
    /// What is dialled.
    pub code: String,
}

impl FromStr for FeatureCode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, code) = text.split_once('=').ok_or("give FEATURE=CODE, such as park=*68")?;
        let name: StrDeserializer<'_, NoFeature> = name.into_deserializer();
        let feature = Feature::deserialize(name).map_err(|error| error.to_string())?;
        Ok(Self {
            feature,
            code: code.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_number_is_shown_withheld_chosen_or_left_to_a_prefix() {
        assert_eq!(caller_id("withheld"), Ok(CallerId::Withheld));
        assert_eq!(
            caller_id("number:+31201234567"),
            Ok(CallerId::Number("+31201234567".to_owned()))
        );
        assert_eq!(caller_id("prefix:*31"), Ok(CallerId::Prefix("*31".to_owned())));
        assert!(caller_id("+31201234567").is_err());
    }

    #[test]
    fn a_feature_code_names_a_feature_that_there_is() {
        let park: FeatureCode = "park=*68".parse().unwrap();
        assert_eq!((park.feature, park.code.as_str()), (Feature::Park, "*68"));
        let unknown = "coffee=*1".parse::<FeatureCode>().unwrap_err();
        assert!(unknown.contains("group_pickup"), "{unknown}");
        assert!("park".parse::<FeatureCode>().is_err());
    }
}
