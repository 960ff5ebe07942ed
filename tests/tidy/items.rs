//! Parses a Rust source file and finds its functions, types, modules and paths. The parser accepts
//! any visibility, modifiers and line breaks, and rejects an incomplete file.

use proc_macro2::{LineColumn, Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprLit, Ident, Item, Lit, Meta, Signature, UseTree};

/// A function with a body, or a macro definition.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub first_line: usize,
    pub last_line: usize,
}

/// A declaration of a module whose code is in another file.
#[derive(Debug, PartialEq, Eq)]
pub struct Module {
    /// Names of the modules that enclose the declaration in the same file, outermost first.
    pub inside: Vec<String>,
    pub name: String,
    pub path: Option<String>,
}

/// A path such as `super::x::y`.
#[derive(Debug, PartialEq, Eq)]
pub struct NamedPath {
    /// Names of the modules that enclose this path in the same file, outermost first.
    pub inside: Vec<String>,
    pub segments: Vec<String>,
    pub line: usize,
}

/// Functions, types, modules and paths of a source file. In unit tests (`#[cfg(test)]`), only
/// functions and modules are collected.
#[derive(Debug, Default)]
pub struct Items {
    pub functions: Vec<Function>,
    /// Names and line numbers of the structs, enums, traits and type aliases outside of functions.
    pub types: Vec<(String, usize)>,
    pub modules: Vec<Module>,
    pub paths: Vec<NamedPath>,
    inside: Vec<String>,
    functions_around: usize,
    is_in_tests: bool,
}

impl Items {
    /// Collects the items of a source file.
    ///
    /// # Panics
    ///
    /// Panics if `text` is not valid Rust, for example if the end of a function is missing.
    pub fn of(path: &str, text: &str) -> Self {
        let file = syn::parse_file(text).unwrap_or_else(|error| {
            let LineColumn { line, .. } = error.span().start();
            panic!("{path}:{line}: {error}")
        });
        let mut items = Self::default();
        items.visit_file(&file);
        items
    }

    fn add_function(&mut self, name: &Ident, start: Span, end: Span) {
        let (first_line, last_line) = (start.start().line, end.end().line);
        self.functions.push(Function { name: name.to_string(), first_line, last_line });
    }

    fn add_body(&mut self, signature: &Signature, body: &Block) {
        let start = signature.fn_token.span;
        self.add_function(&signature.ident, start, body.brace_token.span.close());
    }

    fn add_type(&mut self, name: &Ident) {
        if self.functions_around == 0 && !self.is_in_tests {
            self.types.push((name.to_string(), name.span().start().line));
        }
    }

    fn add_path(&mut self, segments: Vec<String>, line: usize) {
        if !self.is_in_tests {
            self.paths.push(NamedPath { inside: self.inside.clone(), segments, line });
        }
    }

    fn add_use(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_use(&with(&path.ident), &path.tree),
            UseTree::Name(name) => self.add_path(with(&name.ident), name.ident.span().start().line),
            UseTree::Rename(name) => {
                self.add_path(with(&name.ident), name.ident.span().start().line);
            }
            UseTree::Glob(glob) => {
                self.add_path(before.to_vec(), glob.star_token.spans[0].start().line);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_use(before, tree)),
        }
    }

    /// Collects the paths in the tokens of a macro call, because the parser does not parse these
    /// tokens.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut segments: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(colon) if colon.as_char() == ':' => colons += 1,
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        segments.clear();
                    }
                    segments.push(name.to_string());
                    colons = 0;
                    self.add_path(segments.clone(), name.span().start().line);
                }
                TokenTree::Group(group) => {
                    self.add_tokens(group.stream());
                    segments.clear();
                }
                _ => segments.clear(),
            }
        }
    }
}

impl<'ast> Visit<'ast> for Items {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add_body(&item.sig, &item.block);
        self.functions_around += 1;
        visit::visit_item_fn(self, item);
        self.functions_around -= 1;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add_body(&item.sig, &item.block);
        self.functions_around += 1;
        visit::visit_impl_item_fn(self, item);
        self.functions_around -= 1;
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.add_body(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if let Some(name) = &item.ident {
            let close = item.mac.delimiter.span().close();
            self.add_function(name, item.mac.path.segments[0].ident.span(), close);
        }
        visit::visit_item_macro(self, item);
    }

    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Struct(item) => self.add_type(&item.ident),
            Item::Enum(item) => self.add_type(&item.ident),
            Item::Union(item) => self.add_type(&item.ident),
            Item::Trait(item) => self.add_type(&item.ident),
            Item::Type(item) => self.add_type(&item.ident),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let name = item.ident.to_string();
        if item.content.is_none() {
            let path = item.attrs.iter().find_map(value_of_path);
            self.modules.push(Module { inside: self.inside.clone(), name, path });
            return;
        }
        let was_in_tests = self.is_in_tests;
        self.is_in_tests |= item.attrs.iter().any(is_for_tests);
        self.inside.push(name);
        visit::visit_item_mod(self, item);
        self.inside.pop();
        self.is_in_tests = was_in_tests;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_use(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        let line = path.segments.first().map_or(0, |first| first.ident.span().start().line);
        self.add_path(segments, line);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.add_tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }
}

fn value_of_path(attribute: &syn::Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    match &pair.value {
        Expr::Lit(ExprLit { lit: Lit::Str(value), .. }) if pair.path.is_ident("path") => {
            Some(value.value())
        }
        _ => None,
    }
}

fn is_for_tests(attribute: &syn::Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else { return false };
    list.path.is_ident("cfg") && list.tokens.to_string() == "test"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn functions(text: &str) -> Vec<(String, usize, usize)> {
        let functions = Items::of("test.rs", text).functions.into_iter();
        functions.map(|f| (f.name, f.first_line, f.last_line)).collect()
    }

    #[test]
    fn functions_are_found_behind_any_visibility_and_modifier() {
        let text = "pub(in crate::plan) fn a() {\n}\npub const unsafe extern \"C\" fn b(\n) {\n}\n\
                    impl X {\n    async fn c() {\n    }\n}\ntrait T { fn d(); fn e() {\n} }\n\
                    macro_rules! f {\n() => {\n}\n}\n";
        let found = functions(text);
        let expected = [("a", 1, 2), ("b", 3, 5), ("c", 7, 8), ("e", 10, 11), ("f", 12, 15)];
        assert_eq!(found, expected.map(|(name, first, last)| (name.to_owned(), first, last)));
    }

    #[test]
    #[should_panic(expected = "test.rs:")]
    fn a_function_without_an_end_is_no_function() {
        functions("fn a() {\n    if true {\n}\n");
    }

    #[test]
    fn paths_are_found_in_uses_code_and_macros() {
        let text = "use super::{a, b::{self, c as d}};\nfn f(x: super::e::F) {\n    g!(h, super::super::i);\n}\n";
        let paths = Items::of("test.rs", text).paths;
        for (path, line) in
            [("super::a", 1), ("super::b::c", 1), ("super::e::F", 2), ("super::super::i", 3)]
        {
            let is_it = |p: &&NamedPath| p.segments.join("::") == path && p.line == line;
            assert!(paths.iter().any(|p| is_it(&p)), "{path}: {paths:?}");
        }
    }
}
