//! Files that others may read at any moment.

use std::path::Path;

/// Writes a file whole or not at all.
///
/// # Errors
/// When it can't be written; what was there before stays.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let written = std::fs::write(partial, bytes).and_then(|()| std::fs::rename(partial, path));
    if written.is_err() {
        // What is left of it is worth nothing; that it can't be removed changes nothing.
        let _ = std::fs::remove_file(partial);
    }
    written
}
