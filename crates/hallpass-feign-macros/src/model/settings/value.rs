//! The values that the keys take, each checked as far as a compiler can.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::ParseStream;
use syn::{LitBool, LitInt, LitStr, Path, Token, bracketed};

use crate::model::headers::ConstantHeader;
use crate::suggest;

/// Whose identity a call carries.
#[derive(Clone, Copy)]
pub(crate) enum Identity {
    Service,
    Relay,
    Exchange,
    None,
}

/// What relay and exchange do when no caller is known.
#[derive(Clone, Copy)]
pub(crate) enum WhenAbsent {
    Fail,
    Service,
    None,
}

impl Identity {
    pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        one_of(
            input,
            "identity",
            &[
                ("service", Self::Service),
                ("relay", Self::Relay),
                ("exchange", Self::Exchange),
                ("none", Self::None),
            ],
        )
    }
}

impl WhenAbsent {
    pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        one_of(
            input,
            "when_absent",
            &[
                ("fail", Self::Fail),
                ("service", Self::Service),
                ("none", Self::None),
            ],
        )
    }
}

impl ToTokens for Identity {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Service => quote!(Service),
            Self::Relay => quote!(Relay),
            Self::Exchange => quote!(Exchange),
            Self::None => quote!(None),
        });
    }
}

impl ToTokens for WhenAbsent {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Fail => quote!(Fail),
            Self::Service => quote!(Service),
            Self::None => quote!(None),
        });
    }
}

fn one_of<T: Copy>(input: ParseStream<'_>, key: &str, choices: &[(&str, T)]) -> syn::Result<T> {
    let literal = text(input)?;
    let value = literal.value();
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == value) {
        return Ok(*choice);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let hint = suggest::did_you_mean(&value, &names);
    let names = suggest::listed(&names);
    Err(syn::Error::new(
        literal.span(),
        format!("unknown {key} `{value}`{hint} (one of {names})"),
    ))
}

pub(crate) fn text(input: ParseStream<'_>) -> syn::Result<LitStr> {
    input
        .parse()
        .map_err(|error| syn::Error::new(error.span(), "expected text in double quotes"))
}

pub(crate) fn boolean(input: ParseStream<'_>) -> syn::Result<bool> {
    let literal: LitBool = input
        .parse()
        .map_err(|error| syn::Error::new(error.span(), "expected `true` or `false`"))?;
    Ok(literal.value)
}

pub(crate) fn milliseconds(input: ParseStream<'_>) -> syn::Result<u64> {
    let literal: LitInt = input.parse().map_err(|error| {
        syn::Error::new(error.span(), "expected a whole number of milliseconds")
    })?;
    match literal.base10_parse::<u64>() {
        Ok(0) => Err(syn::Error::new(
            literal.span(),
            "a deadline of 0 ms is over before the call begins",
        )),
        Ok(milliseconds) => Ok(milliseconds),
        Err(_) => Err(syn::Error::new(
            literal.span(),
            "expected a whole number of milliseconds",
        )),
    }
}

/// `["X-Api-Version: 2", "Accept-Language: de"]`
pub(crate) fn headers(input: ParseStream<'_>) -> syn::Result<Vec<ConstantHeader>> {
    const USAGE: &str = "write a list of headers: [\"X-Name: value\"]";
    let list;
    if !input.peek(syn::token::Bracket) {
        return Err(input.error(USAGE));
    }
    bracketed!(list in input);
    let literals = list
        .parse_terminated(|item| item.parse::<LitStr>(), Token![,])
        .map_err(|error| syn::Error::new(error.span(), USAGE))?;
    let mut headers: Vec<ConstantHeader> = Vec::new();
    for literal in literals {
        let header = ConstantHeader::parse(&literal)?;
        if headers.iter().any(|before| before.name == header.name) {
            let message = format!("the header `{}` is set twice", header.name);
            return Err(syn::Error::new(literal.span(), message));
        }
        headers.push(header);
    }
    Ok(headers)
}

/// `crate = hallpass_feign` or, as serde writes it, `crate = "hallpass_feign"`.
pub(crate) fn path(input: ParseStream<'_>) -> syn::Result<Path> {
    if input.peek(LitStr) {
        let literal: LitStr = input.parse()?;
        return literal.parse_with(Path::parse_mod_style);
    }
    Path::parse_mod_style(input)
}

/// A service name: it becomes the host of `lb://name`, a configuration key and a metric label.
pub(crate) fn service_name(input: ParseStream<'_>) -> syn::Result<LitStr> {
    let literal = text(input)?;
    let value = literal.value();
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if value.is_empty() || !value.chars().all(plain) {
        let message =
            "a service name has letters, digits, `-`, `_` and `.`, such as \"logistics-service\"";
        return Err(syn::Error::new(literal.span(), message));
    }
    Ok(literal)
}

/// An audience: not empty, printable, without blanks.
pub(crate) fn audience(input: ParseStream<'_>) -> syn::Result<LitStr> {
    let literal = text(input)?;
    let value = literal.value();
    if value.is_empty()
        || value
            .chars()
            .any(|character| character.is_control() || character.is_whitespace())
    {
        return Err(syn::Error::new(
            literal.span(),
            "an audience is one name: not empty, without blanks",
        ));
    }
    Ok(literal)
}

/// A scope by RFC 6749 section 3.3: scope-tokens with one space between them.
pub(crate) fn scope(input: ParseStream<'_>) -> syn::Result<LitStr> {
    let literal = text(input)?;
    let allowed =
        |byte: u8| byte == 0x21 || (0x23..=0x5b).contains(&byte) || (0x5d..=0x7e).contains(&byte);
    let value = literal.value();
    if value
        .split(' ')
        .any(|token| token.is_empty() || !token.bytes().all(allowed))
    {
        let message =
            "a scope is one or more names with one space between them (RFC 6749 section 3.3)";
        return Err(syn::Error::new(literal.span(), message));
    }
    Ok(literal)
}

/// Scheme and authority only: the path has its own key, and a token is never made for a user-info part.
pub(crate) fn url(input: ParseStream<'_>) -> syn::Result<LitStr> {
    let literal = text(input)?;
    let value = literal.value();
    let error = |message: &str| Err(syn::Error::new(literal.span(), message));
    let Some((scheme, authority)) = value.split_once("://") else {
        return error("a url begins with `lb://`, `https://` or `http://`");
    };
    if !["lb", "https", "http"].contains(&scheme) {
        return error("a url begins with `lb://`, `https://` or `http://`");
    }
    if authority.is_empty() || authority.contains(['@', '?', '#', ' ']) {
        return error("a url is a scheme and a host, with a port where it needs one");
    }
    if scheme == "http" && !is_loopback(authority) {
        return error(
            "plain http is for loopback addresses: an identity would be readable on the way; use https or lb",
        );
    }
    if authority.contains('/') {
        return error("a url has no path here: write it as `path = \"/...\"`");
    }
    Ok(literal)
}

/// As the configuration sees it (`EndpointUrl`), which checks again when the client is built.
fn is_loopback(authority: &str) -> bool {
    let host = authority.split('/').next().unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost"
        || name == "[::1]"
        || name
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|ip| ip.is_loopback())
}
