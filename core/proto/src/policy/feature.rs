//! What is dialled for a feature of the PBX: the account's own code, never an assumed one.

use super::dial::Country;
use crate::account_config::{AccountConfig, Feature};

/// Why a feature is not there. The account's settings, or the user, erred.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FeatureError {
    /// The account has no code for it.
    #[error(
        "The account has no code for {}. Ask whoever runs the PBX for it, and add it as \"{}\".",
        .0.description(),
        .0.name()
    )]
    NoCode(Feature),
    /// The code needs a number behind or in it.
    #[error("Say which number is meant: the code for {} needs one.", .0.description())]
    NoArgument(Feature),
    /// What is given is no number.
    #[error("That is no number: use digits, * and #.")]
    BadArgument,
}

/// What is dialled for `feature`. The argument stands in the place of `{}` in the code, else behind it.
///
/// # Errors
/// Why there is nothing to dial.
pub fn code(account: &AccountConfig, feature: Feature, argument: Option<&str>) -> Result<String, FeatureError> {
    let code = account
        .feature_codes
        .get(&feature)
        .ok_or(FeatureError::NoCode(feature))?;
    let needs_one = code.contains("{}") || feature == Feature::DirectedPickup;
    let argument = match argument {
        Some(text) => dialable(text, account)?,
        None if needs_one => return Err(FeatureError::NoArgument(feature)),
        None => String::new(),
    };
    Ok(if code.contains("{}") {
        code.replacen("{}", &argument, 1)
    } else {
        format!("{code}{argument}")
    })
}

/// A number as it can stand behind a code: no plus can, and no decoration.
fn dialable(text: &str, account: &AccountConfig) -> Result<String, FeatureError> {
    let packed: String = text
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '/'))
        .collect();
    let number = match packed.strip_prefix('+') {
        Some(rest) => format!("{}{rest}", Country::of(&account.country).international_prefix),
        None => packed,
    };
    let is_dialable = number.chars().all(|c| c.is_ascii_digit() || c == '*' || c == '#');
    if number.is_empty() || !is_dialable {
        return Err(FeatureError::BadArgument);
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(feature: Feature, code: &str) -> AccountConfig {
        let mut account = AccountConfig::new("pbx.example", "1001");
        account.feature_codes.insert(feature, code.to_owned());
        account.validate().unwrap();
        account
    }

    #[test]
    fn an_argument_is_appended_or_stands_where_the_code_says() {
        let appended = account(Feature::DirectedPickup, "*8");
        assert_eq!(
            code(&appended, Feature::DirectedPickup, Some("1003")).as_deref(),
            Ok("*81003")
        );
        let inside = account(Feature::ForwardOn, "*21*{}#");
        assert_eq!(
            code(&inside, Feature::ForwardOn, Some("+31 20 123 45 67")).as_deref(),
            Ok("*21*0031201234567#")
        );
        assert_eq!(
            code(&inside, Feature::ForwardOn, None),
            Err(FeatureError::NoArgument(Feature::ForwardOn))
        );
    }

    #[test]
    fn a_feature_without_a_code_is_honestly_not_there() {
        let none = AccountConfig::new("pbx.example", "1001");
        let error = code(&none, Feature::QueuePause, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "The account has no code for pausing in the queue. Ask whoever runs the PBX for it, and add it as \
             \"queue_pause\"."
        );
        let pickup = account(Feature::DirectedPickup, "*8");
        for bad in ["", "anna", "1@x"] {
            assert_eq!(
                code(&pickup, Feature::DirectedPickup, Some(bad)),
                Err(FeatureError::BadArgument),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_code_has_at_most_one_place_for_its_argument() {
        let mut account = AccountConfig::new("pbx.example", "1001");
        for (code, is_good) in [("*21*{}#", true), ("*21*{}{}#", false), ("{x}", false), ("{}", false)] {
            account.feature_codes.insert(Feature::ForwardOn, code.to_owned());
            assert_eq!(account.validate().is_ok(), is_good, "{code}");
        }
    }
}
