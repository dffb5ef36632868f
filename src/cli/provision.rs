//! `reverie provision`: one image for many boards. Each takes its configuration from the boot partition or a USB stick, at the
//! first start and whenever that changes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args as ClapArgs;

use super::BadInput;
use super::flags::ParamFlags;
use super::load::{self, ServiceSecrets};
use crate::config::Config;
use crate::files::{Rights, groups, write_whole};

/// Take this board's configuration from the boot partition or a USB stick.
#[derive(ClapArgs)]
#[command(after_long_help = LAYOUT)]
pub struct Args {
    /// Folder to look in; of several the first with files for this board counts.
    #[arg(long, value_name = "DIR", default_values = [
        "/run/reverie-stick/reverie", "/boot/firmware/reverie", "/boot/efi/reverie", "/boot/reverie",
    ])]
    from: Vec<PathBuf>,
    /// Folder of the configuration.
    #[arg(long, value_name = "DIR", default_value = "/etc/reverie")]
    to: PathBuf,
    /// Name of this board; may be given several times [default: its serial number and its network addresses].
    #[arg(long, value_name = "NAME")]
    board: Vec<String>,
    /// Print what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

const LAYOUT: &str = "\
In such a folder:
  reverie.toml            the configuration; {board} in it is replaced by the board's first name
  *.pem *.key *.password  files that it names, in place of others of the same name
  boards/NAME/            the same for one board: its serial number, or a network address as 48b02d3c5a10

Files below boards/ take precedence over those beside it. A configuration that the mirror would not start on (a wrong key or value,
a missing layer or scene, an invalid certificate) is refused as a whole, and nothing is changed. Files removed from the stick stay on the board.

Keys and passwords can be read by root and, where it exists, by the service's group `reverie`.";

/// The largest file that is taken, bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
const CONFIG: &str = "reverie.toml";

pub fn run(args: Args) -> anyhow::Result<()> {
    let boards = if args.board.is_empty() { board_names() } else { args.board };
    let found =
        args.from.iter().map(|folder| gather(folder, &boards)).find(|files| !matches!(files, Ok(f) if f.is_empty()));
    let Some(files) = found.transpose()? else {
        println!("nothing for this board ({}) in {}", boards.join(", "), list(&args.from));
        return Ok(());
    };
    check(&files, &args.to)?;
    if !args.dry_run {
        fs::create_dir_all(&args.to).with_context(|| format!("cannot make {}", args.to.display()))?;
    }
    for ProvisionedFile { name, content, .. } in files {
        let target = args.to.join(&name);
        let rights = rights(&name);
        if fs::read(&target).is_ok_and(|old| old == content) && has_rights(&target, rights) {
            continue;
        }
        println!("{}{}", if args.dry_run { "would write " } else { "writes " }, target.display());
        if !args.dry_run {
            write_whole(&target, &content, rights, None)
                .with_context(|| format!("cannot write {}", target.display()))?;
        }
    }
    Ok(())
}

/// A file that the board is to have.
struct ProvisionedFile {
    name: String,
    source: PathBuf,
    content: Vec<u8>,
}

/// The files for this board in `folder`, sorted by name; its own take precedence over those for all. Empty where there is no such folder.
fn gather(folder: &Path, boards: &[String]) -> anyhow::Result<Vec<ProvisionedFile>> {
    let mut files: Vec<ProvisionedFile> = Vec::new();
    let own = boards.iter().map(|board| folder.join("boards").join(board));
    for place in own.chain([folder.to_owned()]) {
        let Ok(entries) = fs::read_dir(&place) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| is_ours(name)) else {
                continue;
            };
            if files.iter().all(|other| other.name != name) {
                let content = read(&path).map_err(|e| BadInput(format!("{}: {e}", path.display())))?;
                files.push(ProvisionedFile { name: name.to_owned(), source: path.clone(), content });
            }
        }
    }
    for file in files.iter_mut().filter(|file| file.name == CONFIG) {
        if let (Ok(text), Some(board)) = (std::str::from_utf8(&file.content), boards.first()) {
            file.content = text.replace("{board}", board).into_bytes();
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

fn is_ours(name: &str) -> bool {
    let ends = [".pem", ".key", ".password"];
    name == CONFIG || (!name.starts_with('.') && ends.iter().any(|end| name.ends_with(end)))
}

/// Reads a plain file of sensible size, never a link that leads out of the stick.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let meta = fs::symlink_metadata(path)?;
    if !meta.is_file() {
        return Err(io::Error::other("is no plain file"));
    }
    let mut content = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other("is larger than a megabyte"));
    }
    Ok(content)
}

/// Whether the daemon would start on what will lie in `to`: `files`, and what is there already.
fn check(files: &[ProvisionedFile], to: &Path) -> anyhow::Result<()> {
    let path = to.join(CONFIG);
    let content = match files.iter().find(|file| file.name == CONFIG) {
        Some(file) => file.content.clone(),
        // Keys for the configuration that is there.
        None => match fs::read(&path) {
            Ok(content) => content,
            Err(_) => return Ok(()),
        },
    };
    let text = std::str::from_utf8(&content).map_err(|_| BadInput(format!("{CONFIG} is no UTF-8 text")))?;
    let mut config = Config::read_text(text, &path).map_err(load::bad_input)?;
    for secret in config.mqtt.files_mut() {
        // It does not lie there yet.
        if let Some(file) = files.iter().find(|file| to.join(&file.name) == *secret) {
            secret.clone_from(&file.source);
        }
    }
    let catalogue = load::packs_of(&config)?;
    load::checked_setup(&config, Some(&path), &ParamFlags::default(), &catalogue, ServiceSecrets::Assumed)?;
    Ok(())
}

/// Who may read the file `name`: secrets are for root and the service.
fn rights(name: &str) -> Rights {
    if !name.ends_with(".key") && !name.ends_with(".password") {
        return Rights::ALL;
    }
    service_group().map_or(Rights::OWN, |group| Rights { mode: Some(0o640), group: Some(group) })
}

fn has_rights(target: &Path, rights: Rights) -> bool {
    let fits = |meta: fs::Metadata| {
        rights.mode.is_none_or(|mode| mode == meta.mode() & 0o777)
            && rights.group.is_none_or(|group| group == meta.gid())
    };
    fs::metadata(target).is_ok_and(fits)
}

/// The number of the service's group, where it was installed.
fn service_group() -> Option<u32> {
    groups().into_iter().find(|(name, _)| name == "reverie").map(|(_, number)| number)
}

/// The names of this board: its serial number, and the addresses of its network cards.
fn board_names() -> Vec<String> {
    let serials = ["/proc/device-tree/serial-number", "/sys/class/dmi/id/product_serial"];
    let mut names: Vec<String> = serials.iter().filter_map(|file| name_from(Path::new(file))).collect();
    let cards = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let mut addresses: Vec<String> = cards.filter_map(|card| name_from(&card.path().join("address"))).collect();
    addresses.sort();
    names.extend(addresses);
    names
}

/// The content of `file` as a folder can be named: lower-case letters and digits.
fn name_from(file: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&fs::read(file).ok()?).to_ascii_lowercase();
    let name: String = text.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    // That of the loopback says nothing.
    (!name.is_empty() && name != "000000000000").then_some(name)
}

fn list(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
}
