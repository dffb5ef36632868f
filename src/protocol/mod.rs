//! What a device can be asked and what it answers, apart from how that travels: topics, commands and replies, `about`, and
//! the schemas of all of them.
//!
//! `remote/` carries it over MQTT, `console/` over HTTP. Here no socket is opened, and neither of the two is named.
//! `deploy/reference/mqtt.md` is the page for people.

mod about;
mod command;
mod device;
mod schema;
pub mod topic;

pub use about::about;
pub use command::{Command, MAX_PAYLOAD, MAX_PICTURE, Reply, SignedReply, execute, reject};
pub use device::{DeviceId, DeviceIdError};
pub use schema::{reply as reply_schema, state as state_schema};
