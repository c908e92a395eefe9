//! Files that are whole when a call returns; the library's own store does not wait for that.

use std::fs;
use std::path::PathBuf;

use astarte_device_fdo::Storage;
use astarte_fdo_protocol::Error;
use astarte_fdo_protocol::error::ErrorKind;

/// A directory of files.
#[derive(Clone)]
pub struct Store(PathBuf);

impl Store {
    pub fn open(directory: &str) -> std::io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self(directory.into()))
    }
}

fn failed(_: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, "the store")
}

impl Storage for Store {
    async fn write_immutable(&self, file: &str, content: &[u8]) -> Result<(), Error> {
        self.overwrite(file, content).await
    }

    async fn write(&self, file: &str, content: &[u8]) -> Result<(), Error> {
        self.overwrite(file, content).await
    }

    async fn overwrite(&self, file: &str, content: &[u8]) -> Result<(), Error> {
        fs::write(self.0.join(file), content).map_err(failed)
    }

    async fn read(&self, file: &str) -> Result<Option<Vec<u8>>, Error> {
        match self.exists(file).await? {
            true => fs::read(self.0.join(file)).map(Some).map_err(failed),
            false => Ok(None),
        }
    }

    async fn exists(&self, file: &str) -> Result<bool, Error> {
        self.0.join(file).try_exists().map_err(failed)
    }
}
