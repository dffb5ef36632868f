//! `reverie run`: the daemon.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args as ClapArgs;

use super::BadInput;
use super::flags::ParamFlags;
use crate::app;
use crate::config::{self, Config, ScreenKind, SourceKind, Start};
use crate::desk::Desk;
use crate::director::{Director, Now, Setup};
use crate::pack::{Catalogue, PackError};
use crate::params::Params;

/// Dream live, until told to stop: what the camera sees, on the screen, directed over MQTT and from a web page.
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
    /// Working size of the dream, such as 320x180, instead of what the governor picks.
    #[arg(long, value_name = "WxH")]
    size: Option<config::Size>,
    /// Folder of graph packs, or a pack; may be given several times.
    #[arg(long, value_name = "DIR")]
    packs: Vec<PathBuf>,
    /// ONNX Runtime's library, or its folder.
    #[arg(long, value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
    /// Check the configuration and the packs, and end: nothing is opened.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    params: ParamFlags<true>,
}

const EXAMPLES: &str = "\
Examples:
  reverie run                                     camera, screen and broker where there are any
  reverie run --source photo.jpg --screen headless --zoom 0.1
  reverie run --config mirror.toml --listen off";

pub fn run(args: Args) -> anyhow::Result<()> {
    let config = args.config()?;
    let catalogue = Arc::new(read_packs(&config)?);
    let setup = args.direction(&config, &catalogue)?;
    config.broker().map_err(bad)?;
    if args.check {
        println!("{} is right", args.file().unwrap_or(Path::new("the default")).display());
        return Ok(());
    }
    let start = config.memory.start;
    let mut director = Director::new(catalogue.clone(), setup);
    if let Some(memory) = config.memory_file().and_then(|file| app::recall(&file)) {
        director.recall(memory, start == Start::Last);
    }
    director.begin(Now::read());
    let desk = Desk::directed(catalogue.clone(), director);
    let packs = catalogue.clone();
    let reread = Box::new(move || {
        let config = args.config()?;
        let setup = args.direction(&config, &packs)?;
        config.broker().map_err(bad)?;
        Ok((config, setup))
    });
    match app::run(app::Plan { config, catalogue, desk, reread })? {}
}

fn bad(error: config::ConfigError) -> BadInput {
    BadInput(error.to_string())
}

impl Args {
    fn file(&self) -> Option<&Path> {
        Config::file(self.config.as_deref())
    }

    /// The file as it is now, and what the flags say, checked.
    fn config(&self) -> Result<Config, BadInput> {
        let file = self.file();
        let mut config = file.map_or_else(|| Ok(Config::default()), Config::read).map_err(bad)?;
        self.override_config(&mut config)?;
        config.check(file).map_err(bad)?;
        Ok(config)
    }

    fn direction(&self, config: &Config, catalogue: &Catalogue) -> Result<Setup, BadInput> {
        let params = start_params(config, self.file(), &self.params, catalogue)?;
        config.direction(params, catalogue).map_err(bad)
    }

    /// Flags speak louder than the file.
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
                let wrong =
                    || BadInput(format!("--listen: `{text}` is not an address such as 127.0.0.1:8080, or `off`"));
                config.console.listen = text.parse::<SocketAddr>().map_err(|_| wrong())?;
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
            config.runtime.onnxruntime.clone_from(&self.onnxruntime);
        }
        Ok(())
    }
}

fn set_source(text: &str, source: &mut config::Source) -> Result<(), BadInput> {
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

fn set_screen(text: &str, screen: &mut config::Screen) -> Result<(), BadInput> {
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

fn read_packs(config: &Config) -> anyhow::Result<Catalogue> {
    let named = !config.packs.is_empty();
    let folders = if named { config.packs.clone() } else { config::pack_folders() };
    Catalogue::read(&folders).map_err(|e| match e {
        PackError::NoPacks { .. } if named => BadInput(e.to_string()).into(),
        e => e.into(),
    })
}

/// The table's defaults, then the file's `[params]`, then the flags.
fn start_params(
    config: &Config,
    file: Option<&Path>,
    flags: &ParamFlags<true>,
    catalogue: &Catalogue,
) -> Result<Params, BadInput> {
    let named = |refusal: &crate::params::Refusal| {
        let file = file.unwrap_or(Path::new(config::DEFAULT_FILE)).display();
        format!("{file}: params.{}: {}", refusal.param, refusal.message)
    };
    let configured = Params::new(catalogue)
        .with(&config.params, catalogue)
        .map_err(|refusals| BadInput(refusals.iter().map(named).collect::<Vec<_>>().join("\n  ")))?;
    flags.apply(&configured, catalogue)
}
