//! What `redis-cli` does, as far as the tutorial shows it: sends a line's words, and prints the
//! reply in its way.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// A session.
#[derive(Debug)]
pub struct RedisCli {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

/// What a server has replied.
#[derive(Debug)]
enum Reply {
    Status(String),
    Error(String),
    Integer(i64),
    Text(String),
    Nothing,
    List(Vec<Reply>),
}

impl RedisCli {
    pub fn connect(address: SocketAddr) -> RedisCli {
        RedisCli {
            address,
            stream: None,
        }
    }

    /// What is printed for a line that was typed.
    pub fn say(&mut self, line: &str) -> String {
        let words = words(line);
        let Some(reply) = self.exchange(&words) else {
            self.stream = None;
            return "Error: Server closed the connection\n".to_owned();
        };
        // These are printed as they come.
        match (words[0].to_lowercase().as_str(), &reply) {
            ("info", Reply::Text(text)) => text.clone(),
            _ => reply.show(""),
        }
    }

    fn exchange(&mut self, words: &[String]) -> Option<Reply> {
        let stream = self.stream.get_or_insert_with(|| {
            BufReader::new(TcpStream::connect(self.address).expect("the server listens"))
        });
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        stream.get_mut().write_all(request.as_bytes()).ok()?;
        Reply::read(stream)
    }
}

/// Splits a line at blanks, but not inside of quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (place, part) in line.split('"').enumerate() {
        if place % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

impl Reply {
    fn read(stream: &mut BufReader<TcpStream>) -> Option<Reply> {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let (mark, rest) = line.trim_end().split_at(1);
        Some(match mark {
            "+" => Reply::Status(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Integer(rest.parse().expect("a number")),
            "$" if rest == "-1" => Reply::Nothing,
            "$" => {
                let mut text = vec![0; rest.parse::<usize>().expect("a length") + 2];
                stream.read_exact(&mut text).ok()?;
                text.truncate(text.len() - 2);
                Reply::Text(String::from_utf8(text).expect("text"))
            }
            "*" => {
                let count = rest.parse().expect("a length");
                let items: Option<Vec<_>> = (0..count).map(|_: u32| Reply::read(stream)).collect();
                Reply::List(items?)
            }
            _ => panic!("not a reply: {line:?}"),
        })
    }

    fn show(&self, indent: &str) -> String {
        match self {
            Reply::Status(text) => format!("{text}\n"),
            Reply::Error(text) => format!("(error) {text}\n"),
            Reply::Integer(number) => format!("(integer) {number}\n"),
            Reply::Text(text) => {
                format!("\"{}\"\n", text.replace('"', "\\\"").replace('\n', "\\n"))
            }
            Reply::Nothing => "(nil)\n".to_owned(),
            Reply::List(items) if items.is_empty() => "(empty array)\n".to_owned(),
            Reply::List(items) => {
                let width = items.len().to_string().len();
                let indent = format!("{indent}{:width$}  ", "");
                let items = items.iter().zip(1..);
                items
                    .map(|(item, place)| format!("{place:>width$}) {}", item.show(&indent)))
                    .collect()
            }
        }
    }
}
