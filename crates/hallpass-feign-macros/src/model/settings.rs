//! The keys of `#[feign_client(...)]` and of a method attribute such as `#[get("/path", ...)]`.

mod value;

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, LitStr, Path, Token, Type};

use super::headers::ConstantHeader;
use crate::error::Problems;
use crate::suggest;
pub(crate) use value::{Identity, WhenAbsent};

const CLIENT_KEYS: &[&str] = &[
    "name",
    "path",
    "url",
    "identity",
    "when_absent",
    "audience",
    "scope",
    "headers",
    "fallback",
    "fallback_factory",
    "deadline_ms",
    "isolate",
    "crate",
];
const METHOD_KEYS: &[&str] = &[
    "identity",
    "when_absent",
    "audience",
    "scope",
    "headers",
    "deadline_ms",
    "idempotent",
    "idempotency_key",
];

/// What `#[feign_client(...)]` says.
pub(crate) struct ClientSettings {
    pub(crate) name: LitStr,
    pub(crate) path: Option<LitStr>,
    pub(crate) url: Option<LitStr>,
    pub(crate) shared: SharedSettings,
    pub(crate) fallback: Option<Fallback>,
    pub(crate) isolate: bool,
    pub(crate) runtime: Option<Path>,
}

/// What answers when the service cannot.
pub(crate) enum Fallback {
    /// A type that implements the trait and `Default`.
    Type(Type),
    /// A function from the cause to such a value.
    Factory(Path),
}

/// What may be said on the trait and again on a method.
#[derive(Default)]
pub(crate) struct SharedSettings {
    pub(crate) identity: Option<Identity>,
    pub(crate) when_absent: Option<WhenAbsent>,
    pub(crate) audience: Option<LitStr>,
    pub(crate) scope: Option<LitStr>,
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) headers: Vec<ConstantHeader>,
}

/// What a method attribute says after the path.
#[derive(Default)]
pub(crate) struct MethodSettings {
    pub(crate) path: Option<LitStr>,
    pub(crate) shared: SharedSettings,
    pub(crate) idempotent: Option<bool>,
    pub(crate) idempotency_key: bool,
}

impl ClientSettings {
    /// Reads the arguments of `#[feign_client(...)]`; `None` when the name is missing.
    pub(crate) fn parse(arguments: TokenStream, problems: &mut Problems) -> Option<Self> {
        let mut name = None;
        let mut rest = Rest::default();
        let parsed = Parser::parse2(
            |input: ParseStream<'_>| {
                each_key(input, CLIENT_KEYS, problems, |key, input| match key {
                    "name" => value::service_name(input).map(|text| name = Some(text)),
                    other => rest.set(other, input),
                })
            },
            arguments,
        );
        problems.keep(parsed);
        let Some(name) = name else {
            problems.at_span(
                Span::call_site(),
                "the service has no name: write #[feign_client(name = \"logistics-service\")]",
            );
            return None;
        };
        let Rest {
            path,
            url,
            shared,
            fallback,
            fallback_factory,
            isolate,
            runtime,
        } = rest;
        if let (Some(_), Some(factory)) = (&fallback, &fallback_factory) {
            problems.at(
                factory,
                "one thing answers when the service cannot: `fallback` or `fallback_factory`",
            );
        }
        let fallback = fallback.map(Fallback::Type);
        Some(Self {
            name,
            path,
            url,
            shared,
            fallback: fallback.or(fallback_factory.map(Fallback::Factory)),
            isolate,
            runtime,
        })
    }
}

/// All of [`ClientSettings`] but the name, which has no default.
#[derive(Default)]
struct Rest {
    path: Option<LitStr>,
    url: Option<LitStr>,
    shared: SharedSettings,
    fallback: Option<Type>,
    fallback_factory: Option<Path>,
    isolate: bool,
    runtime: Option<Path>,
}

impl Rest {
    fn set(&mut self, key: &str, input: ParseStream<'_>) -> syn::Result<()> {
        match key {
            "path" => self.path = Some(value::text(input)?),
            "url" => self.url = Some(value::url(input)?),
            "fallback" => self.fallback = Some(input.parse()?),
            "fallback_factory" => self.fallback_factory = Some(input.parse()?),
            "isolate" => self.isolate = value::boolean(input)?,
            "crate" => self.runtime = Some(value::path(input)?),
            _ => self.shared.set(key, input)?,
        }
        Ok(())
    }
}

impl SharedSettings {
    fn set(&mut self, key: &str, input: ParseStream<'_>) -> syn::Result<()> {
        match key {
            "identity" => self.identity = Some(Identity::parse(input)?),
            "when_absent" => self.when_absent = Some(WhenAbsent::parse(input)?),
            "audience" => self.audience = Some(value::audience(input)?),
            "scope" => self.scope = Some(value::scope(input)?),
            "deadline_ms" => self.deadline_ms = Some(value::milliseconds(input)?),
            "headers" => self.headers = value::headers(input)?,
            // Not reached: the key was found in the list of known ones. A missing arm shows as this message in the
            // tests that set every key.
            other => return Err(input.error(format!("`{other}` is known but not read"))),
        }
        Ok(())
    }
}

impl MethodSettings {
    /// Reads `"/path", key = value, ...`. Behind the path of a trait the path may be left out; where it is missing, `None`.
    pub(crate) fn parse(
        arguments: TokenStream,
        (verb, is_behind_path): (&Ident, bool),
        problems: &mut Problems,
    ) -> Option<Self> {
        let mut settings = Self::default();
        let mut is_lost = false;
        let parsed = Parser::parse2(
            |input: ParseStream<'_>| {
                if input.peek(LitStr) {
                    settings.path = Some(input.parse()?);
                    if !input.is_empty() {
                        input.parse::<Token![,]>()?;
                    }
                } else if !is_behind_path || !(input.is_empty() || input.peek2(Token![=])) {
                    is_lost = true;
                    let message = format!("the path comes first: write #[{verb}(\"/path\")]");
                    return Err(syn::Error::new(
                        if input.is_empty() {
                            verb.span()
                        } else {
                            input.span()
                        },
                        message,
                    ));
                }
                each_key(input, METHOD_KEYS, problems, |key, input| match key {
                    "idempotent" => {
                        value::boolean(input).map(|yes| settings.idempotent = Some(yes))
                    }
                    "idempotency_key" => {
                        value::boolean(input).map(|yes| settings.idempotency_key = yes)
                    }
                    other => settings.shared.set(other, input),
                })
            },
            arguments,
        );
        problems.keep(parsed);
        (!is_lost).then_some(settings)
    }
}

/// Walks over `key = value, ...`; a bad entry is noted and skipped, so that the next ones are checked too.
fn each_key(
    input: ParseStream<'_>,
    known: &[&str],
    problems: &mut Problems,
    mut read: impl FnMut(&str, ParseStream<'_>) -> syn::Result<()>,
) -> syn::Result<()> {
    let mut seen: Vec<String> = Vec::new();
    while !input.is_empty() {
        let key = Ident::parse_any(input)?;
        let name = key.to_string();
        if !known.contains(&name.as_str()) {
            let hint = suggest::did_you_mean(&name, known);
            let known = suggest::listed(known);
            problems.at(&key, format!("unknown key `{name}`{hint} (one of {known})"));
            skip_entry(input)?;
        } else {
            if seen.contains(&name) {
                problems.at(&key, format!("`{name}` is given twice"));
            }
            input.parse::<Token![=]>()?;
            if let Err(error) = read(&name, input) {
                problems.add(error);
                skip_entry(input)?;
            }
            seen.push(name);
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(())
}

fn skip_entry(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}
