// The protocol of Redis: a request is a list of texts, a reply has a type.

/// A reply to a client.
pub enum Reply {
    Status(&'static str),
    Error(String),
    Integer(i64),
    Text(String),
    Nothing,
    List(Vec<String>),
}

impl Reply {
    /// As it is sent.
    pub fn encode(&self) -> String {
        match self {
            Reply::Status(text) => format!("+{text}\r\n"),
            Reply::Error(text) => format!("-{}\r\n", text.replace(['\r', '\n'], " ")),
            Reply::Integer(number) => format!(":{number}\r\n"),
            Reply::Text(text) => format!("${}\r\n{text}\r\n", text.len()),
            Reply::Nothing => "$-1\r\n".to_owned(),
            Reply::List(texts) => {
                let texts = texts.iter().map(|text| Reply::Text(text.clone()).encode());
                format!("*{}\r\n", texts.len()) + &texts.collect::<String>()
            }
        }
    }
}

/// Takes the first request off the bytes. `None` if it is not all there yet.
pub fn take_request(bytes: &mut &[u8]) -> Result<Option<Vec<String>>, &'static str> {
    let mut rest = *bytes;
    let Some(count) = take_number(b'*', &mut rest)? else {
        return Ok(None);
    };
    let mut words = Vec::new();
    for _ in 0..count {
        let Some(length) = take_number(b'$', &mut rest)? else {
            return Ok(None);
        };
        if rest.len() < length.saturating_add(2) {
            return Ok(None);
        }
        words.push(String::from_utf8_lossy(&rest[..length]).into_owned());
        rest = &rest[length + 2..];
    }
    *bytes = rest;
    Ok(Some(words))
}

/// Takes a line such as `$12`.
fn take_number(mark: u8, bytes: &mut &[u8]) -> Result<Option<usize>, &'static str> {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return Ok(None);
    };
    let digits = bytes[..end].strip_prefix(&[mark]);
    let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
    let number = digits.and_then(|digits| digits.parse().ok());
    *bytes = &bytes[end + 2..];
    number
        .map(Some)
        .ok_or("Protocol error: a request is a list of texts")
}
