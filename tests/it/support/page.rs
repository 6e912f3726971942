//! A page as a program meets it: its forms, by the ids that stay the same.

use std::fmt;

/// A page.
#[derive(Clone)]
pub struct Page {
    /// Where it came from.
    pub url: String,
    /// Its status.
    pub status: u16,
    /// The whole document.
    pub html: String,
    /// Its forms.
    pub forms: Vec<Form>,
}

/// A form.
#[derive(Clone, Debug)]
pub struct Form {
    /// Its id; empty without one.
    pub id: String,
    /// Where it is sent.
    pub action: String,
    /// How.
    pub method: String,
    /// Its inputs and buttons.
    pub controls: Vec<Control>,
}

/// An input or a button.
#[derive(Clone, Debug)]
pub struct Control {
    /// Whether it is a button.
    pub is_button: bool,
    /// Its id.
    pub id: String,
    /// Its name; without one it isn't sent.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Whether people don't see it.
    pub is_hidden: bool,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.url, self.text())
    }
}

impl Page {
    /// Reads a page.
    pub fn read(url: String, status: u16, html: String) -> Self {
        let mut forms: Vec<Form> = Vec::new();
        let mut open = false;
        for tag in tags(&html) {
            let name: String = tag.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '/').collect();
            let of = |attribute_name: &str| attribute(tag, attribute_name).unwrap_or_default();
            match name.as_str() {
                "form" => {
                    open = true;
                    forms.push(Form { id: of("id"), action: of("action"), method: of("method"), controls: Vec::new() });
                }
                "/form" => open = false,
                "input" | "button" => {
                    let is_button = name == "button" || of("type") == "submit";
                    let is_hidden = of("type") == "hidden";
                    let control = Control { is_button, id: of("id"), name: of("name"), value: of("value"), is_hidden };
                    if let Some(form) = forms.last_mut().filter(|_| open) {
                        form.controls.push(control);
                    }
                }
                _ => {}
            }
        }
        Self { url, status, html, forms }
    }

    /// The form that has this id, or holds the control with this id.
    pub fn form_with(&self, id: &str) -> Option<&Form> {
        self.forms.iter().find(|form| form.id == id || form.controls.iter().any(|control| control.id == id))
    }

    /// Whether there is such a form.
    pub fn has(&self, id: &str) -> bool {
        self.form_with(id).is_some()
    }

    /// The value of an attribute of the first tag that has it.
    pub fn attribute(&self, name: &str) -> Option<String> {
        tags(&self.html).find_map(|tag| attribute(tag, name))
    }

    /// The text right behind the tag with this id.
    pub fn text_of(&self, id: &str) -> Option<String> {
        let (_, rest) = self.html.split_once(&format!(" id=\"{id}\""))?;
        let (_, text) = rest.split_once('>')?;
        text.split('<').next().map(unescaped)
    }

    /// What people read, without tags.
    pub fn text(&self) -> String {
        let body = self.html.split_once("<body").map_or(self.html.as_str(), |(_, body)| body);
        let mut text = String::new();
        for part in body.split('<') {
            text.push(' ');
            text.push_str(part.split_once('>').map_or("", |(_, text)| text));
        }
        unescaped(&text).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The document with the values of hidden inputs taken out: what two people must see alike.
    pub fn without_hidden_values(&self) -> String {
        let hidden = self.forms.iter().flat_map(|form| &form.controls).filter(|control| control.is_hidden);
        let mut html = self.html.clone();
        for value in hidden.map(|control| &control.value).filter(|value| !value.is_empty()) {
            html = html.replace(value.as_str(), "…");
        }
        html
    }
}

impl Form {
    /// What a browser sends when a button is pressed: hidden values untouched, `typed` in the fields of these names.
    pub fn filled(&self, button: &str, typed: &[(&str, &str)]) -> Vec<(String, String)> {
        for (name, _) in typed {
            assert!(self.controls.iter().any(|control| control.name == *name), "no field {name} in {self:?}");
        }
        let sent = self.controls.iter().filter(|c| !c.name.is_empty() && (!c.is_button || c.id == button));
        sent.map(|control| {
            let value =
                typed.iter().find(|(name, _)| *name == control.name).map_or(control.value.as_str(), |(_, value)| value);
            (control.name.clone(), value.to_owned())
        })
        .collect()
    }
}

/// The insides of the tags, without `<` and `>`; a `>` in an attribute is escaped by every template engine.
fn tags(html: &str) -> impl Iterator<Item = &str> {
    html.split('<').skip(1).filter_map(|part| part.split_once('>').map(|(tag, _)| tag))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let mark = format!("{name}=\"");
    let at = tag.match_indices(&mark).map(|(at, _)| at).find(|at| tag[..*at].ends_with(char::is_whitespace))?;
    tag[at + mark.len()..].split_once('"').map(|(value, _)| unescaped(value))
}

/// The text behind character references.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let known = part.split_once(';').and_then(|(name, rest)| Some((character(name)?, rest)));
        match known {
            Some((character, rest)) => {
                plain.push(character);
                plain.push_str(rest);
            }
            None => plain.extend(["&", part]),
        }
    }
    plain
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "nbsp" => Some(' '),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[test]
fn a_form_is_filled_as_a_browser_fills_it() {
    let html = "<body><form id=\"f\" method=\"post\" action=\"/x\"><input type=\"hidden\" name=\"r\" value=\"a&#38;b\">\
        <input id=\"u\" name=\"u\" value=\"\"><button id=\"go\">Go</button><button id=\"no\" name=\"act\" value=\"cancel\">No</button></form>";
    let page = Page::read("http://a/".to_owned(), 200, html.to_owned());
    let form = page.form_with("go").unwrap();
    let pairs = |button: &str| {
        form.filled(button, &[("u", "ana")]).into_iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>()
    };
    assert_eq!(pairs("go"), ["r=a&b", "u=ana"]);
    assert_eq!(pairs("no"), ["r=a&b", "u=ana", "act=cancel"]);
    assert_eq!(page.text(), "Go No");
}
