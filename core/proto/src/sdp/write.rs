//! Puts a description on the wire, in the order of RFC 8866 section 5, with CRLF at every line's end.

use super::description::{Address, Attribute, Connection, Description, Media};
use std::fmt::Write as _;
use std::net::IpAddr;

/// The description's bytes.
pub fn write(description: &Description) -> Vec<u8> {
    let mut out = String::with_capacity(1024);
    let origin = &description.origin;
    line(&mut out, 'v', "0");
    line(
        &mut out,
        'o',
        &format!(
            "{} {} {} {}",
            origin.username,
            origin.session_id,
            origin.version,
            connection(&origin.address)
        ),
    );
    line(&mut out, 's', &description.name);
    if let Some(session) = &description.connection {
        line(&mut out, 'c', &connection(session));
    }
    for bandwidth in &description.bandwidth {
        line(&mut out, 'b', bandwidth);
    }
    for timing in &description.timing {
        line(&mut out, 't', timing);
    }
    for attribute in &description.attributes {
        write_attribute(&mut out, attribute);
    }
    for media in &description.media {
        write_media(&mut out, media);
    }
    out.into_bytes()
}

fn write_media(out: &mut String, media: &Media) {
    let count = media.port_count.map_or_else(String::new, |count| format!("/{count}"));
    let formats = media.formats.join(" ");
    line(
        out,
        'm',
        &format!(
            "{} {}{count} {} {formats}",
            media.kind,
            media.port,
            media.profile.name()
        ),
    );
    for own in &media.connections {
        line(out, 'c', &connection(own));
    }
    for bandwidth in &media.bandwidth {
        line(out, 'b', bandwidth);
    }
    for attribute in &media.attributes {
        write_attribute(out, attribute);
    }
}

fn write_attribute(out: &mut String, attribute: &Attribute) {
    match attribute {
        Attribute::RtpMap(map) => {
            let channels = map.channels.map_or_else(String::new, |channels| format!("/{channels}"));
            let encoding = &map.encoding;
            line(
                out,
                'a',
                &format!("rtpmap:{} {encoding}/{}{channels}", map.payload_type, map.clock_rate),
            );
        }
        Attribute::Fmtp(fmtp) => line(out, 'a', &format!("fmtp:{} {}", fmtp.format, fmtp.parameters)),
        Attribute::Ptime(ms) => line(out, 'a', &format!("ptime:{ms}")),
        Attribute::MaxPtime(ms) => line(out, 'a', &format!("maxptime:{ms}")),
        Attribute::Crypto(crypto) => {
            if let Some(crypto) = crypto.usable() {
                out.push_str("a=crypto:");
                out.push_str(&crypto.to_wire());
                out.push_str("\r\n");
            }
        }
        Attribute::Rtcp { port, address: None } => line(out, 'a', &format!("rtcp:{port}")),
        Attribute::Rtcp {
            port,
            address: Some(address),
        } => line(
            out,
            'a',
            &format!("rtcp:{port} {}", connection(&Connection::ip(*address))),
        ),
        Attribute::RtcpMux => line(out, 'a', "rtcp-mux"),
        Attribute::Direction(direction) => line(out, 'a', direction.name()),
        Attribute::Mid(mid) => line(out, 'a', &format!("mid:{mid}")),
        Attribute::IcePwd(password) => {
            out.push_str("a=ice-pwd:");
            out.push_str(&String::from_utf8_lossy(password.expose()));
            out.push_str("\r\n");
        }
        Attribute::Other { name, value: None } => line(out, 'a', name),
        Attribute::Other {
            name,
            value: Some(value),
        } => line(out, 'a', &format!("{name}:{value}")),
    }
}

fn connection(connection: &Connection) -> String {
    match connection {
        Connection::Internet(Address::Ip(IpAddr::V4(ip))) => format!("IN IP4 {ip}"),
        Connection::Internet(Address::Ip(IpAddr::V6(ip))) => format!("IN IP6 {ip}"),
        Connection::Internet(Address::Name { v6: false, name }) => format!("IN IP4 {name}"),
        Connection::Internet(Address::Name { v6: true, name }) => format!("IN IP6 {name}"),
        Connection::Foreign(raw) => raw.clone(),
    }
}

fn line(out: &mut String, kind: char, value: &str) {
    // Writing into a String cannot fail.
    let _ = write!(out, "{kind}={value}\r\n");
}
