//! Layers as they are typed: `[NAME=]TENSOR`, joined by commas. Names of tensors may themselves hold `,` and `=`.

/// What is asked for by `text`: a name for the layer, where one is given, and its tensor. `is_known` says of what is called so
/// already that it is not to be split.
pub fn split_layers<'a>(text: &'a str, is_known: impl Fn(&str) -> bool) -> Vec<(Option<&'a str>, &'a str)> {
    let named = |text: &'a str| match text.split_once('=') {
        Some((name, tensor)) if !name.contains(',') => (Some(name), tensor),
        _ => (None, text),
    };
    let read = |text: &'a str| match named(text) {
        _ if is_known(text) => Some((None, text)),
        (name, tensor) if is_known(tensor) => Some((name, tensor)),
        _ => None,
    };
    let mut layers = Vec::new();
    let mut rest = Some(text);
    while let Some(text) = rest {
        let commas: Vec<usize> = text.match_indices(',').map(|(at, _)| at).collect();
        // The longest that is known; else up to the first comma.
        let ends = [text.len()].into_iter().chain(commas.iter().rev().copied());
        let known = ends.filter_map(|end| Some((end, read(&text[..end])?))).next();
        let (end, layer) = known.unwrap_or_else(|| {
            let end = commas.first().copied().unwrap_or(text.len());
            (end, named(&text[..end]))
        });
        layers.push(layer);
        rest = text.get(end + 1..);
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_and_equals_signs_are_told_from_lists_and_aliases() {
        let split = |text: &'static str| split_layers(text, |name| ["a=b,c", "x,y", "x", "/f/1"].contains(&name));
        assert_eq!(split("x"), [(None, "x")]);
        assert_eq!(split("x,y"), [(None, "x,y")]);
        assert_eq!(split("x,/f/1"), [(None, "x"), (None, "/f/1")]);
        assert_eq!(split("a=b,c,eyes=x,y,fur=a=b,c"), [(None, "a=b,c"), (Some("eyes"), "x,y"), (Some("fur"), "a=b,c")]);
        assert_eq!(split("f12=/f/1,f15=/f/1"), [(Some("f12"), "/f/1"), (Some("f15"), "/f/1")]);
        // What is not known is refused later, by the name that was probably meant.
        assert_eq!(split("f1=/f/2,q,x"), [(Some("f1"), "/f/2"), (None, "q"), (None, "x")]);
        assert_eq!(split(""), [(None, "")]);
        assert_eq!(split("x,"), [(None, "x"), (None, "")]);
    }
}
