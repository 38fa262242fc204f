//! `#[rekindle::test]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::{FnArg, Ident, ItemFn, LitInt, Token, Type};

const KNOWN: &str = "`#[rekindle::test]` knows the options `workers = 4`, `simulated`, \
                     `seeds = 500`, `seed = 7`, `strategy = random`, \
                     `strategy = pct(depth = 3, steps = 500)` and `max_steps = 100_000`";
const STRATEGIES: &str = "the strategies are `random` and `pct(depth = 3, steps = 500)`";

/// What the options say.
#[derive(Default)]
struct Options {
    workers: Option<LitInt>,
    /// The first option that means something to the simulator only, but for `simulated` itself.
    simulator_only: Option<Ident>,
    simulated: bool,
    /// Calls of the builder, in the order of the options.
    calls: Vec<TokenStream>,
    seen: Vec<String>,
}

impl Options {
    fn take(&mut self, option: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let Some(name) = option.path.get_ident().cloned() else {
            return Err(option.error(KNOWN));
        };
        let text = name.to_string();
        if self.seen.contains(&text) {
            return Err(option.error(format!("`{text}` is given twice")));
        }
        match text.as_str() {
            "workers" => {
                let workers: LitInt = option.value()?.parse()?;
                if workers.base10_parse::<u16>().is_ok_and(|n| n == 0) {
                    return Err(syn::Error::new_spanned(
                        workers,
                        "a test needs one worker at least",
                    ));
                }
                self.calls.push(quote!(.workers(#workers)));
                self.workers = Some(workers);
            }
            "simulated" => {
                self.simulated = true;
                self.calls.push(quote!(.simulated()));
            }
            "seeds" => {
                let seeds: LitInt = option.value()?.parse()?;
                if seeds.base10_parse::<u64>().is_ok_and(|n| n == 0) {
                    return Err(syn::Error::new_spanned(
                        seeds,
                        "with no seed at all the test would never run",
                    ));
                }
                self.calls.push(quote!(.seeds(#seeds)));
            }
            "seed" | "max_steps" => {
                let number: LitInt = option.value()?.parse()?;
                self.calls.push(quote!(.#name(#number)));
            }
            "strategy" => {
                let strategy = strategy(option)?;
                self.calls.push(quote!(.strategy(#strategy)));
            }
            _ => return Err(option.error(KNOWN)),
        }
        if !matches!(text.as_str(), "workers" | "simulated") {
            self.simulator_only.get_or_insert(name);
        }
        self.seen.push(text);
        Ok(())
    }

    /// What must fit together.
    fn check(&self) -> syn::Result<()> {
        match (&self.workers, &self.simulator_only) {
            (Some(workers), _) if self.simulated => Err(syn::Error::new_spanned(
                workers,
                "the simulator has one thread: leave `workers` out, or `simulated`",
            )),
            (_, Some(option)) if !self.simulated => Err(syn::Error::new_spanned(
                option,
                format!("`{option}` needs `simulated`: real threads follow no seed"),
            )),
            _ => Ok(()),
        }
    }
}

fn strategy(option: &ParseNestedMeta<'_>) -> syn::Result<TokenStream> {
    let input = option.value()?;
    let name: Ident = input
        .parse()
        .map_err(|error| syn::Error::new(error.span(), STRATEGIES))?;
    if name == "random" {
        return Ok(quote!(::rekindle::testkit::Strategy::Random));
    }
    if name != "pct" {
        return Err(syn::Error::new_spanned(name, STRATEGIES));
    }
    let (mut depth, mut steps) = (None, None);
    if input.peek(syn::token::Paren) {
        let inner;
        syn::parenthesized!(inner in input);
        while !inner.is_empty() {
            let key: Ident = inner.parse()?;
            inner.parse::<Token![=]>()?;
            let value: LitInt = inner.parse()?;
            match key.to_string().as_str() {
                "depth" if value.base10_parse::<u32>().is_ok_and(|n| n == 0) => {
                    return Err(syn::Error::new_spanned(value, "a depth is 1 at least"));
                }
                "depth" => depth = Some(value),
                "steps" => steps = Some(value),
                _ => return Err(syn::Error::new_spanned(key, STRATEGIES)),
            }
            if !inner.is_empty() {
                inner.parse::<Token![,]>()?;
            }
        }
    }
    let depth = depth.map_or(quote!(3), |depth| quote!(#depth));
    let steps = match steps {
        Some(steps) => quote!(::core::option::Option::Some(#steps)),
        None => quote!(::core::option::Option::None),
    };
    Ok(quote!(::rekindle::testkit::Strategy::with(#depth, #steps)))
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let mut options = Options::default();
    syn::meta::parser(|option| options.take(&option)).parse2(arguments)?;
    options.check()?;

    let function: ItemFn = syn::parse2(item)?;
    let (signature, name) = (&function.sig, &function.sig.ident);
    if signature.asyncness.is_none() {
        return Err(syn::Error::new(
            signature.fn_token.span,
            "`#[rekindle::test]` runs an `async fn`: write `async` before `fn`",
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(
            &signature.generics,
            "a test has no type parameters: nobody would say what they are",
        ));
    }
    if let Some(second) = signature.inputs.iter().nth(1) {
        return Err(syn::Error::new_spanned(
            second,
            "a test takes one argument at most: `t: &mut Test`",
        ));
    }
    let run = match signature.inputs.first() {
        None => quote! {
            |test: ::rekindle::testkit::Test| async move {
                let outcome = #name().await;
                ::core::mem::drop(test);
                outcome
            }
        },
        Some(FnArg::Typed(argument)) => match &*argument.ty {
            Type::Reference(reference) if reference.mutability.is_some() => {
                let ty = &reference.elem;
                quote!(|mut test: #ty| async move { #name(&mut test).await })
            }
            Type::Reference(reference) => {
                return Err(syn::Error::new_spanned(
                    reference,
                    "a test takes `t: &mut Test`, or `t: Test` by value",
                ));
            }
            ty => quote!(|test: #ty| #name(test)),
        },
        Some(FnArg::Receiver(receiver)) => {
            return Err(syn::Error::new_spanned(
                receiver,
                "a test is a free function: it has no `self`",
            ));
        }
    };

    // Attributes of the test go to what the harness calls; lint levels must hold for the body too.
    // An expectation holds in one place only, the body.
    let attributes = function.attrs.iter();
    let attributes = attributes.filter(|attribute| !attribute.path().is_ident("expect"));
    let lints = function.attrs.iter().filter(|attribute| {
        let levels = ["allow", "expect", "warn", "deny", "forbid"];
        levels.iter().any(|level| attribute.path().is_ident(level))
    });
    let (visibility, calls) = (&function.vis, &options.calls);
    let block = &function.block;
    let body = quote_spanned! {signature.span()=>
        ::rekindle::testkit::TestRun::of_attribute(
            ::core::env!("CARGO_PKG_NAME"),
            ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name)),
        )
    };
    Ok(quote! {
        #(#attributes)*
        #[::core::prelude::v1::test]
        #visibility fn #name() {
            #(#lints)*
            #signature #block
            #body #(#calls)* .run(#run)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(arguments: TokenStream, item: TokenStream) -> String {
        expand(arguments, item)
            .expect_err("it is wrong")
            .to_string()
    }

    fn test() -> TokenStream {
        quote!(
            async fn name() {}
        )
    }

    #[test]
    fn a_wrong_option_names_the_known_ones() {
        for wrong in [quote!(seedz = 3), quote!(a::b), quote!(simulate)] {
            let text = error(wrong, test());
            assert!(
                text.contains("`seeds = 500`") && text.contains("`simulated`"),
                "{text}"
            );
        }
    }

    #[test]
    fn options_that_do_not_fit_together_are_refused() {
        let rows = [
            (
                quote!(simulated, workers = 2),
                "the simulator has one thread",
            ),
            (quote!(seeds = 3), "`seeds` needs `simulated`"),
            (quote!(strategy = pct), "`strategy` needs `simulated`"),
            (quote!(simulated, simulated), "given twice"),
            (quote!(simulated, seeds = 0), "would never run"),
            (quote!(workers = 0), "one worker at least"),
            (
                quote!(simulated, strategy = fifo),
                "the strategies are `random`",
            ),
            (
                quote!(simulated, strategy = 7),
                "the strategies are `random`",
            ),
            (
                quote!(simulated, strategy = pct(width = 1)),
                "the strategies are `random`",
            ),
            (quote!(simulated, strategy = pct(depth = 0)), "1 at least"),
        ];
        for (arguments, expected) in rows {
            let text = error(arguments, test());
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn functions_that_cannot_be_tests_are_refused() {
        let rows = [
            (
                quote!(
                    fn f() {}
                ),
                "write `async` before `fn`",
            ),
            (
                quote!(
                    async fn f(a: Test, b: u8) {}
                ),
                "one argument at most",
            ),
            (
                quote!(
                    async fn f(t: &Test) {}
                ),
                "`t: &mut Test`",
            ),
            (
                quote!(
                    async fn f(&self) {}
                ),
                "has no `self`",
            ),
            (
                quote!(
                    async fn f<T>() {}
                ),
                "no type parameters",
            ),
        ];
        for (item, expected) in rows {
            let text = error(quote!(), item);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn attributes_stay_with_the_test() {
        let item = quote! {
            #[should_panic(expected = "x")]
            #[ignore]
            async fn name(t: &mut Test) {}
        };
        let text = expand(quote!(simulated, seeds = 5), item)
            .unwrap()
            .to_string();
        assert!(
            text.contains("should_panic") && text.contains("# [ignore]"),
            "{text}"
        );
        assert!(text.contains(". simulated () . seeds (5)"), "{text}");
    }
}
