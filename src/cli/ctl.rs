//! `reverie ctl`: controls devices over MQTT without typing topics.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args as ClapArgs, Subcommand};
use image::ImageFormat;
use serde_json::{Map, Value as Json, json};
use tokio::time::Instant;

use super::BadInput;
use super::ctl_watch::Watch;
use crate::files::{Rights, write_whole};
use crate::guides;
use crate::params;
use crate::picture_file;
use crate::protocol::{DeviceIdError, topic};
use crate::remote::{Client, Password, ReceivedMessage, Settings, Tls};
use crate::text::printable;

/// Control a mirror, a group of mirrors or all of them, over MQTT.
#[derive(ClapArgs)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// The broker's name or address.
    #[arg(long, default_value = "localhost")]
    host: String,
    /// [default: 1883, or 8883 with --ca]
    #[arg(long)]
    port: Option<u16>,
    /// The mirror [default: the one that is online, if there is only one].
    #[arg(long, short, value_name = "NAME", conflicts_with_all = ["group", "all"])]
    device: Option<String>,
    /// All mirrors of a group.
    #[arg(long, short, value_name = "NAME", conflicts_with = "all")]
    group: Option<String>,
    /// All mirrors.
    #[arg(long)]
    all: bool,
    /// User name for the broker.
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// File that holds the password and nothing else.
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// Certificate authority to trust (PEM); switches TLS on.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Your own certificate and key, PEM.
    #[arg(long, value_name = "FILE", requires = "ca", requires = "key")]
    cert: Option<PathBuf>,
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set parameters: all of them, or none if one is wrong.
    Set {
        /// Such as `layer=b9`, `intensity=0.4`.
        #[arg(required = true, value_name = "NAME=VALUE")]
        changes: Vec<String>,
        /// How long the change takes: seconds, or text such as 10s or 1m30s.
        #[arg(long, value_name = "TIME")]
        over: Option<String>,
        /// When: RFC 3339, or seconds since 1970.
        #[arg(long, value_name = "MOMENT")]
        at: Option<String>,
    },
    /// Show a scene.
    Scene {
        name: String,
        #[arg(long, value_name = "TIME")]
        over: Option<String>,
        #[arg(long, value_name = "MOMENT")]
        at: Option<String>,
    },
    /// Have a picture lead the dream: one that the mirror has, `none`, or a file that is sent to it.
    Guide {
        #[arg(value_name = "NAME|FILE")]
        picture: String,
    },
    /// List the scenes, save the current look as one, or delete one.
    Scenes {
        #[command(subcommand)]
        command: Option<Scenes>,
    },
    /// Run an action: undo, next-scene, pause, blank, identify, hours, reset … (`about` lists them).
    Do {
        action: String,
        /// Its arguments.
        #[arg(value_name = "NAME=VALUE")]
        arguments: Vec<String>,
    },
    /// Print the parameters in effect, as JSON.
    State,
    /// Print what the mirror is and can do, as JSON.
    About,
    /// List the mirrors, and whether they are online.
    Devices,
    /// Print changes as they happen.
    Watch,
    /// Fetch the picture shown, if the mirror is configured to send pictures.
    Snapshot {
        /// JPEG file; `-` for standard output.
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
}

#[derive(Subcommand)]
enum Scenes {
    /// List the scenes.
    List,
    /// Save the current look under this name.
    Save { name: String },
    /// Delete the scene of this name.
    Delete { name: String },
}

const EXAMPLES: &str = "\
Examples:
  reverie ctl devices
  reverie ctl --host broker.example set layer=b9 intensity=0.4 --over 10s
  reverie ctl --device hall-3 scenes save evening
  reverie ctl --group hall scene evening --at 2026-12-24T18:00:00+01:00
  reverie ctl guide rocket.jpg
  reverie ctl --all do blank
  reverie ctl do undo over=5s
  reverie ctl do hours tuesday=10:00-18:00 saturday=18:00-02:00
  reverie ctl snapshot -o now.jpg";

/// For one device to reply.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);
/// For many to have replied: they spread their replies over two seconds.
const GROUP_REPLY_TIME: Duration = Duration::from_millis(3500);
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(10);
/// For all retained messages, which a broker sends at once.
const RETAINED_TIME: Duration = Duration::from_millis(700);

/// Who gets the command.
enum Target {
    /// The device of this name.
    One(String),
    /// All that listen below this base topic.
    Many(String),
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let settings = args.settings()?;
    let request = args.command.request()?;
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the network client")?;
    tokio.block_on(async {
        let mut client = Client::connect(&settings).await?;
        if let Command::Devices = args.command {
            return list_devices(&mut client).await;
        }
        let target = args.target(&mut client).await?;
        match (request, target) {
            (Some((topic, payload)), Target::One(device)) => send_to_one(&mut client, &device, &topic, payload).await,
            (Some((topic, payload)), Target::Many(base)) => send_to_many(&mut client, &base, &topic, payload).await,
            (None, Target::Many(_)) => Err(BadInput("this is for one mirror: name it with --device".into()).into()),
            (None, Target::One(device)) => args.command.show(&mut client, &device).await,
        }
    })
}

impl Args {
    fn settings(&self) -> Result<Settings, BadInput> {
        let bad = |e: crate::remote::SettingsError| BadInput(e.to_string());
        let port = self.port.unwrap_or(if self.ca.is_some() { 8883 } else { 1883 });
        let mut settings =
            Settings::new(self.host.clone(), port, "ctl".parse().map_err(|e: DeviceIdError| BadInput(e.to_string()))?);
        settings.username = self.username.clone();
        settings.password = self.password_file.as_deref().map(Password::read).transpose().map_err(bad)?;
        if let Some(ca) = &self.ca {
            let own = self.cert.as_deref().zip(self.key.as_deref());
            settings.tls = Some(Tls::read(ca, own).map_err(bad)?);
        }
        settings.check().map_err(bad)?;
        Ok(settings)
    }

    async fn target(&self, client: &mut Client) -> anyhow::Result<Target> {
        let level = |name: &String| match name.is_empty() || name.contains(['/', '+', '#']) {
            true => Err(BadInput(format!("`{name}` is not a valid name of a mirror or a group"))),
            false => Ok(name.clone()),
        };
        if self.all {
            return Ok(Target::Many(topic::ALL.to_owned()));
        }
        if let Some(group) = &self.group {
            return Ok(Target::Many(topic::group(&level(group)?)));
        }
        if let Some(device) = &self.device {
            return Ok(Target::One(level(device)?));
        }
        let online: Vec<String> =
            devices(client).await?.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect();
        match &online[..] {
            [one] => Ok(Target::One(one.clone())),
            [] => bail!("no mirror is online at this broker"),
            several => {
                Err(BadInput(format!("several mirrors are online, choose one: --device {}", several.join(", "))).into())
            }
        }
    }
}

impl Command {
    /// Topic below the base topic and payload of the command; none where it only shows something.
    fn request(&self) -> Result<Option<(String, Vec<u8>)>, BadInput> {
        let with = |mut entries: Map<String, Json>, over: &Option<String>, at: &Option<String>| {
            let given =
                [("over", over), ("at", at)].into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
            entries.extend(given.map(|(name, text)| (name.to_owned(), number_or_text(text))));
            Json::from(entries)
        };
        let named = |name: &String| json!({ "name": name });
        let (topic, payload) = match self {
            Command::Set { changes, over, at } => ("set".to_owned(), with(entries(changes)?, over, at)),
            Command::Scene { name, over, at } => {
                ("set".to_owned(), with(Map::from_iter([("scene".to_owned(), name.as_str().into())]), over, at))
            }
            Command::Guide { picture } if Path::new(picture).is_file() => {
                return Ok(Some(("set/guide".to_owned(), picture_to_send(Path::new(picture))?)));
            }
            Command::Guide { picture } => ("set/guide".to_owned(), picture.as_str().into()),
            Command::Scenes { command: Some(Scenes::Save { name }) } => ("do/save-scene".to_owned(), named(name)),
            Command::Scenes { command: Some(Scenes::Delete { name }) } => ("do/delete-scene".to_owned(), named(name)),
            Command::Do { action, arguments } => {
                if action.is_empty() || action.contains(['/', '+', '#']) {
                    return Err(BadInput(format!("`{action}` is no action")));
                }
                (format!("do/{action}"), entries(arguments)?.into())
            }
            _ => return Ok(None),
        };
        Ok(Some((topic, payload.to_string().into_bytes())))
    }

    /// Shows what a device publishes.
    async fn show(&self, client: &mut Client, device: &str) -> anyhow::Result<()> {
        match self {
            Command::State => print(&format!("{:#}\n", retained(client, device, topic::STATE).await?)),
            Command::About => print(&format!("{:#}\n", retained(client, device, topic::ABOUT).await?)),
            Command::Scenes { .. } => print(&scenes(&retained(client, device, topic::ABOUT).await?)),
            Command::Watch => return watch(client, device).await,
            Command::Snapshot { output } => return snapshot(client, device, output).await,
            _ => {}
        }
        Ok(())
    }
}

/// The picture in `path` as small as a mirror keeps it, as a JPEG.
fn picture_to_send(path: &Path) -> Result<Vec<u8>, BadInput> {
    let bad = |error: &dyn std::fmt::Display| BadInput(format!("{}: {error}", path.display()));
    let (picture, _) = picture_file::read(path).map_err(|error| bad(&error))?;
    super::dream::encode(&guides::reduced(picture), ImageFormat::Jpeg).map_err(|error| bad(&error))
}

/// `NAME=VALUE` as entries of a command: JSON where it is valid JSON, else text.
fn entries(given: &[String]) -> Result<Map<String, Json>, BadInput> {
    let entry = |text: &String| {
        let (name, value) = text.split_once('=').ok_or_else(|| BadInput(format!("`{text}`: write NAME=VALUE")))?;
        let value = match params::find(name) {
            // The mirror refuses wrong values: its version may know others than this one.
            Ok(spec) => spec.read_text(value).map_or_else(|_| number_or_text(value), |value| value.to_json()),
            Err(_) => number_or_text(value),
        };
        Ok((name.to_owned(), value))
    };
    given.iter().map(entry).collect()
}

fn number_or_text(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// Every device that the broker knows, and whether it is online.
async fn devices(client: &mut Client) -> anyhow::Result<Vec<(String, bool)>> {
    client.subscribe(&topic::of_every_device(topic::STATUS)).await?;
    let deadline = Instant::now() + RETAINED_TIME;
    let mut found = Vec::new();
    while let Some(message) = client.next(deadline).await? {
        if let Some(name) = topic::device_of_status(&message.topic) {
            found.push((name.to_owned(), message.payload == topic::ONLINE.as_bytes()));
        }
    }
    found.sort();
    Ok(found)
}

async fn list_devices(client: &mut Client) -> anyhow::Result<()> {
    for (name, is_online) in devices(client).await? {
        print(&format!("{name}  {}\n", if is_online { topic::ONLINE } else { topic::OFFLINE }));
    }
    Ok(())
}

async fn send_to_one(client: &mut Client, device: &str, topic: &str, payload: Vec<u8>) -> anyhow::Result<()> {
    let correlation = format!("{:016x}", fastrand::u64(..));
    // Below the device's own name, where the broker lets it publish.
    let reply_to = format!("reply/{device}/ctl-{correlation}");
    client.subscribe(&reply_to).await?;
    client.publish(&topic::of_device(device, topic), payload, Some(&reply_to), correlation.as_bytes()).await?;
    match client.next_on(&reply_to, Instant::now() + REPLY_TIMEOUT).await? {
        Some(message) => check_replies(&[reply(&message)?]),
        None => bail!("{device} does not reply: is it online? (reverie ctl devices)"),
    }
}

async fn send_to_many(client: &mut Client, base: &str, topic: &str, payload: Vec<u8>) -> anyhow::Result<()> {
    let correlation = format!("{:016x}", fastrand::u64(..));
    client.subscribe(&topic::of_every_device(topic::REPLY)).await?;
    client.publish(&format!("{base}/{topic}"), payload, None, correlation.as_bytes()).await?;
    let deadline = Instant::now() + GROUP_REPLY_TIME;
    let mut replies = Vec::new();
    while let Some(message) = client.next(deadline).await? {
        if message.correlation.as_deref() == Some(correlation.as_bytes()) {
            let reply = reply(&message)?;
            let outcome = if reply["ok"] == true { "done" } else { "refused" };
            print(&format!("{}: {outcome}\n", reply["device"].as_str().unwrap_or(&message.topic)));
            replies.push(reply);
        }
    }
    if replies.is_empty() {
        bail!("no mirror replies: is one listening to {base}?");
    }
    check_replies(&replies)
}

fn reply(message: &ReceivedMessage) -> anyhow::Result<Json> {
    serde_json::from_slice(&message.payload).with_context(|| format!("{}: this reply is not JSON", message.topic))
}

/// An error with everything that was refused.
fn check_replies(replies: &[Json]) -> anyhow::Result<()> {
    let mut wrong: Vec<String> = Vec::new();
    for reply in replies.iter().filter(|reply| reply["ok"] != true) {
        let device = reply["device"].as_str().filter(|_| replies.len() > 1).map(|name| format!("{name}: "));
        for error in reply["errors"].as_array().into_iter().flatten() {
            let param = error["param"].as_str().map(|param| format!("{param}: "));
            let message = error["message"].as_str().unwrap_or_default();
            wrong.push(format!("{}{}{message}", device.clone().unwrap_or_default(), param.unwrap_or_default()));
        }
    }
    if replies.iter().all(|reply| reply["ok"] == true) {
        return Ok(());
    }
    wrong.dedup();
    bail!("{}", wrong.join("\n  "))
}

/// The message that `device` has retained on `topic`.
async fn retained(client: &mut Client, device: &str, topic: &str) -> anyhow::Result<Json> {
    let topic = topic::of_device(device, topic);
    client.subscribe(&topic).await?;
    let message = client.next_on(&topic, Instant::now() + REPLY_TIMEOUT).await?;
    let message =
        message.with_context(|| format!("there is no mirror {device} at this broker (reverie ctl devices)"))?;
    serde_json::from_slice(&message.payload).with_context(|| format!("{}: this is not JSON", message.topic))
}

fn scenes(about: &Json) -> String {
    let line = |scene: &Json| {
        let name = scene["name"].as_str().unwrap_or_default();
        let origin = if scene["saved"] == true { "saved" } else { "fixed" };
        let value = |(name, value): (&String, &Json)| {
            format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        };
        let values: Vec<String> = scene["params"].as_object().into_iter().flatten().map(value).collect();
        format!("{name}  ({origin})  {}\n", values.join(" "))
    };
    match about["scenes"].as_array() {
        Some(scenes) if !scenes.is_empty() => scenes.iter().map(line).collect(),
        _ => "no scenes: `reverie ctl scenes save NAME` saves the current look as one\n".to_owned(),
    }
}

async fn watch(client: &mut Client, device: &str) -> anyhow::Result<()> {
    for topic in [topic::STATUS, topic::STATE, topic::TELEMETRY] {
        client.subscribe(&topic::of_device(device, topic)).await?;
    }
    let mut watch = Watch::default();
    loop {
        if let Some(message) = client.next(Instant::now() + REPLY_TIMEOUT).await? {
            print(&watch.lines(&message));
        }
    }
}

async fn snapshot(client: &mut Client, device: &str, output: &Path) -> anyhow::Result<()> {
    let topic = topic::of_device(device, topic::SNAPSHOT);
    client.subscribe(&topic).await?;
    send_to_one(client, device, "do/snapshot", b"{}".to_vec()).await?;
    let Some(picture) = client.next_on(&topic, Instant::now() + SNAPSHOT_TIMEOUT).await? else {
        bail!("{device} sends no picture: is anything shown? (its log says why)");
    };
    if output == Path::new("-") {
        return std::io::stdout().write_all(&picture.payload).context("standard output");
    }
    write_whole(output, &picture.payload, Rights::UMASK, None)
        .with_context(|| format!("cannot write {}", output.display()))
}

fn print(text: &str) {
    // A pager that was closed early is no error.
    let mut out = std::io::stdout();
    // Most of it comes from other devices: no terminal is to obey it.
    let text = text.split('\n').map(printable).collect::<Vec<_>>().join("\n");
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
