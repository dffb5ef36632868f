//! `[screen]`: where pictures go, and how they are placed there.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::checks::{InvalidSetting, check_range, check_size};
use crate::size::Size;

/// Which screen is opened, and how pictures are placed on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub kind: ScreenKind,
    /// The card of `kms` (none: every card is tried), the framebuffer of `fbdev` (none: `/dev/fb0`).
    pub device: Option<PathBuf>,
    /// The output of the card, such as `HDMI-A-1`; none: the first with a monitor.
    pub connector: Option<String>,
    pub mode: Mode,
    pub rotate: Rotation,
    pub fit: Fit,
    /// Left and right swapped, for projection from behind.
    pub mirror: bool,
    /// Most frames per second; none: as many as the screen shows.
    pub fps: Option<u32>,
    /// Whether the card may scale the picture up, where it can.
    pub plane_scaling: bool,
    pub vt: Vt,
    /// Size of the window, and of the picture drawn without a screen.
    pub size: Size,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScreenKind {
    /// A window on a desktop, else KMS, else a framebuffer, else none.
    Auto,
    Kms,
    Fbdev,
    Window,
    Headless,
}

/// How a picture of another shape than the screen is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// It covers the screen; two sides are cropped.
    Fill,
    /// All of it is shown, between black bars.
    Fit,
}

/// How the picture is rotated on the screen, clockwise: the screen is mounted rotated the other way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum Rotation {
    None,
    Quarter,
    Half,
    ThreeQuarters,
}

/// Which of the monitor's modes is set: `preferred`, `1920x1080`, `1920x1080@50` or `1920x1080@59.94`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The one the monitor prefers.
    Preferred,
    /// Pixels, and the refresh rate where it matters.
    Exactly { size: Size, refresh: Option<Refresh> },
}

/// A refresh rate, in millihertz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refresh(u32);

/// Which virtual terminal is kept from drawing while pictures are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vt {
    /// The foreground one.
    Auto,
    /// None.
    Off,
    /// This one, `/dev/tty1`.
    Device(PathBuf),
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            kind: ScreenKind::Auto,
            device: None,
            connector: None,
            mode: Mode::Preferred,
            rotate: Rotation::None,
            fit: Fit::Fill,
            mirror: false,
            fps: None,
            plane_scaling: true,
            vt: Vt::Auto,
            size: Size { width: 1280, height: 720 },
        }
    }
}

impl Settings {
    /// # Errors
    /// The first key whose value cannot be used. Whether a screen is there is not checked.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        check_size("size", self.size, 16, 7680)?;
        self.fps.map_or(Ok(()), |fps| check_range("fps", fps, 1.0, 240.0))?;
        if let Mode::Exactly { size, refresh } = self.mode {
            check_size("mode", size, 16, 16_384)?;
            refresh.map_or(Ok(()), |rate| check_range("mode", f64::from(rate.0) / 1000.0, 1.0, 1000.0))?;
        }
        if self.kind == ScreenKind::Window && !cfg!(feature = "window") {
            return Err(InvalidSetting::new("kind", "\"window\" is not built in: build with `--features window`"));
        }
        Ok(())
    }
}

impl TryFrom<u16> for Rotation {
    type Error = String;

    fn try_from(degrees: u16) -> Result<Rotation, String> {
        match degrees {
            0 => Ok(Rotation::None),
            90 => Ok(Rotation::Quarter),
            180 => Ok(Rotation::Half),
            270 => Ok(Rotation::ThreeQuarters),
            _ => Err(format!("{degrees} is not one of 0, 90, 180, 270")),
        }
    }
}

impl From<Rotation> for u16 {
    fn from(rotation: Rotation) -> u16 {
        match rotation {
            Rotation::None => 0,
            Rotation::Quarter => 90,
            Rotation::Half => 180,
            Rotation::ThreeQuarters => 270,
        }
    }
}

impl Rotation {
    /// Whether width and height are swapped.
    pub fn is_sideways(self) -> bool {
        matches!(self, Rotation::Quarter | Rotation::ThreeQuarters)
    }
}

impl Refresh {
    pub fn from_mhz(mhz: u32) -> Refresh {
        Refresh(mhz)
    }

    pub fn mhz(self) -> u32 {
        self.0
    }
}

impl FromStr for Refresh {
    type Err = ();

    fn from_str(text: &str) -> Result<Refresh, ()> {
        let rate: f64 = text.parse().map_err(|_| ())?;
        let thousandths = (rate * 1000.0).round();
        // The range check refuses anything beyond.
        (0.0..=f64::from(u32::MAX)).contains(&thousandths).then_some(Refresh(thousandths as u32)).ok_or(())
    }
}

impl fmt::Display for Refresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(self.0) / 1000.0)
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Mode, String> {
        let wrong = || {
            format!("`{text}` is not \"preferred\", a size such as \"1920x1080\", or one with a rate, \"1920x1080@50\"")
        };
        if text == "preferred" {
            return Ok(Mode::Preferred);
        }
        let (size, rate) = text.split_once('@').map_or((text, None), |(size, rate)| (size, Some(rate)));
        let refresh = rate.map(str::parse).transpose().map_err(|_| wrong())?;
        Ok(Mode::Exactly { size: size.parse().map_err(|_| wrong())?, refresh })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mode::Preferred => f.write_str("preferred"),
            Mode::Exactly { size, refresh: None } => size.fmt(f),
            Mode::Exactly { size, refresh: Some(rate) } => write!(f, "{size}@{rate}"),
        }
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Mode, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Vt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Vt, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "auto" => Ok(Vt::Auto),
            "off" => Ok(Vt::Off),
            path if path.starts_with("/dev/") => Ok(Vt::Device(path.into())),
            other => Err(serde::de::Error::custom(format!(
                "`{other}` is not \"auto\", \"off\" or a terminal such as \"/dev/tty1\""
            ))),
        }
    }
}

impl Serialize for Vt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Vt::Auto => serializer.serialize_str("auto"),
            Vt::Off => serializer.serialize_str("off"),
            Vt::Device(path) => serializer.collect_str(&path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn modes_are_written_as_people_write_them() {
        let full = Size { width: 1920, height: 1080 };
        assert_eq!("preferred".parse(), Ok(Mode::Preferred));
        assert_eq!("1920x1080".parse(), Ok(Mode::Exactly { size: full, refresh: None }));
        assert_eq!("1920x1080@50".parse(), Ok(Mode::Exactly { size: full, refresh: Some(Refresh(50_000)) }));
        assert_eq!("1920x1080@59.94".parse(), Ok(Mode::Exactly { size: full, refresh: Some(Refresh(59_940)) }));
        for wrong in ["", "1080p", "1920x1080@", "1920x1080@fast", "@60", "1920x1080@-1", "99999999999999999999x1"] {
            assert!(wrong.parse::<Mode>().unwrap_err().contains("1920x1080@50"), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader_and_a_mode_survives_being_written_and_read(text: String, width in 0usize..20_000, rate: u32) {
            let _ = text.parse::<Mode>();
            let mode = Mode::Exactly { size: Size { width, height: 7 }, refresh: Some(Refresh(rate)) };
            prop_assert_eq!(mode.to_string().parse(), Ok(mode));
        }
    }
}
