//! What the parts of a mirror do at the moment. Readers match on the variants; text, for people, is made by `Display` alone.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::runtime::Provider;
use crate::size::Size;

/// What the camera does, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraState {
    /// There is none that can be used.
    Absent,
    /// It was opened and has sent no picture yet.
    Opening,
    Streaming,
    /// It is there but stopped sending pictures; it is opened again.
    Stalled,
}

/// Where the pictures come from at the moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CameraStatus {
    /// The source has not looked yet.
    #[default]
    Unknown,
    /// No camera is wanted: what is shown instead, `still photo.jpg`.
    NotUsed(String),
    /// Why it is absent, where that is known, and what stands in for it.
    Absent {
        reason: Option<String>,
        stand_in: Option<String>,
    },
    /// One that stalled counts as stalled until it streams again.
    Opening {
        camera: String,
        after_stall: bool,
    },
    Streaming(String),
    Stalled {
        reason: String,
        stand_in: Option<String>,
    },
}

impl CameraStatus {
    /// None where no camera is wanted, or nobody has looked yet.
    pub fn state(&self) -> Option<CameraState> {
        match self {
            CameraStatus::Unknown | CameraStatus::NotUsed(_) => None,
            CameraStatus::Absent { .. } => Some(CameraState::Absent),
            CameraStatus::Opening { after_stall: false, .. } => Some(CameraState::Opening),
            CameraStatus::Streaming(_) => Some(CameraState::Streaming),
            CameraStatus::Opening { after_stall: true, .. } | CameraStatus::Stalled { .. } => {
                Some(CameraState::Stalled)
            }
        }
    }
}

impl fmt::Display for CameraStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CameraStatus::Unknown => Ok(()),
            CameraStatus::NotUsed(scene) => f.write_str(scene),
            CameraStatus::Absent { stand_in: Some(scene), .. }
            | CameraStatus::Stalled { stand_in: Some(scene), .. } => {
                write!(f, "absent, {scene} instead")
            }
            CameraStatus::Absent { reason: Some(reason), .. } => write!(f, "absent: {reason}"),
            CameraStatus::Absent { .. } => f.write_str("absent"),
            CameraStatus::Opening { camera, .. } => write!(f, "opening {camera}"),
            CameraStatus::Streaming(camera) => write!(f, "streaming {camera}"),
            CameraStatus::Stalled { reason, .. } => write!(f, "stalled: {reason}"),
        }
    }
}

/// The telemetry's `camera` and `camera_state`.
impl Serialize for CameraStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("camera", &self.to_string())?;
        if let Some(state) = self.state() {
            map.serialize_entry("camera_state", &state)?;
        }
        map.end()
    }
}

/// Whether there is a broker: its address, `localhost:1883`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BrokerStatus {
    /// The first attempt is not over, or none is wanted.
    #[default]
    Unknown,
    Connected(String),
    Unreachable(String),
    /// Something answers there, but cannot be used.
    Unusable {
        address: String,
        reason: String,
    },
}

impl fmt::Display for BrokerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BrokerStatus::Unknown => Ok(()),
            BrokerStatus::Connected(address) => write!(f, "connected to {address}"),
            BrokerStatus::Unreachable(address) => write!(f, "none at {address}"),
            BrokerStatus::Unusable { address, reason } => write!(f, "cannot be used at {address}: {reason}"),
        }
    }
}

/// Where the picture goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ScreenStatus {
    /// The display has not looked yet.
    #[default]
    Unknown,
    /// The picture is on the web page alone.
    Headless(Size),
    /// `kms /dev/dri/card0 HDMI-A-1 1920x1080@60`.
    Present(String),
}

impl fmt::Display for ScreenStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScreenStatus::Unknown => Ok(()),
            ScreenStatus::Headless(size) => write!(f, "headless {size}"),
            ScreenStatus::Present(name) => f.write_str(name),
        }
    }
}

/// Whether the network can dream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NetworkStatus {
    #[default]
    Opening,
    RunsOn(Provider),
}

impl From<Option<Provider>> for NetworkStatus {
    fn from(provider: Option<Provider>) -> NetworkStatus {
        provider.map_or(NetworkStatus::Opening, NetworkStatus::RunsOn)
    }
}

/// The provider's name; empty while the network is being opened.
impl fmt::Display for NetworkStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetworkStatus::Opening => Ok(()),
            NetworkStatus::RunsOn(provider) => provider.fmt(f),
        }
    }
}
