//! `reverie run`: the daemon.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args as ClapArgs;
use tracing::warn;

use super::BadInput;
use super::flags::ParamFlags;
use super::load::{self, ServiceSecrets};
use crate::app;
use crate::config::{self, Config, Start};
use crate::console;
use crate::director::{Director, Now, Setup};
use crate::director_handle::DirectorHandle;
use crate::display::{self, ScreenKind};
use crate::files::{Rights, write_whole};
use crate::pack::Catalogue;
use crate::size::Size;
use crate::source::{self, SourceKind};

/// Dream live until stopped: what the camera sees, on the screen, controlled over MQTT and from a web page.
#[derive(ClapArgs)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Configuration file [default: /etc/reverie/reverie.toml where it exists].
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// auto, v4l2, pattern, a camera (/dev/video0), a picture, or a folder of pictures.
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// auto, kms, fbdev, window, headless, or a card (/dev/dri/card0) or framebuffer (/dev/fb0).
    #[arg(long, value_name = "SCREEN")]
    screen: Option<String>,
    /// Where the web page is served, or `off`.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Working size of the dream, such as 320x180, instead of the size that holds the frame rate.
    #[arg(long, value_name = "WxH")]
    size: Option<Size>,
    /// Folder of graph packs, or a pack; may be given several times.
    #[arg(long, value_name = "DIR")]
    packs: Vec<PathBuf>,
    /// ONNX Runtime's library, or its folder.
    #[arg(long, value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
    /// Check the configuration and the packs, then exit: nothing is opened.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    params: ParamFlags<true>,
}

const EXAMPLES: &str = "\
Examples:
  reverie run                                     the camera, screen and broker that it finds
  reverie run --source photo.jpg --screen headless --zoom 0.1
  reverie run --config mirror.toml --listen off";

/// What the daemon runs on, checked.
struct Loaded {
    config: Config,
    catalogue: Arc<Catalogue>,
    setup: Setup,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let loaded = args.load();
    if args.check {
        loaded?;
        println!("{} is valid", args.file().unwrap_or(Path::new("the default")).display());
        return Ok(());
    }
    let good = args.file().and_then(LastGood::of);
    let (Loaded { config, catalogue, setup }, refused) = match loaded {
        Ok(loaded) => (loaded, None),
        Err(error) => match good.as_ref().and_then(|good| args.check_config(good.read()?).ok()) {
            Some(last) => (last, Some(format!("{error:#}"))),
            None => return Err(error),
        },
    };
    if refused.is_none() {
        good.iter().for_each(LastGood::keep);
    }
    let start = config.memory.start;
    let mut director = Director::new(catalogue.clone(), setup);
    if let Some(state) = config.memory_file().and_then(|file| app::load_state(&file)) {
        director.restore(state, start == Start::Last);
    }
    director.begin(Now::read());
    let handle = DirectorHandle::with_director(catalogue.clone(), director);
    let packs = catalogue.clone();
    let reread = Box::new(move || {
        let mut config = load::read(args.config.as_deref())?;
        args.override_config(&mut config)?;
        let setup = load::checked_setup(&config, args.file(), &args.params, &packs, ServiceSecrets::Required)?;
        good.iter().for_each(LastGood::keep);
        Ok((config, setup))
    });
    app::run(app::Plan { config, catalogue, handle, reread, refused })
}

/// A copy of the last valid configuration, where systemd keeps the service's state: a mirror whose file was spoilt keeps running on it. Started by hand,
/// a wrong file is an error.
struct LastGood {
    file: PathBuf,
    copy: PathBuf,
}

impl LastGood {
    fn of(file: &Path) -> Option<LastGood> {
        Some(LastGood { file: file.to_owned(), copy: config::state_folder()?.join("reverie.toml.good") })
    }

    /// The copy, read as if it lay where the file does.
    fn read(&self) -> Option<Config> {
        Config::read_text(&fs::read_to_string(&self.copy).ok()?, &self.file).ok()
    }

    /// Copies the file, which was found valid.
    fn keep(&self) {
        let keep = || match (fs::read(&self.file)?, fs::read(&self.copy)) {
            (text, Ok(kept)) if text == kept => Ok(()),
            (text, _) => write_whole(&self.copy, &text, Rights::OWN, None),
        };
        if let Err(error) = keep() {
            warn!("cannot keep a copy of the configuration in {}: {error}", self.copy.display());
        }
    }
}

impl Args {
    fn file(&self) -> Option<&Path> {
        Config::file(self.config.as_deref())
    }

    /// The file as it is now under the flags, checked.
    fn load(&self) -> anyhow::Result<Loaded> {
        self.check_config(load::read(self.config.as_deref())?)
    }

    /// `config` under the flags, checked.
    fn check_config(&self, mut config: Config) -> anyhow::Result<Loaded> {
        self.override_config(&mut config)?;
        let catalogue = Arc::new(load::intact_packs(&config)?);
        let secrets = if self.check { ServiceSecrets::Assumed } else { ServiceSecrets::Required };
        let setup = load::checked_setup(&config, self.file(), &self.params, &catalogue, secrets)?;
        Ok(Loaded { config, catalogue, setup })
    }

    /// Flags take precedence over the file.
    fn override_config(&self, config: &mut Config) -> Result<(), BadInput> {
        if let Some(source) = &self.source {
            set_source(source, &mut config.source)?;
        }
        if let Some(screen) = &self.screen {
            set_screen(screen, &mut config.screen)?;
        }
        match self.listen.as_deref() {
            None => {}
            Some("off") => config.console.on = false,
            Some(text) => {
                let wrong = |why| BadInput(format!("--listen: {why}, nor `off`"));
                config.console.listen = console::parse_address(text).map_err(wrong)?;
                config.console.on = true;
            }
        }
        if self.size.is_some() {
            config.dream.size = self.size;
        }
        if !self.packs.is_empty() {
            config.packs.clone_from(&self.packs);
        }
        if self.onnxruntime.is_some() {
            config.runtime.library.clone_from(&self.onnxruntime);
        }
        Ok(())
    }
}

fn set_source(text: &str, source: &mut source::Settings) -> Result<(), BadInput> {
    let path = Path::new(text);
    source.kind = match text {
        "auto" => SourceKind::Auto,
        "v4l2" => SourceKind::V4l2,
        "pattern" => SourceKind::Pattern,
        _ if path.starts_with("/dev") => {
            source.device = text.into();
            SourceKind::V4l2
        }
        _ => {
            source.path = Some(path.to_owned());
            match path.metadata() {
                Ok(meta) if meta.is_dir() => SourceKind::Folder,
                Ok(_) => SourceKind::Still,
                Err(e) => {
                    let takes = "it takes auto, v4l2, pattern, a camera, a picture or a folder";
                    return Err(BadInput(format!("--source: {text}: {e}; {takes}")));
                }
            }
        }
    };
    Ok(())
}

fn set_screen(text: &str, screen: &mut display::Settings) -> Result<(), BadInput> {
    screen.kind = match text {
        "auto" => ScreenKind::Auto,
        "kms" => ScreenKind::Kms,
        "fbdev" => ScreenKind::Fbdev,
        "window" => ScreenKind::Window,
        "headless" => ScreenKind::Headless,
        _ if text.starts_with("/dev/dri/") => {
            screen.device = Some(text.into());
            ScreenKind::Kms
        }
        _ if text.starts_with("/dev/") => {
            screen.device = Some(text.into());
            ScreenKind::Fbdev
        }
        _ => {
            let takes = "it takes auto, kms, fbdev, window, headless, a card such as /dev/dri/card0 or a framebuffer such as /dev/fb0";
            return Err(BadInput(format!("--screen: `{text}`: {takes}")));
        }
    };
    Ok(())
}
