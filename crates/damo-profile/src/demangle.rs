//! Names as they are in the source: Rust's and C++'s.

use cpp_demangle::DemangleOptions;

/// Longer names are cut: some generic types have names of many kilobytes.
const MAX_NAME: usize = 512;

/// A name without the encoding of its language: Rust's without the hash at its end, C++'s without the type that the function
/// returns. Names in no encoding that is known stay as they are. Names longer than 512 bytes are cut.
#[must_use]
pub(crate) fn demangle(symbol: &str) -> String {
    if let Ok(rust) = rustc_demangle::try_demangle(symbol) {
        return cut(&format!("{rust:#}"));
    }
    if symbol.starts_with("_Z") || symbol.starts_with("__Z") {
        let options = DemangleOptions::new().no_return_type();
        let name = cpp_demangle::Symbol::new(symbol).ok().and_then(|name| name.demangle_with_options(&options).ok());
        if let Some(name) = name {
            return cut(&name);
        }
    }
    cut(symbol)
}

/// The same of a symbol in an ELF file, whose version is left out (`memcpy@@GLIBC_2.14`).
pub(crate) fn symbol_name(symbol: &str) -> String {
    match symbol.split_once('@') {
        Some((name, _)) if !name.is_empty() => demangle(name),
        _ => demangle(symbol),
    }
}

fn cut(name: &str) -> String {
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let end = (0..=MAX_NAME).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", name.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rust_and_cpp_are_readable_and_others_stay() {
        let cases = [
            ("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"),
            ("_RNvC6_123foo3bar", "123foo::bar"),
            ("_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back(int const&)"),
            ("memcpy@@GLIBC_2.14", "memcpy"),
            ("transpose", "transpose"),
            ("_Znonsense", "_Znonsense"),
            ("@odd", "@odd"),
        ];
        for (symbol, name) in cases {
            assert_eq!(symbol_name(symbol), name, "{symbol}");
        }
        assert_eq!(demangle("get /x@1.2.js"), "get /x@1.2.js");
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let name = demangle(&"é".repeat(1000));
        assert!(name.len() <= MAX_NAME + '…'.len_utf8() && name.ends_with('…'));
    }
}
