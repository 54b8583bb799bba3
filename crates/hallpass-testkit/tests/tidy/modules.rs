//! The modules of a crate and what each brings into scope, read from the sources.
//!
//! Test code is left out, and so is what macros write. A module that stands inside a file belongs to that file.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, File, Item, ItemMod, ItemUse, Meta, UseTree, Visibility};

use crate::tree::SourceFile;

/// A path from the crate's root: `["auth_token_service", "flight"]`. The root itself is empty.
pub(crate) type ModulePath = Vec<String>;

/// One file of a crate as a module.
#[derive(Debug)]
pub(crate) struct Module {
    /// The file, from the workspace's root.
    pub(crate) file: String,
    /// Names of the modules in files of their own, and whether they are `pub`.
    pub(crate) children: BTreeMap<String, bool>,
    /// Names defined here, and whether they are `pub`.
    pub(crate) items: BTreeMap<String, bool>,
    /// What `use` brings in.
    pub(crate) imports: Vec<Import>,
    /// Every path that the code names beside its `use`, such as `super::limits::MAX` or `MAX`.
    pub(crate) named: BTreeSet<Vec<String>>,
}

/// One name that a `use` brings into scope.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    /// Its name here; `*` for all names of a module.
    pub(crate) name: String,
    /// As it is written: `["super", "limits", "MAX"]`.
    pub(crate) path: Vec<String>,
    pub(crate) is_public: bool,
    /// Whether others can take it from here.
    pub(crate) is_handed_on: bool,
}

/// All modules of one crate.
#[derive(Debug)]
pub(crate) struct Crate {
    pub(crate) modules: BTreeMap<ModulePath, Module>,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// A name that a module of the crate defines.
    Item(ModulePath, String),
    /// A module of the crate.
    Module(ModulePath),
    /// Another crate's.
    Foreign(Vec<String>),
}

impl Crate {
    /// The crate whose sources are the files below `folder`, such as `crates/hallpass-token/src`.
    pub(crate) fn of(folder: &str, files: &[SourceFile]) -> Self {
        let below = |file: &&SourceFile| file.path.starts_with(&format!("{folder}/"));
        let modules = files
            .iter()
            .filter(below)
            .filter(|file| !file.is_test() && !file.path.contains("/bin/"))
            .filter_map(|file| Some((module_path(folder, &file.path)?, module(file)?)));
        Self {
            modules: modules.collect(),
        }
    }

    /// Where `path`, written in the module `from`, leads: through every `use` that hands the name on.
    pub(crate) fn resolve(&self, from: &[String], path: &[String]) -> Option<Target> {
        self.resolve_within(from, path, 8)
    }

    /// The `depth` ends what a circle of `pub use` would not.
    fn resolve_within(&self, from: &[String], path: &[String], depth: usize) -> Option<Target> {
        let depth = depth.checked_sub(1)?;
        let mut at: ModulePath = from.to_vec();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop()?;
            }
            first => {
                let here = self.modules.get(from)?;
                let known = here.children.contains_key(first) || here.items.contains_key(first);
                if !known {
                    let import = here.imports.iter().find(|import| import.name == first);
                    let Some(import) = import.filter(|import| import.path != path) else {
                        return Some(Target::Foreign(path.to_vec()));
                    };
                    let through: Vec<_> =
                        import.path.iter().chain(path.get(1..)?).cloned().collect();
                    return self.resolve_within(from, &through, depth);
                }
                rest = path;
                return self.descend(at, rest, depth);
            }
        }
        rest = rest.get(1..)?;
        while rest.first().is_some_and(|segment| segment == "super") {
            at.pop()?;
            rest = rest.get(1..)?;
        }
        self.descend(at, rest, depth)
    }

    /// Follows `rest` downwards from the module `at`.
    fn descend(&self, mut at: ModulePath, mut rest: &[String], depth: usize) -> Option<Target> {
        loop {
            let Some((name, after)) = rest.split_first() else {
                return Some(Target::Module(at));
            };
            let module = self.modules.get(&at)?;
            if module.children.contains_key(name) {
                at.push(name.clone());
                rest = after;
                continue;
            }
            if module.items.contains_key(name) || name == "*" {
                return Some(Target::Item(at, name.clone()));
            }
            return self.handed_on(&at, name, after, depth);
        }
    }

    /// What the module `at` took from elsewhere under this name.
    fn handed_on(
        &self,
        at: &[String],
        name: &str,
        after: &[String],
        depth: usize,
    ) -> Option<Target> {
        let module = self.modules.get(at)?;
        if let Some(import) = module.imports.iter().find(|import| import.name == name) {
            let through: Vec<_> = import.path.iter().chain(after).cloned().collect();
            return self.resolve_within(at, &through, depth);
        }
        let globs = module
            .imports
            .iter()
            .filter(|import| import.name == "*" && import.is_handed_on);
        globs
            .filter_map(|glob| {
                let mut through: Vec<String> = glob.path.clone();
                through.pop();
                through.push(name.to_owned());
                through.extend_from_slice(after);
                self.resolve_within(at, &through, depth)
            })
            .find(|target| !matches!(target, Target::Foreign(_)))
    }
}

/// `crates/a/src/b/c.rs` is the module `b::c`; `lib.rs` and `main.rs` are the root.
fn module_path(folder: &str, file: &str) -> Option<ModulePath> {
    let inside = file
        .strip_prefix(folder)?
        .strip_prefix('/')?
        .strip_suffix(".rs")?;
    match inside {
        "lib" | "main" => Some(Vec::new()),
        inside => Some(inside.split('/').map(str::to_owned).collect()),
    }
}

fn module(file: &SourceFile) -> Option<Module> {
    let parsed: File = syn::parse_file(&file.text).ok()?;
    let mut module = Module {
        file: file.path.clone(),
        children: BTreeMap::new(),
        items: BTreeMap::new(),
        imports: Vec::new(),
        named: BTreeSet::new(),
    };
    for item in &parsed.items {
        module.take(item);
    }
    let mut paths = NamedPaths {
        module: &mut module,
    };
    paths.visit_file(&parsed);
    Some(module)
}

impl Module {
    fn take(&mut self, item: &Item) {
        if attributes(item).iter().any(is_test) {
            return;
        }
        match item {
            Item::Mod(ItemMod {
                ident,
                vis,
                content: None,
                ..
            }) => {
                self.children.insert(ident.to_string(), is_public(vis));
            }
            Item::Use(ItemUse { vis, tree, .. }) => {
                let handed_on = !matches!(vis, Visibility::Inherited);
                self.import(tree, &mut Vec::new(), is_public(vis), handed_on);
            }
            item => {
                if let Some((name, vis)) = definition(item) {
                    self.items.insert(name, is_public(vis));
                }
            }
        }
    }

    fn import(
        &mut self,
        tree: &UseTree,
        before: &mut Vec<String>,
        is_public: bool,
        is_handed_on: bool,
    ) {
        let mut add = |name: String, path: Vec<String>| {
            self.imports.push(Import {
                name,
                path,
                is_public,
                is_handed_on,
            });
        };
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.import(&path.tree, before, is_public, is_handed_on);
                before.pop();
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, before, is_public, is_handed_on);
                }
            }
            UseTree::Name(name) if name.ident == "self" => {
                add(before.last().cloned().unwrap_or_default(), before.clone());
            }
            UseTree::Name(name) => add(
                name.ident.to_string(),
                with(before, &name.ident.to_string()),
            ),
            UseTree::Rename(rename) if rename.ident == "self" => {
                add(rename.rename.to_string(), before.clone());
            }
            UseTree::Rename(rename) => {
                add(
                    rename.rename.to_string(),
                    with(before, &rename.ident.to_string()),
                );
            }
            UseTree::Glob(_) => add("*".to_owned(), with(before, "*")),
        }
    }
}

/// Gathers the paths in code that is not a test.
struct NamedPaths<'a> {
    module: &'a mut Module,
}

impl<'ast> Visit<'ast> for NamedPaths<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !attributes(item).iter().any(is_test) {
            visit::visit_item(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.module.named.insert(segments);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.module.named.extend(paths_in(call.tokens.clone()));
        visit::visit_macro(self, call);
    }
}

/// The paths in what a macro is given, which only the macro could parse.
fn paths_in(tokens: TokenStream) -> Vec<Vec<String>> {
    let mut paths: Vec<Vec<String>> = Vec::new();
    let mut colons = 0;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if colons == 2 && !paths.is_empty() => {
                paths
                    .last_mut()
                    .into_iter()
                    .for_each(|path| path.push(ident.to_string()));
            }
            TokenTree::Ident(ident) => paths.push(vec![ident.to_string()]),
            TokenTree::Group(group) => paths.extend(paths_in(group.stream())),
            TokenTree::Punct(punct) if punct.as_char() == ':' => {
                colons += 1;
                continue;
            }
            _ => {}
        }
        colons = 0;
    }
    paths
}

fn with(before: &[String], name: &str) -> Vec<String> {
    let mut path = before.to_vec();
    path.push(name.to_owned());
    path
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Whether an attribute keeps its item to tests: `#[cfg(test)]` or `#[test]`.
fn is_test(attribute: &Attribute) -> bool {
    match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        Meta::Path(path) => path.is_ident("test"),
        Meta::NameValue(_) => false,
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn definition(item: &Item) -> Option<(String, &Visibility)> {
    let (ident, vis) = match item {
        Item::Const(item) => (&item.ident, &item.vis),
        Item::Enum(item) => (&item.ident, &item.vis),
        Item::Fn(item) => (&item.sig.ident, &item.vis),
        Item::Mod(item) => (&item.ident, &item.vis),
        Item::Static(item) => (&item.ident, &item.vis),
        Item::Struct(item) => (&item.ident, &item.vis),
        Item::Trait(item) => (&item.ident, &item.vis),
        Item::Type(item) => (&item.ident, &item.vis),
        _ => return None,
    };
    Some((ident.to_string(), vis))
}
