//! One screen, one thought: how long files and functions may be, and that no file is called `mod.rs`.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, File, ImplItemFn, Item, ItemFn, Meta, Signature, TraitItemFn};

use crate::assert_tidy;
use crate::tree::{self, SourceFile};

/// Lines of a file, comments and all, without the test module at its end.
const FILE_LINES: usize = 400;
/// Lines of a function from its signature to its closing brace.
const FUNCTION_LINES: usize = 70;

#[test]
fn files_and_functions_fit_on_their_screens() {
    let mut problems = Vec::new();
    for file in tree::files(&[".rs"]).unwrap() {
        problems.extend(problems_in(&file));
    }
    assert_tidy(&problems);
}

#[test]
fn no_file_is_called_mod_rs() {
    let files = tree::files(&[".rs"]).unwrap();
    assert_tidy(&mod_files(&files));
}

#[test]
fn a_long_file_is_found_and_its_tests_do_not_count() {
    let at_limit = "const _: () = ();\n".repeat(FILE_LINES);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{at_limit}}}\n");
    let fits = SourceFile::new("x.rs", &format!("{at_limit}{tests}"));
    assert_eq!(problems_in(&fits), Vec::<String>::new());

    let too_long = SourceFile::new("x.rs", &format!("{at_limit}const _: () = ();\n{tests}"));
    let problems = problems_in(&too_long);
    assert_eq!(problems, ["x.rs: 401 lines before its tests, 400 allowed"]);
}

#[test]
fn a_long_function_is_found_wherever_it_stands() {
    let body = "    ();\n".repeat(FUNCTION_LINES - 2);
    let fits = SourceFile::new("x.rs", &format!("/// Doc.\nfn f() {{\n{body}}}\n"));
    assert_eq!(problems_in(&fits), Vec::<String>::new());

    let long = format!("fn f() {{\n{body}    ();\n}}\n");
    let places = [
        long.clone(),
        format!("impl A {{\n{long}}}\n"),
        format!("trait A {{\n{long}}}\n"),
        format!("mod a {{\n{long}}}\n"),
        format!("fn g() {{\n{long}}}\n"),
    ];
    for text in places {
        let problems = problems_in(&SourceFile::new("x.rs", &text));
        assert!(
            problems.iter().any(|p| p.contains("`f` has 71 lines")),
            "{text}"
        );
    }
}

#[test]
fn a_mod_rs_is_found() {
    let files = [SourceFile::new("crates/a/src/b/mod.rs", "")];
    assert_eq!(mod_files(&files).len(), 1);
}

fn mod_files(files: &[SourceFile]) -> Vec<String> {
    let named_mod = files.iter().filter(|file| file.path.ends_with("/mod.rs"));
    named_mod
        .map(|file| format!("{}: name the file after what it holds", file.path))
        .collect()
}

fn problems_in(file: &SourceFile) -> Vec<String> {
    // A sample that the compiler must refuse may be refused by this parser too.
    let refused_by_design = file.path.contains("/ui/");
    let parsed = match syn::parse_file(&file.text) {
        Ok(parsed) => parsed,
        Err(_) if refused_by_design => return Vec::new(),
        Err(error) => return vec![format!("{}: {error}", file.path)],
    };
    let mut problems = Vec::new();
    let lines = lines_before_tests(&file.text, &parsed);
    if lines > FILE_LINES {
        problems.push(format!(
            "{}: {lines} lines before its tests, {FILE_LINES} allowed",
            file.path
        ));
    }
    let mut functions = LongFunctions::default();
    functions.visit_file(&parsed);
    problems.extend(functions.found.into_iter().map(|(name, line, lines)| {
        format!(
            "{}:{line}: `{name}` has {lines} lines, {FUNCTION_LINES} allowed",
            file.path
        )
    }));
    problems
}

fn lines_before_tests(text: &str, parsed: &File) -> usize {
    let tests: usize = parsed
        .items
        .iter()
        .filter(|item| matches!(item, Item::Mod(module) if module.attrs.iter().any(is_cfg_test)))
        .map(|item| lines_of(item.span(), item.span()))
        .sum();
    text.lines().count() - tests
}

fn is_cfg_test(attribute: &Attribute) -> bool {
    match &attribute.meta {
        Meta::List(list) => {
            list.path.is_ident("cfg") && list.tokens.to_string().split(' ').any(|t| t == "test")
        }
        _ => false,
    }
}

fn lines_of(first: Span, last: Span) -> usize {
    last.end().line - first.start().line + 1
}

/// Gathers functions over the limit: name, line, length.
#[derive(Default)]
struct LongFunctions {
    found: Vec<(String, usize, usize)>,
}

impl LongFunctions {
    fn measure(&mut self, signature: &Signature, end: Span) {
        let lines = lines_of(signature.span(), end);
        if lines > FUNCTION_LINES {
            let line = signature.span().start().line;
            self.found.push((signature.ident.to_string(), line, lines));
        }
    }
}

impl<'ast> Visit<'ast> for LongFunctions {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.measure(&function.sig, function.block.span());
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.measure(&function.sig, function.block.span());
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.measure(&function.sig, block.span());
        }
        visit::visit_trait_item_fn(self, function);
    }
}
