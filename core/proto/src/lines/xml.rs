//! Small XML documents from outside, as a tree of bounded size.
//!
//! Names lose their prefix: the documents that are read here are told apart by where an element stands, and PBXs write the
//! same document with and without prefixes. There are no document types and no entities but the five of XML itself, so
//! nothing can be expanded or fetched; a document is read once, from front to back, and one with more elements, deeper
//! ones, or more text than any phone needs is refused as a whole.

#![warn(clippy::arithmetic_side_effects)]

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// The largest document that is looked at: what fits a message on a stream.
const SIZE_LIMIT: usize = crate::sip::framing::MAX_STREAM_MESSAGE;
const DEPTH_LIMIT: usize = 16;
const ELEMENT_LIMIT: usize = 8_192;
const ATTRIBUTE_LIMIT: usize = 32;

/// Why a document is not read. Whoever sent it erred; the same one will not do later either.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not the type that was asked for.
    #[error("not the type of document that was asked for")]
    Type,
    /// Not well-formed, or not UTF-8.
    #[error("not well-formed")]
    Malformed,
    /// With a document type or entities of its own.
    #[error("with a document type or entities of its own")]
    Entities,
    /// Larger than anything that a phone needs.
    #[error("too large")]
    TooLarge,
    /// Without what makes it a document of its kind.
    #[error("without its required parts")]
    Incomplete,
}

/// One element.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Element {
    /// Without prefix.
    pub name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// An attribute, by its name without prefix.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(there, _)| there == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The text between its tags, without the space around it.
    pub fn text(&self) -> &str {
        self.text.trim()
    }

    /// Its first child of that name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.all(name).next()
    }

    /// Its children of that name, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// All its children, in order.
    pub fn children(&self) -> impl Iterator<Item = &Self> {
        self.children.iter()
    }
}

/// The root element of a document, which must have that name.
///
/// # Errors
/// What is wrong with it.
pub fn read(bytes: &[u8], root: &str) -> Result<Element, Unreadable> {
    if bytes.len() > SIZE_LIMIT {
        return Err(Unreadable::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::Malformed)?;
    let mut tree = Tree::default();
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    loop {
        match reader.read_event().map_err(|_| Unreadable::Malformed)? {
            Event::Start(start) => tree.open(&start)?,
            Event::Empty(start) => {
                tree.open(&start)?;
                tree.close();
            }
            Event::End(_) => tree.close(),
            Event::Text(text) => tree.say(&text.xml10_content()),
            Event::CData(text) => tree.say(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let name = reference.xml10_content();
                let text = match reference.resolve_char_ref().map_err(|_| Unreadable::Malformed)? {
                    Some(c) => c.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&name)
                        .ok_or(Unreadable::Entities)?
                        .to_owned(),
                };
                tree.say(&text);
            }
            Event::DocType(_) => return Err(Unreadable::Entities),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            Event::Eof => break,
        }
    }
    let found = tree
        .root
        .filter(|_| tree.open.is_empty())
        .ok_or(Unreadable::Malformed)?;
    if found.name == root {
        Ok(found)
    } else {
        Err(Unreadable::Incomplete)
    }
}

/// What was read so far.
#[derive(Default)]
struct Tree {
    root: Option<Element>,
    open: Vec<Element>,
    elements: usize,
}

impl Tree {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), Unreadable> {
        self.elements = self.elements.saturating_add(1);
        if self.open.len() >= DEPTH_LIMIT || self.elements > ELEMENT_LIMIT {
            return Err(Unreadable::TooLarge);
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(Unreadable::Malformed);
        }
        let mut attributes = Vec::new();
        // The check for double names would compare each with each.
        for attribute in start.attributes().with_checks(false) {
            if attributes.len() >= ATTRIBUTE_LIMIT {
                return Err(Unreadable::TooLarge);
            }
            let attribute = attribute.map_err(|_| Unreadable::Malformed)?;
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Explicit1_0)
                .map_err(|_| Unreadable::Entities)?;
            let name = attribute.key.local_name();
            attributes.push((name.as_ref().to_owned(), value.into_owned()));
        }
        self.open.push(Element {
            name: start.local_name().as_ref().to_owned(),
            attributes,
            ..Element::default()
        });
        Ok(())
    }

    /// The reader has made sure that it is the one that was opened last.
    fn close(&mut self) {
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn say(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_by_name_whatever_their_prefix() {
        let text =
            "<?xml version=\"1.0\"?><p:a xmlns:p=\"x\" p:k=\"1 &lt; 2\"><!-- no --><b>R&amp;B &#x41;</b><c/></p:a>";
        let root = read(text.as_bytes(), "a").unwrap();
        assert_eq!(root.attribute("k"), Some("1 < 2"));
        assert_eq!(root.child("b").map(Element::text), Some("R&B A"));
        assert_eq!(root.children().count(), 2);
    }

    #[test]
    fn nothing_is_expanded_or_fetched() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\">]><a>&b;</a>";
        assert_eq!(read(bomb.as_bytes(), "a"), Err(Unreadable::Entities));
        assert_eq!(read(b"<a>&b;</a>", "a"), Err(Unreadable::Entities));
        assert_eq!(read(b"<a k=\"&b;\"/>", "a"), Err(Unreadable::Entities));
    }

    #[test]
    fn what_is_broken_is_refused() {
        for text in [
            "",
            "x",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><a/>",
            "<a k=1/>",
            "<a k/>",
            "<b/>",
            "<a>&#xffffffff;</a>",
        ] {
            assert!(read(text.as_bytes(), "a").is_err(), "{text}");
        }
        assert!(read(b"<a>\xff</a>", "a").is_err());
    }

    #[test]
    fn a_document_that_is_too_much_is_refused_as_a_whole() {
        let wide = format!("<a>{}</a>", "<b/>".repeat(ELEMENT_LIMIT));
        let deep = "<a>".repeat(DEPTH_LIMIT + 1);
        let long = format!("<a>{}</a>", "x".repeat(1024 * 1024));
        let wordy = format!("<a {}/>", "k=\"v\" ".repeat(ATTRIBUTE_LIMIT + 1));
        for text in [wide, deep, long, wordy] {
            assert_eq!(read(text.as_bytes(), "a"), Err(Unreadable::TooLarge));
        }
    }
}
