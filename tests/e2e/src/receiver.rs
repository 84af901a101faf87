//! A small local HTTP service that keeps what it is sent: what an exporter talks to on the stage,
//! and what an agent asks in the demo.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// The longest body taken: far above any batch an exporter sends.
const BODY_BYTES_MAX: usize = 16 << 20;

/// How long a sender may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A receiver on a free loopback port. Its thread ends with the process.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    posts: Arc<Mutex<Vec<Post>>>,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Post {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The value of `authorization`, or nothing.
    pub authorization: String,
    /// The body.
    pub body: String,
}

impl Receiver {
    /// Starts listening, and answers every post as an event collector does.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start() -> Result<Self> {
        Self::answering(|_| r#"{"text":"Success","code":0}"#.to_owned())
    }

    /// Starts listening, and answers each request with the JSON that `answer` makes of it.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn answering(answer: fn(&Post) -> String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let posts = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&posts);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                thread::spawn(move || serve(&stream, &kept, answer));
            }
        });
        Ok(Self { address, posts })
    }

    /// Returns its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns every post so far.
    #[must_use]
    pub fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Answers the posts of one connection until it ends or makes no sense.
fn serve(stream: &TcpStream, posts: &Mutex<Vec<Post>>, answer: fn(&Post) -> String) {
    let _ = stream.set_read_timeout(Some(SILENCE_MAX));
    let mut reader = BufReader::new(stream);
    while let Ok(post) = read_post(&mut reader) {
        let body = answer(&post);
        posts.lock().unwrap_or_else(PoisonError::into_inner).push(post);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}",
            body.len()
        );
        if write!(&mut &*stream, "{head}\r\n\r\n{body}").is_err() {
            return;
        }
    }
}

fn read_post(reader: &mut BufReader<&TcpStream>) -> Result<Post> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let (method, path) = words.next().zip(words.next()).context("no request line")?;
    let mut post = Post {
        method: method.to_owned(),
        path: path.to_owned(),
        authorization: String::new(),
        body: String::new(),
    };
    let mut length = None;
    let mut chunked = false;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "authorization" => value.clone_into(&mut post.authorization),
            "content-length" => length = Some(value.parse::<usize>()?),
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
    let mut body = Vec::new();
    match chunked {
        true => read_chunks(reader, &mut body)?,
        false => read_bytes(reader, length.unwrap_or(0), &mut body)?,
    }
    post.body = String::from_utf8(body)?;
    Ok(post)
}

fn read_chunks(reader: &mut BufReader<&TcpStream>, body: &mut Vec<u8>) -> Result<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16)?;
        read_bytes(reader, length, body)?;
        line.clear();
        reader.read_line(&mut line)?;
        if length == 0 {
            return Ok(());
        }
    }
}

fn read_bytes(reader: &mut BufReader<&TcpStream>, length: usize, body: &mut Vec<u8>) -> Result<()> {
    anyhow::ensure!(
        length <= BODY_BYTES_MAX - body.len(),
        "a body of {length} bytes is too long"
    );
    let start = body.len();
    body.resize(start + length, 0);
    Ok(reader.read_exact(&mut body[start..])?)
}
