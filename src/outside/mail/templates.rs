//! The templates: built in, or the operator's own of the same name; read and tried out once, at the start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use super::blocks::{Block, Source, as_text};
use super::values::{self, NAMES, Values};
use super::{Look, Rendered, SetUpError, html};
use crate::domain::language::Language;
use crate::domain::mail::{Address, Mail, Template};

/// The steps that one piece of words may take.
const FUEL: u64 = 10_000;
/// The longest subject, in characters.
const LONGEST_SUBJECT: usize = 200;
/// The largest file of a template.
const LARGEST: u64 = 64 * 1024;
/// The names that the layout may use.
const LAYOUT_NAMES: [&str; 10] =
    ["lang", "subject", "head", "org", "product", "support", "colour", "on_colour", "body", "footer"];
/// The setting that names the operator's folder.
const KEY: &str = "mail.templates";

macro_rules! built_in {
    ($($name:literal,)*) => {
        /// Name, English, Korean.
        const BUILT_IN: &[(&str, &str, &str)] = &[$((
            $name,
            include_str!(concat!("templates/en/", $name, ".txt")),
            include_str!(concat!("templates/ko/", $name, ".txt")),
        ),)*];
    };
}

built_in! {
    "invitation", "invitation_again", "invitation_reminder", "set_password", "set_password_again",
    "set_password_reminder", "reset_password", "reset_by_admin", "confirm_account", "account_exists", "confirm_email",
    "password_changed", "new_sign_in", "email_changed_old", "email_changed_new", "phone_changed", "locked",
    "key_created", "key_expiring", "scim_token_expiring", "connection_failing", "removed", "suspended",
    "ownership_received", "ownership_given", "factor_added", "factor_removed", "factors_reset", "recovery_codes_made",
    "recovery_code_used", "factor_code", "passkey_cloned", "alert", "footer", "trial", "set_password.sms",
    "reset_password.sms", "locked.sms", "factor_code.sms",
}

const LAYOUT: &str = include_str!("templates/layout.html");

/// All templates; cheap to clone.
#[derive(Clone, Debug)]
pub struct Templates(Arc<Loaded>);

#[derive(Debug)]
struct Loaded {
    /// By name and language.
    sources: BTreeMap<(&'static str, Language), Source>,
    layout: String,
}

impl Templates {
    /// Reads the built-in templates and those of a folder: `<language>/<name>.txt` and `layout.html`.
    ///
    /// # Errors
    /// A file that can't be read, has the name of no template, names something that isn't there, or breaks when it is
    /// tried out.
    pub fn load(folder: Option<&Path>) -> Result<Self, SetUpError> {
        let mut sources = BTreeMap::new();
        for language in Language::ALL {
            if let Some(folder) = folder {
                only_known(&folder.join(language.as_str()))?;
            }
            for (name, english, korean) in BUILT_IN {
                let own = own_file(folder, &format!("{language}/{name}.txt"))?;
                let text = match (&own, language) {
                    (Some((_, text)), _) => text.as_str(),
                    (None, Language::En) => *english,
                    (None, Language::Ko) => *korean,
                };
                let path = own.as_ref().map_or_else(|| format!("{language}/{name}.txt"), |(path, _)| shown(path));
                let read = read(name, text).and_then(|source| {
                    own.as_ref().map_or(Ok(()), |_| check_all(&source))?;
                    Ok(source)
                });
                let source = read.map_err(|why| SetUpError::new(KEY, format!("{path}: {why}")))?;
                sources.insert((*name, language), source);
            }
        }
        let layout = own_file(folder, "layout.html")?.map(|(_, text)| text);
        if let Some(own) = &layout {
            check_layout(own).map_err(|why| SetUpError::new(KEY, format!("layout.html: {why}")))?;
        }
        let templates = Self(Arc::new(Loaded { sources, layout: layout.unwrap_or_else(|| LAYOUT.to_owned()) }));
        // What is built in was tried out when it was built; a start need not wait for it.
        if folder.is_some() {
            templates.try_out()?;
        }
        Ok(templates)
    }

    /// Renders everything once, with every value and with none: what breaks only then is found here as well.
    fn try_out(&self) -> Result<(), SetUpError> {
        for (template, language) in Template::ALL.iter().flat_map(|one| Language::ALL.map(|language| (*one, language)))
        {
            for (mail, look) in [sample(template, language), bare(template, language)] {
                let failed = |why: String| SetUpError::new(KEY, format!("{language}/{}.txt: {why}", template.as_str()));
                self.render(&mail, &look).map_err(failed)?;
                self.text_message(&mail, &look).map_err(failed)?;
            }
        }
        let failed = |why: String| SetUpError::new(KEY, format!("trial.txt: {why}"));
        Language::ALL.iter().try_for_each(|language| {
            self.trial("nobody@localhost", *language, &Look::default()).map(|_| ()).map_err(failed)
        })
    }

    /// A message as it is sent.
    ///
    /// # Errors
    /// It goes to no e-mail address, or a template takes too long.
    pub fn render(&self, mail: &Mail, look: &Look) -> Result<Rendered, String> {
        let Address::Email(to) = &mail.to else {
            return Err("this goes to no e-mail address".to_owned());
        };
        let values = values::of(mail, look);
        self.compose(mail.template.as_str(), to, mail.language, &values, look)
    }

    /// What `muster mail test` sends.
    ///
    /// # Errors
    /// A template takes too long.
    pub fn trial(&self, to: &str, language: Language, look: &Look) -> Result<Rendered, String> {
        let mail = Mail {
            template: Template::Alert,
            to: Address::Email(to.to_owned()),
            language,
            org: None,
            values: Values::new(),
            sealed: None,
        };
        self.compose("trial", to, language, &values::of(&mail, look), look)
    }

    /// The same in one line, for a phone; `None` where a message has no such form.
    ///
    /// # Errors
    /// The template takes too long.
    pub fn text_message(&self, mail: &Mail, look: &Look) -> Result<Option<String>, String> {
        let name = match mail.template {
            Template::SetPassword | Template::SetPasswordAgain | Template::SetPasswordReminder => "set_password.sms",
            Template::ResetPassword | Template::ResetByAdmin => "reset_password.sms",
            Template::Locked => "locked.sms",
            Template::FactorCode => "factor_code.sms",
            _ => return Ok(None),
        };
        let (values, _) = values::of(mail, look);
        let blocks = filled(&engine(AutoEscape::None), self.source(name, mail.language)?, &values)?;
        Ok(Some(as_text(&blocks, None).split_whitespace().collect::<Vec<_>>().join(" ")))
    }

    fn source<'a>(&'a self, name: &'a str, language: Language) -> Result<&'a Source, String> {
        self.0.sources.get(&(name, language)).ok_or_else(|| format!("there is no {name}.txt"))
    }

    fn compose(
        &self,
        name: &str,
        to: &str,
        language: Language,
        (plain, rest): &(Values, Values),
        look: &Look,
    ) -> Result<Rendered, String> {
        let source = self.source(name, language)?;
        let words = engine(AutoEscape::None);
        let subject = values::line(&piece(&words, &source.subject, plain)?);
        let subject: String = subject.chars().take(LONGEST_SUBJECT).collect();
        let blocks = filled(&words, source, rest)?;
        let footer = filled(&words, self.source("footer", language)?, rest)?;
        let link = look.link.as_deref().filter(|link| !link.is_empty());
        let text = format!("{}\n\n---\n{}\n", as_text(&blocks, link), as_text(&footer, None));
        let (colour, on_colour) = html::colours(&look.colour);
        let part = |blocks: &[Block]| Value::from_safe_string(html::body(blocks, link, (&colour, on_colour)));
        let of = |name: &str| rest.get(name).cloned().unwrap_or_default();
        let head = if of("org").is_empty() { of("product") } else { of("org") };
        let page: BTreeMap<String, Value> = [
            ("lang", Value::from(language.as_str())),
            ("subject", Value::from(subject.as_str())),
            ("head", Value::from(head)),
            ("org", Value::from(of("org"))),
            ("product", Value::from(of("product"))),
            ("support", Value::from(of("support"))),
            ("colour", Value::from(colour.as_str())),
            ("on_colour", Value::from(on_colour)),
            ("body", part(&blocks)),
            ("footer", part(&footer)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        let html = engine(AutoEscape::Html).render_str(&self.0.layout, page).map_err(|error| error.to_string())?;
        let reply_to = Some(look.support.clone()).filter(|address| !address.is_empty());
        Ok(Rendered { to: to.to_owned(), subject, text, html, language, reply_to })
    }
}

/// An engine that takes no undefined name and no endless work.
fn engine<'source>(escape: AutoEscape) -> Environment<'source> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    engine.set_auto_escape_callback(move |_| escape.clone());
    engine
}

fn piece(engine: &Environment<'_>, words: &str, values: &Values) -> Result<String, String> {
    if !words.contains('{') {
        return Ok(words.to_owned());
    }
    engine.render_str(words, values).map_err(|error| error.to_string())
}

fn filled(engine: &Environment<'_>, source: &Source, values: &Values) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::with_capacity(source.blocks.len());
    for block in &source.blocks {
        blocks.extend(block.filled(|words| piece(engine, words, values))?);
    }
    Ok(blocks)
}

fn read(name: &str, text: &str) -> Result<Source, String> {
    let is_part = name == "footer" || name.rsplit_once('.').is_some_and(|(_, kind)| kind == "sms");
    if is_part { Ok(Source::of_part(text)) } else { Source::of_mail(text) }
}

fn check_all(source: &Source) -> Result<(), String> {
    source.pieces().try_for_each(|words| check_names(words, &NAMES))
}

fn check_names(words: &str, known: &[&str]) -> Result<(), String> {
    let engine = engine(AutoEscape::None);
    let template = engine.template_from_str(words).map_err(|error| error.to_string())?;
    let mut strange: Vec<String> =
        template.undeclared_variables(false).into_iter().filter(|name| !known.contains(&name.as_str())).collect();
    strange.sort();
    match strange.first() {
        None => Ok(()),
        Some(name) => Err(format!("there is no value {name}; there are {}", known.join(", "))),
    }
}

fn check_layout(text: &str) -> Result<(), String> {
    check_names(text, &LAYOUT_NAMES)?;
    let engine = engine(AutoEscape::None);
    let template = engine.template_from_str(text).map_err(|error| error.to_string())?;
    if template.undeclared_variables(false).contains("body") { Ok(()) } else { Err("it has no {{ body }}".to_owned()) }
}

/// The operator's file of a name, if there is one.
fn own_file(folder: Option<&Path>, name: &str) -> Result<Option<(PathBuf, String)>, SetUpError> {
    let Some(folder) = folder else { return Ok(None) };
    if !folder.is_dir() {
        return Err(SetUpError::new(KEY, format!("{} is no folder", folder.display())));
    }
    let path = folder.join(name);
    let failed = |why: String| SetUpError::new(KEY, format!("{}: {why}", path.display()));
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error.to_string())),
        Ok(about) if about.len() > LARGEST => Err(failed(format!("it is larger than {LARGEST} bytes"))),
        Ok(_) => {
            let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
            Ok(Some((path, text)))
        }
    }
}

/// A file whose name is no template's would never be used: it is misspelt.
fn only_known(folder: &Path) -> Result<(), SetUpError> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(()); // none of this language
    };
    for name in entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        let known = name.strip_suffix(".txt").is_some_and(|stem| BUILT_IN.iter().any(|(known, ..)| *known == stem));
        if !known && !name.starts_with('.') {
            return Err(SetUpError::new(KEY, format!("{}: no template has this name", shown(&folder.join(name)))));
        }
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A message with every value, as templates are tried out with.
#[must_use]
pub fn sample(template: Template, language: Language) -> (Mail, Look) {
    let (mut mail, mut look) = bare(template, language);
    for name in NAMES.iter().filter(|name| !["product", "issuer", "support", "link"].contains(name)) {
        let moment = ["expires", "at", "until", "since"].contains(name);
        let value = if moment { "1746280800000".to_owned() } else { format!("the {name}") };
        mail.values.insert((*name).to_owned(), value);
    }
    "Acme".clone_into(&mut look.org_name);
    "#0b7285".clone_into(&mut look.colour);
    "help@acme.test".clone_into(&mut look.support);
    look.link = Some("https://id.acme.test/invite/mln_x".to_owned());
    (mail, look)
}

/// A message with nothing but its address.
fn bare(template: Template, language: Language) -> (Mail, Look) {
    let to = Address::Email("ana@acme.test".to_owned());
    let mail = Mail { template, to, language, org: None, values: Values::new(), sealed: None };
    let (product, issuer) = ("Muster".to_owned(), "https://id.acme.test".to_owned());
    (mail, Look { product, issuer, ..Look::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> impl Iterator<Item = (Template, Language)> {
        Template::ALL.iter().flat_map(|template| Language::ALL.map(|language| (*template, language)))
    }

    #[test]
    fn every_template_says_in_every_language_what_it_must_and_leaves_nothing_open() {
        let templates = Templates::load(None).unwrap();
        templates.0.sources.values().try_for_each(check_all).unwrap();
        check_layout(&templates.0.layout).unwrap();
        templates.try_out().unwrap();
        for (template, language) in everything() {
            let (mail, look) = sample(template, language);
            let rendered = templates.render(&mail, &look).unwrap();
            let name = format!("{language}/{}", template.as_str());
            for (part, text) in [("text", &rendered.text), ("html", &rendered.html), ("subject", &rendered.subject)] {
                for open in ["{{", "}}", "{%", "[", "Subject:"] {
                    assert!(!text.contains(open), "{name}: {open} is left in the {part}: {text}");
                }
            }
            assert!(!rendered.subject.is_empty() && !rendered.subject.contains(['\n', '\r']), "{name}");
            assert!(rendered.html.contains(&format!("<html lang=\"{language}\"")), "{name}");
            assert!(
                rendered.html.contains("prefers-color-scheme: dark") && rendered.html.contains("#0b7285"),
                "{name}"
            );
            assert!(!rendered.html.contains("<img") && !rendered.html.contains("<script"), "{name}");
            assert!(rendered.text.contains("Acme") && rendered.text.contains("help@acme.test"), "{name}");
            let bare = [Template::Alert, Template::Removed, Template::FactorCode];
            if let Some(link) = look.link.as_deref().filter(|_| !bare.contains(&template)) {
                assert!(rendered.text.contains(link) && rendered.html.contains(link), "{name} has no link");
            }
            let has_korean = rendered.text.chars().any(|c| ('가'..='힣').contains(&c));
            assert_eq!(has_korean, language == Language::Ko, "{name}");
        }
    }

    #[test]
    fn what_carries_a_link_says_until_when_and_what_to_do_if_it_was_not_wanted() {
        let templates = Templates::load(None).unwrap();
        for template in [
            Template::Invitation,
            Template::InvitationAgain,
            Template::InvitationReminder,
            Template::SetPassword,
            Template::SetPasswordAgain,
            Template::SetPasswordReminder,
            Template::ResetPassword,
            Template::ResetByAdmin,
            Template::ConfirmAccount,
            Template::ConfirmEmail,
        ] {
            let render = |language| {
                let (mail, look) = sample(template, language);
                templates.render(&mail, &look).unwrap().text
            };
            let (english, korean) = (render(Language::En), render(Language::Ko));
            assert!(english.contains("3 May 2025, 14:00 UTC"), "{template:?}: {english}");
            assert!(korean.contains("2025년 5월 3일 14:00(UTC)"), "{template:?}: {korean}");
            let unexpected = english.contains("Not expecting this?") || english.contains("Didn't ask for this?");
            assert!(unexpected, "{template:?}: {english}");
        }
    }

    #[test]
    fn what_people_typed_is_text_and_nothing_else() {
        let templates = Templates::load(None).unwrap();
        for (template, language) in everything() {
            let (mut mail, mut look) = sample(template, language);
            for value in mail.values.values_mut() {
                *value = "<script>alert(1)</script>\r\n# Head\r\n[Click](http://evil.test) {{ issuer }}".to_owned();
            }
            look.org_name = "<b>Acme</b>\nBcc: x@evil.test".to_owned();
            let rendered = templates.render(&mail, &look).unwrap();
            assert!(!rendered.html.contains("<script") && !rendered.html.contains("<b>"), "{template:?}");
            assert!(!rendered.subject.contains(['\n', '\r']) && rendered.subject.chars().count() <= LONGEST_SUBJECT);
            assert!(
                !rendered.text.lines().any(|line| line.starts_with("# ") || line.starts_with("Bcc:")),
                "{template:?}"
            );
            assert!(!rendered.text.contains("http://evil") && !rendered.html.contains("http://evil"), "{template:?}");
        }
    }

    #[test]
    fn a_phone_gets_one_line_with_the_link() {
        let templates = Templates::load(None).unwrap();
        for language in Language::ALL {
            for template in [Template::ResetPassword, Template::SetPassword, Template::Locked] {
                let (mail, look) = sample(template, language);
                let text = templates.text_message(&mail, &look).unwrap().unwrap();
                assert!(!text.contains('\n') && text.chars().count() < 200, "{text}");
                assert!(text.contains("/invite/mln_x") || template == Template::Locked, "{text}");
            }
            let (mail, look) = sample(Template::Removed, language);
            assert_eq!(templates.text_message(&mail, &look), Ok(None));
        }
    }

    #[test]
    fn an_operators_file_stands_in_for_ours_and_a_broken_one_stops_the_start() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("en")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let load = || Templates::load(Some(folder.path()));
        write("en/locked.txt", "Subject: Hands off, {{ name }}\n\nUntil {{ until }}.\n");
        write("layout.html", "<html lang=\"{{ lang }}\"><title>{{ subject }}</title>{{ body }}");
        let (mail, look) = sample(Template::Locked, Language::En);
        let rendered = load().unwrap().render(&mail, &look).unwrap();
        assert_eq!(rendered.subject, "Hands off, the name");
        assert!(rendered.html.starts_with("<html lang=\"en\"><title>Hands off") && rendered.html.contains("<p class"));
        for (name, text, told) in [
            ("en/locked.txt", "Subject: x\n\n{{ nonsense }}", "nonsense"),
            ("en/locked.txt", "Subject: x\n\n{% if name %}", "locked.txt"),
            ("en/locked.txt", "Hello", "Subject"),
            ("en/locked.txt", "Subject: x\n\n{{ name|nonsense }}", "locked.txt"),
            ("en/lokced.txt", "Subject: x\n\ny", "no template has this name"),
            ("layout.html", "<p>{{ subject }}</p>", "{{ body }}"),
        ] {
            let before = std::fs::read_to_string(folder.path().join(name)).ok();
            write(name, text);
            let error = load().unwrap_err().to_string();
            assert!(error.starts_with("mail.templates: ") && error.contains(told), "{error}");
            match before {
                Some(before) => write(name, &before),
                None => std::fs::remove_file(folder.path().join(name)).unwrap(),
            }
        }
        assert!(load().is_ok());
        assert!(Templates::load(Some(Path::new("/nowhere"))).is_err());
    }
}
