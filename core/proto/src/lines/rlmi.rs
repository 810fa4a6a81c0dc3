//! Many states in one NOTIFY: `multipart/related` with a list, `application/rlmi+xml`, of what the other parts are about
//! (RFC 4662 5).

#![warn(clippy::arithmetic_side_effects)]

use super::xml::{self, Element, Unreadable};
use crate::sip::msg::ContentType;
use crate::sip::parse::multipart::{self, Part};

/// The list's type.
pub const TYPE: &str = "application/rlmi+xml";

/// What a list says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed<'a> {
    /// Counts the lists of one subscription.
    pub version: u32,
    /// Whether all resources are in it.
    pub full: bool,
    /// The resources, by their address.
    pub resources: Vec<(String, Instance<'a>)>,
}

/// What is said of one resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Instance<'a> {
    /// Its state is in this part.
    Told {
        /// The part's type.
        content_type: String,
        /// The document.
        body: &'a [u8],
    },
    /// The list's own subscription to it is over, or not there yet.
    Untold,
    /// Nothing is said of it this time.
    Silent,
}

/// Reads a NOTIFY about a list.
///
/// # Errors
/// What is wrong with it.
pub fn read<'a>(content_type: &ContentType, body: &'a [u8]) -> Result<Listed<'a>, Unreadable> {
    let parts = multipart::parts(content_type, body);
    let list = parts
        .iter()
        .find(|part| part.content_type == TYPE)
        .ok_or(Unreadable::Type)?;
    let root = xml::read(list.body, "list")?;
    let version = root.attribute("version").and_then(|text| text.trim().parse().ok());
    let full = root.attribute("fullState");
    Ok(Listed {
        version: version.ok_or(Unreadable::Incomplete)?,
        full: matches!(full, Some("true" | "1")),
        resources: root
            .all("resource")
            .filter_map(|resource| Some((resource.attribute("uri")?.to_owned(), instance(resource, &parts))))
            .collect(),
    })
}

fn instance<'a>(resource: &Element, parts: &[Part<'a>]) -> Instance<'a> {
    let Some(instance) = resource.all("instance").last() else {
        return Instance::Silent;
    };
    let part = instance.attribute("cid").and_then(|cid| {
        let is_named = |part: &&Part<'_>| {
            part.headers
                .get(crate::sip::msg::HeaderName::new("Content-ID"))
                .is_some_and(|id| bare(id) == bare(cid))
        };
        parts.iter().find(is_named)
    });
    match (instance.attribute("state"), part) {
        (Some("terminated" | "pending"), _) => Instance::Untold,
        (_, Some(part)) => Instance::Told {
            content_type: part.content_type.clone(),
            body: part.body,
        },
        (_, None) => Instance::Silent,
    }
}

/// A Content-ID without its brackets, and a `cid:` without its scheme.
fn bare(id: &str) -> &str {
    let id = id.trim();
    let id = id.strip_prefix("cid:").unwrap_or(id);
    id.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn related() -> ContentType {
        "multipart/related;type=\"application/rlmi+xml\";boundary=\"b\""
            .parse()
            .unwrap()
    }

    fn body(resources: &str, parts: &[(&str, &str)]) -> String {
        let mut text = format!(
            "--b\r\nContent-ID: <list@pbx>\r\nContent-Type: application/rlmi+xml;charset=\"UTF-8\"\r\n\r\n\
             <list xmlns=\"urn:ietf:params:xml:ns:rlmi\" uri=\"sip:all@pbx.example\" version=\"1\" fullState=\"true\">\
             {resources}</list>\r\n"
        );
        for (id, body) in parts {
            text +=
                &format!("--b\r\nContent-ID: <{id}>\r\nContent-Type: application/dialog-info+xml\r\n\r\n{body}\r\n");
        }
        text + "--b--\r\n"
    }

    #[test]
    fn each_resource_is_given_its_part() {
        let resources = "<resource uri=\"sip:1@h\"><instance id=\"i\" state=\"active\" cid=\"one@pbx\"/></resource>\
             <resource uri=\"sip:2@h\"><instance id=\"i\" state=\"terminated\" reason=\"noresource\"/></resource>\
             <resource uri=\"sip:3@h\"/><resource/>";
        let text = body(resources, &[("one@pbx", "<dialog-info/>")]);
        let listed = read(&related(), text.as_bytes()).unwrap();
        assert!(listed.full && listed.version == 1);
        let told = Instance::Told {
            content_type: "application/dialog-info+xml".to_owned(),
            body: b"<dialog-info/>",
        };
        let expected = [
            ("sip:1@h", told),
            ("sip:2@h", Instance::Untold),
            ("sip:3@h", Instance::Silent),
        ];
        let expected: Vec<_> = expected.map(|(uri, instance)| (uri.to_owned(), instance)).into();
        assert_eq!(listed.resources, expected);
    }

    #[test]
    fn a_body_without_a_list_is_refused() {
        let plain: ContentType = "application/dialog-info+xml".parse().unwrap();
        assert_eq!(read(&plain, b"<dialog-info/>"), Err(Unreadable::Type));
        assert_eq!(read(&related(), b"--b--\r\n"), Err(Unreadable::Type));
        let text = body("", &[]).replace("version=\"1\"", "");
        assert_eq!(read(&related(), text.as_bytes()), Err(Unreadable::Incomplete));
    }
}
