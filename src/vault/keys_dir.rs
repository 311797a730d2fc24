//! The secrets of an installation that lie outside its data: what is under
//! `keys.dir`, one file a secret, 64 hexadecimal digits and a line feed, mode
//! 0600 in a folder of mode 0700. Each may be given as a text instead (from the
//! environment or a secret file), in hexadecimal or base64.
//!
//! They are created on the first start of a **new** data folder only. A data
//! folder without its keys is an error, never a reason for new ones: those could
//! not open what is there, and would quietly give every name another id.
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use super::{
    identifier::Pepper,
    kek::{KeyEncryption, LocalKek},
    secret::Secret32,
};
use crate::clock::Entropy;

/// The names of the four files under `keys.dir`.
const KEK: &str = "kek";
const INSTALLATION_SECRET: &str = "installation-secret";
const PEPPER: &str = "pepper";
const LOG_SEED: &str = "log-seed";

/// The secrets of an installation.
pub struct InstallationKeys {
    /// Wraps the vault's keys.
    pub kek: Arc<dyn KeyEncryption>,
    /// Makes node ids from names.
    pub installation_secret: Secret32,
    /// Makes look-ups from identifiers.
    pub pepper: Pepper,
    /// The Ed25519 seed that signs the log's checkpoints.
    pub log_seed: Secret32,
}

impl fmt::Debug for InstallationKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstallationKeys(..)")
    }
}

/// Secrets given as texts; each wins over its file.
#[derive(Default, Clone)]
pub struct GivenKeys {
    pub kek: Option<Zeroizing<String>>,
    pub installation_secret: Option<Zeroizing<String>>,
    pub pepper: Option<Zeroizing<String>>,
    pub log_seed: Option<Zeroizing<String>>,
}

impl fmt::Debug for GivenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenKeys(..)")
    }
}

/// Why the secrets could not be had. No text tells a secret.
#[derive(Debug, thiserror::Error)]
pub enum KeysDirError {
    #[error(
        "the {name} `{path}` is missing, but the data folder is not new: bring the keys folder back from its backup \
         or point `keys.dir` at it; a new key could not open what is stored"
    )]
    Missing { name: &'static str, path: PathBuf },
    #[error("the {name} given is not 32 bytes in hexadecimal or base64")]
    BadText { name: &'static str },
    #[error("the file `{path}` does not hold 32 bytes in hexadecimal or base64")]
    BadFile { path: PathBuf },
    #[error("`{path}` is open to others (mode {mode:04o}): run `chmod {wanted:04o} '{path}'`")]
    OpenToOthers { path: PathBuf, mode: u32, wanted: u32 },
    #[error("cannot use `{path}`")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl InstallationKeys {
    /// Reads the secrets under `dir`. `new_folder` says that the data folder holds
    /// nothing yet: then missing ones are created, durable before this returns.
    ///
    /// # Errors
    /// [`KeysDirError`], see there.
    pub fn open(dir: &Path, given: &GivenKeys, new_folder: bool, entropy: &dyn Entropy) -> Result<Self, KeysDirError> {
        let folder = Folder { dir, new_folder, entropy };
        let kek = folder.secret(KEK, "key-encryption key", given.kek.as_deref())?;
        Ok(Self {
            kek: Arc::new(LocalKek::new(&kek)),
            installation_secret: folder.secret(INSTALLATION_SECRET, "installation secret", given.installation_secret.as_deref())?,
            pepper: Pepper::new(&folder.secret(PEPPER, "pepper", given.pepper.as_deref())?),
            log_seed: folder.secret(LOG_SEED, "log key", given.log_seed.as_deref())?,
        })
    }
}

struct Folder<'a> {
    dir: &'a Path,
    new_folder: bool,
    entropy: &'a dyn Entropy,
}

impl Folder<'_> {
    fn secret(&self, file: &str, name: &'static str, given: Option<&String>) -> Result<Secret32, KeysDirError> {
        if let Some(text) = given {
            return parse(text).ok_or(KeysDirError::BadText { name });
        }
        let path = self.dir.join(file);
        match read_private(&path) {
            Ok(text) => {
                refuse_others(self.dir, 0o700)?;
                refuse_others(&path, 0o600)?;
                parse(&text).ok_or(KeysDirError::BadFile { path })
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound && self.new_folder => self.create(&path),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(KeysDirError::Missing { name, path }),
            Err(source) => Err(KeysDirError::Io { path, source }),
        }
    }

    fn create(&self, path: &Path) -> Result<Secret32, KeysDirError> {
        create_private_dir(self.dir).map_err(|source| KeysDirError::Io { path: self.dir.to_owned(), source })?;
        refuse_others(self.dir, 0o700)?;
        let secret = Secret32::random(self.entropy);
        let text = Zeroizing::new(hex::encode(*secret) + "\n");
        write_private(path, text.as_bytes()).map_err(|source| KeysDirError::Io { path: path.to_owned(), source })?;
        Ok(secret)
    }
}

/// 64 hexadecimal digits, or base64 in either alphabet, padded or not.
fn parse(text: &str) -> Option<Secret32> {
    let text = text.trim();
    let mut bytes = Zeroizing::new([0u8; 48]);
    if text.len() == 64 {
        hex::decode_to_slice(text, bytes.get_mut(..32)?).ok()?;
        return Secret32::from_slice(bytes.get(..32)?);
    }
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [base64::alphabet::STANDARD, base64::alphabet::URL_SAFE].iter().find_map(|alphabet| {
        let read = GeneralPurpose::new(alphabet, config).decode_slice(text, bytes.as_mut_slice()).ok()?;
        Secret32::from_slice(bytes.get(..read)?)
    })
}

fn read_private(path: &Path) -> io::Result<Zeroizing<String>> {
    // A key file is 65 bytes; whatever is longer is something else.
    let mut text = Zeroizing::new(String::with_capacity(256));
    File::open(path)?.take(256).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes under another name and renames, so that a crash leaves the whole file or none.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    sync_dir(path.parent())
}

fn create_private_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    sync_dir(dir.parent())
}

fn sync_dir(dir: Option<&Path>) -> io::Result<()> {
    match dir {
        Some(dir) if cfg!(unix) => File::open(if dir.as_os_str().is_empty() { Path::new(".") } else { dir })?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn refuse_others(path: &Path, wanted: u32) -> Result<(), KeysDirError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::metadata(path).map_err(|source| KeysDirError::Io { path: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(KeysDirError::OpenToOthers { path: path.to_owned(), mode, wanted }) }
}

#[cfg(not(unix))]
fn refuse_others(_: &Path, _: u32) -> Result<(), KeysDirError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_from_hexadecimal_and_every_base64() {
        let secret: [u8; 32] = std::array::from_fn(|i| 0xF0 | i as u8);
        let texts = [
            hex::encode(secret),
            hex::encode_upper(secret) + "\n",
            base64::engine::general_purpose::STANDARD.encode(secret),
            base64::engine::general_purpose::STANDARD_NO_PAD.encode(secret),
            base64::engine::general_purpose::URL_SAFE.encode(secret),
            format!("  {}\r\n", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(secret)),
        ];
        for text in texts {
            assert_eq!(*parse(&text).unwrap(), secret, "{text}");
        }
        for text in ["", "00", &"0".repeat(63), &"g".repeat(64), &"A".repeat(44), &"A".repeat(65)] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
