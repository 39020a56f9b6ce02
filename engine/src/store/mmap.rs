//! Whole objects as memory: mapped where they are files, read where they are not.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;

use memmap2::Mmap;

/// The bytes of an object that never changes.
#[derive(Clone)]
pub struct Mapped(Bytes);

#[derive(Clone)]
enum Bytes {
    Read(Arc<[u8]>),
    File(Arc<Mmap>),
}

impl Mapped {
    /// Bytes that were read, or made.
    pub fn of(bytes: Vec<u8>) -> Mapped {
        Mapped(Bytes::Read(bytes.into()))
    }

    /// The whole of a file; what is touched is read.
    #[expect(unsafe_code, reason = "the one place where files become memory")]
    pub(super) fn file(file: &File) -> io::Result<Mapped> {
        // SAFETY: objects of a store are created once, never written to and never cut short, and
        // `Storage::create` upholds that for every process that keeps to this code; a file that is
        // deleted stays readable while it is mapped. Who truncates files of a store by hand ends
        // the process with a bus error. Its safe twin is `Mapped::of` of what `Storage::read` gives.
        let mapped = unsafe { Mmap::map(file)? };
        Ok(Mapped(Bytes::File(Arc::new(mapped))))
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Read(bytes) => bytes,
            Bytes::File(mapped) => mapped,
        }
    }
}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.as_ref().len())
    }
}
