//! Filled blocks as HTML for mail programs: tables and inline styles, no pictures, nothing from elsewhere.

use super::blocks::Block;

/// Muster's own colour.
const COLOUR: &str = "#4338ca";

/// The colour of an organisation, if it is one, else Muster's; and the better readable of black and white upon it.
pub fn colours(own: &str) -> (String, &'static str) {
    let hex = |text: &str| {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        u32::from_str_radix(digits, 16).ok()
    };
    let (colour, value) = match hex(own) {
        Some(value) => (own.to_ascii_lowercase(), value),
        None => (COLOUR.to_owned(), hex(COLOUR).unwrap_or(0)),
    };
    // WCAG 2.2's relative luminance; where 0.179 is crossed, black has more contrast than white.
    let part = |shift: u32| {
        let value = f64::from((value >> shift) & 0xff) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    let luminance = 0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0);
    (colour, if luminance > 0.179 { "#000000" } else { "#ffffff" })
}

/// A text as it may stand in HTML, in an attribute too.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for sign in text.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(sign),
        }
    }
    out
}

/// The blocks, one after the other.
pub fn body(blocks: &[Block], link: Option<&str>, colours: (&str, &str)) -> String {
    blocks.iter().map(|block| element(block, link, colours)).collect()
}

fn element(block: &Block, link: Option<&str>, (colour, on_colour): (&str, &str)) -> String {
    match block {
        Block::Heading(text) => {
            let style = "margin:0 0 16px;font-size:22px;line-height:28px;font-weight:600";
            format!("<h1 class=\"ink\" style=\"{style}\">{}</h1>\n", escaped(text))
        }
        Block::Text(text) => {
            let style = "margin:0 0 16px;font-size:16px;line-height:24px";
            format!("<p class=\"ink\" style=\"{style}\">{}</p>\n", escaped(text))
        }
        Block::Small(text) => {
            let style = "margin:0 0 12px;font-size:13px;line-height:20px;color:#565866";
            format!("<p class=\"dim\" style=\"{style}\">{}</p>\n", escaped(text))
        }
        Block::Items(items) => {
            let style = "margin:0 0 16px;padding:0 0 0 20px;font-size:16px;line-height:24px";
            let items: Vec<String> = items.iter().map(|item| format!("<li>{}</li>", escaped(item))).collect();
            format!("<ul class=\"ink\" style=\"{style}\">{}</ul>\n", items.concat())
        }
        Block::Button(label) => link.map(|link| button(label, link, colour, on_colour)).unwrap_or_default(),
    }
}

/// The button, and below it the address in full: nobody must trust a label.
fn button(label: &str, link: &str, colour: &str, on_colour: &str) -> String {
    let (label, link) = (escaped(label), escaped(link));
    let anchor = format!(
        "display:inline-block;padding:12px 20px;border-radius:8px;color:{on_colour};font-size:16px;font-weight:600;\
         text-decoration:none"
    );
    format!(
        "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" style=\"margin:8px 0 12px\"><tr>\
         <td bgcolor=\"{colour}\" style=\"border-radius:8px\"><a href=\"{link}\" style=\"{anchor}\">{label}</a></td></tr>\
         </table>\n<p style=\"margin:0 0 16px;font-size:13px;line-height:20px;word-break:break-all\">\
         <a class=\"link\" href=\"{link}\" style=\"color:#3730a3\">{link}</a></p>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writing_on_a_button_can_be_read_on_any_colour() {
        assert_eq!(colours("#FFFFFF"), ("#ffffff".to_owned(), "#000000"));
        assert_eq!(colours("#000000").1, "#ffffff");
        assert_eq!(colours("#ffd400").1, "#000000");
        for none in ["", "red", "#12", "#12345g", "#4338ca;background:url(x)"] {
            assert_eq!(colours(none), (COLOUR.to_owned(), "#ffffff"), "{none}");
        }
    }

    #[test]
    fn no_word_becomes_an_element_or_leaves_its_attribute() {
        let blocks = [
            Block::Heading("<script>alert(1)</script>".to_owned()),
            Block::Items(vec!["</ul><img src=x>".to_owned()]),
            Block::Button("\"><b>".to_owned()),
        ];
        let html = body(&blocks, Some("https://a.test/?a=1&b=\"x\""), ("#4338ca", "#ffffff"));
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<b>"), "{html}");
        assert_eq!(
            html.matches("https://a.test/?a=1&amp;b=&quot;x&quot;").count(),
            3,
            "button, link and its text: {html}"
        );
    }
}
