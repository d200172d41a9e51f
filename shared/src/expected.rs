//! Texts as they are kept in `expected/`, so that whoever reviews a change of words sees each of them.

/// The text is what is kept under this name. After a change that is meant:
/// `UPDATE_EXPECTED=1 cargo test -p shared`, then read the difference.
pub(crate) fn assert_kept(name: &str, text: &str) {
    let path = format!("{}/expected/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, text).expect("written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == kept, "{path} differs from:\n{text}");
}
