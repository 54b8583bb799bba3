//! What a process reads below the prefix.

use crate::key::Key;
use crate::section::Section;

/// What a process, or one part of it, reads below the prefix: which keys there are, and what they mean.
///
/// The sections of Hallpass are read by the crates that work with them, and `hallpass::Settings` puts those of the
/// libraries together. A service adds a section of its own in the same way: its keys, its reader, and both beside
/// Hallpass's own.
///
/// ```
/// use std::time::Duration;
/// use hallpass_config::{Configuration, Key, Kind, Loader, Section};
///
/// #[derive(Debug)]
/// struct BillingSettings {
///     currency: String,
///     timeout: Duration,
/// }
///
/// const KEYS: &[Key] = &[
///     Key::new("currency", Kind::Text { what: "three letters" }, "What invoices are made out in.").required(),
///     Key::new("timeout-seconds", Kind::seconds(1, 60), "How long a booking may take.").or("10"),
/// ];
///
/// impl Configuration for BillingSettings {
///     fn keys() -> Vec<Key> {
///         vec![Key::new("billing", Kind::Section(KEYS), "How invoices are made.")]
///     }
///
///     fn read(root: &Section<'_>) -> Option<Self> {
///         let billing = root.section("billing");
///         // Everything is read before the first `?`, so that all problems are told at once.
///         let currency = billing.required("currency", |section, key| {
///             section.checked(key, |text| match text.len() {
///                 3 => Ok(text.to_owned()),
///                 _ => Err("must be three letters"),
///             })
///         });
///         let timeout = billing.seconds("timeout-seconds");
///         Some(Self { currency: currency?, timeout: timeout? })
///     }
/// }
///
/// let yaml = "my-app: { billing: { currency: EUR } }";
/// let loaded = Loader::new("my-app").text("my-app.yaml", yaml).load::<BillingSettings>()?;
/// assert_eq!(loaded.settings().currency, "EUR");
/// assert_eq!(loaded.settings().timeout, Duration::from_secs(10));
///
/// let yaml = "my-app: { billing: { curency: EURO, timeout-seconds: 0 } }";
/// let problems = Loader::new("my-app").text("my-app.yaml", yaml).load::<BillingSettings>().unwrap_err();
/// assert_eq!(
///     problems.to_string(),
///     "my-app.yaml:1:11: my-app.billing.currency: is required\n\
///      my-app.yaml:1:22: my-app.billing.curency: is not a known key; did you mean `currency`?\n\
///      my-app.yaml:1:54: my-app.billing.timeout-seconds: must be a whole number of seconds from 1 to 60, \
///      or a duration such as 90s, 9m or PT9M"
/// );
/// # Ok::<(), hallpass_config::Problems>(())
/// ```
pub trait Configuration: Sized {
    /// The keys below the prefix: [`Kind::Section`](crate::Kind::Section)s as a rule, and with
    /// [`Key::elsewhere`] the sections that may stand in the same file for others.
    ///
    /// A name may be there twice when parts are put together; the one that is read counts, or else the first.
    fn keys() -> Vec<Key>;

    /// Reads everything below the prefix. `None` when something needed is absent or wrong; what that is, the methods
    /// of [`Section`] have reported by then.
    fn read(root: &Section<'_>) -> Option<Self>;
}
