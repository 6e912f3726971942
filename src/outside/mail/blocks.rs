//! A template's structure: a subject and blocks. It is found before any value is filled in, so that no value makes any.
//!
//! | begins with | is |
//! |---|---|
//! | `Subject: ` | the subject; the first line |
//! | `# ` | a heading |
//! | `[Label]` | the button: it leads to the message's link |
//! | `- ` | an item of a list, one a line |
//! | `> ` | small print |
//! | anything else | a paragraph, to the next blank line |
//!
//! Words of a block are a template of their own (`{{ name }}`, `{% if name %}…{% endif %}`); one that comes out blank
//! is left out.

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A heading.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// The label of the button.
    Button(String),
    /// A list.
    Items(Vec<String>),
    /// Small print.
    Small(String),
}

/// A template, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The subject; empty where a file has none.
    pub subject: String,
    /// The rest.
    pub blocks: Vec<Block>,
}

impl Source {
    /// Reads a template. The subject must be its first line.
    ///
    /// # Errors
    /// What is wrong with it, for whoever wrote it.
    pub fn of_mail(text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}');
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let subject = first.strip_prefix("Subject:").map(str::trim).filter(|subject| !subject.is_empty());
        let subject = subject.ok_or("the first line must be `Subject: …`")?.to_owned();
        let blocks = blocks(rest);
        if blocks.is_empty() {
            return Err("nothing stands below the subject".to_owned());
        }
        Ok(Self { subject, blocks })
    }

    /// Reads a template that has no subject.
    #[must_use]
    pub fn of_part(text: &str) -> Self {
        Self { subject: String::new(), blocks: blocks(text) }
    }

    /// Every piece of words in it.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.subject.as_str()).chain(self.blocks.iter().flat_map(Block::pieces))
    }
}

impl Block {
    fn pieces(&self) -> Vec<&str> {
        match self {
            Self::Heading(text) | Self::Text(text) | Self::Button(text) | Self::Small(text) => vec![text],
            Self::Items(items) => items.iter().map(String::as_str).collect(),
        }
    }

    /// The same with its words filled in; `None` where nothing is left of it.
    ///
    /// # Errors
    /// The filler's.
    pub fn filled<E>(&self, mut fill: impl FnMut(&str) -> Result<String, E>) -> Result<Option<Self>, E> {
        let mut one = |text: &str| -> Result<Option<String>, E> {
            Ok(Some(fill(text)?.trim().to_owned()).filter(|text| !text.is_empty()))
        };
        Ok(match self {
            Self::Heading(text) => one(text)?.map(Self::Heading),
            Self::Text(text) => one(text)?.map(Self::Text),
            Self::Button(text) => one(text)?.map(Self::Button),
            Self::Small(text) => one(text)?.map(Self::Small),
            Self::Items(items) => {
                let mut left = Vec::new();
                for item in items {
                    left.extend(one(item)?);
                }
                (!left.is_empty()).then_some(Self::Items(left))
            }
        })
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    // Whether the line before belongs to the block that is open.
    let mut open = false;
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() {
            open = false;
            continue;
        }
        let next = of_line(line);
        match (blocks.last_mut().filter(|_| open), next) {
            (Some(Block::Text(before)), Block::Text(more)) | (Some(Block::Small(before)), Block::Small(more)) => {
                before.push(' ');
                before.push_str(&more);
            }
            (Some(Block::Items(before)), Block::Items(more)) => before.extend(more),
            (_, next) => blocks.push(next),
        }
        open = true;
    }
    blocks
}

fn of_line(line: &str) -> Block {
    let behind = |mark: &str| line.strip_prefix(mark).map(|rest| rest.trim().to_owned());
    if let Some(text) = behind("# ") {
        return Block::Heading(text);
    }
    if let Some(item) = behind("- ") {
        return Block::Items(vec![item]);
    }
    if let Some(text) = behind("> ") {
        return Block::Small(text);
    }
    match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(label) => Block::Button(label.trim().to_owned()),
        None => Block::Text(line.to_owned()),
    }
}

/// Filled blocks as a text that is complete by itself.
#[must_use]
pub fn as_text(blocks: &[Block], link: Option<&str>) -> String {
    let one = |block: &Block| match block {
        Block::Heading(text) | Block::Text(text) | Block::Small(text) => Some(text.clone()),
        Block::Button(label) => link.map(|link| format!("{label}:\n{link}")),
        Block::Items(items) => Some(items.iter().map(|item| format!("- {item}")).collect::<Vec<_>>().join("\n")),
    };
    blocks.iter().filter_map(one).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "Subject: Hello {{ name }}\n\n# Head\n\nOne line\nand another.\n- first\n- second\n\n[Go on]\n\n> Small\n> print.\n";

    #[test]
    fn blocks_are_told_apart_by_how_they_begin() {
        let source = Source::of_mail(FILE).unwrap();
        assert_eq!(source.subject, "Hello {{ name }}");
        let expected = [
            Block::Heading("Head".to_owned()),
            Block::Text("One line and another.".to_owned()),
            Block::Items(vec!["first".to_owned(), "second".to_owned()]),
            Block::Button("Go on".to_owned()),
            Block::Small("Small print.".to_owned()),
        ];
        assert_eq!(source.blocks, expected);
        assert_eq!(source.pieces().count(), 7);
        let text = as_text(&source.blocks, Some("https://a.test/x"));
        assert_eq!(
            text,
            "Head\n\nOne line and another.\n\n- first\n- second\n\nGo on:\nhttps://a.test/x\n\nSmall print."
        );
        assert!(!as_text(&source.blocks, None).contains("Go on"));
    }

    #[test]
    fn a_file_without_a_subject_or_without_anything_else_is_broken() {
        for text in ["", "Hello", "Subject:\n\ntext", "Subject: x", "Subject: x\n\n \n"] {
            assert!(Source::of_mail(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_comes_out_blank_is_left_out_and_a_value_makes_no_structure() {
        let fill = |text: &str| Ok::<_, ()>(text.replace("{{ name }}", "# no\n- heading").replace("{{ empty }}", " "));
        let text = Block::Text("{{ name }}".to_owned()).filled(fill).unwrap();
        assert_eq!(text, Some(Block::Text("# no\n- heading".to_owned())));
        assert_eq!(Block::Small("{{ empty }}".to_owned()).filled(fill), Ok(None));
        let items = Block::Items(vec!["{{ empty }}".to_owned(), "a".to_owned()]);
        assert_eq!(items.filled(fill), Ok(Some(Block::Items(vec!["a".to_owned()]))));
    }
}
