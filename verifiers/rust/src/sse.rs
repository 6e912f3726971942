//! Server-sent events, as far as the feed needs them (HTML Living Standard, "Server-sent events"): only `data` counts.

/// Longer than any message of the feed.
const MOST: usize = 1024 * 1024;

/// Cuts a stream of bytes into the data of its events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    data: String,
    has_data: bool,
    after_return: bool,
}

/// That an event is too long, or not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream has an event that can't be read")]
pub(crate) struct Unreadable;

impl Events {
    /// Takes more bytes in; the data of the events that end in them.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, Unreadable> {
        let mut events = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' if self.after_return => self.after_return = false,
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    events.extend(self.end_of_line()?);
                }
                _ => {
                    self.after_return = false;
                    self.line.push(*byte);
                    if self.line.len() + self.data.len() > MOST {
                        return Err(Unreadable);
                    }
                }
            }
        }
        Ok(events)
    }

    fn end_of_line(&mut self) -> Result<Option<String>, Unreadable> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return Ok(std::mem::take(&mut self.has_data).then_some(data));
        }
        let line = String::from_utf8(line).map_err(|_| Unreadable)?;
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        if field == "data" {
            if std::mem::replace(&mut self.has_data, true) {
                self.data.push('\n');
            }
            self.data.push_str(value.strip_prefix(' ').unwrap_or(value));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_however_the_bytes_are_cut() {
        let stream =
            ": hello\r\nid: 7\r\ndata: one\r\n\r\ndata:two\ndata: lines\n\n\nevent: x\n\nid: 8\rdata: three\r\r";
        for size in 1..stream.len() {
            let mut events = Events::default();
            let mut found = Vec::new();
            for piece in stream.as_bytes().chunks(size) {
                found.extend(events.push(piece).expect("it can be read"));
            }
            assert_eq!(found, ["one", "two\nlines", "three"], "in pieces of {size}");
        }
    }

    #[test]
    fn an_event_without_end_is_not_kept_for_ever() {
        let mut events = Events::default();
        let piece = vec![b'x'; 64 * 1024];
        assert!((0..17).any(|_| events.push(&piece).is_err()));
        assert_eq!(Events::default().push(b"data: \xff\n"), Err(Unreadable));
    }
}
