//! A PBX that does what the test says: one TCP connection, message by message, and a socket for RTP.

use super::SOON;
use std::future::Future;
use std::net::Ipv4Addr;
use toestel_proto::sip::framing::{Frame, Side, StreamReader};
use toestel_proto::sip::msg::{HeaderName, Message, Method, Request, Response, StatusCode};
use toestel_proto::sip::parse;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

const ANY: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
const RTP_HEADER: usize = 12;

/// See the module.
pub struct Pbx {
    listener: TcpListener,
    stream: Option<TcpStream>,
    reader: StreamReader,
    media: UdpSocket,
}

impl Pbx {
    pub async fn listen() -> Self {
        Self {
            listener: TcpListener::bind(ANY).await.unwrap(),
            stream: None,
            reader: StreamReader::new(Side::Server),
            media: UdpSocket::bind(ANY).await.unwrap(),
        }
    }

    pub fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    pub fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    /// Takes the phone's connection and its first registration.
    pub async fn register(&mut self) {
        self.stream = Some(in_time(self.listener.accept()).await.unwrap().0);
        let register = self.request(Method::Register).await;
        self.answer(&register, 200, None).await;
    }

    /// The next request, which must be of that method.
    pub async fn request(&mut self, method: Method) -> Request {
        match in_time(self.next()).await {
            Some(Message::Request(request)) if request.method == method => request,
            other => panic!("no {method} but {other:?}"),
        }
    }

    /// Everything until the phone closes the connection.
    pub async fn rest(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = in_time(self.next()).await {
            messages.push(message);
        }
        messages
    }

    async fn next(&mut self) -> Option<Message> {
        let mut piece = [0; 4_096];
        loop {
            if let Some(Frame::Message(bytes)) = self.reader.next().map(Result::unwrap) {
                return Some(parse::framed(&bytes).unwrap());
            }
            match self.stream.as_mut().unwrap().read(&mut piece).await {
                Ok(0) | Err(_) => return None,
                Ok(len) => self.reader.push(&piece[..len]),
            }
        }
    }

    pub async fn answer(&mut self, request: &Request, status: u16, sdp: Option<&str>) {
        let mut response = Response::to(request, StatusCode::new(status).unwrap()).with_to_tag("pbx");
        if request.method == Method::Register {
            for contact in request.headers.contacts().as_slice() {
                if contact.expires() != Some(0) {
                    response.headers.push(HeaderName::Contact, contact);
                }
            }
        } else {
            let contact = format!("<sip:pbx@{};transport=tcp>", self.address());
            response.headers.push(HeaderName::Contact, contact);
        }
        if let Some(sdp) = sdp {
            response.set_body("application/sdp", sdp.to_owned());
        }
        let stream = self.stream.as_mut().unwrap();
        stream.write_all(&response.to_bytes()).await.unwrap();
    }

    /// Plain PCMA at our socket.
    pub fn description(&self) -> String {
        let port = self.media.local_addr().unwrap().port();
        format!(
            "v=0\r\no=pbx 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=rtcp-mux\r\n"
        )
    }

    /// The payload of the phone's next RTP packet.
    pub async fn heard(&self) -> Vec<u8> {
        let mut packet = [0; 1_500];
        loop {
            let (len, _) = in_time(self.media.recv_from(&mut packet)).await.unwrap();
            let payload_type = packet[1] & 0x7f;
            if payload_type == 8 {
                return packet[RTP_HEADER..len].to_vec();
            }
        }
    }
}

async fn in_time<T>(outcome: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, outcome).await.expect("it happens in time")
}
