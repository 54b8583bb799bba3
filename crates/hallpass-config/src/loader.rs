//! From sources to settings.

mod documents;
mod overrides;
mod seal_keys;

use std::path::PathBuf;

use crate::configuration::Configuration;
use crate::effective;
use crate::key::{self, Key};
use crate::key_path::{self, Segment};
use crate::node::Node;
use crate::place::Source;
use crate::placeholder::{self, References, Variables};
use crate::problem::Problems;
use crate::production::{self, Production};
use crate::profiles::Profiles;
use crate::report::{DEFAULT_ORIGIN, EffectiveValue, INHERITED_ORIGIN, Notes, Report};
use crate::sealing;
use crate::secret::Secret;
use crate::section::Section;
use crate::sources::Sources;
use crate::yaml;
use crate::yaml_text::{MAX_SOURCE_BYTES, YamlText};
use documents::{Document, Read, Reader};
use overrides::Overrides;

/// Gathers the sources of a configuration and loads it.
///
/// Later files and texts win over earlier ones, key by key; the environment wins over all of them, and flags win
/// over the environment. Lists of one file replace those of another as a whole, while the environment and flags
/// reach into them: `HALLPASS_INTERNAL_TOKEN_CLIENTS_0_SCOPE`.
///
/// ```
/// # use hallpass_config::{Configuration, Key, Kind, Section};
/// # struct Settings { name: String, listen: std::net::SocketAddr }
/// # impl Configuration for Settings {
/// #     fn keys() -> Vec<Key> {
/// #         let text = Kind::Text { what: "" };
/// #         vec![Key::new("name", text, ""), Key::new("listen", text, "")]
/// #     }
/// #     fn read(root: &Section<'_>) -> Option<Self> {
/// #         let (name, listen) = (root.name("name"), root.socket_address("listen"));
/// #         Some(Self { name: name?, listen: listen? })
/// #     }
/// # }
/// use hallpass_config::Loader;
///
/// let loaded = Loader::new("my-app")
///     .text("defaults", "my-app: { name: order-service, listen: '127.0.0.1:80' }")
///     .environment([("MY_APP_LISTEN", "127.0.0.1:8080")])
///     .load::<Settings>()?;
/// assert_eq!(loaded.settings().name, "order-service");
/// assert_eq!(loaded.settings().listen.port(), 8080);
/// # Ok::<(), hallpass_config::Problems>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Loader {
    prefix: String,
    documents: Vec<Document>,
    variables: Option<Variables>,
    flags: Vec<(String, Secret)>,
    opens_no_file: bool,
}

impl Loader {
    /// A loader for the keys below `prefix`, such as `hallpass` or `scccy`. All else in the sources is ignored.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
            documents: Vec::new(),
            variables: None,
            flags: Vec::new(),
            opens_no_file: false,
        }
    }

    /// Opens no file, whichever a source names: that is a problem, the same for one that is there and one that is not. For texts of somebody who may
    /// not know what files this machine has.
    pub fn without_files(mut self) -> Self {
        self.opens_no_file = true;
        self
    }

    /// Adds a YAML file of at most [`MAX_SOURCE_BYTES`]. Files that it names are relative to its folder.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.documents.push(Document::File(path.into()));
        self
    }

    /// Adds YAML text; `name` stands for it in problems and origins. Files that it names are relative to the
    /// current folder.
    pub fn text(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = YamlText::new(name, Secret::new(text));
        self.documents.push(Document::Text(text));
        self
    }

    /// Reads now what can be read once only, such as a pipe, and keeps it: for a loader that is asked more than once.
    ///
    /// It blocks the thread while it reads.
    pub fn hold_pipes(mut self) -> Self {
        self.documents = self.documents.into_iter().map(Document::held).collect();
        self
    }

    /// As [`text`](Self::text), for several that may hold secrets, or stand below a key of their own.
    pub fn texts(mut self, texts: impl IntoIterator<Item = YamlText>) -> Self {
        let documents = texts.into_iter().map(Document::Text);
        self.documents.extend(documents);
        self
    }

    /// Adds environment variables: they override keys, fill in `${NAME}`, and may be a sign of production.
    ///
    /// A variable that names no key, or is empty, overrides nothing.
    pub fn environment<I, N, V>(mut self, variables: I) -> Self
    where
        I: IntoIterator<Item = (N, V)>,
        N: Into<String>,
        V: Into<String>,
    {
        let variables = variables.into_iter();
        let variables = variables.map(|(name, value)| (name.into(), Secret::new(value)));
        self.variables.get_or_insert_default().extend(variables);
        self
    }

    /// Adds the environment of this process. A variable that is used and is not UTF-8 is a problem.
    pub fn process_environment(self) -> Self {
        self.environment(crate::environment::process_variables())
    }

    /// Sets one key, named without the prefix: `internal-token.scope`. A list takes its texts with commas.
    pub fn flag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.flags.push((key.into(), Secret::new(value)));
        self
    }

    /// Reads, merges and checks everything: a key that `T` does not know is a problem.
    ///
    /// # Errors
    /// All problems of all sources at once, in the order of their lines. If a source cannot be read at all, only
    /// the problems of reading are reported: all others would be guesses.
    pub fn load<T: Configuration>(&self) -> Result<Loaded<T>, Problems> {
        self.load_with_sources().0
    }

    /// [`load`](Self::load), and the files that it has read, also when it failed.
    pub(crate) fn load_with_sources<T: Configuration>(
        &self,
    ) -> (Result<Loaded<T>, Problems>, Sources) {
        self.load_keys(|key| key.is_none_or(|key| !key.is_elsewhere()))
    }

    /// Reads the sections of `T` alone and leaves all others as they are, misspelt ones and unset placeholders included.
    ///
    /// For what has to be known before everything can be read, such as where the rest of the configuration comes
    /// from. The same loader, with what was found added to it, is then asked to [`load`](Self::load) everything.
    ///
    /// # Errors
    /// As [`load`](Self::load), of these sections.
    pub fn load_part<T: Configuration>(&self) -> Result<Loaded<T>, Problems> {
        self.load_keys(|key| key.is_some_and(|key| !key.is_elsewhere()))
            .0
    }

    /// Reads the entries below the prefix that `is_read` wants, which is told what is known of each.
    fn load_keys<T: Configuration>(
        &self,
        is_read: impl Fn(Option<&Key>) -> bool,
    ) -> (Result<Loaded<T>, Problems>, Sources) {
        let report = match self.opens_no_file {
            true => Report::without_files(),
            false => Report::default(),
        };
        let settings = self.read_keys(is_read, &report);
        let sources = report.take_sources();
        let notes = report.take_notes();
        let loaded = match settings {
            Some(settings) => report.finish().map(|values| Loaded {
                settings,
                values,
                notes,
            }),
            None => Err(report.into_problems()),
        };
        (loaded, sources)
    }

    /// `None` when something is wrong; `report` says what.
    fn read_keys<T: Configuration>(
        &self,
        is_read: impl Fn(Option<&Key>) -> bool,
        report: &Report,
    ) -> Option<T> {
        let none = Variables::new();
        let variables = self.variables.as_ref().unwrap_or(&none);
        let keys = key::without_doubles([T::keys(), vec![sealing::SECTION]].concat());
        let reader = Reader {
            prefix: &self.prefix,
            keys: &keys,
            variables,
            report,
        };
        let Read {
            mut tree,
            properties,
            profiles,
        } = reader.read(&self.documents)?;
        let overrides = Overrides {
            prefix: &self.prefix,
            keys: &keys,
            rank: self.documents.len(),
            report,
        };
        overrides.lay_variables(&mut tree, variables);
        overrides.lay_flags(&mut tree, &self.flags);
        let whole = tree.clone();
        tree.retain(|name| is_read(key::find(&keys, name)));
        let references = References::to_variables(variables)
            .and(&self.prefix, &whole)
            .and("", &properties);
        placeholder::fill_in(&mut tree, &self.prefix, &references, report);
        let root = Section::open(report, &keys, self.prefix.clone(), &tree.place, Some(&tree))
            .in_production(self.production(&profiles));
        let keyring = seal_keys::read(&root);
        let root = root.opened_by(&keyring).referring_to(&references);
        root.read_all(T::read)
    }

    fn production(&self, profiles: &Profiles) -> Production {
        let Some(variables) = &self.variables else {
            return Production::Unknown;
        };
        let by_profile = || {
            profiles
                .name_production()
                .then_some("spring.profiles.active")
        };
        production::signal(variables)
            .or_else(by_profile)
            .map_or(Production::No, Production::Yes)
    }
}

/// Which of the prefixes of Hallpass and of the estate it comes from stands in a YAML text: `hallpass` or `scccy`.
///
/// `None` if neither does, or the text is not YAML. If both are there, `hallpass` counts.
#[must_use]
pub fn detect_prefix(text: &str) -> Option<&'static str> {
    if text.len() > MAX_SOURCE_BYTES {
        return None;
    }
    let parsed = yaml::parse(&Source::literal(String::new(), 0), text).ok()?;
    let keys = || {
        parsed
            .iter()
            .flat_map(Node::entries)
            .map(|entry| key_path::parse(&entry.key))
    };
    let has =
        |prefix: &str| keys().any(|path| path.first() == Some(&Segment::Key(prefix.to_owned())));
    documents::ROOTS.into_iter().find(|prefix| has(prefix))
}

/// Checked settings, and where each value came from.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    settings: T,
    values: Vec<EffectiveValue>,
    notes: Notes,
}

impl<T> Loaded<T> {
    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &T {
        &self.settings
    }

    /// The settings, to keep. What there is to warn of goes into the log (`tracing`, level WARN), unless it was
    /// [taken](Self::take_warnings).
    #[must_use]
    pub fn into_settings(self) -> T {
        for warning in &self.notes.warnings {
            tracing::warn!(%warning, "something in the configuration has no effect");
        }
        self.settings
    }

    /// The [warnings](Self::warnings), for who says them elsewhere than in the log; they are forgotten here.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes.warnings)
    }

    /// The effective configuration as a tree: each value with its origin, secrets as `***`.
    #[must_use]
    pub fn effective(&self) -> String {
        effective::render(&self.values)
    }

    /// Whether no source has set anything: each value is a default.
    #[must_use]
    pub fn is_all_default(&self) -> bool {
        let is_default = |it: &EffectiveValue| {
            it.origin == DEFAULT_ORIGIN || it.origin.starts_with(INHERITED_ORIGIN)
        };
        self.values.iter().all(is_default)
    }

    /// What probably does not do what it was written for, a sentence each: environment variables with the prefix whose
    /// names are nearly those of keys. Worth a line in the log; holds no value.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.notes.warnings
    }

    /// What stands below the prefix and was not read, with its place and the reason, a sentence each: keys of other
    /// programs, and documents of profiles that are not active.
    #[must_use]
    pub fn left_alone(&self) -> &[String] {
        &self.notes.left_alone
    }
}
