//! Which files a script may touch: none, unless its user says otherwise.

use std::path::{Component, Path, PathBuf};

use crate::fault::{Done, refused};

/// The folders and files that were granted. Everything below a folder is granted with it.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
}

impl Grants {
    /// Grants by folder or file; what may be written may be read.
    ///
    /// Fails if one does not exist.
    pub fn new(read: &[PathBuf], write: &[PathBuf]) -> std::io::Result<Grants> {
        let real = |paths: &[PathBuf]| -> std::io::Result<Vec<PathBuf>> {
            paths.iter().map(|path| path.canonicalize()).collect()
        };
        Ok(Grants {
            read: real(read)?,
            write: real(write)?,
        })
    }

    /// Where to read a path, if that is granted.
    pub fn reading(&self, path: &str) -> Done<PathBuf> {
        let real = Path::new(path)
            .canonicalize()
            .map_err(|cause| refused(format!("{path}: {}", said(&cause))))?;
        let is_granted = self
            .read
            .iter()
            .chain(&self.write)
            .any(|root| real.starts_with(root));
        is_granted
            .then_some(real)
            .ok_or_else(|| closed("read", path))
    }

    /// Where to write a path, which need not exist yet, if that is granted.
    pub fn writing(&self, path: &str) -> Done<PathBuf> {
        let real = resolved(Path::new(path))
            .map_err(|cause| refused(format!("{path}: {}", said(&cause))))?;
        let is_granted = self.write.iter().any(|root| real.starts_with(root));
        is_granted
            .then_some(real)
            .ok_or_else(|| closed("write", path))
    }

    /// The folders that may be read.
    pub fn readable(&self) -> impl Iterator<Item = &Path> {
        self.read.iter().chain(&self.write).map(PathBuf::as_path)
    }
}

/// What was not granted, and the option that would.
fn closed(verb: &str, path: &str) -> Box<rhai::EvalAltResult> {
    let folder = Path::new(path).parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).display();
    refused(format!(
        "scripts may not {verb} {path}: allow it with --allow-{verb} {folder}"
    ))
}

/// An absolute path without links: what exists of it is resolved, the rest must go down only.
fn resolved(path: &Path) -> std::io::Result<PathBuf> {
    let mut rest = Vec::new();
    let mut known = path;
    loop {
        let tried = match known.as_os_str().is_empty() {
            true => Path::new(".").canonicalize(),
            false => known.canonicalize(),
        };
        match tried {
            Ok(real) => {
                // A link that leads nowhere is no place to write to.
                if rest.is_empty() || !real.join(rest[rest.len() - 1]).is_symlink() {
                    return Ok(rest.iter().rev().fold(real, |path, part| path.join(part)));
                }
                return Err(std::io::ErrorKind::NotFound.into());
            }
            Err(cause) => match (known.components().next_back(), known.parent()) {
                (Some(Component::Normal(part)), Some(parent)) => {
                    rest.push(part);
                    known = parent;
                }
                _ => return Err(cause),
            },
        }
    }
}

/// A cause as people say it.
pub(crate) fn said(cause: &std::io::Error) -> String {
    match cause.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_granted_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path).to_str().unwrap().to_owned();
        for path in ["in", "out", "secret"] {
            std::fs::create_dir(at(path)).unwrap();
            std::fs::write(at(&format!("{path}/file")), path).unwrap();
        }
        std::os::unix::fs::symlink(at("secret"), at("out/link")).unwrap();
        std::os::unix::fs::symlink(at("secret/new"), at("out/dangling")).unwrap();
        let grants = Grants::new(&[at("in").into()], &[at("out").into()]).unwrap();
        let reads =
            ["in/file", "out/file", "out/../in/file"].map(|path| grants.reading(&at(path)).is_ok());
        assert_eq!(reads, [true; 3]);
        let refused = [
            "secret/file",
            "in/../secret/file",
            "out/link/file",
            "in/missing",
        ];
        assert_eq!(
            refused.map(|path| grants.reading(&at(path)).is_ok()),
            [false; 4]
        );
        let writes = ["out/file", "out/new", "out/new/deep/file"];
        assert_eq!(
            writes.map(|path| grants.writing(&at(path)).is_ok()),
            [true; 3]
        );
        let refused = [
            "in/file",
            "secret/new",
            "out/link/new",
            "out/dangling",
            "out/new/../../secret/x",
            "out/..",
        ];
        assert_eq!(
            refused.map(|path| grants.writing(&at(path)).is_ok()),
            [false; 6]
        );
        assert!(Grants::default().reading("/etc/hostname").is_err());
    }
}
