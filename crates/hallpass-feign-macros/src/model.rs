//! What a trait under the macro says, checked: if a [`ClientModel`] exists, it can be expanded.

pub(crate) mod argument;
pub(crate) mod headers;
pub(crate) mod local;
pub(crate) mod method;
pub(crate) mod parameters;
pub(crate) mod settings;
pub(crate) mod signed;
pub(crate) mod success;
pub(crate) mod template;

use proc_macro2::{Ident, TokenStream};
use syn::{Attribute, ItemTrait, TraitItem, Visibility};

use crate::error::Problems;
use local::LocalMethod;
use method::MethodModel;
use parameters::Parameters;
use settings::ClientSettings;
use template::Template;

/// A trait that describes a remote service.
pub(crate) struct ClientModel {
    /// Everything that stood on the trait, documentation included.
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) ident: Ident,
    pub(crate) parameters: Parameters,
    pub(crate) supertraits: TokenStream,
    pub(crate) settings: ClientSettings,
    pub(crate) methods: Vec<MethodModel>,
    /// Those with a body of the user's.
    pub(crate) locals: Vec<LocalMethod>,
}

impl ClientModel {
    /// Reads the trait; `None` when `problems` has grown so much that nothing useful can be made.
    pub(crate) fn read(
        attribute: TokenStream,
        item: &ItemTrait,
        problems: &mut Problems,
    ) -> Option<Self> {
        let settings = ClientSettings::parse(attribute, problems);
        check_trait(item, problems);
        let prefix = prefix(&settings, problems);
        let (mut methods, mut locals) = (Vec::new(), Vec::new());
        for item in &item.items {
            match item {
                TraitItem::Fn(function)
                    if function.default.is_some() && !MethodModel::has_verb(function) =>
                {
                    locals.extend(LocalMethod::read(function, problems));
                }
                TraitItem::Fn(function) => {
                    methods.extend(MethodModel::read(function, prefix.as_ref(), problems));
                }
                other => problems.at(other, "a remote service has methods only"),
            }
        }
        let supertraits = &item.supertraits;
        Some(Self {
            attributes: item.attrs.clone(),
            visibility: item.vis.clone(),
            ident: item.ident.clone(),
            parameters: Parameters::of(&item.generics),
            supertraits: quote::quote!(#supertraits),
            settings: settings?,
            methods,
            locals,
        })
    }
}

fn check_trait(item: &ItemTrait, problems: &mut Problems) {
    parameters::check(item, problems);
    if let Some(token) = &item.unsafety {
        problems.at(token, "a remote service is not an unsafe trait");
    }
    if item.items.is_empty() {
        problems.at(&item.ident, "a remote service has at least one method");
    }
}

fn prefix(settings: &Option<ClientSettings>, problems: &mut Problems) -> Option<Template> {
    let path = settings.as_ref()?.path.as_ref()?;
    let template = problems.keep(Template::parse(path))?;
    if template.placeholders().next().is_some() {
        problems.at(
            path,
            "the path of the trait is fixed text: a `{placeholder}` goes into the path of a method",
        );
    } else if path.value().ends_with('/') {
        problems.at(
            path,
            "the path of the trait does not end in `/`: the path of each method begins with one",
        );
    }
    Some(template)
}
