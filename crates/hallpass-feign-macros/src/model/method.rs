//! A method of the trait: verb, path, arguments, return type.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{
    Attribute, FnArg, Meta, Receiver, ReceiverKind, ReturnType, Safety, Signature, TraitItemFn,
    Type,
};

use super::argument::{ArgumentModel, Binding};
use super::settings::MethodSettings;
use super::signed::Signed;
use super::success::Success;
use super::template::Template;
use crate::error::Problems;
use crate::suggest;

const VERBS: &[&str] = &["get", "post", "put", "patch", "delete", "head", "options"];

/// A remote method.
pub(crate) struct MethodModel {
    /// What stood on the method besides the verb: documentation, `deprecated`.
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) ident: Ident,
    pub(crate) verb: Verb,
    pub(crate) template: Template,
    pub(crate) settings: MethodSettings,
    pub(crate) arguments: Vec<ArgumentModel>,
    pub(crate) output: Type,
    pub(crate) success: Success,
}

/// The HTTP method of a remote method.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Head,
    Options,
}

impl Verb {
    fn named(name: &str) -> Option<Self> {
        match name {
            "get" => Some(Self::Get),
            "post" => Some(Self::Post),
            "put" => Some(Self::Put),
            "patch" => Some(Self::Patch),
            "delete" => Some(Self::Delete),
            "head" => Some(Self::Head),
            "options" => Some(Self::Options),
            _ => None,
        }
    }

    /// RFC 9110 section 9.3: a body has no meaning on GET and HEAD, and none is defined for OPTIONS. On DELETE it has none either by
    /// itself (section 9.3.5), but services that delete many things at once agree on one with their callers.
    fn takes_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch | Self::Delete)
    }

    /// RFC 9110 section 9.2.2.
    pub(crate) fn is_idempotent(self) -> bool {
        match self {
            Self::Get | Self::Put | Self::Delete | Self::Head | Self::Options => true,
            Self::Post | Self::Patch => false,
        }
    }

    /// As it stands on the request line.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
        }
    }
}

impl ToTokens for Verb {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Get => quote!(Get),
            Self::Post => quote!(Post),
            Self::Put => quote!(Put),
            Self::Patch => quote!(Patch),
            Self::Delete => quote!(Delete),
            Self::Head => quote!(Head),
            Self::Options => quote!(Options),
        });
    }
}

impl Signed for MethodModel {
    fn ident(&self) -> &Ident {
        &self.ident
    }

    fn arguments(&self) -> Vec<(&Ident, &Type)> {
        let arguments = self.arguments.iter();
        arguments
            .map(|argument| (&argument.ident, &argument.ty))
            .collect()
    }

    fn output(&self) -> &Type {
        &self.output
    }
}

impl MethodModel {
    /// Whether a verb stands on it.
    pub(crate) fn has_verb(function: &TraitItemFn) -> bool {
        function.attrs.iter().any(|it| verb_of(it).is_some())
    }

    /// Reads a method; `None` when it cannot be made sense of, with the reasons in `problems`.
    pub(crate) fn read(
        function: &TraitItemFn,
        prefix: Option<&Template>,
        problems: &mut Problems,
    ) -> Option<Self> {
        check_signature(function, problems);
        let success = Success::read(&function.sig, problems);
        let (verb, settings) = verb(function, prefix.is_some(), problems)?;
        let template = match &settings.path {
            Some(path) => problems.keep(Template::parse(path))?,
            // That of the trait. Where it has none, its absence is a problem by now.
            None => Template::root(),
        };
        let arguments = arguments(&function.sig, &template, problems);
        check_placeholders(&function.sig, &template, &settings, problems);
        check_body(function, verb, &arguments, problems);
        check_doubles(&arguments, problems);
        if let Some(success) = &success {
            check_head(function, verb, success, problems);
        }
        let ReturnType::Type(_, output) = &function.sig.output else {
            return None;
        };
        Some(Self {
            attributes: function
                .attrs
                .iter()
                .filter(|attribute| verb_of(attribute).is_none())
                .cloned()
                .collect(),
            ident: function.sig.ident.clone(),
            verb,
            template: template.after(prefix),
            settings,
            arguments,
            output: (**output).clone(),
            success: success?,
        })
    }
}

fn check_signature(function: &TraitItemFn, problems: &mut Problems) {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        problems.at(
            signature.fn_token,
            "a remote method is `async`: write `async fn`",
        );
    }
    if !signature.generics.params.is_empty() {
        problems.at(
            &signature.generics,
            "a remote method has no generic parameters: the boxed form could not have it; put them on the trait",
        );
    }
    if let Some(clause) = &signature.generics.where_clause {
        problems.at(clause, "a remote method has no where clause");
    }
    if let Some(body) = &function.default {
        problems.at(
            body,
            "a remote method has no body: the macro writes it; one of your own has no verb",
        );
    }
    match signature.receiver() {
        Some(Receiver {
            kind: ReceiverKind::Reference(_, None, None),
            ..
        }) => {}
        Some(receiver) => problems.at(receiver, "a remote method takes `&self`"),
        None => problems.at(&signature.ident, "a remote method takes `&self` first"),
    }
    for attribute in &function.attrs {
        if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
            problems.at(
                attribute,
                "a method is not left out by `cfg`: put the `cfg` on a trait of its own",
            );
        }
    }
    if let Safety::Unsafe(token) = &signature.safety {
        problems.at(token, "a remote method is not unsafe");
    }
}

fn verb_of(attribute: &Attribute) -> Option<Verb> {
    Verb::named(&attribute.path().get_ident()?.to_string())
}

/// `is_behind_path`: whether the trait has a path, so that the method needs none.
fn verb(
    function: &TraitItemFn,
    is_behind_path: bool,
    problems: &mut Problems,
) -> Option<(Verb, MethodSettings)> {
    let mut verbs = function
        .attrs
        .iter()
        .filter_map(|attribute| Some((attribute, verb_of(attribute)?)));
    let Some((attribute, verb)) = verbs.next() else {
        no_verb(function, problems);
        return None;
    };
    for (second, _) in verbs {
        problems.at(second, "a remote method has one verb: this is the second");
    }
    let name = attribute.path().get_ident()?;
    let arguments = match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    let settings = MethodSettings::parse(arguments, (name, is_behind_path), problems)?;
    Some((verb, settings))
}

/// Says what is missing, at a mistyped attribute when there is one that looks like a verb.
fn no_verb(function: &TraitItemFn, problems: &mut Problems) {
    let known = suggest::listed(VERBS);
    for attribute in &function.attrs {
        let name = attribute
            .path()
            .get_ident()
            .map(Ident::to_string)
            .unwrap_or_default();
        let hint = suggest::did_you_mean(name.trim_end_matches("Mapping"), VERBS);
        if !hint.is_empty() {
            problems.at(
                attribute,
                format!("unknown verb `{name}`{hint} (one of {known})"),
            );
            return;
        }
    }
    let ident = &function.sig.ident;
    problems.at(
        ident,
        format!("`{ident}` has no verb: write #[get(\"/path\")] or another of {known} above it"),
    );
}

fn arguments(
    signature: &Signature,
    template: &Template,
    problems: &mut Problems,
) -> Vec<ArgumentModel> {
    let in_path: Vec<&str> = template.placeholders().collect();
    let typed = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    typed
        .filter_map(|argument| ArgumentModel::read(argument, &in_path, problems))
        .collect()
}

/// Each placeholder has an argument of its name, whether or not that argument is otherwise well.
fn check_placeholders(
    signature: &Signature,
    template: &Template,
    settings: &MethodSettings,
    problems: &mut Problems,
) {
    let names: Vec<String> = signature
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(typed) => match &*typed.pat {
                syn::Pat::Ident(pattern) => Some(pattern.ident.unraw().to_string()),
                _ => None,
            },
            FnArg::Receiver(_) => None,
        })
        .collect();
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    for placeholder in template
        .placeholders()
        .filter(|placeholder| !known.contains(placeholder))
    {
        let hint = suggest::did_you_mean(placeholder, &known);
        let ident = &signature.ident;
        problems.at(
            &settings.path,
            format!(
                "`{{{placeholder}}}` is not bound: `{ident}` has no argument of that name{hint}"
            ),
        );
    }
}

fn check_body(
    function: &TraitItemFn,
    verb: Verb,
    arguments: &[ArgumentModel],
    problems: &mut Problems,
) {
    let mut bodies = arguments
        .iter()
        .filter(|argument| argument.binding.is_body());
    let Some(body) = bodies.next() else { return };
    if !verb.takes_body() {
        let message = format!(
            "{} carries no body (RFC 9110): send `{}` as #[query], or as the body of a POST (with `idempotent = true` where it only asks)",
            verb.text(),
            body.ident
        );
        problems.at_span(body.ident.span(), message);
    }
    for second in bodies {
        let message = format!(
            "`{}` is a second body: `{}` of `{}` is one already",
            second.ident, body.ident, function.sig.ident
        );
        problems.at_span(second.ident.span(), message);
    }
}

/// RFC 9110 section 9.3.2: the response to HEAD has headers and no body.
fn check_head(function: &TraitItemFn, verb: Verb, success: &Success, problems: &mut Problems) {
    if verb == Verb::Head && !success.has_no_body() {
        problems.at(
            &function.sig.output,
            "the response to HEAD has no body: return `Result<(), _>`, or `Result<Response<()>, _>` for its headers",
        );
    }
}

fn check_doubles(arguments: &[ArgumentModel], problems: &mut Problems) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for argument in arguments {
        let entry = match &argument.binding {
            Binding::Query(name) => ("query parameter", name.as_str()),
            Binding::Header { name, .. } => ("header", name.as_str()),
            Binding::Path
            | Binding::Json
            | Binding::Form
            | Binding::Text(_)
            | Binding::Bytes(_)
            | Binding::Stream(_)
            | Binding::Multipart => continue,
        };
        if seen.contains(&entry) {
            let (kind, name) = entry;
            problems.at_span(
                argument.ident.span(),
                format!("the {kind} `{name}` is set twice; take a sequence to repeat it"),
            );
        }
        seen.push(entry);
    }
}
